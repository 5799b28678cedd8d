"""A progress bar while the store is loading, for a person who waits at a terminal; nothing anywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def loading_bar() -> Iterator[Callable[[float], None]]:
    """What is to be called with the share that is done, 0 to 1, from whatever thread."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    # Only here: importing it takes longer than a small store takes to load.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("loading", total=1.0)
        yield lambda share: progress.update(task, completed=share)
