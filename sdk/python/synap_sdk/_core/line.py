"""What of a request may be told to anybody."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RequestLine:
    """The method of a request, its route (the path with ``{key}`` in it), and its path as it was sent.

    The key of a session is as good as a password to whoever reads it in a log, so the text of a line shows the
    route; the path has to be asked for.
    """

    method: str
    route: str
    path: str = field(repr=False)

    def __str__(self) -> str:
        return f"{self.method} {self.route}"
