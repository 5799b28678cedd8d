"""One session, many requests at once, and a store that is killed under them: what was answered is what is there."""

import threading
from pathlib import Path

import pytest

from synap_sdk import Client, OutcomeUnknown, SessionUnavailable
from synap_sdk.sessions import Session, SessionStore, key_of
from tests.process.harness import Server, unused_port, wait_until

pytestmark = pytest.mark.process

LIMIT_S = 60.0
WINDOWS = 4
KILLS = 2
COUNTS_BETWEEN_KILLS = 8
"""Of each window, acknowledged."""


class Window:
    """A window of one browser that counts all the time; ``counted`` and ``unknown`` are what it was told."""

    def __init__(self, store: SessionStore, cookie: str) -> None:
        self.counted = self.unknown = 0
        self.was_logged_out = False
        self._store, self._cookie = store, cookie

    def work(self) -> None:
        while not self.was_logged_out:
            try:
                self._count()
            except SessionUnavailable as error:
                self.unknown += isinstance(error.__cause__, OutcomeUnknown)

    def _count(self) -> None:
        session = self._store.open(self._cookie)
        if not session:
            self.was_logged_out = True
            return
        session.change("count", lambda count: count + 1)
        self._store.finish(session)
        # A request that was overtaken by the logout has counted for nobody.
        self.counted += "count" in session


def test_counts_and_a_logout(tmp_path: Path) -> None:
    port, data = unused_port(), tmp_path / "data"
    with Client(f"http://127.0.0.1:{port}") as client:
        store = SessionStore(client)
        server = Server(data, "--port", str(port))
        with server:
            cookie = begun(store)
            windows = [Window(store, cookie) for _ in range(WINDOWS)]
            threads = [threading.Thread(target=window.work) for window in windows]
            for thread in threads:
                thread.start()
            let_them_count(windows)
            server.kill()
        for _ in range(KILLS - 1):
            with Server(data, "--port", str(port)) as server:
                let_them_count(windows)
                server.kill()
        with Server(data, "--port", str(port)):
            let_them_count(windows)
            last = client.kv.getdel(key_of(cookie))
            for thread in threads:
                thread.join(LIMIT_S)
            assert all(window.was_logged_out for window in windows)
            assert client.kv.get(key_of(cookie)) is None, "and no window brought it back"
    counted, unknown = (sum(getattr(window, name) for window in windows) for name in ("counted", "unknown"))
    assert isinstance(last, dict)
    assert isinstance(last["count"], int)
    assert counted <= last["count"] <= counted + unknown
    assert counted >= (KILLS + 1) * WINDOWS * COUNTS_BETWEEN_KILLS


def begun(store: SessionStore) -> str:
    session = store.open(None)
    session["count"] = 0
    cookie = store.finish(session).session_id
    assert cookie is not None
    return cookie


def let_them_count(windows: list[Window]) -> None:
    """Return when each window got so much further."""
    wanted = [window.counted + COUNTS_BETWEEN_KILLS for window in windows]
    assert wait_until(
        lambda: all(window.counted >= count for window, count in zip(windows, wanted, strict=True)), LIMIT_S
    )


def test_a_browser_that_was_away_finds_its_session(tmp_path: Path) -> None:
    """The store is killed right after each answer, and has what it answered."""
    port, data = unused_port(), tmp_path / "data"
    with Client(f"http://127.0.0.1:{port}", deadline_s=20.0) as client:
        store = SessionStore(client)
        cookie: str | None = None
        for number in range(3):
            with Server(data, "--port", str(port)) as server:
                session: Session = store.open(cookie)
                assert session.get("visits", 0) == number
                session["visits"] = number + 1
                session.rotate(owner="ada")
                cookie = store.finish(session).session_id
                server.kill()
