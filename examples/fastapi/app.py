"""Login, counter, logout: a FastAPI application whose sessions are kept in Synap."""

import hmac
import os
from typing import Annotated

from fastapi import Body, Depends, FastAPI, HTTPException

from synap_sdk import AsyncClient
from synap_sdk.sessions import AsyncSessionStore, Session, SessionOptions
from synap_sdk.sessions.starlette import SessionMiddleware, session_of

# A real application keeps hashes of passwords, in a database.
USERS = {"ada": "lovelace", "grace": "hopper"}

client = AsyncClient(os.environ.get("SYNAP_URL", "http://localhost:15500"))
options = SessionOptions(
    ttl=int(os.environ.get("SESSION_TTL_S", "3600")),
    # Our choice: while the store is away nobody can tell who you are, so you get a 503 and not a stranger's page.
    when_away="fail",
)
sessions = AsyncSessionStore(client, options)

app = FastAPI(title="Synap and FastAPI")
app.add_middleware(SessionMiddleware, client=client, options=options)

CurrentSession = Annotated[Session, Depends(session_of)]


@app.get("/")
async def look(session: CurrentSession) -> dict[str, object]:
    """Who you are, and how far you counted."""
    return {"user": session.get("user"), "count": session.get("count", 0)}


@app.post("/login")
async def log_in(
    session: CurrentSession, user: Annotated[str, Body()], password: Annotated[str, Body()]
) -> dict[str, object]:
    """Say who you are. What you counted before comes along."""
    if not hmac.compare_digest(USERS.get(user, "").encode(), password.encode()) or user not in USERS:
        raise HTTPException(401, "wrong user or password")
    session["user"] = user
    session.rotate(owner=user)
    return await look(session)


@app.post("/count")
async def count(session: CurrentSession) -> dict[str, object]:
    """Count one further. As a function, it is right also where several requests count at once."""
    session.change("count", lambda counted: (counted or 0) + 1)
    return await look(session)


@app.post("/logout")
async def log_out(session: CurrentSession) -> dict[str, object]:
    """End this session."""
    session.invalidate()
    return await look(session)


@app.post("/logout/all")
async def log_out_everywhere(session: CurrentSession) -> dict[str, object]:
    """End all sessions of this user."""
    if (user := session.get("user")) is not None:
        await sessions.end_all(user)
    return await log_out(session)
