"""The command line. Each command turns options into settings, and each error into one line and an exit code."""

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import trio
import typer

import synap
from synap.config import Settings, load_settings
from synap.datadir import DataDirectory
from synap.errors import ConfigError, DamagedError, SynapError
from synap.repair import RepairPlan, plan_repair, repair
from synap.server.run import open_directory, serve
from synap.telemetry import LogFormat, configure_logging
from synap.wal.local import FsyncMode

app = typer.Typer(
    help="Synap, a durable session store: logins survive a crash, a logout is final.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

_LOG_LEVELS = {"trace": "debug", "warn": "warning"}
_EXIT_BUG = 70

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="A YAML file with settings; environment and options override it.")
]


def main() -> None:
    """Run the command line; exits with the code that the error's class gives (see ``errors.py``)."""
    try:
        app()
    except SynapError as error:
        _fail(error)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"synap {synap.__version__}")
        raise typer.Exit


@app.command("serve")
def serve_command(
    host: Annotated[str | None, typer.Option(help="Address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.  [default: 15500]")] = None,
    data_dir: Annotated[str | None, typer.Option(help="Where the data lives.  [default: ./data]")] = None,
    fsync: Annotated[
        FsyncMode | None,
        typer.Option(
            help="When a write is on the disk: before it is acknowledged, within an interval, or when the kernel "
            "likes.  [default: always]"
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the store over HTTP until SIGTERM or Ctrl-C."""
    settings = load_settings(
        config,
        options={
            "server.host": host,
            "server.port": port,
            "persistence.directory": data_dir,
            "persistence.wal.fsync_mode": None if fsync is None else fsync.value,
        },
    )
    level = settings.logging.level
    configure_logging(_LOG_LEVELS.get(level, level), LogFormat(settings.logging.format))
    try:
        trio.run(serve, settings)
    except DamagedError as damage:
        _fail(damage, _advice(settings, damage))


@app.command("repair")
def repair_command(
    data_dir: Annotated[str, typer.Argument(help="The data directory of a server that does not start.")],
    truncate_at: Annotated[int, typer.Option(min=1, help="The first sequence number to give up.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Give up a damaged log from one event on. What is given up is kept in the quarantine directory."""
    settings = load_settings(config, options={"persistence.directory": data_dir, "persistence.enabled": True})
    directory = open_directory(settings)
    if directory is None:
        raise ConfigError("persistence.wal.enabled is false: there is no log to repair")
    try:
        plan = plan_repair(directory, truncate_at)
        typer.echo(_describe(plan))
        if not yes:
            typer.confirm("Go on?", abort=True)
        for path in repair(directory, plan):
            typer.echo(f"kept {path}")
        typer.echo(f"The log now ends at seq {plan.last_seq}.")
    finally:
        directory.close()


def _advice(settings: Settings, damage: DamagedError) -> str:
    """What to type, if giving up the events from the damage on would help."""
    directory: DataDirectory | None = None
    try:
        directory = open_directory(settings)
        if directory is None or damage.seq < 1:
            return ""
        plan = plan_repair(directory, damage.seq)
    except (SynapError, OSError):
        return ""
    finally:
        if directory is not None:
            directory.close()
    return (
        "Nothing was changed. Better than any repair is a copy of the directory from before. To go on without the\n"
        f"damaged part: {_describe(plan)}\n\n"
        f"    synap repair {settings.persistence.directory} --truncate-at {damage.seq}\n"
    )


def _describe(plan: RepairPlan) -> str:
    files = f"the end of {plan.segment.name}" + "".join(f", {path.name}" for path in plan.removed)
    return f"every event after seq {plan.last_seq} is given up ({plan.lost_bytes:,} bytes: {files})."


def _fail(error: SynapError, advice: str = "") -> NoReturn:
    print(f"synap: {error}", file=sys.stderr)  # noqa: T201  # the one line that says why
    if advice:
        print(advice, file=sys.stderr)  # noqa: T201
    sys.exit(getattr(error, "exit_code", _EXIT_BUG))
