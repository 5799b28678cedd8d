"""``examples/express/synap-session.js`` where requests of one session meet; ``slow.js`` makes them."""

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.examples.node import Application, install
from tests.examples.support import EXAMPLES, Synap
from tests.process.harness import START_LIMIT_S, wait_until

pytestmark = pytest.mark.process

AT_ONCE = 8


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources = [path for path in (EXAMPLES / "express").iterdir() if path.is_file()]
    sources.append(Path(__file__).with_name("slow.js"))
    return install(sources, tmp_path_factory.mktemp("slow") / "express")


class Slow:
    """The application, and a browser with as many requests as wait."""

    def __init__(self, application: Application, pool: ThreadPoolExecutor) -> None:
        transport = httpx.HTTPTransport(uds=application.url)
        self.browser = httpx.Client(base_url="http://app", transport=transport, timeout=START_LIMIT_S)
        self._pool = pool
        self._waiting = 0

    def wait(self, method: str, name: str) -> "Future[httpx.Response]":
        """Begin a request that has read its session, and changes it by this method when it may go on."""
        future = self._pool.submit(self.browser.post, f"/wait/{method}/{name}")
        self._waiting += 1
        assert wait_until(lambda: bool(self.browser.get("/waiting").json() == self._waiting))
        return future

    def go(self, *futures: "Future[httpx.Response]") -> list[httpx.Response]:
        """Let them all go on; their answers."""
        self.browser.post("/go")
        self._waiting = 0
        return [future.result() for future in futures]

    def now(self, method: str, name: str) -> httpx.Response:
        """A request that does not wait."""
        answer = self.browser.post(f"/now/{method}/{name}")
        assert answer.status_code == 200
        return answer

    def data(self) -> object:
        return self.browser.get("/").json()


@pytest.fixture
def synap(tmp_path: Path) -> Iterator[Synap]:
    with Synap(tmp_path / "data") as store:
        yield store


@pytest.fixture
def slow(installed: Path, synap: Synap, tmp_path: Path) -> Iterator[Slow]:
    environment = {"SYNAP_URL": synap.url, "SOCKET": str(tmp_path / "app.sock")}
    with Application(installed, ["slow.js"], environment) as application, ThreadPoolExecutor(AT_ONCE) as pool:
        slow = Slow(application, pool)
        with slow.browser:
            yield slow


def test_a_late_save_brings_no_session_back(slow: Slow, synap: Synap) -> None:
    slow.now("update", "user")
    late = slow.wait("update", "page")
    slow.browser.post("/end")
    (answer,) = slow.go(late)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers, "nor the cookie"
    assert synap.sessions() == 0


def test_a_login_after_a_logout_begins_with_nothing(slow: Slow, synap: Synap) -> None:
    slow.now("update", "secret")
    late = slow.wait("renew", "user")
    slow.browser.post("/end")
    (answer,) = slow.go(late)
    assert answer.json() == {"user": True}
    assert synap.sessions() == 1


def test_no_change_is_lost(slow: Slow) -> None:
    slow.now("update", "user")
    names = [f"name-{n}" for n in range(AT_ONCE)]
    answers = slow.go(*[slow.wait("update", name) for name in names])
    assert {answer.status_code for answer in answers} == {200}
    assert slow.data() == dict.fromkeys(["user", *names], True)


def test_a_login_keeps_what_changed_meanwhile(slow: Slow, synap: Synap) -> None:
    slow.now("update", "cart")
    login = slow.wait("renew", "user")
    slow.now("update", "page")
    (answer,) = slow.go(login)
    assert answer.json() == {"cart": True, "page": True, "user": True}
    assert synap.sessions() == 1


def test_whoever_still_has_the_old_id_at_a_login_changes_nothing(slow: Slow, synap: Synap) -> None:
    slow.now("update", "cart")
    late = slow.wait("update", "page")
    slow.now("renew", "user")
    (answer,) = slow.go(late)
    assert answer.status_code == 401
    assert slow.data() == {"cart": True, "user": True}, "and the browser keeps the cookie of the login"
    assert synap.sessions() == 1


def test_what_is_read_cannot_be_changed(slow: Slow) -> None:
    """Otherwise the change would be lost without a word."""
    slow.now("update", "user")
    answer = slow.browser.post("/read-only")
    assert answer.status_code == 500
    assert slow.data() == {"user": True}


def test_a_change_after_the_answer_is_refused(slow: Slow, synap: Synap) -> None:
    assert re.search("before you answer", slow.browser.post("/too-late").text)
    assert synap.sessions() == 0
