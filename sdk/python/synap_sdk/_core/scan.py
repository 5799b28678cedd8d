"""Where a scan stands: the page to ask for next, and the keys that came."""

from synap_sdk._core.call import Call
from synap_sdk._core.operations import scan_page
from synap_sdk._core.results import ScanPage


class Pages:
    """The pages of one scan, in their order. A page may be empty, and the scan still goes on."""

    def __init__(self, prefix: str, page_size: int) -> None:
        self._prefix = prefix
        self._page_size = page_size
        self._next: Call[ScanPage] | None = scan_page(prefix, None, page_size)

    def next_call(self) -> Call[ScanPage] | None:
        """What to ask for; None at the end."""
        return self._next

    def take(self, page: ScanPage) -> tuple[str, ...]:
        """The keys of the page that was asked for."""
        self._next = None if page.cursor is None else scan_page(self._prefix, page.cursor, self._page_size)
        return page.keys
