"""``Client``: calls that return when they are done. May be shared by any number of threads."""

from contextlib import closing
from typing import Self, TypeVar, Unpack

import httpx

from synap_sdk._core.call import Call
from synap_sdk._core.feed import Feed
from synap_sdk._core.message import Request, Response
from synap_sdk._core.refusal import answer
from synap_sdk._core.retry import Attempts
from synap_sdk._shells.kv import BlockingKV
from synap_sdk._shells.options import Options, settings
from synap_sdk._shells.pools import ThreadPool
from synap_sdk._shells.sync_watch import Watch
from synap_sdk._shells.wire import Collected, Timeouts, failure, from_httpx, to_httpx
from synap_sdk.errors import SynapError

R = TypeVar("R")


class Client:
    """A client of the server at ``base_url``, for code without an event loop; the options are those of ``Options``.

    Nothing is sent before the first call. ``transport`` replaces the connections, for tests.
    Raises ``InvalidArgument`` for an address or credentials that cannot be.
    """

    def __init__(
        self, base_url: str, *, transport: httpx.BaseTransport | None = None, **options: Unpack[Options]
    ) -> None:
        self._settings = settings(base_url, **options)
        self._pool = ThreadPool(self._settings, transport)
        self.kv = BlockingKV(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.target.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. A call afterwards raises ``ClientClosed``."""
        self._pool.close()

    def watch(self, prefix: str = "", *, after: int | None = None, values: bool = False) -> Watch:
        """What happens to the keys under a prefix, from event ``after`` on, or from now on; without an end.

        It connects again by itself, without gap or repeat. Raises ``HistoryTrimmed`` where the events after ``after``
        are no longer kept, and at the beginning, as any read, where the server does not answer.
        """
        feed = Feed(prefix, after, values=values, patience=self._settings.patience)
        return Watch(self.run, feed, self._settings, self._pool)

    def run(self, call: Call[R]) -> R:
        """Carry out a call, with the tries that it may have. Raises ``SynapError``."""
        clock = self._settings.clock
        attempts = Attempts(self._settings.patience, clock.now_s(), repeatable=call.repeatable)
        while True:
            try:
                return answer(call, self._exchange(call.request, attempts, repeatable=call.repeatable))
            except SynapError as error:
                wait_s = attempts.wait_after(error, clock.now_s(), clock.chance())
                if wait_s is None:
                    raise
            clock.sleep(wait_s)

    def _exchange(self, request: Request, attempts: Attempts, *, repeatable: bool) -> Response:
        """One try: a request sent, and its response read whole."""
        clock = self._settings.clock

        def remaining_s() -> float:
            return attempts.remaining_s(clock.now_s())

        timeouts = Timeouts(lambda: attempts.connect_timeout_s(clock.now_s()), remaining_s)
        sent = to_httpx(request, self._settings.target, timeouts)
        transport = self._pool.transport()
        try:
            with closing(transport.handle_request(sent)) as response:
                body = Collected(remaining_s)
                for chunk in response.iter_bytes():
                    body.add(chunk)
                return from_httpx(response, body.body)
        except httpx.RequestError as cause:
            raise failure(request.line, cause, repeatable=repeatable) from cause
