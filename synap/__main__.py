"""The command ``synap``, and ``python -m synap``: what can go wrong before there is a command line to say so."""

import importlib
import sys

_COMPILED = ("synap.radix", "synap.rows", "synap.keyspace", "synap.server.lane.heads")
"""What looks for compiled parts where it is imported."""

_EXIT_CONFIG = 78
_EXIT_INTERRUPTED = 128 + 2
"""As shells have it: the number of SIGINT on top of 128."""


def main(command_line: str = "synap.cli") -> None:
    """Run a command line. Importing it takes long enough to be interrupted, and depends on the environment."""
    try:
        _check_tree()
        importlib.import_module(command_line).main()
    except KeyboardInterrupt:
        sys.exit(_EXIT_INTERRUPTED)


def _check_tree() -> None:
    """End with one line where ``SYNAP_RADIX`` asks for a tree, or what else is compiled, that there is not."""
    try:
        for name in _COMPILED:
            importlib.import_module(name)
    except (ImportError, ValueError) as error:
        print(f"synap: {error}", file=sys.stderr)  # noqa: T201  # the one line that says why
        sys.exit(_EXIT_CONFIG)


if __name__ == "__main__":
    main()
