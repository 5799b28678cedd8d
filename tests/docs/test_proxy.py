"""nginx with the settings shown, over TLS in front of a real server: nothing of the contract is lost on the way."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.docs.markdown import DOCS, read
from tests.process.harness import Server, run, unused_port

CONFIG = DOCS / "operations" / "synap-nginx.conf"
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
HOST = "sessions.example.com"
START_MAX_S = 20.0

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]

FRAME = """
{user}
worker_processes 1;
daemon off;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{ worker_connections 256; }}
http {{
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
    include {place}/synap.conf;
}}
"""
"""What a distribution's own nginx.conf has around it, without root."""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of nginx, in front of a server."""
    place = tmp_path_factory.mktemp("proxy")
    settings = place / "synap.yml"
    settings.write_text(f"server: {{allowed_hosts: [{HOST}]}}\n", encoding="utf-8")
    with Server(place / "data", "--config", str(settings)) as server:
        port = unused_port()
        prepare(place, server.port, port)
        with running(place, port):
            yield port


def prepare(place: Path, synap_port: int, port: int) -> None:
    """The settings as they are shown, but for ports and places; and a certificate that nobody else trusts."""
    certificate, key = place / "cert.pem", place / "key.pem"
    made = run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}",
                "-addext", f"subjectAltName=DNS:{HOST}", "-keyout", str(key), "-out", str(certificate)])  # fmt: skip
    assert made.returncode == 0, made.stderr
    config = read(CONFIG).replace("127.0.0.1:15500", f"127.0.0.1:{synap_port}").replace("listen 443", f"listen {port}")
    config = config.replace("/etc/ssl/synap/fullchain.pem", str(certificate))
    config = config.replace("/etc/ssl/synap/privkey.pem", str(key))
    (place / "synap.conf").write_text(config, encoding="utf-8")
    # pytest's directories are for one user only, and nginx's workers of root would become another.
    user = "user root;" if os.geteuid() == 0 else ""
    (place / "nginx.conf").write_text(FRAME.format(place=place, user=user), encoding="utf-8")


def listens(port: int) -> bool:
    with closing(socket.socket()) as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(place: Path, port: int) -> Iterator[None]:
    assert NGINX is not None
    command = [NGINX, "-e", str(place / "error.log"), "-p", str(place), "-c", str(place / "nginx.conf")]
    process = subprocess.Popen(command)  # noqa: S603  # our own command line
    try:
        give_up_s = time.monotonic() + START_MAX_S
        while not listens(port) and time.monotonic() < give_up_s:
            assert process.poll() is None, (place / "error.log").read_text(encoding="utf-8")
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def connect(port: int) -> http.client.HTTPSConnection:
    untrusted = ssl.create_default_context()
    untrusted.check_hostname = False
    untrusted.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=untrusted)


def ask(
    port: int, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    with closing(connect(port)) as connection:
        connection.request(method, path, body, {"Host": HOST, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()


JSON = {"Content-Type": "application/json"}


def test_keys_go_through_as_they_came(proxy: int) -> None:
    for key in ("a/b", "a b", "a+b", "ü", "a%2Fb", "a//b", "../a"):
        assert ask(proxy, "POST", "/kv/set", json.dumps({"key": key, "value": key}).encode(), JSON)[0] == 200
        escaped = "".join(f"%{byte:02X}" for byte in key.encode())
        assert ask(proxy, "GET", f"/kv/get/{escaped}") == (200, json.dumps(key, ensure_ascii=False).encode())


def test_the_largest_value(proxy: int) -> None:
    assert ask(proxy, "PUT", "/kv/value/large", bytes(8 * 2**20))[0] == 201
    assert ask(proxy, "GET", "/kv/value/large") == (200, bytes(8 * 2**20))
    status, answer = ask(proxy, "PUT", "/kv/value/larger", bytes(8 * 2**20 + 1))
    assert (status, json.loads(answer)["type"]) == (413, "too_large")


def test_pages_of_the_same_origin_may_write_and_others_not(proxy: int) -> None:
    body = json.dumps({"key": "page", "value": "x"}).encode()
    assert ask(proxy, "POST", "/kv/set", body, {**JSON, "Origin": f"https://{HOST}"})[0] == 200
    assert ask(proxy, "POST", "/kv/set", body, {**JSON, "Origin": "https://evil.example"})[0] == 403


def test_conditions(proxy: int) -> None:
    body = json.dumps({"key": "conditions", "value": "x"}).encode()
    assert ask(proxy, "POST", "/kv/set", body, {**JSON, "If-None-Match": "*"})[0] == 200
    assert ask(proxy, "POST", "/kv/set", body, {**JSON, "If-None-Match": "*"})[0] == 412


def test_events_arrive_while_the_response_goes_on(proxy: int) -> None:
    with closing(connect(proxy)) as connection:
        connection.request("GET", "/events?prefix=watched", headers={"Host": HOST})
        response = connection.getresponse()
        assert response.status == 200
        assert response.readline().startswith(b": nothing new")
        body = json.dumps({"key": "watched", "value": "x"}).encode()
        assert ask(proxy, "POST", "/kv/set", body, JSON)[0] == 200
        lines = iter(response.readline, b"")
        assert next(line for line in lines if line.startswith(b"data: ")).count(b'"key":"watched"') == 1


@pytest.mark.parametrize("path", ["/metrics", "/snapshots", "/admin/backup", "/info", "/slowlog"])
def test_what_is_for_operators_stays_inside(proxy: int, path: str) -> None:
    assert ask(proxy, "GET", path)[0] == 403
