"""Clients that load a server until it dies: each in a thread, with a namespace and a random sequence of its own."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

from tests.process.expectation import (
    Answered,
    Entries,
    Expected,
    Namespace,
    Operation,
    ServerFailedError,
    Span,
    now_ms,
    read_entries,
)
from tests.process.harness import Client, Server, wait_until

LARGE_VALUE_BYTES = 192 * 1024
"""Large enough that a SIGKILL may come in the middle of the write, and that segments of 1 MiB are used up."""

_LASTING_TTL_S = 3600


@contextmanager
def loaded(
    server: Server, namespaces: Sequence[Namespace], rng: random.Random, also: Sequence[Callable[[Client], object]] = ()
) -> Iterator[None]:
    """While the body runs, every namespace has a client at work; afterwards the server must be dead.

    Each of ``also`` is called again and again, with a client of its own, until it raises what a client does.
    """
    with ThreadPoolExecutor(len(namespaces) + len(also)) as threads:
        work = [threads.submit(_work, server, _operations(each, random.Random(rng.random()))) for each in namespaces]
        work += [threads.submit(_work, server, each) for each in also]
        try:
            yield
        finally:
            server.kill()
    for each in work:
        each.result()


def wait_for_answers(namespaces: Sequence[Namespace]) -> None:
    """Return when every client got an answer to a request that it has sent since."""
    before = [each.acknowledged for each in namespaces]
    # One answer more may be that to a request which was under way.
    assert wait_until(lambda: all(each.acknowledged > n + 1 for each, n in zip(namespaces, before, strict=True)))


def check_stored(data: Path, namespaces: Sequence[Namespace]) -> None:
    """Compare what each client knows with what the directory holds after the server's end."""
    found, _ = read_entries(data)
    for namespace in namespaces:
        namespace.check_stored(found)


def check_served(server: Server, namespaces: Sequence[Namespace]) -> None:
    """Compare what each client knows with what the server answers."""
    with server.client() as client:
        for namespace in namespaces:
            namespace.check_served(client)


def namespaces(count: int = 8) -> list[Namespace]:
    """One for each client, with nothing in it."""
    return [Namespace(f"client{number}:") for number in range(count)]


def _work(server: Server, step: Callable[[Client], object]) -> None:
    """Take one step after the other until the server fails."""
    try:
        with server.client() as client:
            while True:
                step(client)
    except (OSError, HTTPException, ServerFailedError):
        if not server.doomed:
            raise


def _operations(namespace: Namespace, rng: random.Random) -> Callable[[Client], None]:
    return lambda client: namespace.perform(client, choose(namespace, rng))


def choose(namespace: Namespace, rng: random.Random) -> Operation:
    """A random operation, so that each kind meets keys that the others wrote."""
    (kind,) = rng.choices(list(_KINDS), list(_KINDS.values()))
    return kind(namespace, rng)


def _set(namespace: Namespace, rng: random.Random) -> Operation:
    return _set_operation(_key(namespace, rng), _value(rng), {}, lambda _: None)


def _set_with_ttl(namespace: Namespace, rng: random.Random) -> Operation:
    ttl_s = _LASTING_TTL_S + rng.randrange(1000)
    return _set_operation(_key(namespace, rng), _value(rng), {"ttl": ttl_s}, lambda span: _after(span, ttl_s))


def _set_until(namespace: Namespace, rng: random.Random) -> Operation:
    """A deadline within the next few rounds, on keys that nothing else extends."""
    return set_until(f"{namespace.prefix}brief{rng.randrange(6)}", _value(rng), now_ms() + rng.randrange(200, 4000))


def set_until(key: str, value: str, deadline_ms: int) -> Operation:
    """Set a key that ends at this time."""
    expiry = {"expiry": {"type": "unix_milliseconds", "value": deadline_ms}}
    return _set_operation(key, value, expiry, lambda _: Span(deadline_ms, deadline_ms))


def _set_operation(
    key: str, value: str, lifetime: Mapping[str, object], deadline: Callable[[Span], Span | None]
) -> Operation:
    def effect(entries: Entries, answered: Answered) -> Entries:
        return {**entries, key: Expected(value, deadline(answered.span), answered.version)}

    return Operation("POST", "/kv/set", {"key": key, "value": value, **lifetime}, effect)


def _set_many(namespace: Namespace, rng: random.Random) -> Operation:
    """All or none: every value of the batch is new, so half of it would show."""
    pairs = {_key(namespace, rng): _value(rng) for _ in range(rng.randrange(2, 9))}

    def effect(entries: Entries, _: Answered) -> Entries:
        return {**entries, **{key: Expected(value) for key, value in pairs.items()}}

    body = {"pairs": [{"key": key, "value": value} for key, value in pairs.items()]}
    return Operation("POST", "/kv/mset", body, effect)


def _delete(namespace: Namespace, rng: random.Random) -> Operation:
    key = _key(namespace, rng)
    return Operation("DELETE", f"/kv/del/{key}", None, lambda entries, _: _without(entries, key))


def _delete_group(namespace: Namespace, rng: random.Random) -> Operation:
    group = _group(namespace, rng)
    return Operation("DELETE", f"/kv/keys?prefix={group}", None, lambda entries, _: _without(entries, group))


def _expire(namespace: Namespace, rng: random.Random) -> Operation:
    key = _key(namespace, rng)
    ttl_s = _LASTING_TTL_S + rng.randrange(1000)

    def effect(entries: Entries, answered: Answered) -> Entries:
        if key not in entries:
            return entries
        return {**entries, key: entries[key]._replace(deadline=_after(answered.span, ttl_s))}

    return Operation("POST", f"/kv/expire/{key}", {"ttl": ttl_s}, effect)


_KINDS: Mapping[Callable[[Namespace, random.Random], Operation], int] = {
    _set: 6,
    _set_with_ttl: 6,
    _set_until: 4,
    _set_many: 4,
    _delete: 4,
    _delete_group: 1,
    _expire: 3,
}


def _group(namespace: Namespace, rng: random.Random) -> str:
    return f"{namespace.prefix}{rng.choice('abc')}:"


def _key(namespace: Namespace, rng: random.Random) -> str:
    return f"{_group(namespace, rng)}{rng.randrange(5)}"


def _value(rng: random.Random) -> str:
    """Never the same twice, and not to be compressed."""
    size = LARGE_VALUE_BYTES if rng.random() < 0.01 else rng.randrange(8, 400)
    return rng.randbytes(size // 2).hex()


def _after(span: Span, ttl_s: int) -> Span:
    return Span(span.start_ms + ttl_s * 1000, span.end_ms + ttl_s * 1000)


def _without(entries: Entries, prefix: str) -> Entries:
    return {key: entry for key, entry in entries.items() if not key.startswith(prefix)}
