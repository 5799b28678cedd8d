"""Copy the string keys of a Redis to Synap, with the time that each has left.

    python copy_from_redis.py --redis redis://localhost:6379/0 --synap http://localhost:15500 --match 'session:*'

* A key lives as long as it would have lived in Redis, to within the time of one round trip; one without a time to live
  has none afterwards. A value that is UTF-8 becomes text, any other one octets.
* A key that Synap has already is left as it is: the application may have written it there meanwhile, and what it wrote
  is newer. So the copy can run beside applications, and again. ``--overwrite`` writes over it.
* It goes on where it was interrupted: how far it came is kept in a file (``--state``), which goes when it is done.
  Where Redis was restarted meanwhile, the copy begins anew: places in the old Redis mean nothing in the new one.
* Keys and values are secrets, so what is skipped is counted by its reason; ``--show-keys`` names it.

Redis is only read. A cluster is copied by one run for each of its masters. Exit code 0: everything is copied or counted
as skipped; 1: it was interrupted by an error, run it again.
"""

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from synap_sdk import AsyncClient, BadRequest, InvalidArgument, SynapError, TooLarge

AT_ONCE = 32
"""Writes that wait at the same time. They share syncs of the log; more would only wait in a longer line."""

DEADLINE_S = 10.0
"""For one write with all its tries. A copy can wait, unlike a user."""

NO_DEADLINE = -1
"""What Redis says of a key that has none."""


@dataclass(frozen=True)
class Found:
    """A key of Redis: its type, the ms it has left (-1: no end), and its value if it is a string."""

    key: bytes
    type: str
    left_ms: int
    value: bytes | None


@dataclass
class Report:
    """What became of the keys."""

    copied: int = 0
    there_already: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield f"{self.copied:,} copied, {self.there_already:,} there already, {self.skipped.total():,} skipped"
        for reason, count in sorted(self.skipped.items()):
            yield f"    skipped {count:,}: {reason}"


class Progress:
    """How far a copy came: the place in this Redis (its run, and the cursor of SCAN), in a file."""

    def __init__(self, path: Path, run_id: str, match: str) -> None:
        self._path = path
        self._of = {"run_id": run_id, "match": match}

    def load(self) -> int:
        """The cursor to go on with; 0 is the beginning."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0
        cursor = int(kept.pop("cursor"))
        return cursor if kept == self._of else 0

    def save(self, cursor: int) -> None:
        """All before this cursor is done. 0 is the end."""
        if cursor == 0:
            self._path.unlink(missing_ok=True)
            return
        fresh = self._path.with_name(f"{self._path.name}.new")
        fresh.write_text(json.dumps({**self._of, "cursor": cursor}), encoding="utf-8")
        fresh.replace(self._path)


class Copy:
    """One run."""

    def __init__(self, redis: Redis, synap: AsyncClient, options: argparse.Namespace) -> None:
        self._redis, self._synap, self._options = redis, synap, options
        self._places = asyncio.Semaphore(AT_ONCE)
        self.report = Report()

    async def run(self) -> None:
        """Copy everything. Raises ``RedisError`` or ``SynapError`` where it cannot go on."""
        server = await self._redis.info("server")
        progress = Progress(self._options.state, str(server["run_id"]), self._options.match)
        cursor = progress.load()
        while True:
            cursor, keys = await self._redis.scan(cursor, match=self._options.match, count=self._options.batch)
            await self._copy_all([key for key in keys if isinstance(key, bytes)])
            progress.save(cursor)
            if cursor == 0:
                return

    async def _copy_all(self, keys: Sequence[bytes]) -> None:
        asked_s = time.monotonic()
        found = await self._look(keys)
        async with asyncio.TaskGroup() as tasks:
            for each in found:
                tasks.create_task(self._copy(each, asked_s))

    async def _look(self, keys: Sequence[bytes]) -> list[Found]:
        pipeline = self._redis.pipeline(transaction=False)
        for key in keys:
            pipeline.type(key)
            pipeline.pttl(key)
            pipeline.get(key)
        # Reading a list as a string is an error, and no reason to stop.
        replies = await pipeline.execute(raise_on_error=False)
        found = []
        for n, key in enumerate(keys):
            kind, left_ms, value = replies[3 * n : 3 * n + 3]
            error = next((each for each in (kind, left_ms, value) if isinstance(each, Exception)), None)
            if error is not None and not (isinstance(error, ResponseError) and kind != b"string"):
                raise error
            found.append(Found(key, kind.decode(), left_ms, None if error else value))
        return found

    async def _copy(self, found: Found, asked_s: float) -> None:
        async with self._places:
            if found.type == "none" or (found.type == "string" and found.value is None):
                self._skip(found, "it ended meanwhile")
            elif found.value is None:
                self._skip(found, f"a {found.type} has no counterpart; store it as JSON")
            else:
                await self._set(found, found.value, asked_s)

    async def _set(self, found: Found, value: bytes, asked_s: float) -> None:
        ttl_s = None
        if found.left_ms != NO_DEADLINE:
            ttl_s = round(found.left_ms / 1000 - (time.monotonic() - asked_s), 3)
            if ttl_s <= 0:
                self._skip(found, "it ended meanwhile")
                return
        try:
            key = found.key.decode()
            written = await self._synap.kv.set(key, _text_or_octets(value), ttl=ttl_s, nx=not self._options.overwrite)
        except UnicodeDecodeError:
            self._skip(found, "the key is not UTF-8")
        except (BadRequest, TooLarge, InvalidArgument) as refused:
            self._skip(found, f"Synap refuses it: {refused.type or refused}")
        else:
            self.report.copied += bool(written)
            self.report.there_already += not written

    def _skip(self, found: Found, reason: str) -> None:
        self.report.skipped[reason] += 1
        if self._options.show_keys:
            _say(f"skipped {found.key!r}: {reason}")


def _text_or_octets(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


async def copy(options: argparse.Namespace) -> int:
    """Copy as the options say; the exit code."""
    async with (
        Redis.from_url(options.redis) as redis,
        AsyncClient(options.synap, api_key=options.api_key, deadline_s=DEADLINE_S) as synap,
    ):
        run = Copy(redis, synap, options)
        problem: Exception | None = None
        try:
            await run.run()
        except (RedisError, SynapError) as error:
            problem = error
        except ExceptionGroup as errors:
            problem = errors.exceptions[0]
            if not isinstance(problem, RedisError | SynapError):
                raise
        for line in run.report.lines():
            _say(line)
        if problem is None:
            return 0
        _say(f"interrupted: {problem}\nRun it again, and it goes on from there.")
        return 1


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description="Copy the string keys of a Redis to Synap, with the time each has.")
    parser.add_argument("--redis", default="redis://localhost:6379/0", metavar="URL")
    parser.add_argument("--synap", default="http://localhost:15500", metavar="URL")
    parser.add_argument("--api-key", metavar="KEY", help="for a Synap that asks for credentials")
    parser.add_argument("--match", default="*", metavar="PATTERN", help="which keys, in Redis's words (session:*)")
    parser.add_argument("--batch", type=int, default=200, metavar="KEYS", help="how many are read at once, about")
    parser.add_argument("--state", type=Path, default=Path("copy_from_redis.state"), metavar="FILE")
    parser.add_argument("--overwrite", action="store_true", help="also keys that Synap has already")
    parser.add_argument("--show-keys", action="store_true", help="name what is skipped; keys are secrets")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(asyncio.run(copy(parse())))
