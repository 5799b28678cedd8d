"""What a command is given: where to look, how to show it, and what time it is."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Concatenate, ParamSpec

from synap.clock import SystemClock
from synap.datadir import IN_THE_DIRECTORY, Places, explained
from synap.fs import FileSystem, RealFileSystem
from synap.replay.exits import EXIT_BROKEN_PIPE
from synap.replay.points import Point, parse_point
from synap.replay.render import Output
from synap.replay.source import Source, open_source

P = ParamSpec("P")


class Invocation:
    """One run of the tool on the directory ``data_dir``; ``now_ms`` is the wall clock's time at its start."""

    def __init__(
        self,
        data_dir: Path,
        places: Places = IN_THE_DIRECTORY,
        *,
        as_json: bool = False,
        no_color: bool = False,
        fs: FileSystem | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.places = places
        self.as_json = as_json
        self.no_color = no_color
        self.fs = fs or RealFileSystem()
        self.now_ms = SystemClock().wall_ms()

    @cached_property
    def output(self) -> Output:
        """Where to show things."""
        return Output(as_json=self.as_json, no_color=self.no_color)

    def source(self, *, expect_damage: bool = False) -> Source:
        """The directory, opened to look at. Raises a ``DataDirectoryError`` where there is none.

        Where ``STORE`` is damaged, a remark says so, unless that is expected.
        """
        source = open_source(self.fs, self.data_dir, self.places)
        if source.damage is not None and not expect_damage:
            self.output.remark(f"{source.damage}; going by the log alone")
        return source

    def point(self, text: str) -> Point:
        """The point of this text. Raises ``ReplayError``."""
        return parse_point(text, self.now_ms)

    def carry_out(self, command: Callable[Concatenate["Invocation", P], int], *args: P.args, **kwargs: P.kwargs) -> int:
        """Run a command; its exit code, or that of a reader who has gone."""
        with explained(self.data_dir):
            try:
                try:
                    return command(self, *args, **kwargs)
                finally:
                    self.output.flush()
            except BrokenPipeError:
                return EXIT_BROKEN_PIPE
