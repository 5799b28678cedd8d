"""Programs that load a server as fast as it answers: wrk over HTTP, redis-benchmark over Redis' own protocol."""

import re
import resource
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.beside.bench import Bench, needed, on_cores
from benchmarks.processes import ProgramError, processor_s
from benchmarks.sessions import KEY_BYTES, session

_SCRIPT = Path(__file__).with_name("requests.lua")
_FIGURES = re.compile(r"^figures: (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)
_VALUES = 1000
"""Different values that are written; each goes under any of the keys."""

TTL_S = 3600
WARM_UP_S = 1.0


class Wave(NamedTuple):
    """What came of some seconds of load; the shares are those of a core."""

    per_second: float
    p50_ms: float
    p99_ms: float
    answer_bytes: float
    servers_share: float
    generator_share: float


class Load(NamedTuple):
    """Files that say what wrk asks for: any key, between a head and the tail that belongs to it."""

    keys: Path
    parts: Path


def reading(bench: Bench, path: str) -> Load:
    """Read sessions at random; ``path`` is what their keys are put behind."""
    return _load(bench, [(f"GET {path}".encode(), b" HTTP/1.1\r\nHost: localhost\r\n\r\n")])


def writing(bench: Bench) -> Load:
    """Set sessions at random, over REST."""
    parts = []
    for number in range(_VALUES):
        value = session(number).value.decode("ascii").replace('"', '\\"')
        tail = f'","value":"{value}","ttl":{TTL_S}}}'.encode()
        start = b'{"key":"'
        size = len(start) + KEY_BYTES + len(tail)
        head = "POST /kv/set HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        parts.append((f"{head}Content-Length: {size}\r\n\r\n".encode() + start, tail))
    return _load(bench, parts)


def _load(bench: Bench, parts: Iterable[tuple[bytes, bytes]]) -> Load:
    path = bench.place()
    path.write_bytes(b"".join(head + b"\0" + tail + b"\0" for head, tail in parts))
    return Load(bench.keys_file, path)


def run_wrk(
    bench: Bench, port: int, load: Load, connections: int, servers: Sequence[int], *, seconds: float, seed: int
) -> Wave:
    """Load the server at this port of the loopback interface; ``servers`` are the processes that answer.

    Raises ``ProgramError`` where a request failed.
    """
    command = [needed(bench.tools.wrk, "wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
    command += ["-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--"]
    command += [str(load.keys), str(KEY_BYTES), str(load.parts), str(seed)]
    before_s, own_s = sum(map(processor_s, servers)), _children_s()
    said = _output(bench, command)
    found = _FIGURES.search(said)
    if found is None:
        raise ProgramError(f"wrk said nothing of its figures:\n{said}")
    requests, duration_us, size, failed, p50_us, p99_us = map(int, found.groups())
    if failed or not requests:
        raise ProgramError(f"{failed:,} of {requests:,} requests failed:\n{said}")
    duration_s = duration_us / 1e6
    taken_s = sum(map(processor_s, servers)) - before_s
    return Wave(
        requests / duration_s,
        p50_us / 1e3,
        p99_us / 1e3,
        size / requests,
        taken_s / duration_s,
        (_children_s() - own_s) / duration_s,
    )


def run_redis_benchmark(bench: Bench, port: int, connections: int, *, requests: int) -> float:
    """Set so many sessions in Redis, at random among as many keys as there are to be sessions; how many a second."""
    command = [needed(bench.tools.redis_benchmark, "redis-benchmark"), "-p", str(port), "-c", str(connections)]
    key = "session:".ljust(KEY_BYTES - 12, "0") + "__rand_int__"
    command += ["-n", str(requests), "-r", str(bench.sessions), "--csv"]
    said = _output(bench, [*command, "SETEX", key, str(TTL_S), session(0).value.decode("ascii")])
    # The name of the test, the first of eight columns, is the command with the value's own quotes and commas.
    return float(said.rstrip().rsplit(",", 7)[1].strip('"'))


def _output(bench: Bench, command: Sequence[str]) -> str:
    with on_cores(bench.load_cores):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _children_s() -> float:
    """The processor time of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
