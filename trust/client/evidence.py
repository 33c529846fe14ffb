"""Evidence as files, and as what `evidence.submit` says of it (rules.md 8).

A file names its kind in `evidence`. `fork` (client/forks.py) and `relay-confirm` (client/verify.py) are checked offline
there; here are `equivocation`, checked offline too, and `canary`, which the rules alone can judge: they hold the roots.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from trust.client.forks import Fork
from trust.client.problems import NotProven
from trust.client.verify import ConfirmEvidence, verify_receipt
from trust.core import commands, envelope, rulebook, strict
from trust.core.envelope import Envelope
from trust.core.payloads import MAX_LARGE_PAYLOAD_BYTES, OutputSubmit
from trust.core.receipt import Receipt
from trust.log.succession import LogKey

MAX_FILE_BYTES = 512 * 1024


class EquivocationEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receipt of an output that is on the log, and another `output.submit` for the same claim."""

    evidence: Literal["equivocation"]
    receipt: Receipt
    statement: Envelope

    @classmethod
    def of(cls, receipt: Receipt, statement: bytes) -> EquivocationEvidence:
        """The evidence of a receipt and of the other envelope."""
        return cls("equivocation", receipt, envelope.open_envelope(statement).envelope)

    def encode(self) -> bytes:
        """The evidence as a file."""
        return msgspec.json.encode(self) + b"\n"


class CanaryEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two `canary.open` of the operator for the same work, with different answers."""

    evidence: Literal["canary"]
    statements: tuple[Envelope, Envelope]


@dataclass(frozen=True, slots=True)
class TwoOutputs:
    """What an equivocation proves: `worker` signed another output for `claim` than entry `index` has."""

    claim: str
    worker: str
    index: int
    statements: tuple[str, str]


def verify_equivocation(data: bytes, key: LogKey) -> TwoOutputs:
    """What the file proves by itself. Raises `NotProven` where it proves nothing, or a retry."""
    file = _parsed(data, EquivocationEvidence)
    proven = verify_receipt(file.receipt, key)
    try:
        other = commands.spoken(envelope.from_envelope(file.statement))
        rulebook.verify(other)
    except (strict.Malformed, envelope.BadSignature) as error:
        raise NotProven(f"the other output: {error}") from error
    first = proven.spoken
    one, two = (None if each is None else each.payload for each in (first, other))
    if first is None or not isinstance(one, OutputSubmit) or not isinstance(two, OutputSubmit):
        raise NotProven("an equivocation is two output.submit")
    if (one.claim, one.network, first.signed.signers) != (two.claim, two.network, other.signed.signers):
        raise NotProven("not two outputs of one key for one claim")
    if two.issued_ms <= proven.at_ms or one.artifacts == two.artifacts:
        raise NotProven(
            "the second is a retry: it delivers the same, or was issued before the log had the first"
        )
    return TwoOutputs(one.claim, one.actor, proven.index, (first.id, other.id))


def is_equivocation(data: bytes) -> bool:
    """Whether a file says of itself that it is the evidence of two outputs."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(members, dict) and members.get("evidence") == "equivocation"


def said_of(data: bytes) -> dict[str, Any]:
    """The fields of the `evidence.submit` that shows a file to the log. Raises `NotProven` where it is no evidence."""
    try:
        members = json.loads(data)
        kind = members["evidence"]
        fields: dict[str, Any] = dict(_SAID[kind](data))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotProven(f"this file is no evidence that the rules judge: {error}") from error
    if len(msgspec.json.encode(fields)) > MAX_LARGE_PAYLOAD_BYTES:
        raise NotProven("this evidence is larger than a statement may be: it convicts offline only")
    return fields


def _of_fork(data: bytes) -> Mapping[str, Any]:
    fork = _parsed(data, Fork)
    if fork.root:
        raise NotProven("two notes of different sizes convict offline only")
    return {"type": "log-fork", "notes": fork.notes}


def _of_confirmation(data: bytes) -> Mapping[str, Any]:
    file = _parsed(data, ConfirmEvidence)
    entry = json.loads(strict.b64(file.relay.entry))
    relay = next(event["relay"] for event in entry["events"] if event["kind"] == "relay.registered")
    return {"type": "relay-confirm", "statements": (_text(file.statement),), "relay": relay}


def _of_outputs(data: bytes) -> Mapping[str, Any]:
    file = _parsed(data, EquivocationEvidence)
    logged = msgspec.json.decode(strict.b64(file.receipt.entry), type=_Logged).command.statement
    return {"type": "equivocation", "statements": (_text(logged), _text(file.statement))}


def _of_canaries(data: bytes) -> Mapping[str, Any]:
    return {"type": "canary", "statements": tuple(map(_text, _parsed(data, CanaryEvidence).statements))}


class _Command(msgspec.Struct):
    statement: Envelope


class _Logged(msgspec.Struct):
    command: _Command


def _text(signed: Envelope) -> str:
    return envelope.encode(signed).decode()


def _parsed(data: bytes, shape: Any) -> Any:
    try:
        return strict.parse(data, shape, max_bytes=MAX_FILE_BYTES)
    except strict.Malformed as error:
        raise NotProven(f"the evidence: {error}") from error


_SAID: dict[str, Callable[[bytes], Any]] = {
    "fork": _of_fork,
    "relay-confirm": _of_confirmation,
    "equivocation": _of_outputs,
    "canary": _of_canaries,
}
