"""What /openapi.json says, schemathesis takes at its word, and asks the running server.

It runs as a program of its own: its plugin for pytest would bring its own options and warnings into every other test.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process.harness import Server

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("schemathesis")

EXAMPLES = 4
"""Made-up requests for each route, besides those that each value at a limit gives. ``--soak`` takes as many more."""

LIMIT_S = 240.0
"""It takes a tenth of that where nothing else runs."""

DESCRIBED = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
"""The checks that ask of an answer nothing but that it is described."""

CONFIGURATION = """\
authentication:
  enabled: true
  api_keys:
    - {name: admin, role: admin, key: admin-key}
    - {name: reader, role: reader, key: reader-key, prefixes: ["session:"]}
"""


def check(server: Server, directory: Path, seed: int, *options: str, factor: int = 1) -> None:
    """Run schemathesis against a server, and end that."""
    command = [
        *(str(PROGRAM), "--config-file", str(HERE / "schemathesis.toml")),
        *("run", f"http://127.0.0.1:{server.port}/openapi.json", "--seed", str(seed)),
        # A backup is a file as large as the store, again and again; test_backup looks at it.
        *("--exclude-path", "/admin/backup", "--warnings", "off", "--no-color", *options),
    ]
    hooks = {"PYTHONPATH": str(HERE.parent.parent), "SCHEMATHESIS_HOOKS": "tests.contract.schemathesis_hooks"}
    run = subprocess.run(  # noqa: S603  # our own command line
        command,
        env={**os.environ, **hooks},
        cwd=directory,  # it keeps notes of its own where it runs
        capture_output=True,
        text=True,
        timeout=LIMIT_S * factor,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert server.stop() == 0
    assert "request failed" not in server.output


@pytest.mark.process
@pytest.mark.timeout(3600)
def test_every_answer_is_described(tmp_path: Path, seed: int, pytestconfig: pytest.Config) -> None:
    soak: int = pytestconfig.getoption("--soak")
    phases = "examples,coverage,fuzzing" + (",stateful" if soak > 1 else "")
    with Server(tmp_path / "data", "--fsync", "never") as server:
        options = ("--checks", "all", "--phases", phases, "--max-examples", str(EXAMPLES * soak))
        check(server, tmp_path, seed, *options, factor=soak)


@pytest.mark.process
@pytest.mark.parametrize(
    ("credentials", "checks"),
    [
        (("--header", "Authorization: Bearer admin-key"), "all"),
        (("--header", "Authorization: Bearer reader-key"), DESCRIBED),
        (("--header", "Authorization: Bearer no-key"), DESCRIBED),
        ((), DESCRIBED),
    ],
    ids=["admin", "reader", "wrong", "nobody"],
)
def test_every_answer_is_described_where_credentials_are_asked_for(
    tmp_path: Path, seed: int, credentials: tuple[str, ...], checks: str
) -> None:
    configuration = tmp_path / "synap.yml"
    configuration.write_text(CONFIGURATION, encoding="utf-8")
    with Server(tmp_path / "data", "--fsync", "never", "--config", str(configuration)) as server:
        check(server, tmp_path, seed, "--checks", checks, "--phases", "examples,coverage", *credentials)
