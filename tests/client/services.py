"""A service of a few lines: a real log with a real key, no rules; and a transport that never leaves the process."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, TypeVar

import msgspec

from tests.factories import NETWORK, NOW_MS, log_signer
from trust.client.wire import Compute, Effect, Exchange, Pause, Request, Response
from trust.core import commands, envelope
from trust.core.entry import Command, encode_command
from trust.core.receipt import Receipt
from trust.core.strict import base64_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import sign_note
from trust.log.proof import encode_proof

T = TypeVar("T")
Handler = Callable[[Request], Response | Exception]


def answer(status: int, body: object, **headers: str) -> Response:
    """An answer with a JSON body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps(body).encode(), named)


def problem(status: int, code: str, **members: Any) -> Response:
    """A problem document."""
    return answer(status, {"status": status, "code": code, "detail": f"because of {code}", **members})


class Script:
    """Runs conversations against a handler; remembers what was asked and how long was waited."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.requests: list[Request] = []
        self.waits_ms: list[int] = []

    def run(self, exchange: Exchange[T]) -> T:
        """What a conversation comes to."""
        outcome: Any = None
        while True:
            try:
                effect = exchange.throw(outcome) if isinstance(outcome, Exception) else exchange.send(outcome)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            outcome = self._perform(effect)

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Request():
                self.requests.append(effect)
                return self.handler(effect)
            case Pause():
                return self.waits_ms.append(effect.wait_ms)
            case Compute():
                return effect.function()


class Log:
    """Entries and their receipts. `events` says which events a statement's entry has."""

    def __init__(self, signer_number: int = 1_000) -> None:
        self.signer = log_signer(signer_number)
        self.entries: list[bytes] = []
        self.blobs: dict[str, bytes] = {}
        self.events: Callable[[commands.Spoken], Sequence[dict[str, Any]]] = lambda spoken: ()

    def append(self, signed: bytes) -> int:
        """Puts an envelope on the log; the same payload stands there once."""
        spoken = commands.parse(signed)
        for index, data in enumerate(self.entries):
            if base64_of(spoken.signed.payload).encode() in data:
                return index
        command = encode_command(Command(statement=spoken.signed.envelope))
        events = json.dumps(list(self.events(spoken)), separators=(",", ":")).encode()
        self.entries.append(b'{"v":1,"at_ms":%d,"command":%b,"events":%b}' % (NOW_MS, command, events))
        return len(self.entries) - 1

    def node(self, level: int, index: int) -> bytes:
        """A complete subtree."""
        if level == 0:
            return merkle.leaf_hash(self.entries[index])
        return merkle.node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))

    def checkpoint(self) -> bytes:
        """The signed head."""
        size = len(self.entries)
        return sign_note(Checkpoint(NETWORK, size, merkle.root(size, self.node)).body(), self.signer)

    def receipt(self, index: int) -> Receipt:
        """The receipt of an entry."""
        path = merkle.inclusion_proof(index, len(self.entries), self.node)
        proof = encode_proof(index, path, self.checkpoint()).decode()
        return Receipt(index, base64_of(self.entries[index]), proof)

    def written(self, signed: bytes) -> Response:
        """The answer to a write."""
        before = len(self.entries)
        index = self.append(signed)
        repeated = index < before
        body = {
            "statement": envelope.open_envelope(signed).statement_id,
            "receipt": msgspec.to_builtins(self.receipt(index)),
            "repeated": repeated,
            "result": {},
        }
        return answer(200 if repeated else 201, body)

    def refusal(self, statement: str, code: str) -> str:
        """A refusal note."""
        root = merkle.root(len(self.entries), self.node)
        lines = ("trust/refusal/v1", NETWORK, statement, code, len(self.entries), NOW_MS, base64_of(root))
        return sign_note("".join(f"{line}\n" for line in lines), self.signer).decode()

    def handle(self, request: Request) -> Response | Exception:
        """Blobs, receipts and writes."""
        if request.path.startswith("/v1/blobs/"):
            return self._blob(request)
        if request.path.startswith("/v1/receipts/"):
            index = int(request.path.partition("?")[0].rpartition("/")[2])
            return answer(200, msgspec.to_builtins(self.receipt(index)))
        if request.path == "/v1/statements":
            return self._batch(request)
        return self.written(request.body)

    def _batch(self, request: Request) -> Response:
        envelopes = msgspec.json.decode(request.body, type=list[msgspec.Raw])
        before = len(self.entries)
        indices = [self.append(bytes(each)) for each in envelopes]
        results = [
            {"status": 201 if index >= before else 200, **msgspec.to_builtins(self.receipt(index))}
            for index in indices
        ]
        return answer(
            200, {"checkpoint": self.checkpoint().decode(), "size": len(self.entries), "results": results}
        )

    def _blob(self, request: Request) -> Response:
        digest = request.path.partition("?")[0].rpartition("/")[2]
        if request.method == "PUT":
            self.blobs[sha256(request.body).hexdigest()] = request.body
            return answer(201, {"sha256": digest})
        if digest not in self.blobs:
            return problem(404, "unknown-blob")
        return Response(200, self.blobs[digest])
