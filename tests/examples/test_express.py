"""``examples/express``: an Express application with its sessions in Synap, over REST."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.examples.node import install
from tests.examples.scenario import drive
from tests.examples.support import EXAMPLES, NOBODY, Application, Example, Synap, running
from tests.process.harness import Server

pytestmark = pytest.mark.process

FILES = EXAMPLES / "express"

ANSWERED_S = 5.0
"""The example gives a store two seconds; the rest is for a busy machine."""


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Example:
    """The example, run where its packages are: in a copy."""
    sources = [path for path in FILES.iterdir() if path.is_file()]
    copy = install(sources, tmp_path_factory.mktemp("examples") / "express")
    return Example("express", ["node", str(copy / "app.js")])


@pytest.fixture
def synap(tmp_path: Path) -> Iterator[Synap]:
    with Synap(tmp_path / "data") as store:
        yield store


@pytest.fixture
def application(example: Example, synap: Synap, tmp_path: Path) -> Iterator[Application]:
    with running(example, synap.url, tmp_path / "log") as started:
        yield started


def test_what_a_session_has_to_bear(example: Example, tmp_path: Path) -> None:
    drive(example, tmp_path)


@pytest.mark.parametrize("cookie", ["", "x", "../kv/stats", "a" * 42, "a" * 44, "ä" * 43, '"' + "a" * 41 + '"'])
def test_what_cannot_be_an_id_is_not_asked_for(application: Application, cookie: str) -> None:
    answer = httpx.get(application.url, headers={b"Cookie": f"session_id={cookie}".encode()})
    assert answer.json() == NOBODY
    assert "set-cookie" not in answer.headers


def test_the_session_slides_along_in_the_browser_as_well(application: Application) -> None:
    with application.browser() as browser:
        browser.log_in("ada")
        for answer in (browser.look(), browser.count()):
            (cookie,) = answer.headers.get_list("set-cookie")
            assert cookie.startswith(f"session_id={browser.session_id}; Max-Age=3600; Path=/; ")
            assert answer.headers["cache-control"] == "no-store"


def test_a_login_says_its_id_once(application: Application) -> None:
    """Not the id of before as well, which the session was read by."""
    with application.browser() as browser:
        browser.count()
        assert len(browser.log_in("ada").headers.get_list("set-cookie")) == 1


def test_the_cookie_can_be_for_plain_http(example: Example, synap: Synap, tmp_path: Path) -> None:
    with running(example, synap.url, tmp_path / "log", COOKIE_SECURE="0") as application:
        answer = httpx.post(f"{application.url}/count")
    assert "httponly" in answer.headers["set-cookie"].lower()
    assert "secure" not in answer.headers["set-cookie"].lower()


def test_a_store_that_hangs_is_waited_for_two_seconds(example: Example, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "data") as server,
        running(example, f"http://127.0.0.1:{server.port}", tmp_path / "log") as application,
        application.browser() as browser,
    ):
        browser.log_in("ada")
        server.send_signal(signal.SIGSTOP)
        cookie = {"Cookie": f"session_id={browser.session_id}"}
        answer = httpx.get(application.url, headers=cookie, timeout=ANSWERED_S)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json() == {"error": "the session store does not answer"}
        server.send_signal(signal.SIGCONT)
        assert browser.state() == {"user": "ada", "count": 0}


def test_whoever_has_no_session_is_served_without_a_store(application: Application, synap: Synap) -> None:
    synap.kill()
    with application.browser() as browser:
        assert browser.state() == NOBODY
        assert browser.log_in("ada").status_code == 503
        assert browser.session_id is None
    synap.start_again()


CONFIG = """
authentication:
  enabled: true
  api_keys:
    - {name: express, key: an-api-key-for-the-tests, role: writer, prefixes: ["session:"]}
"""


def test_a_key_for_sessions_is_all_it_needs(example: Example, tmp_path: Path) -> None:
    config = tmp_path / "synap.yml"
    config.write_text(CONFIG)
    with Server(tmp_path / "data", "--config", str(config)) as server:
        url = f"http://127.0.0.1:{server.port}"
        key = {"SYNAP_API_KEY": "an-api-key-for-the-tests"}
        with running(example, url, tmp_path / "log", **key) as application, application.browser() as browser:
            browser.count()
            browser.log_in("ada")
            assert browser.state() == {"user": "ada", "count": 1}
            browser.log_out()
            assert browser.state() == NOBODY
        with running(example, url, tmp_path / "log2") as application, application.browser() as browser:
            answer = browser.count()
            assert answer.status_code == 503
            assert answer.json() == {"error": "the session store refused"}
            assert "401: credentials are needed" in (tmp_path / "log2").read_text(), "for the operator alone"


def test_the_lock_file_names_no_host() -> None:
    """Whoever installs has a registry of their own."""
    assert not re.search(r"://|resolved", (FILES / "package-lock.json").read_text())
