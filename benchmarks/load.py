"""A steady load on a server, by a process of its own: ``python -m benchmarks.load``, until its standard input ends.

The load is open: every request has a time at which it is due, whatever became of those before, and its latency counts
from then. Were the next request only sent when the last was answered, a server that stands still for a second would be
asked nothing in that second, and one slow answer be all that is seen of it.
"""

import argparse
import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from benchmarks.processes import ProgramError, environment
from benchmarks.sessions import session, session_key

READ = "read"
WRITE = "write"

CONNECTIONS = 16
"""For each kind of request. With one request under way on each, 16 keep up with 200 a second as long as an answer takes
less than 80 ms; what is slower shows as what it is, a queue."""

_REQUEST_MAX_S = 60.0

_OK = 200


class _Kind(NamedTuple):
    """A kind of request, how many of them are due in a second, and what makes the next one."""

    name: str
    per_second: int
    make_request: Callable[[Random], bytes]


class Sample(NamedTuple):
    """A request: when it was due (``time.monotonic``), how long it took from then, and the status of the answer."""

    kind: str
    due_s: float
    latency_s: float
    status: int


class Rates(NamedTuple):
    """A load: requests a second, for ``sessions`` sessions, of which each write sets ``pairs``."""

    sessions: int
    reads: int
    writes: int
    pairs: int


# --- the side that asks for a load -----------------------------------------------------------------------


class Load:
    """A load that is under way."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def finish(self) -> list[Sample]:
        """End it; every request that was sent. Raises ``ProgramError`` where one was refused, or the load broke."""
        output, _ = self._process.communicate()
        if self._process.returncode != 0:
            raise ProgramError("the load broke")
        samples = [_sample(line) for line in output.splitlines()]
        if refused := Counter(each.status for each in samples if each.status != _OK):
            raise ProgramError(f"of {len(samples):,} requests, some were refused: number by status {dict(refused)}")
        return samples


def _sample(line: str) -> Sample:
    kind, due_s, latency_s, status = line.split()
    return Sample(kind, float(due_s), float(latency_s), int(status))


@contextmanager
def loading(port: int, rates: Rates) -> Iterator[Load]:
    """A load on the server at this port of the loopback interface."""
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port)]
    for name, value in rates._asdict().items():
        command += [f"--{name}", str(value)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment(), stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield Load(process)
        finally:
            if process.poll() is None:
                process.kill()


# --- the program -----------------------------------------------------------------------------------------


def main() -> None:
    """Load the server; then print a line for every request."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of a server that has the sessions")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="how many it has (default 1,000,000)")
    parser.add_argument("--reads", type=int, default=200, help="sessions read a second (default 200)")
    parser.add_argument("--writes", type=int, default=200, help="write requests a second (default 200)")
    parser.add_argument("--pairs", type=int, default=10, help="sessions in a write (default 10)")
    parser.add_argument("--seconds", type=float, default=3600, help="end by itself after this (default 3,600)")
    options = parser.parse_args()
    stop = threading.Event()
    threading.Thread(target=_stop_at_end_of_input, args=(stop,), daemon=True).start()
    ends = threading.Timer(options.seconds, stop.set)
    ends.daemon = True
    ends.start()
    rates = Rates(options.sessions, options.reads, options.writes, options.pairs)
    for sample in _load(options.port, rates, stop):
        print(*sample)


def _stop_at_end_of_input(stop: threading.Event) -> None:
    sys.stdin.read()
    stop.set()


def _load(port: int, rates: Rates, stop: threading.Event) -> list[Sample]:
    start_s = time.monotonic() + 0.1
    kinds = (
        _Kind(READ, rates.reads, partial(read_request, rates)),
        _Kind(WRITE, rates.writes, partial(write_request, rates)),
    )
    with ThreadPoolExecutor(len(kinds) * CONNECTIONS) as threads:
        work = [
            threads.submit(_keep_asking, port, kind, number, start_s, stop)
            for kind in kinds
            for number in range(CONNECTIONS if kind.per_second else 0)
        ]
        return [sample for each in work for sample in each.result()]


def _keep_asking(port: int, kind: _Kind, number: int, start_s: float, stop: threading.Event) -> list[Sample]:
    """One connection's share of the requests of a kind: the connections take turns."""
    random = Random(f"{kind.name} {number}")
    samples = []
    try:
        with socket.create_connection(("127.0.0.1", port), _REQUEST_MAX_S) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for turn in count(number, CONNECTIONS):
                due_s = start_s + turn / kind.per_second
                request = kind.make_request(random)
                if stop.wait(max(0.0, due_s - time.monotonic())):
                    break
                connection.sendall(request)
                status = receive(connection)
                samples.append(Sample(kind.name, due_s, time.monotonic() - due_s, status))
    finally:
        # Where one connection breaks, the others have nothing more to show.
        stop.set()
    return samples


def read_request(rates: Rates, random: Random) -> bytes:
    """Ask for a session."""
    key = session_key(random.randrange(rates.sessions))
    return b"GET /kv/get/%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % key.replace(b":", b"%3A")


def write_request(rates: Rates, random: Random) -> bytes:
    """New values for sessions that there are; a single one is set by itself."""
    pairs = [
        session(random.getrandbits(64))._replace(key=session_key(random.randrange(rates.sessions))).as_json()
        for _ in range(rates.pairs)
    ]
    return post("/kv/set", pairs[0]) if rates.pairs == 1 else post("/kv/mset", {"pairs": pairs})


def post(path: str, body: object) -> bytes:
    """A request with this body, as JSON."""
    content = json.dumps(body).encode("ascii")
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return head.encode("ascii") + b"Content-Length: %d\r\n\r\n" % len(content) + content


def receive(connection: socket.socket) -> int:
    """Read a response to its end; its status. Raises ``ConnectionError`` where the server closes instead."""
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _more(connection)
    head = data[:end].lower().split(b"\r\n")
    length = next(int(line.split(b":")[1]) for line in head if line.startswith(b"content-length:"))
    missing = end + 4 + length - len(data)
    while missing > 0:
        missing -= len(_more(connection))
    return int(head[0].split()[1])


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed a connection")
    return data


if __name__ == "__main__":
    main()
