"""How long an address waits: by its failures, by the time since, and whoever else is in the table."""

from contextlib import ExitStack

import pytest

from synap.errors import TooManyFailuresError
from synap.server import backoff
from synap.server.backoff import FREE_FAILURES, MAX_WAIT_S, Backoff, network_of

HERE, THERE = "192.0.2.1", "192.0.2.2"


class Table:
    """A table at a time that a test sets; ``closed`` are the addresses that were said to be closed."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.closed: list[str] = []
        self.backoff = Backoff(lambda: self.now_s, self.closed.append)

    def wait_s(self, address: str = HERE) -> int:
        try:
            self.backoff.check(address)
        except TooManyFailuresError as error:
            return error.retry_after_s
        return 0

    def fail(self, times: int, address: str = HERE) -> None:
        for _ in range(times):
            self.backoff.fail(address)


@pytest.fixture
def table() -> Table:
    return Table()


def test_some_failures_are_free(table: Table) -> None:
    table.fail(FREE_FAILURES)
    assert (table.wait_s(), table.closed) == (0, [])


def test_each_further_one_doubles_the_wait(table: Table) -> None:
    table.fail(FREE_FAILURES)
    waits = []
    for _ in range(9):
        table.fail(1)
        waits.append(table.wait_s() - 1)
    assert waits == [1, 2, 4, 8, 16, 32, MAX_WAIT_S, MAX_WAIT_S, MAX_WAIT_S]
    assert table.closed == [HERE], "said once"


def test_the_wait_ends(table: Table) -> None:
    table.fail(FREE_FAILURES + 3)
    table.now_s += 3.9
    assert table.wait_s() == 1
    table.now_s += 0.1
    assert table.wait_s() == 0
    table.fail(1)
    assert table.wait_s() > 4, "but is not forgotten"


def test_a_failure_is_forgotten_each_minute(table: Table) -> None:
    table.fail(FREE_FAILURES + 100)
    table.now_s += 60 * (FREE_FAILURES + 7)
    table.fail(FREE_FAILURES)
    assert table.wait_s() == 0
    table.fail(1)
    assert table.wait_s() == 2


def test_one_a_minute_is_let_pass_for_ever(table: Table) -> None:
    """Many people behind one address, of whom now and then somebody mistypes."""
    for _ in range(1000):
        table.fail(1)
        assert table.wait_s() == 0
        table.now_s += 60


def test_at_the_limit_there_is_one_guess_a_minute(table: Table) -> None:
    guesses = 0
    until_s = table.now_s + 3600
    while table.now_s < until_s:
        wait_s = table.wait_s()
        if wait_s:
            table.now_s += wait_s
        else:
            table.fail(1)
            guesses += 1
    assert FREE_FAILURES + 50 < guesses < FREE_FAILURES + 75


def test_attempts_under_way_count(table: Table) -> None:
    with ExitStack() as attempts:
        for _ in range(FREE_FAILURES):
            attempts.enter_context(table.backoff.attempt(HERE))
        with pytest.raises(TooManyFailuresError), table.backoff.attempt(HERE):
            pass
        with table.backoff.attempt(THERE):
            pass
    assert table.wait_s() == 0, "none of them failed"
    with table.backoff.attempt(HERE):
        pass


def test_where_a_failure_would_close_there_is_one_attempt_at_a_time(table: Table) -> None:
    table.fail(FREE_FAILURES)
    with table.backoff.attempt(HERE), pytest.raises(TooManyFailuresError), table.backoff.attempt(HERE):
        pass
    with table.backoff.attempt(HERE):
        table.fail(1)
    with pytest.raises(TooManyFailuresError), table.backoff.attempt(HERE):
        pass


def test_attempts_meet_only_what_was_not_forgotten(table: Table) -> None:
    table.fail(FREE_FAILURES)
    table.now_s += 60
    with table.backoff.attempt(HERE), pytest.raises(TooManyFailuresError), table.backoff.attempt(HERE):
        table.now_s += 59
    table.now_s += 7 * 86_400
    with table.backoff.attempt(HERE), table.backoff.attempt(HERE):
        pass
    assert table.wait_s() == 0


def test_addresses_are_apart(table: Table) -> None:
    table.fail(FREE_FAILURES + 1)
    assert (table.wait_s(HERE), table.wait_s(THERE)) == (2, 0)


def test_a_network_of_ipv6_is_one(table: Table) -> None:
    table.fail(FREE_FAILURES, "2001:db8:1:2::1")
    table.fail(1, "2001:db8:1:2:ffff::9")
    assert table.wait_s("2001:db8:1:2::abcd") > 0
    assert table.wait_s("2001:db8:1:3::1") == 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_what_counts_as_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


def test_the_table_forgets_whoever_was_quiet_for_longest(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "TABLE_MAX_ADDRESSES", 3)
    for address in ("10.0.0.1", "10.0.0.2", "10.0.0.3"):
        table.fail(FREE_FAILURES + 1, address)
    table.fail(1, "10.0.0.1")
    table.fail(1, "10.0.0.4")
    assert [table.wait_s(f"10.0.0.{last}") > 0 for last in (1, 2, 3, 4)] == [True, False, True, False]
