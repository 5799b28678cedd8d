"""The operations as methods of ``client.kv``, for every kind of client from one table.

An ``Operation`` is a function of ``_core.operations`` as a method: called, it makes the call and hands it to the
client, and what the client gives back, a result or something to await, is what the method gives back. The types follow:
the arguments are those of the function, and the result depends on whose method it is.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from types import CoroutineType
from typing import Any, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from synap_sdk._core import operations
from synap_sdk._core.call import Call
from synap_sdk._core.scan import Pages
from synap_sdk._shells.scans import AwaitableScan, blocking_scan

P = ParamSpec("P")
R = TypeVar("R")

PAGE_SIZE = 1000
"""Keys in a page of a scan; of a usual size they are under 100 KB of JSON."""


class Blocking(Protocol):
    """A client that gives results."""

    def run(self, call: Call[R]) -> R:
        """Carry out a call."""
        ...


class Awaitable(Protocol):
    """A client whose results are awaited."""

    def run(self, call: Call[R]) -> Coroutine[Any, Any, R]:
        """Carry out a call."""
        ...


class Either(Protocol):
    """A client that decides at each call: ``Any``, because no other type can be both used and awaited."""

    def run(self, call: Call[R]) -> Any:
        """Carry out a call."""
        ...

    def scan(self, pages: Pages) -> Any:
        """Go through pages."""
        ...


class Operation(Generic[P, R]):
    """A method that is written once; ``build`` makes its arguments a call."""

    def __init__(self, build: Callable[P, Call[R]]) -> None:
        self._build = build
        self.__doc__ = build.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: "BlockingKV", owner: type) -> Callable[P, R]: ...
    @overload
    def __get__(self, instance: "AwaitableKV", owner: type) -> Callable[P, Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, instance: "EitherKV", owner: type) -> Callable[P, Any]: ...

    def __get__(self, instance: "BlockingKV | AwaitableKV | EitherKV | None", owner: type) -> object:
        if instance is None:
            return self
        run: Callable[[Call[R]], object] = instance.client.run

        def method(*args: P.args, **kwargs: P.kwargs) -> object:
            result = run(self._build(*args, **kwargs))
            if isinstance(result, CoroutineType):
                # The warning about a coroutine that was never awaited shall say which it was.
                result.__qualname__ = method.__qualname__
            return result

        update_wrapper(method, self._build)
        method.__name__, method.__qualname__ = self._name, f"kv.{self._name}"
        return method


class KV:
    """Keys and values: the table of operations. ``scan`` is not in it, because it is more than one call."""

    # One key
    set = Operation(operations.set_value)
    get = Operation(operations.get_value)
    get_with_version = Operation(operations.get_with_version)
    touch = Operation(operations.touch)
    delete = Operation(operations.delete)
    exists = Operation(operations.exists)
    expire = Operation(operations.expire)
    ttl = Operation(operations.time_to_live)
    persist = Operation(operations.persist)

    # Numbers and text
    incr = Operation(operations.incr)
    decr = Operation(operations.decr)
    append = Operation(operations.append)
    getrange = Operation(operations.getrange)
    setrange = Operation(operations.setrange)
    strlen = Operation(operations.strlen)
    getset = Operation(operations.getset)
    getdel = Operation(operations.getdel)

    # Many keys
    mset = Operation(operations.mset)
    msetnx = Operation(operations.msetnx)
    mget = Operation(operations.mget)
    mdel = Operation(operations.mdel)
    keys = Operation(operations.keys)
    count = Operation(operations.count)
    delete_prefix = Operation(operations.delete_prefix)
    stats = Operation(operations.stats)


class BlockingKV(KV):
    """``Client.kv``: each method returns when it is done."""

    def __init__(self, client: Blocking) -> None:
        self.client = client

    def scan(self, prefix: str = "", *, page_size: int = PAGE_SIZE) -> Iterator[str]:
        """The keys under a prefix, in their order, asked for page by page.

        Complete for every key that is there all the while, whatever else changes.
        """
        return blocking_scan(self.client.run, Pages(prefix, page_size))


class AwaitableKV(KV):
    """``AsyncClient.kv``: each method is awaited."""

    def __init__(self, client: Awaitable) -> None:
        self.client = client

    def scan(self, prefix: str = "", *, page_size: int = PAGE_SIZE) -> AsyncIterator[str]:
        """The keys under a prefix, for ``async for``; otherwise as the blocking one."""
        return AwaitableScan(self.client.run, Pages(prefix, page_size))


class EitherKV(KV):
    """``SynapClient.kv``: each method is awaited inside an event loop, and returns when it is done elsewhere."""

    def __init__(self, client: Either) -> None:
        self.client = client

    def scan(self, prefix: str = "", *, page_size: int = PAGE_SIZE) -> Any:
        """The keys under a prefix, for ``async for`` inside an event loop, and for ``for`` elsewhere."""
        return self.client.scan(Pages(prefix, page_size))
