"""Options of the random tests: which random numbers, and how long.

What decides about a change must give the same verdict twice: the random tests begin with one seed, hypothesis chooses
the same examples. ``--fresh``, as ``make soak`` has it, goes to look for what no run has seen yet.
"""

import random
from typing import Protocol

import pytest
from hypothesis import settings

# Two cores, shared with a server that is being killed: how long an example takes says nothing about the code.
settings.register_profile("same", deadline=None, derandomize=True)
settings.register_profile("fresh", deadline=None, derandomize=False)

_USUAL_SEED = 15_500
_SEED = pytest.StashKey[int]()


class Worker(Protocol):
    """One of the processes that share the tests, as xdist shows it to the process that hands them out."""

    config: pytest.Config
    workerinput: dict[str, int]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("synap")
    group.addoption("--seed", type=int, default=_USUAL_SEED, help="seed of the random tests (default: %(default)s)")
    group.addoption("--fresh", action="store_true", help="draw a new seed, and let hypothesis draw, too")
    group.addoption("--soak", type=int, default=1, metavar="FACTOR", help="repeat the random tests this often")


def pytest_configure(config: pytest.Config) -> None:
    told: dict[str, int] = getattr(config, "workerinput", {})
    fresh: bool = config.getoption("--fresh")
    settings.load_profile("fresh" if fresh else "same")
    chosen = random.randrange(2**32) if fresh else config.getoption("--seed")
    config.stash[_SEED] = told.get("synap_seed", chosen)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Worker) -> None:
    """Tell the processes that share the tests which seed to begin with."""
    node.workerinput["synap_seed"] = node.config.stash[_SEED]


def pytest_report_header(config: pytest.Config) -> str:
    return f"synap: --seed {config.stash[_SEED]} --soak {config.getoption('--soak')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Where the header is not shown, a failure shows the seed."""
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"the random tests had --seed {config.stash[_SEED]}")


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """The number that the random choices of a test begin with; it stands in the header of the report."""
    return pytestconfig.stash[_SEED]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for ``repetition`` is run as often as ``--soak`` says."""
    if "repetition" in metafunc.fixturenames:
        metafunc.parametrize("repetition", range(metafunc.config.getoption("--soak")))
