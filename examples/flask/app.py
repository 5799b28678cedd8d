"""Login, counter, logout: a Flask application whose sessions are kept in Synap."""

import hmac
import os

from flask import Flask, abort, request
from flask.typing import ResponseReturnValue

from synap_sdk import Client, SessionUnavailable
from synap_sdk.sessions import SessionOptions
from synap_sdk.sessions.flask import SynapSessionInterface, current_session

# A real application keeps hashes of passwords, in a database.
USERS = {"ada": "lovelace", "grace": "hopper"}

options = SessionOptions(
    ttl=int(os.environ.get("SESSION_TTL_S", "3600")),
    # Our choice: while the store is away nobody can tell who you are, so you get a 503 and not a stranger's page.
    when_away="fail",
)
sessions = SynapSessionInterface(Client(os.environ.get("SYNAP_URL", "http://localhost:15500")), options)

app = Flask(__name__)
app.session_interface = sessions


@app.get("/")
def look() -> dict[str, object]:
    """Who you are, and how far you counted."""
    session = current_session()
    return {"user": session.get("user"), "count": session.get("count", 0)}


@app.post("/login")
def log_in() -> dict[str, object]:
    """Say who you are. What you counted before comes along."""
    said = request.get_json()
    user, password = str(said["user"]), str(said["password"])
    if not hmac.compare_digest(USERS.get(user, "").encode(), password.encode()) or user not in USERS:
        abort(401)
    session = current_session()
    session["user"] = user
    session.rotate(owner=user)
    return look()


@app.post("/count")
def count() -> dict[str, object]:
    """Count one further. As a function, it is right also where several requests count at once."""
    current_session().change("count", lambda counted: (counted or 0) + 1)
    return look()


@app.post("/logout")
def log_out() -> dict[str, object]:
    """End this session."""
    current_session().invalidate()
    return look()


@app.post("/logout/all")
def log_out_everywhere() -> dict[str, object]:
    """End all sessions of this user."""
    if (user := current_session().get("user")) is not None:
        sessions.store.end_all(user)
    return log_out()


@app.errorhandler(SessionUnavailable)
def store_is_away(_: SessionUnavailable) -> ResponseReturnValue:
    """What a client gets while the store is away; without this, the same as a page."""
    return {"error": "please try again in a moment"}, 503, {"Retry-After": "1"}
