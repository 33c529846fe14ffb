"""Commands: a statement that somebody signed, or a draw, a seal or a genesis that the service brings."""

from __future__ import annotations

import msgspec

from trust.core import envelope, strict
from trust.core.entry import Command, Draw, Genesis, Seal, encode_command
from trust.core.envelope import Signed
from trust.core.payloads import (
    KINDS,
    LARGE_KINDS,
    MAX_LARGE_PAYLOAD_BYTES,
    MAX_PAYLOAD_BYTES,
    EvidenceSubmit,
    OutputSubmit,
    Payload,
    RelayAttest,
    Statement,
    kind_of,
)
from trust.core.records import said_key


class Spoken(msgspec.Struct, frozen=True):
    """A signed statement: its bytes as they came, and the payload that they parse to.

    `key` is that of the record that it was said; it follows from the rest.
    """

    signed: Signed
    payload: Payload
    key: str = ""

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "key", said_key(self.payload.issued_ms, self.id))

    @property
    def id(self) -> str:
        return self.signed.statement_id


Incoming = Spoken | Draw | Seal | Genesis
ENTRY_KINDS = (
    "genesis",
    *(kind for kind, payload in KINDS.items() if payload.endpoint),
    "clock",
    "draw",
    "seal",
)
"""Every kind of entry: for a statement its payload's."""


def parse(data: bytes) -> Spoken:
    """Returns the statement in the bytes of an envelope; raises `strict.Malformed`. Signatures: see `verify`."""
    return spoken(envelope.open_envelope(data))


def spoken(signed: Signed) -> Spoken:
    """Returns the statement of a well-formed envelope; `strict.Malformed` where its payload is not."""
    statement = _one(signed)
    enclosed(statement.payload)
    return statement


def enclosed(payload: Payload) -> tuple[Spoken, ...]:
    """Returns the statements that evidence contains, or a relay attests; those enclosed in one of them are not
    followed. `strict.Malformed` as above."""
    shown: tuple[str, ...] = ()
    if isinstance(payload, EvidenceSubmit):
        shown = payload.statements
    elif isinstance(payload, RelayAttest):
        shown = (payload.statement,)
    return tuple([_one(envelope.open_envelope(text.encode())) for text in shown])


def effective(statement: Spoken) -> Spoken:
    """Returns the statement that an entry acts on: the one that a relay attests in it, else its own."""
    return enclosed(statement.payload)[0] if isinstance(statement.payload, RelayAttest) else statement


def output_of(incoming: Incoming) -> OutputSubmit | None:
    """Returns the `output.submit` that a command is, or that a relay attests in it; None where it is neither."""
    payload = effective(incoming).payload if isinstance(incoming, Spoken) else None
    return payload if isinstance(payload, OutputSubmit) else None


def signed_parts(incoming: Incoming) -> list[Signed]:
    """Returns every signed part of a command; each of their signatures must hold."""
    if not isinstance(incoming, Spoken):
        return []
    return [incoming.signed, *(each.signed for each in enclosed(incoming.payload))]


def _one(signed: Signed) -> Spoken:
    payload = strict.parse(signed.payload, Statement, max_bytes=MAX_LARGE_PAYLOAD_BYTES)
    if len(signed.payload) > MAX_PAYLOAD_BYTES and kind_of(payload) not in LARGE_KINDS:
        raise strict.Malformed(f"a {kind_of(payload)} has at most {MAX_PAYLOAD_BYTES} bytes", "too-large")
    return Spoken(signed, payload)


def bytes_of(incoming: Incoming) -> bytes:
    """Returns the command's bytes as its entry has them."""
    match incoming:
        case Spoken():
            return encode_command(Command(statement=incoming.signed.envelope))
        case Draw():
            return encode_command(Command(draw=incoming))
        case Seal():
            return encode_command(Command(seal=incoming))
        case Genesis():
            return encode_command(Command(genesis=incoming))
