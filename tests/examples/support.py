"""The applications under ``examples/``, started for real: a store, an application, and browsers.

Every example is the same small application, so that one scenario, ``drive`` in ``scenario.py``, shows all of them:

=======================  ==============================================================================================
``GET /``                who this is and how far the count is: ``{"user": "ada", "count": 2}``; ``{"user": null,
                         "count": 0}`` for nobody. It stores nothing and sets no cookie
``POST /login``          ``{"user", "password"}``; 401 where they are wrong. The session gets another id, and keeps the
                         count. The users are ``USERS``
``POST /count``          counts one further, logged in or not, and answers as ``GET /``
``POST /logout``         ends the session
``POST /logout/all``     ends every session of this user (where ``Example.ends_all_sessions``)
=======================  ==============================================================================================

It reads from its environment ``PORT``; ``SYNAP_URL``; and ``SESSION_TTL_S``, how long a session lives, 3600 by default.
Its sessions lie under ``session:``. While the store is away, what needs a session is answered with 503, soon.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Self

import httpx

from tests.process.harness import START_LIMIT_S, Server, clean_environment, unused_port, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"

PYTHON = sys.executable

USERS = {"ada": "lovelace", "grace": "hopper"}
"""Who may log in to an example, with which password."""

ANSWER_LIMIT_S = 10.0
"""How long an application may take for an answer on a busy machine, also while the store is away."""

STOP_LIMIT_S = 10.0

NOBODY = {"user": None, "count": 0}


class Synap:
    """A store in a process of its own, which is killed and comes back at the same address."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._server = Server(data)

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    def kill(self) -> None:
        """SIGKILL, and the store is away."""
        self._server.kill()
        self._server.close()

    def start_again(self) -> None:
        """The store is back, with its data and at its address. Returns when it serves."""
        self._server = Server(self._data, "--port", str(self._server.port))
        self._server.__enter__()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP while the body runs: the store takes connections, and says nothing."""
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def sessions(self) -> int:
        """How many sessions there are."""
        with self._server.client() as client:
            count = client.request("GET", "/kv/count?prefix=session:").field("count")
        assert isinstance(count, int)
        return count


@dataclass(frozen=True)
class Example:
    """How an example is started: ``command``, in the directory of its ``name``, with ``environment`` on top.

    Where ``{port}`` stands in the command, the port is put. ``cookie`` is the name of its session cookie.
    ``counts_at_once``: requests of one browser that come at once are all counted.
    """

    name: str
    command: Sequence[str]
    cookie: str = "session_id"
    environment: Mapping[str, str] = field(default_factory=dict)
    counts_at_once: bool = True
    ends_all_sessions: bool = False


class Application:
    """An example that runs."""

    def __init__(self, example: Example, url: str) -> None:
        self.example = example
        self.url = url

    def browser(self, session_id: str | None = None) -> "Browser":
        """Somebody who comes with this cookie, or with none."""
        return Browser(self, session_id)


@contextmanager
def running(example: Example, synap_url: str, log: Path, **environment: str) -> Iterator[Application]:
    """The example as a process that answers; it is stopped at the end. ``log`` gets what it writes."""
    port = unused_port()
    settings = {"PORT": str(port), "SYNAP_URL": synap_url, **example.environment, **environment}
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            [part.replace("{port}", str(port)) for part in example.command],
            cwd=EXAMPLES / example.name,
            env=clean_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own, since a web server may have workers.
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _answers(url), START_LIMIT_S)
        assert process.poll() is None, f"it ended with {process.returncode}:\n{log.read_text()}"
        assert _answers(url), f"it does not answer:\n{log.read_text()}"
        yield Application(example, url)
    finally:
        _stop(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=ANSWER_LIMIT_S).status_code < 500
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Browser:
    """A browser with its cookies; an example is a site behind a proxy on this machine that speaks TLS.

    So it sends cookies that are ``Secure``, as browsers do to localhost, and the proxy says that it was HTTPS.
    """

    def __init__(self, application: Application, session_id: str | None = None) -> None:
        self._jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._cookie = application.example.cookie
        self._client = httpx.Client(
            base_url=application.url,
            headers={"X-Forwarded-Proto": "https"},
            cookies=self._jar,
            # httpx asks a copy of the jar what to send, and the copy does not have the jar's policy.
            event_hooks={"request": [self._send_cookies]},
            timeout=ANSWER_LIMIT_S,
            trust_env=False,
        )
        if session_id is not None:
            self._client.cookies.set(self._cookie, session_id, domain="127.0.0.1")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def session_id(self) -> str | None:
        """The session cookie as it is sent; None where there is none, or no longer."""
        return next((each.value for each in self._jar if each.name == self._cookie), None)

    def _send_cookies(self, request: httpx.Request) -> None:
        self._client.cookies.set_cookie_header(request)

    def look(self) -> httpx.Response:
        return self._client.get("/")

    def log_in(self, user: str, password: str | None = None) -> httpx.Response:
        return self._client.post("/login", json={"user": user, "password": password or USERS[user]})

    def count(self) -> httpx.Response:
        return self._client.post("/count")

    def log_out(self) -> httpx.Response:
        return self._client.post("/logout")

    def log_out_everywhere(self) -> httpx.Response:
        return self._client.post("/logout/all")

    def state(self) -> object:
        """Who this is, and how far the count is."""
        response = self.look()
        assert response.status_code == 200, response.text
        return response.json()
