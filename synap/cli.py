"""The command line. Each command turns options into settings, and each error into one line and an exit code."""

import gc
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import synap
from synap.config import Settings, load_settings
from synap.errors import ConfigError, DamagedError, NotOursError, SynapError
from synap.replay.exits import EXIT_INTERRUPTED, fail, run

if TYPE_CHECKING:
    from synap.datadir import DataDirectory
    from synap.replay.invocation import Invocation

app = typer.Typer(
    help="Synap, a durable session store: logins survive a crash, a logout is final.",
    epilog="Every setting can also stand in a file or in the environment, as SYNAP_PORT or SYNAP_LOGGING__LEVEL, say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

_GC_NEW_OBJECTS = 10_000
"""The garbage collector looks after so many. A commit under way is thousands that are no garbage, and are soon gone."""

_LOG_LEVELS = {"trace": "debug", "warn": "warning"}

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="A YAML file with settings; environment and options override it."),
]

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def main() -> None:
    """Run the command line; exits with the code that the error's class gives (see ``errors.py``)."""
    run(app, "synap")


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
    *,
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
    fast_lane: Annotated[
        bool | None,
        typer.Option(
            "--fast-lane/--no-fast-lane",
            help="Whether plain requests are served without going through hypercorn.",
            show_default="fast-lane",
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
            "server.fast_lane": fast_lane,
            "persistence.directory": data_dir,
            "persistence.wal.fsync_mode": fsync,
        },
    )
    level = settings.logging.level
    configure_logging(_LOG_LEVELS.get(level, level), LogFormat(settings.logging.format))
    gc.set_threshold(_GC_NEW_OBJECTS)
    try:
        trio.run(serve, settings)
    except DamagedError as damage:
        fail(damage, _advice(settings, config, damage))
    except KeyboardInterrupt:
        # It came before the server could take it as a wish to stop: nothing was served yet.
        raise typer.Exit(EXIT_INTERRUPTED) from None


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
    from synap.replay.mending import repair_directory  # noqa: PLC0415
    from synap.replay.render import Output  # noqa: PLC0415
    from synap.server.run import open_directory  # noqa: PLC0415

    settings = load_settings(config, options={"persistence.directory": data_dir, "persistence.enabled": True})
    if not Path(data_dir, "STORE").is_file():
        # Opening it would make it a store.
        raise NotOursError(Path(data_dir), f"{data_dir} is no data directory of Synap: there is no file STORE in it")
    directory = open_directory(settings)
    if directory is None:
        raise ConfigError("persistence.wal.enabled is false: there is no log to repair")
    try:
        repair_directory(directory, truncate_at, Output(), yes=yes)
    finally:
        directory.close()


@app.command("verify")
def verify_command(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A data directory, or a segment, a snapshot, a STORE by itself.")
    ],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Check every byte of a data directory, also of one that a server has, and name all that is wrong.

    Nothing is changed. The exit code is 0 for whole, 1 for a torn end (of a write that was never acknowledged), 2 for
    damage.
    """
    from synap.replay.checking import verify  # noqa: PLC0415

    raise typer.Exit(_invocation(path, config, as_json=as_json).carry_out(verify))


@app.command("backup")
def backup_command(
    data_dir: Annotated[str, typer.Argument(metavar="DIRECTORY", help="The data directory; a server may have it.")],
    destination: Annotated[Path, typer.Argument(metavar="DESTINATION", help="A directory that is new or empty.")],
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Copy a data directory, also while a server writes to it.

    Everything that was acknowledged before the backup began is in the copy, and every byte of it was checked. It is a
    data directory that a server can be started on. While it is not finished, it is none.
    """
    from synap.replay.copying import backup  # noqa: PLC0415

    invocation = _invocation(data_dir, config, as_json=as_json)
    raise typer.Exit(invocation.carry_out(backup, destination=destination))


@app.command("hash-password")
def hash_password_command() -> None:
    """Print the bcrypt of a password, for authentication.users in the settings.

    The password is asked for on a terminal, and read as the first line of the input elsewhere.
    """
    from synap.accounts import hash_password  # noqa: PLC0415

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    typer.echo(hash_password(password))


@app.command("new-api-key")
def new_api_key_command() -> None:
    """Print an API key, for a client, and its digest, for authentication.api_keys in the settings.

    The key stands nowhere else: what is lost is replaced.
    """
    from synap.accounts import digest_of, new_api_key  # noqa: PLC0415

    key = new_api_key()
    typer.echo(f"key: {key}")
    typer.echo(f"key_hash: {digest_of(key.encode()).hex()}")


def _invocation(path: str, config: Path | None, *, as_json: bool) -> "Invocation":
    """What the offline tool's commands are given.

    Where log and snapshots are, the settings say, if they are those of this directory; a copy of it has its own.
    """
    from synap.datadir import IN_THE_DIRECTORY, Places  # noqa: PLC0415
    from synap.replay.invocation import Invocation  # noqa: PLC0415

    persistence = load_settings(config).persistence
    places = IN_THE_DIRECTORY
    if config is not None or Path(path).resolve() == Path(persistence.directory).resolve():
        places = Places(persistence.wal.directory, persistence.snapshot.path)
    return Invocation(Path(path), places, as_json=as_json)


@app.command(
    "replay",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
)
def replay_command(context: typer.Context) -> None:
    """Show how the data came to be: offline, also on a copy, beside a running server, or where it is damaged."""
    from synap.replay.cli import app as replay  # noqa: PLC0415

    # A command line of its own, which takes everything behind the word.
    run(replay, "synap replay", context.args)


def _advice(settings: Settings, config: Path | None, damage: DamagedError) -> str:
    """What to type, if giving up the events from the damage on would help."""
    from synap.repair import plan_repair  # noqa: PLC0415
    from synap.replay.mending import describe  # noqa: PLC0415
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
        f"damaged part: {describe(plan)}\n\n"
        f"    {shlex.join(command)}\n"
    )
