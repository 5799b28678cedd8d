"""Servers that misbehave, on real sockets: they accept, say what they are told, and then nothing more."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

LIMIT_S = 20.0


class Speaker:
    """Accepts every connection, waits for a request if there is anything to say, says it, and keeps quiet.

    ``hang_up`` closes each connection after that. ``requests`` are the beginnings of what was received.
    """

    def __init__(self, said: bytes = b"", *, hang_up: bool = False) -> None:
        self._said = said
        self._hang_up = hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(LIMIT_S)
        self._listener.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            # A client may have given up before it was its turn.
            with suppress(OSError):
                self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(LIMIT_S)
        self.requests.append(connection.recv(65536))
        connection.sendall(self._said)
        if self._hang_up:
            connection.shutdown(socket.SHUT_RDWR)
