"""Somebody who reads a document and types what it says, on a machine with one server of Synap.

Every path and address that the documents name is one of this reader's own; what takes the system's manager of
services, or root, is done by other means.
"""

import ast
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.docs.markdown import Block
from tests.docs.shell import agrees, steps
from tests.process.harness import Server, clean_environment

STEP_MAX_S = 60.0

_SERVICE = re.compile(r"systemctl (start|stop|restart) synap")
_EXPRESSION_WITH_RESULT = re.compile(r"^(?P<code>\S.*?)  # (?P<result>.*)$")


class Reader:
    """A directory, a server in it that runs or not, and what was defined in Python so far.

    ``replaced`` are words of the documents, and what this reader types in their place.
    """

    def __init__(self, place: Path, *options: str) -> None:
        self.place = place
        self.data = place / "lib" / "data"
        self.backups = place / "backups"
        self.options = options
        self.server: Server | None = None
        self.defined: dict[str, Any] = {}
        self.replaced: dict[str, str] = {}
        for directory in (self.data.parent, self.backups, place / "bin"):
            directory.mkdir(parents=True)
        self._add_tools()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def url(self) -> str:
        """Where the server is, or was last."""
        assert self.server is not None
        return f"http://localhost:{self.server.port}"

    def start(self) -> None:
        """Start the server, as its unit does. Raises ``StartError``."""
        self.kill()
        self.server = Server(self.data, *self.options)
        self.server.start()
        self.server.wait_until_serving()

    def stop(self) -> None:
        """Stop the server, if it runs."""
        if self.server is not None and self.server.running:
            assert self.server.stop() == 0

    def kill(self) -> None:
        """End the server, however it is."""
        if self.server is not None:
            self.server.close()

    def follow(self, block: Block) -> None:
        """Type a block."""
        if block.language == "python":
            self._run_python(block)
        elif block.language == "sh":
            self._run_shell(block)

    # --- shell -------------------------------------------------------------------------------------------

    def _run_shell(self, block: Block) -> None:
        for step in steps(block.text):
            printed = "".join(self._type(line, block) for line in _lines(step.script))
            assert step.output is None or agrees(step.output, self._generalised(printed)), (
                f"{block}: {step.script}\n--- shown\n{step.output}\n--- printed\n{printed}"
            )

    def _type(self, script: str, block: Block) -> str:
        service = _SERVICE.fullmatch(script.removeprefix("sudo "))
        if service is not None:
            if service[1] != "start":
                self.stop()
            if service[1] != "stop":
                self.start()
            return ""
        done = subprocess.run(  # noqa: S603  # the documents are ours
            ["/bin/sh", "-eu", "-c", self._localised(script)],
            cwd=self.place,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=STEP_MAX_S,
            check=False,
        )
        assert done.returncode == 0, f"{block}: {script}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _localised(self, text: str) -> str:
        """The text with this reader's places in it."""
        for word, other in self.replaced.items():
            text = text.replace(word, other)
        text = text.replace("sudo -u synap ", "").replace("sudo ", "")
        text = text.replace("/var/lib/synap", str(self.data.parent)).replace("/var/backups/synap", str(self.backups))
        if self.server is not None:
            text = re.sub(r"http://(localhost|old\.example\.com):15500", self.url, text)
        return text

    def _generalised(self, text: str) -> str:
        """What was printed, with the documents' places in it."""
        text = text.replace(str(self.data.parent), "/var/lib/synap").replace(str(self.backups), "/var/backups/synap")
        return text if self.server is None else text.replace(self.url, "http://localhost:15500")

    def _environment(self) -> dict[str, str]:
        # A proxy of the machine the tests run on is none of ours.
        path = os.pathsep.join((str(self.place / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
        return clean_environment({"PATH": path, "NO_PROXY": "*"})

    def _add_tools(self) -> None:
        """Tools that are not here, or that would look for what is not here."""
        tools = {"synap": f'exec {sys.executable} -m synap "$@"', "journalctl": "", "systemctl": ""}
        for name, command in tools.items():
            tool = self.place / "bin" / name
            tool.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
            tool.chmod(0o755)

    # --- Python ------------------------------------------------------------------------------------------

    def _run_python(self, block: Block) -> None:
        source = self._localised(block.text)
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            assert statement.end_lineno is not None
            code = "\n".join(lines[statement.lineno - 1 : statement.end_lineno])
            shown = _EXPRESSION_WITH_RESULT.match(code.splitlines()[-1])
            if isinstance(statement, ast.Expr) and shown is not None:
                result = eval(compile(ast.Expression(statement.value), str(block), "eval"), self.defined)  # noqa: S307
                assert agrees(shown["result"], repr(result)), f"{block}: {code}\n--- it is\n{result!r}"
            else:
                exec(compile(ast.Module([statement], []), str(block), "exec"), self.defined)  # noqa: S102


def wait_a_moment() -> None:
    """Let a millisecond pass, so that what comes next has another time in the log."""
    time.sleep(0.002)


def _lines(script: str) -> list[str]:
    """Commands for the system's manager of services by themselves, and what stands between them."""
    parts: list[str] = []
    gathered: list[str] = []
    for line in script.splitlines():
        if _SERVICE.fullmatch(line.removeprefix("sudo ")):
            parts += ["\n".join(gathered)] if gathered else []
            parts.append(line)
            gathered = []
        else:
            gathered.append(line)
    return [*parts, "\n".join(gathered)] if gathered else parts
