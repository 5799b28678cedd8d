"""A load of so many requests a second, by a process of its own: ``python -m benchmarks.beside.paced``.

The load is open, as that of ``benchmarks.load``, and made by a single thread, which suffices for some 10,000 requests a
second. Requests are due at random (exponential gaps), independently of each other and of the answers; a latency counts
from the time at which the request was due, even where all connections were busy then. It counts until this process sees
the answer, and so holds what the process itself makes others wait; see the share of a core that it took.
"""

import argparse
import random
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import msgspec

from benchmarks.beside.bench import Bench, on_cores
from benchmarks.figures import percentile
from benchmarks.load import Rates, read_request, write_request
from benchmarks.processes import ProgramError, environment

READ_CONNECTIONS = 32
WRITE_CONNECTIONS = 128

_START_S = 1.0
"""What is due so soon after the start is not counted: connections and caches get warm."""

_OK = b"HTTP/1.1 200 "
_BLANK_LINE = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Answered(msgspec.Struct, frozen=True):
    """One kind of request: how many were answered a second, and how soon.

    Of that, ``late_p99_ms`` is what passed until they were sent: this process was busy, or all its connections were.
    """

    per_second: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    late_p99_ms: float = 0.0


class Paced(msgspec.Struct, frozen=True):
    """What came of a load, and the share of a core that making it took."""

    reads: Answered
    writes: Answered
    share: float


def run_paced(bench: Bench, port: int, *, reads: int, writes: int, seed: int) -> Paced:
    """Load the server at this port of the loopback interface. Raises ``ProgramError`` where the load broke."""
    command = [sys.executable, "-m", "benchmarks.beside.paced", "--port", str(port), "--seed", str(seed)]
    command += ["--sessions", str(bench.sessions), "--reads", str(reads), "--writes", str(writes)]
    command += ["--seconds", str(bench.settings.seconds + _START_S)]
    with on_cores(bench.load_cores):
        process = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, check=False)
    if process.returncode != 0:
        raise ProgramError("the load broke")
    return msgspec.json.decode(process.stdout, type=Paced)


def main() -> None:
    """Load the server; then print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of a server that has the sessions")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="how many it has (default 1,000,000)")
    parser.add_argument("--reads", type=int, default=1000, help="sessions read a second (default 1,000)")
    parser.add_argument("--writes", type=int, default=5000, help="sessions set a second (default 5,000)")
    parser.add_argument("--seconds", type=float, default=10, help="how long (default 10)")
    parser.add_argument("--seed", type=int, default=1, help="what is asked, and when, follows from it (default 1)")
    options = parser.parse_args()
    rates = Rates(options.sessions, options.reads, options.writes, pairs=1)
    print(msgspec.json.encode(_load(options.port, rates, options.seconds, options.seed)).decode())


class _Stream:
    """One kind of request: its connections, what is due, and the latencies of what was answered."""

    def __init__(
        self, per_second: int, make_request: Callable[[random.Random], bytes], seed: str, *, start_s: float
    ) -> None:
        self.per_second = per_second
        self.counted_from_s = start_s + _START_S
        self.latencies_s: list[float] = []
        self.late_s: list[float] = []
        self.idle: list[_Connection] = []
        self._make_request = make_request
        self._random = random.Random(seed)
        self._waiting: deque[float] = deque()
        self.due_s = start_s if per_second else float("inf")

    def send(self, now_s: float) -> None:
        """Send what is due, as far as there are connections for it."""
        while self.due_s <= now_s:
            self._waiting.append(self.due_s)
            self.due_s += self._random.expovariate(self.per_second)
        while self._waiting and self.idle:
            due_s = self._waiting.popleft()
            self.idle.pop().send(due_s, self._make_request(self._random))
            if due_s >= self.counted_from_s:
                self.late_s.append(time.monotonic() - due_s)

    def answered(self, connection: "_Connection") -> None:
        """Count an answer, and have the connection for another request."""
        if connection.due_s >= self.counted_from_s:
            self.latencies_s.append(time.monotonic() - connection.due_s)
        self.idle.append(connection)


class _Connection:
    """A connection, with one request under way at most."""

    def __init__(self, stream: _Stream, port: int) -> None:
        self.stream = stream
        self.due_s = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._data = b""

    def send(self, due_s: float, request: bytes) -> None:
        """Send a request; it is so small that the socket always has room for it."""
        self.due_s = due_s
        self.socket.sendall(request)

    def receive(self) -> None:
        """Take what there is. Raises ``ConnectionError`` where the server closed, or refused the request."""
        more = self.socket.recv(65536)
        if not more:
            raise ConnectionError("the server closed a connection")
        self._data += more
        end = self._data.find(_BLANK_LINE)
        if end < 0:
            return
        if not self._data.startswith(_OK):
            raise ConnectionError(f"a request was refused: {self._data[:300]!r}")
        head = self._data[: end + 2].lower()
        at = head.index(_LENGTH) + len(_LENGTH)
        if len(self._data) >= end + 4 + int(head[at : head.index(b"\r\n", at)]):
            self._data = b""
            self.stream.answered(self)


def _load(port: int, rates: Rates, seconds: float, seed: int) -> Paced:
    start_s = time.monotonic() + 0.1
    reads = _Stream(rates.reads, partial(read_request, rates), f"reads {seed}", start_s=start_s)
    writes = _Stream(rates.writes, partial(write_request, rates), f"writes {seed}", start_s=start_s)
    # Epoll waits in whole milliseconds; select, which does not, is fast enough for so few.
    with selectors.SelectSelector() as selector:
        for stream, count in ((reads, READ_CONNECTIONS), (writes, WRITE_CONNECTIONS)):
            for _ in range(count if stream.per_second else 0):
                stream.idle.append(_Connection(stream, port))
                selector.register(stream.idle[-1].socket, selectors.EVENT_READ, stream.idle[-1])
        time.sleep(max(0.0, start_s - time.monotonic()))
        before_s = time.process_time()
        while (now_s := time.monotonic()) < start_s + seconds:
            reads.send(now_s)
            writes.send(now_s)
            wait_s = max(0.0, min(reads.due_s, writes.due_s, start_s + seconds) - time.monotonic())
            for key, _ in selector.select(wait_s):
                key.data.receive()
        share = (time.process_time() - before_s) / seconds
        for key in list(selector.get_map().values()):
            key.data.socket.close()
    counted_s = seconds - _START_S
    return Paced(_answered(reads, counted_s), _answered(writes, counted_s), share)


def _answered(stream: _Stream, seconds: float) -> Answered:
    if not stream.latencies_s:
        return Answered()
    ms, late_ms = ([each * 1000 for each in taken_s] for taken_s in (stream.latencies_s, stream.late_s))
    return Answered(
        per_second=len(ms) / seconds,
        p50_ms=percentile(ms, 0.50),
        p99_ms=percentile(ms, 0.99),
        max_ms=max(ms),
        late_p99_ms=percentile(late_ms, 0.99),
    )


if __name__ == "__main__":
    main()
