"""The command line. Each command turns options into settings, and each error into one line and an exit code."""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

import synap
from synap.config import Settings, load_settings
from synap.errors import ConfigError, DamagedError, NotOursError, SynapError

if TYPE_CHECKING:
    from synap.datadir import DataDirectory
    from synap.repair import RepairPlan

app = typer.Typer(
    help="Synap, a durable session store: logins survive a crash, a logout is final.",
    epilog="Every setting can also stand in a file or in the environment, as SYNAP_PORT or SYNAP_LOGGING__LEVEL, say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

_LOG_LEVELS = {"trace": "debug", "warn": "warning"}
_EXIT_BUG = 70
_EXIT_INTERRUPTED = 130

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="A YAML file with settings; environment and options override it."),
]


def main() -> None:
    """Run the command line; exits with the code that the error's class gives (see ``errors.py``)."""
    try:
        app(prog_name="synap")
    except SynapError as error:
        _fail(error)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"synap {synap.__version__}")
        raise typer.Exit


# What the commands need is imported by them: it takes three times as long as all the rest, and whoever asks for help or
# mistypes an option need not wait for it.


@app.command("serve")
def serve_command(
    host: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=0, max=65_535, help="Port to listen on; 0 takes a free one.", show_default="15500"
        ),
    ] = None,
    data_dir: Annotated[
        str | None, typer.Option(metavar="DIRECTORY", help="Where the data lives.", show_default="./data")
    ] = None,
    fsync: Annotated[
        Literal["always", "periodic", "never"] | None,
        typer.Option(
            help="When a write is on the disk: before it is acknowledged, within an interval, or when the kernel "
            "likes.",
            show_default="always",
        ),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the store over HTTP until SIGTERM or Ctrl-C."""
    import trio  # noqa: PLC0415

    from synap.server.run import serve  # noqa: PLC0415
    from synap.telemetry import LogFormat, configure_logging  # noqa: PLC0415

    settings = load_settings(
        config,
        options={
            "server.host": host,
            "server.port": port,
            "persistence.directory": data_dir,
            "persistence.wal.fsync_mode": fsync,
        },
    )
    level = settings.logging.level
    configure_logging(_LOG_LEVELS.get(level, level), LogFormat(settings.logging.format))
    try:
        trio.run(serve, settings)
    except DamagedError as damage:
        _fail(damage, _advice(settings, config, damage))
    except KeyboardInterrupt:
        # It came before the server could take it as a wish to stop: nothing was served yet.
        raise typer.Exit(_EXIT_INTERRUPTED) from None


@app.command("repair")
def repair_command(
    data_dir: Annotated[
        str, typer.Argument(metavar="DIRECTORY", help="The data directory of a server that does not start.")
    ],
    truncate_at: Annotated[
        int, typer.Option(metavar="SEQ", min=1, help="The first event (its sequence number) to give up.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
) -> None:
    """Give up a damaged log from one event on.

    Nothing is deleted: what is given up is kept in the directory's quarantine. A server that finds damage says what to
    type here.
    """
    from synap.repair import plan_repair, repair  # noqa: PLC0415
    from synap.server.run import open_directory  # noqa: PLC0415

    settings = load_settings(config, options={"persistence.directory": data_dir, "persistence.enabled": True})
    if not Path(data_dir, "STORE").is_file():
        # Opening it would make it a store.
        raise NotOursError(Path(data_dir), f"{data_dir} is no data directory of Synap: there is no file STORE in it")
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


def _advice(settings: Settings, config: Path | None, damage: DamagedError) -> str:
    """What to type, if giving up the events from the damage on would help."""
    from synap.repair import plan_repair  # noqa: PLC0415
    from synap.server.run import open_directory  # noqa: PLC0415

    if damage.seq < 1:
        return ""
    directory: DataDirectory | None = None
    try:
        directory = open_directory(settings)
        if directory is None:
            return ""
        plan = plan_repair(directory, damage.seq)
    except (SynapError, OSError):
        return ""
    finally:
        if directory is not None:
            directory.close()
    command = ["synap", "repair", settings.persistence.directory, "--truncate-at", str(damage.seq)]
    if config is not None:
        command += ["--config", str(config)]
    return (
        "Nothing was changed. Better than any repair is a copy of the directory from before. To go on without the\n"
        f"damaged part: {_describe(plan)}\n\n"
        f"    {shlex.join(command)}\n"
    )


def _describe(plan: "RepairPlan") -> str:
    files = f"the end of {plan.segment.name}" + "".join(f", {path.name}" for path in plan.removed)
    return f"every event after seq {plan.last_seq} is given up ({plan.lost_bytes:,} bytes: {files})."


def _fail(error: SynapError, advice: str = "") -> NoReturn:
    print(f"synap: {error}", file=sys.stderr)  # noqa: T201  # the one line that says why
    if advice:
        print(advice, file=sys.stderr)  # noqa: T201
    sys.exit(getattr(error, "exit_code", _EXIT_BUG))
