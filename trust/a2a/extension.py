"""What A2A messages and tasks carry under the extension's URI, and what it proves offline (docs/a2a.md 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple, TypeVar

import msgspec
from a2a.types import Message, Part, Task
from google.protobuf.json_format import MessageToDict

from trust.core.commands import effective
from trust.core.payloads import OutputSubmit, TaskPost
from trust.log.succession import LogKey
from trust.verify.bundles import verify_bundle
from trust.verify.cases import Case
from trust.verify.failures import NotProven
from trust.verify.receipts import Proven, verify_receipt

URI = "urn:ants:trust:a2a:v1"

T = TypeVar("T", bound=msgspec.Struct)


class Posting(msgspec.Struct, frozen=True):
    """What a message carries: the receipt of the entry that posts the task which it asks for."""

    task: str
    receipt: str


class Delivery(msgspec.Struct, frozen=True):
    """What a finished task carries: the claim, the receipt of its output, and the claim's bundle of that moment."""

    task: str
    claim: str
    receipt: str
    bundle: str


class Result(NamedTuple):
    """A result that is proven: who made it, the artifacts' bytes by name, and how its claim stood."""

    worker: str
    artifacts: Mapping[str, bytes]
    case: Case


def carried(metadata: Any, shape: type[T]) -> T:
    """Returns what stands under the extension's URI in a message's or task's metadata; `NotProven` where none does."""
    data = MessageToDict(metadata).get(URI)
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise NotProven(f"the metadata of {URI}: {error}") from None


def carry(proofs: msgspec.Struct) -> dict[str, Any]:
    """Returns metadata with these proofs in it."""
    return {URI: msgspec.to_builtins(proofs)}


def asked_for(message: Message, key: LogKey) -> TaskPost:
    """Returns the task that a message asks for, proven: its text is the specification whose hash the requester signed.

    Raises `NotProven`.
    """
    carries = carried(message.metadata, Posting)
    posted = _said(verify_receipt(carries.receipt.encode(), key), TaskPost)
    if posted.task != carries.task:
        raise NotProven(f"the receipt posts {posted.task}, not {carries.task}")
    if sha256(specification(message)).hexdigest() != posted.spec_sha256:
        raise NotProven(f"the message is not the specification that {posted.actor} posted for {posted.task}")
    return posted


def specification(message: Message) -> bytes:
    """Returns the bytes of a message's one part. `NotProven` where it has more, or no bytes."""
    return _bytes_of("the message", message.parts)


def check_result(task: Task, key: LogKey, posted: str, worker: str = "") -> Result:
    """Returns a finished task's result: the artifacts are the output that `worker`, where given, signed for the task
    named `posted`. Raises `NotProven`. What the verifiers think of it later, a newer bundle says."""
    carries = carried(task.metadata, Delivery)
    case = verify_bundle(carries.bundle.encode(), key)
    output = _said(verify_receipt(carries.receipt.encode(), key), OutputSubmit)
    if (case.claim, case.task) != (carries.claim, posted) or output.claim != case.claim:
        raise NotProven(f"the proofs are of {case.claim} on {case.task}, and of an output for {output.claim}")
    if output.actor != case.worker or worker not in ("", case.worker):
        raise NotProven(f"the output is {output.actor}'s, and the claim {case.worker}'s")
    made = {each.name: _bytes_of(each.name, each.parts) for each in task.artifacts}
    signed = {each.name: each.sha256 for each in output.artifacts}
    if len(task.artifacts) != len(made) or signed != {
        name: sha256(data).hexdigest() for name, data in made.items()
    }:
        raise NotProven("the artifacts are not the ones that the worker signed")
    return Result(case.worker, made, case)


def _said(proven: Proven, kind: type[T]) -> T:
    payload = effective(proven.spoken).payload if proven.spoken else None
    if not isinstance(payload, kind):
        raise NotProven(f"entry {proven.index} is no {kind.__name__}")
    return payload


def _bytes_of(what: str, parts: Any) -> bytes:
    part = parts[0] if len(parts) == 1 else Part()
    match part.WhichOneof("content"):
        case "text":
            return str(part.text).encode()
        case "raw":
            return bytes(part.raw)
    raise NotProven(f"{what} has not exactly one part of text or bytes")
