"""Responses as bytes."""

import h11

from synap.protocol.http import Response
from synap.server.lane.rendering import Renderer

RESPONSE = Response(200, ((b"content-type", b"application/json"), (b"content-length", b"4")), b"null")


def test_a_response() -> None:
    assert Renderer(lambda: 0.0).render(RESPONSE, closes=False) == (
        b"HTTP/1.1 200 \r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\nnull"
    ).replace(b"\r\n\r\n", b"\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n")


def test_the_last_response_on_a_connection() -> None:
    assert b"\r\nConnection: close\r\n" in Renderer(lambda: 0.0).render(RESPONSE, closes=True)


def test_the_date_is_that_of_the_second() -> None:
    now_s = 1.9
    renderer = Renderer(lambda: now_s)
    assert b"00:00:01 GMT" in renderer.render(RESPONSE, closes=False)
    now_s = 2.0
    assert b"00:00:02 GMT" in renderer.render(RESPONSE, closes=False)


def test_the_parser_of_the_other_door_reads_it() -> None:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "synap")]))
    client.receive_data(Renderer(lambda: 0.0).render(RESPONSE, closes=True))
    head = client.next_event()
    assert isinstance(head, h11.Response)
    assert (head.status_code, head.http_version) == (200, b"1.1")
    body = client.next_event()
    assert isinstance(body, h11.Data)
    assert bytes(body.data) == b"null"
