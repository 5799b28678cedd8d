"""What every example has to stand: ``drive``. Each step is a function that says what it shows."""

import secrets
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from tests.examples.support import NOBODY, Application, Browser, Example, Synap, running
from tests.process.harness import wait_until

AT_ONCE = 8


def drive(example: Example, tmp_path: Path) -> None:
    """Start the example and lead it through everything that a session has to bear."""
    with Synap(tmp_path / "data") as synap:
        with running(example, synap.url, tmp_path / "log") as application:
            a_visitor_leaves_no_trace(application, synap)
            a_wrong_password_is_refused(application, synap)
            an_id_that_was_made_up_is_not_adopted(application, synap)
            the_id_changes_at_login(application)
            logout_is_final(application)
            if example.counts_at_once:
                no_count_is_lost(application)
            if example.ends_all_sessions:
                logout_everywhere(application)
            a_store_that_hangs_holds_nobody_up(application, synap)
            a_crash_of_the_store_logs_nobody_out(application, synap)
        with running(example, synap.url, tmp_path / "log2", SESSION_TTL_S="1") as application:
            sessions_end_by_themselves(application, synap)


def a_visitor_leaves_no_trace(application: Application, synap: Synap) -> None:
    """Nothing is stored for an empty session, and no cookie is set."""
    with application.browser() as browser:
        response = browser.look()
        assert response.json() == NOBODY
        assert "set-cookie" not in response.headers
    assert synap.sessions() == 0


def a_wrong_password_is_refused(application: Application, synap: Synap) -> None:
    with application.browser() as browser:
        response = browser.log_in("ada", "wrong")
        assert response.status_code == 401
        assert "set-cookie" not in response.headers
    assert synap.sessions() == 0


def an_id_that_was_made_up_is_not_adopted(application: Application, synap: Synap) -> None:
    """Whoever plants a cookie in a browser does not know the id of the session that begins there."""
    made_up = secrets.token_urlsafe(32)
    with application.browser(made_up) as browser:
        assert browser.state() == NOBODY
        response = browser.count()
        assert response.json()["count"] == 1
        check_flags(response)
        assert browser.session_id not in {made_up, None}
        assert browser.state() == {"user": None, "count": 1}
        assert synap.sessions() == 1
        browser.log_out()
    with application.browser(made_up) as browser:
        assert browser.state() == NOBODY


def check_flags(response: httpx.Response) -> None:
    """The cookie is for the server alone, over TLS alone, not for requests that other sites make, and ends."""
    assert "set-cookie" in response.headers, "there is another id to tell"
    flags = {part.strip().lower().partition("=")[0::2] for part in response.headers["set-cookie"].split(";")[1:]}
    assert {("httponly", ""), ("secure", ""), ("samesite", "lax"), ("path", "/")} <= flags
    assert {name for name, _ in flags} & {"max-age", "expires"}


def the_id_changes_at_login(application: Application) -> None:
    """What was counted before is kept; the id of before is nothing any more."""
    with application.browser() as ada, application.browser() as grace:
        ada.count()
        before = ada.session_id
        check_flags(ada.log_in("ada"))
        assert ada.session_id not in {before, None}
        assert [ada.count().json()["count"] for _ in range(2)] == [2, 3]
        grace.log_in("grace")
        assert grace.count().json() == {"user": "grace", "count": 1}
        assert ada.state() == {"user": "ada", "count": 3}
        with application.browser(before) as thief:
            assert thief.state() == NOBODY


def logout_is_final(application: Application) -> None:
    """The browser has no cookie any more, and one that was kept is no good."""
    with application.browser() as browser:
        browser.log_in("ada")
        browser.count()
        kept = browser.session_id
        assert browser.log_out().status_code == 200
        assert browser.session_id is None
        assert browser.state() == NOBODY
    with application.browser(kept) as thief:
        assert thief.state() == NOBODY
        assert thief.count().json() == {"user": None, "count": 1}
        assert thief.session_id != kept


def no_count_is_lost(application: Application) -> None:
    """Requests of one browser at once: each finds the session as the others left it."""
    with application.browser() as first, ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as threads:
        first.log_in("ada")
        browsers = [stack.enter_context(application.browser(first.session_id)) for _ in range(AT_ONCE)]
        responses = list(threads.map(Browser.count, browsers))
        assert [response.status_code for response in responses] == [200] * AT_ONCE
        assert first.state() == {"user": "ada", "count": AT_ONCE}
        first.log_out()


def logout_everywhere(application: Application) -> None:
    """Every browser of one user is logged out, and nobody else's."""
    with application.browser() as ada, application.browser() as other, application.browser() as grace:
        ada.log_in("ada")
        other.log_in("ada")
        grace.log_in("grace")
        assert other.log_out_everywhere().status_code == 200
        assert [each.state() for each in (ada, other)] == [NOBODY] * 2
        assert grace.state() == {"user": "grace", "count": 0}


def a_store_that_hangs_holds_nobody_up(application: Application, synap: Synap) -> None:
    """A store that says nothing is away as well; the browser's own limit says how long it may take to find out."""
    with application.browser() as browser:
        browser.log_in("ada")
        with synap.frozen():
            assert browser.look().status_code == 503
        assert browser.state() == {"user": "ada", "count": 0}
        browser.log_out()


def a_crash_of_the_store_logs_nobody_out(application: Application, synap: Synap) -> None:
    """While the store is away the application says so, soon; afterwards all is as it was."""
    with application.browser() as ada, application.browser() as grace:
        for browser, user, count in ((ada, "ada", 2), (grace, "grace", 1)):
            browser.log_in(user)
            for _ in range(count):
                browser.count()
        ids = ada.session_id, grace.session_id
        synap.kill()
        assert [ada.count().status_code, grace.look().status_code] == [503, 503]
        synap.start_again()
        assert (ada.session_id, grace.session_id) == ids, "nobody's cookie was taken"
        assert ada.state() == {"user": "ada", "count": 2}
        assert grace.state() == {"user": "grace", "count": 1}
        assert ada.count().json()["count"] == 3
        kept = ada.session_id
        ada.log_out()
        synap.kill()
        synap.start_again()
        with application.browser(kept) as thief:
            assert thief.state() == NOBODY, "a logout survives a crash, too"


def sessions_end_by_themselves(application: Application, synap: Synap) -> None:
    """Without a request for as long as it lives, a session is over, whoever still has the cookie."""
    with application.browser() as browser:
        before = synap.sessions()
        response = browser.log_in("ada")
        kept = response.cookies.get(application.example.cookie) or browser.session_id
        assert kept
        assert wait_until(lambda: synap.sessions() <= before)
    with application.browser(kept) as thief:
        assert thief.state() == NOBODY
