"""`TrustClient` and `AsyncTrustClient`: one conversation each a method, run by a transport of either kind.

A method is declared once, as a conversation. Bound to a client that blocks it returns the result; bound to one on an
event loop it returns an awaitable of it. The roles of an agent (`Requester`, `Worker`, ...) work the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import update_wrapper
from inspect import Signature, signature
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from trust import clock
from trust.client.exchanges import Exchanges, Retry
from trust.client.outbox import Outbox
from trust.client.transports import AsyncTransport, Transport
from trust.client.wire import Exchange
from trust.log.note import Verifier
from trust.verify.receipts import parse_key

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=Transport | AsyncTransport)


def _result_of(talk: Signature, form: str) -> Signature:
    """A conversation's signature with what it comes to as its result."""
    result = str(talk.return_annotation)
    inner = result.removeprefix("Exchange[").removesuffix("]") if result.startswith("Exchange[") else result
    return talk.replace(return_annotation=form.format(inner))


class Bound(Generic[C]):
    """Something whose conversations a transport runs."""

    transport: C


class conversation(Generic[P, T]):  # noqa: N801  a decorator
    """Makes a conversation a method: `T` where the transport blocks, an awaitable of it where it does not.

    `talk` is the conversation itself, for use inside of others.
    """

    def __init__(self, talk: Callable[Concatenate[Any, P], Exchange[T]]) -> None:
        self.talk = talk
        update_wrapper(self, talk)
        declared = signature(talk)
        self.__signature__ = _result_of(declared, "{}")
        taken = declared.replace(parameters=list(declared.parameters.values())[1:])
        self._bound = {False: _result_of(taken, "{}"), True: _result_of(taken, "Coroutine[Any, Any, {}]")}

    def __call__(self, instance: Any, /, *args: P.args, **named: P.kwargs) -> Any:
        """As a function of the client or role: what `Worker.request(worker, ...)` is."""
        return self.__get__(instance, type(instance))(*args, **named)

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: Bound[Transport], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(
        self, instance: Bound[AsyncTransport], owner: type
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self

        def method(*args: P.args, **named: P.kwargs) -> Any:
            return instance.transport.run(self.talk(self._speaker(instance), *args, **named))

        update_wrapper(method, self.talk)
        method.__signature__ = self._bound[isinstance(instance.transport, AsyncTransport)]  # type: ignore[attr-defined]
        return method

    def _speaker(self, instance: Any) -> Any:
        return instance


class forwarded(conversation[P, T]):  # noqa: N801  used like one
    """A conversation of the client's `Exchanges`."""

    def _speaker(self, instance: Any) -> Any:
        return instance.exchanges


class Client(Bound[C]):
    """The calls of both kinds of client. They raise `TrustError`s: the service's, `Unreachable`, `NotProven`."""

    def __init__(
        self,
        transport: C,
        vkey: str | Verifier,
        retry: Retry | None,
        now_ms: Callable[[], int],
        outbox: Outbox | None = None,
    ) -> None:
        self.transport = transport
        self.exchanges = Exchanges(parse_key(vkey), retry, outbox)
        self.now_ms = now_ms

    @property
    def network(self) -> str:
        """The network that every statement names: the name of the log's key."""
        return self.exchanges.network

    send = forwarded(Exchanges.send)
    send_many = forwarded(Exchanges.send_many)
    try_claim = forwarded(Exchanges.try_claim)
    put_blob = forwarded(Exchanges.put_blob)
    get_blob = forwarded(Exchanges.get_blob)
    get = forwarded(Exchanges.get)
    agent = forwarded(Exchanges.agent)
    reputation = forwarded(Exchanges.reputation)
    reputation_history = forwarded(Exchanges.reputation_history)
    score_file = forwarded(Exchanges.score_file)
    show_elsewhere = forwarded(Exchanges.show_elsewhere)
    ledger = forwarded(Exchanges.ledger)
    seats = forwarded(Exchanges.seats)
    tasks = forwarded(Exchanges.tasks)
    claims = forwarded(Exchanges.claims)
    agents = forwarded(Exchanges.agents)
    relays = forwarded(Exchanges.relays)
    open_seats = forwarded(Exchanges.open_seats)
    entries = forwarded(Exchanges.entries)
    search = forwarded(Exchanges.search)
    task = forwarded(Exchanges.task)
    claim = forwarded(Exchanges.claim)
    squad = forwarded(Exchanges.squad)
    squads = forwarded(Exchanges.squads)
    bundle = forwarded(Exchanges.bundle)
    timeline = forwarded(Exchanges.timeline)
    provenance = forwarded(Exchanges.provenance)
    policy = forwarded(Exchanges.policy)
    stats = forwarded(Exchanges.stats)
    overhead = forwarded(Exchanges.overhead)
    priorities = forwarded(Exchanges.priorities)
    bring_draw = forwarded(Exchanges.bring_draw)
    receipt = forwarded(Exchanges.receipt)
    check_log = forwarded(Exchanges.check_log)
    checkpoint = forwarded(Exchanges.checkpoint)


class TrustClient(Client[Transport]):
    """A client that blocks; threads may share it. `vkey` is the log's key, from somewhere you trust.

    `url` may be several addresses of one service: while one of them is dead the next one is asked.

    `retry` bounds how long it tries; `outbox` keeps on disk what has no answer yet; `options` go to `httpx.Client` (a
    proxy, certificates, a timeout in seconds).
    """

    def __init__(
        self,
        url: str | Sequence[str],
        vkey: str | Verifier,
        *,
        retry: Retry | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        outbox: Outbox | None = None,
        **options: Any,
    ) -> None:
        super().__init__(Transport(url, **options), vkey, retry, now_ms, outbox)

    def close(self) -> None:
        """Closes the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncTrustClient(Client[AsyncTransport]):
    """A client for an event loop; `options` go to `httpx.AsyncClient`."""

    def __init__(
        self,
        url: str | Sequence[str],
        vkey: str | Verifier,
        *,
        retry: Retry | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        outbox: Outbox | None = None,
        **options: Any,
    ) -> None:
        super().__init__(AsyncTransport(url, **options), vkey, retry, now_ms, outbox)

    async def close(self) -> None:
        """Closes the connections."""
        await self.transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
