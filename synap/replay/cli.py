"""The command line of the offline tool: a group with the data directory before the command.

A command is a function in a module of its own, and a row of ``COMMANDS``. Its first parameter is the ``Invocation``,
the others are options and arguments as typer has them; its docstring is its help; it returns the exit code. A command
``size`` would be, in ``size.py``::

    def size(invocation: Invocation, *, human: Annotated[bool, typer.Option(help="…")] = False) -> int:
        "Show how large the log is."
        invocation.output.text(str(invocation.source().log_bytes()))
        return 0

and here ``Command(size)``. ``--json`` and the other options of ``_shared`` are added to every command, so that they
may stand before or behind it; what they say is in the ``Invocation``. Errors are raised (``SynapError``, ``OSError``).
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from synap.datadir import Places
from synap.replay.checking import verify
from synap.replay.diff import diff
from synap.replay.events import events
from synap.replay.exits import run
from synap.replay.get import get
from synap.replay.history import history
from synap.replay.invocation import Invocation
from synap.replay.mending import repair
from synap.replay.moving import export, import_, restore
from synap.replay.state import state
from synap.replay.summary import summary


class Command(NamedTuple):
    """A row: the function, other names for it, and whether its arguments may begin with a dash (``-2h``)."""

    function: Callable[..., int]
    aliases: tuple[str, ...] = ()
    dashes: bool = False


COMMANDS: tuple[Command, ...] = (
    Command(summary),
    Command(events),
    Command(state),
    Command(get),
    Command(history, aliases=("why",)),
    Command(diff, dashes=True),
    Command(verify),
    Command(repair),
    Command(restore),
    Command(export),
    Command(import_),
)

_WITH_VALUE = frozenset({"--wal-dir", "--snapshot-dir"})


class _Group(TyperGroup):
    """Understands the options of the group also between the directory and the command."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See ``click.Group``, which wants options before arguments."""
        return super().parse_args(ctx, _options_first(args))


def _options_first(arguments: list[str]) -> list[str]:
    """``DATA_DIR --json events`` as ``--json DATA_DIR events``."""

    def behind_options(at: int) -> int:
        while at < len(arguments) and arguments[at].startswith("-") and arguments[at] != "--":
            at += 2 if arguments[at] in _WITH_VALUE else 1
        return at

    directory = behind_options(0)
    command = behind_options(directory + 1)
    return arguments[:directory] + arguments[directory + 1 : command] + arguments[directory:][:1] + arguments[command:]


app = typer.Typer(
    cls=_Group,
    help="Show how the data came to be: offline, also on a copy, beside a running server, or where it is damaged.",
    epilog="A point (--at, --from, --to) is a sequence number, a time such as 2026-11-24T10:00:00Z (without a zone: "
    "local time), -2h, now, or @ and unix seconds.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    add_completion=False,
)

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
NoColorOption = Annotated[bool, typer.Option("--no-color", help="No colours, also on a terminal.")]
WalOption = Annotated[
    Path | None, typer.Option("--wal-dir", metavar="DIRECTORY", help="Where the log is, if not in DATA_DIR.")
]
SnapshotOption = Annotated[
    Path | None, typer.Option("--snapshot-dir", metavar="DIRECTORY", help="Where snapshots are, if not in DATA_DIR.")
]


def main() -> None:
    """Run the command line as ``python -m synap.replay``."""
    run(app, "python -m synap.replay")


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    *,
    data_dir: Annotated[Path, typer.Argument(metavar="DATA_DIR", help="The data directory.", show_default=False)],
    as_json: JsonOption = False,
    no_color: NoColorOption = False,
    wal_dir: WalOption = None,
    snapshot_dir: SnapshotOption = None,
) -> None:
    context.obj = Invocation(data_dir, Places(wal_dir, snapshot_dir), as_json=as_json, no_color=no_color)
    if context.invoked_subcommand is None:
        raise typer.Exit(context.obj.carry_out(summary))


def _shared(
    context: typer.Context,
    *,
    as_json: JsonOption = False,
    no_color: NoColorOption = False,
    wal_dir: WalOption = None,
    snapshot_dir: SnapshotOption = None,
) -> Invocation:
    """What was said before the command, and behind it."""
    before: Invocation = context.obj
    places = Places(wal_dir or before.places.wal, snapshot_dir or before.places.snapshot)
    return Invocation(before.data_dir, places, as_json=as_json or before.as_json, no_color=no_color or before.no_color)


_SHARED = inspect.signature(_shared).parameters


def _register(command: Command) -> None:
    """Make the function a command of typer's: with the shared options, and ``Exit`` for what it returns."""

    def call(**given: Any) -> None:
        shared = {name: given.pop(name) for name in _SHARED}
        raise typer.Exit(_shared(**shared).carry_out(command.function, **given))

    _, *own = inspect.signature(command.function).parameters.values()
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in (*own, *_SHARED.values())]
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer looks at
    call.__annotations__ = {each.name: each.annotation for each in parameters}
    call.__doc__ = command.function.__doc__
    settings = {"ignore_unknown_options": command.dashes}
    name = command.function.__name__.replace("_", "-")
    app.command(name, context_settings=settings)(call)
    for alias in command.aliases:
        app.command(alias, context_settings=settings, hidden=True)(call)


for _command in COMMANDS:
    _register(_command)
