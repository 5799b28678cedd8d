from synap.protocol.http.message import header


def test_header_finds_the_first_of_a_name() -> None:
    headers = ((b"a", b"1"), (b"b", b"2"), (b"b", b"3"))
    assert header(headers, b"b") == b"2"
    assert header(headers, b"c") is None
