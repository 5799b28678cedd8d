"""The Express snippet that the product was asked for with, as it is written: what works, and what is unsafe.

``seed_express/snippet.js`` is the snippet, character for character. It is no whole application; what it leaves out are
``cookies.js``, in front of its middleware, and ``routes.js``, behind it. It has port 15500 written down, so it runs in
a network of its own, and listens at a socket in the file system, which can be reached from outside.
"""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.examples.network import own_network
from tests.examples.node import Application, install
from tests.process.harness import START_LIMIT_S, Client, Server, wait_until

pytestmark = pytest.mark.process

FILES = Path(__file__).parent / "seed_express"

MIDDLEWARE = "// Middleware\n"
"""Where the snippet begins to use what it takes for granted."""

GO_ON = "--unhandled-rejections=warn"
"""Node's own option without which it ends at the first cookie that comes too late."""

CHOSEN = "an-id-of-the-attackers-choice"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The snippet in its frame, with what it needs."""
    sources = [FILES / name for name in ("package.json", "package-lock.json", ".npmrc")]
    directory = install(sources, tmp_path_factory.mktemp("seed") / "express")
    head, middleware = (FILES / "snippet.js").read_text().split(MIDDLEWARE)
    cookies, routes = ((FILES / name).read_text() for name in ("cookies.js", "routes.js"))
    (directory / "app.js").write_text(head + cookies + MIDDLEWARE + middleware + routes)
    return directory


@pytest.fixture
def server(installed: Path, tmp_path: Path) -> Iterator[Server]:
    """A server where the snippet expects one."""
    with own_network(), Server(tmp_path / "data", "--port", "15500") as running:
        yield running


@pytest.fixture
def store(server: Server) -> Iterator[Client]:
    with server.client() as client:
        yield client


class Snippet(Application):
    """The application; ``browser`` is one that has the cookie with this id, if any."""

    def __init__(self, directory: Path, socket: Path, *options: str) -> None:
        super().__init__(directory, [*options, "app.js"], {"SOCKET": str(socket)})

    def browser(self, session_id: str | None = None) -> httpx.Client:
        cookies = {} if session_id is None else {"sessionId": session_id}
        transport = httpx.HTTPTransport(uds=self.url)
        return httpx.Client(base_url="http://app", transport=transport, cookies=cookies, timeout=START_LIMIT_S)

    def wait_for(self, browser: httpx.Client, count: int) -> None:
        """Return when so many requests wait in the application, their sessions read."""
        assert wait_until(lambda: bool(browser.get("/waiting").json() == count)), self.output


@pytest.fixture
def as_written(installed: Path, server: Server, tmp_path: Path) -> Iterator[Snippet]:
    with Snippet(installed, tmp_path / "app.sock") as running:
        yield running


@pytest.fixture
def going_on(installed: Path, server: Server, tmp_path: Path) -> Iterator[Snippet]:
    with Snippet(installed, tmp_path / "app.sock", GO_ON) as running:
        yield running


def sessions(store: Client) -> dict[str, object]:
    """What is stored, by key."""
    keys = store.request("GET", "/kv/keys").field("keys")
    assert isinstance(keys, list)
    return {key: json.loads(str(value)) for key, value in store.get_all(keys).items()}


def test_a_session_is_stored_and_read_back(going_on: Snippet, store: Client) -> None:
    with going_on.browser("abc") as browser:
        assert browser.get("/").json() == {}, "null is no session"
        browser.post("/set/user/ada")
        assert wait_until(lambda: sessions(store) == {"session:abc": {"user": "ada"}})
        assert browser.get("/").json() == {"user": "ada"}
        ttl_s = store.request("GET", "/kv/ttl/session:abc").field("ttl")
        assert isinstance(ttl_s, int)
        assert ttl_s in range(3500, 3601)


def test_a_session_survives_the_end_of_the_store(going_on: Snippet, server: Server) -> None:
    with going_on.browser("abc") as browser:
        browser.post("/set/user/ada")
        with server.client() as client:
            assert wait_until(lambda: client.get("session:abc") is not None)
        server.kill()
        with Server(server.data, "--port", "15500"):
            assert browser.get("/").json() == {"user": "ada"}


def test_an_empty_session_is_not_stored(as_written: Snippet, store: Client) -> None:
    with as_written.browser() as browser:
        assert browser.get("/").json() == {}
        assert not browser.cookies
    assert sessions(store) == {}


def test_the_cookie_comes_too_late_and_ends_the_application(as_written: Snippet, store: Client) -> None:
    """The session is stored, the answer has long been sent, and nobody handles what ``res.cookie`` throws."""
    with as_written.browser() as browser:
        answer = browser.post("/set/user/ada")
        assert answer.status_code == 200
        assert "set-cookie" not in answer.headers
    assert as_written.exit_code() == 1
    assert "ERR_HTTP_HEADERS_SENT" in as_written.output
    assert list(sessions(store).values()) == [{"user": "ada"}], "under an id that no browser was ever told"


def test_no_browser_is_ever_told_its_id(going_on: Snippet, store: Client) -> None:
    with going_on.browser() as browser:
        for _ in range(2):
            assert "set-cookie" not in browser.post("/set/user/ada").headers
        assert wait_until(lambda: len(sessions(store)) == 2), "each request begins another session"
        assert browser.get("/").json() == {}


def test_an_id_that_somebody_made_up_is_adopted(going_on: Snippet, store: Client) -> None:
    """Session fixation: who can plant a cookie has the session that the victim logs in to."""
    with going_on.browser(CHOSEN) as victim, going_on.browser(CHOSEN) as attacker:
        victim.post("/set/user/ada")
        assert wait_until(lambda: f"session:{CHOSEN}" in sessions(store))
        assert attacker.get("/").json() == {"user": "ada"}


def in_background(pool: ThreadPoolExecutor, browser: httpx.Client, path: str) -> "Future[httpx.Response]":
    return pool.submit(browser.post, path)


def test_a_late_save_brings_a_session_back(going_on: Snippet, store: Client) -> None:
    with going_on.browser("abc") as browser, ThreadPoolExecutor(1) as pool:
        browser.post("/set/user/ada")
        assert wait_until(lambda: sessions(store) == {"session:abc": {"user": "ada"}})
        slow = in_background(pool, browser, "/wait/page/1")
        going_on.wait_for(browser, 1)
        browser.post("/logout")
        assert sessions(store) == {}
        with going_on.browser() as somebody:
            somebody.post("/go")
        assert slow.result().status_code == 200
        assert wait_until(lambda: sessions(store) == {"session:abc": {"user": "ada", "page": "1"}}), "logged in again"


def test_of_two_requests_at_once_one_is_forgotten(going_on: Snippet, store: Client) -> None:
    with going_on.browser("abc") as browser, ThreadPoolExecutor(2) as pool:
        slow = [in_background(pool, browser, f"/wait/{name}/1") for name in ("cart", "page")]
        with going_on.browser() as somebody:
            going_on.wait_for(somebody, 2)
            somebody.post("/go")
        assert [each.result().status_code for each in slow] == [200, 200]
        # Both have stored when each has failed to set its cookie.
        assert wait_until(lambda: going_on.output.count("ERR_HTTP_HEADERS_SENT") >= 2), going_on.output
        (left,) = sessions(store).values()
        assert left in ({"cart": "1"}, {"page": "1"})


def test_a_request_that_only_reads_writes_everything_again(going_on: Snippet, store: Client) -> None:
    with going_on.browser("abc") as browser:
        browser.post("/set/user/ada")
        assert wait_until(lambda: going_on.output.count("ERR_HTTP_HEADERS_SENT") >= 1)
        before = store.request("GET", "/kv/get/session:abc").headers["etag"]
        browser.get("/")
        assert wait_until(lambda: store.request("GET", "/kv/get/session:abc").headers["etag"] != before)
