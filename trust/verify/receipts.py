"""Offline verification: receipts, refusal notes and relay confirmations, under a key that the caller brings.

A caller who knows that the log changed its key brings all of them (`rotations.py`): then the one that is right for a
checkpoint's size must have signed it. A refusal at a size is signed by the key of the next checkpoint.

No step asks anybody. A receipt is good when, in this order:
1. it is JSON of exactly its members, its entry canonical base64;
2. the entry has format 1 and one command;
3. the log's key signed the checkpoint, and its origin is the key's name (C2SP tlog-checkpoint);
4. the inclusion path leads from the entry's hash at its index to the checkpoint's root (RFC 9162, 2.1.3.2);
5. where the command is a statement: it is of this network and every signature in it holds.

The events of an entry are read as plain JSON, so that a receipt of a newer release verifies with an older client.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from trust.core import commands, envelope, rulebook, strict
from trust.core.commands import Spoken
from trust.core.entry import FORMAT, MAX_ENTRY_BYTES, Command, InvalidEntry, kind_of_command
from trust.core.envelope import Envelope
from trust.core.events import RelayRegistered
from trust.core.payloads import RelayConfirm, kind_of
from trust.core.receipt import Receipt
from trust.log import merkle, note, proof
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import ProofError
from trust.log.note import NoteError, Verifier
from trust.log.succession import LogKey, key_for, opened
from trust.verify.failures import NotProven

MAX_RECEIPT_BYTES = 512 * 1024
MAX_BATCH_RECEIPT_BYTES = 256 * 1024 * 1024
REFUSAL_HEADER = "trust/refusal/v1"
_REFUSAL_LINES = 7
T = TypeVar("T")


class BatchReceipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Receipts that share a checkpoint: each one's proof ends before the empty line that the checkpoint follows."""

    checkpoint: str
    receipts: tuple[Receipt, ...]

    def encode(self) -> bytes:
        """The receipts as one file."""
        return msgspec.json.encode(self) + b"\n"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    at_ms: int
    command: Command
    events: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry that is in the log, and the checkpoint with the note that says so. `spoken` is its statement, if any."""

    index: int
    at_ms: int
    data: bytes = field(repr=False)
    command: Command = field(repr=False)
    events: tuple[dict[str, Any], ...] = field(repr=False)
    spoken: Spoken | None = field(repr=False)
    checkpoint: Checkpoint
    note: bytes = field(repr=False)

    def event(self, kind: str) -> dict[str, Any]:
        """The first event of a kind; `NotProven` where the entry has none."""
        for event in self.events:
            if event.get("kind") == kind:
                return event
        raise NotProven(f"entry {self.index} has no event {kind}")

    def statement_facts(self) -> dict[str, str]:
        """Returns kind, actor and id of the entry's statement, for answers; {} where it has none."""
        if self.spoken is None:
            return {}
        payload = self.spoken.payload
        return {"kind": kind_of(payload), "actor": payload.actor, "statement": self.spoken.id}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal that the service signed, by a rule: `code` at `size` entries with this root."""

    network: str
    statement: str
    code: str
    size: int
    at_ms: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Denial:
    """A refusal together with the statement that was refused: replay says whether it was right."""

    refusal: Refusal
    spoken: Spoken


class DenialEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of a denial: the signed note, and the envelope that was sent."""

    evidence: Literal["refusal"]
    note: str
    statement: Envelope


@dataclass(frozen=True, slots=True)
class Confirmation:
    """A relay's word on who won a claim, and the coordinators that signed it."""

    statement: RelayConfirm
    signers: tuple[str, ...]


class ConfirmEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file of a false `relay.confirm`: its envelope, and receipts of the entry it names and of the relay's own."""

    evidence: Literal["relay-confirm"]
    statement: Envelope
    claim: Receipt
    relay: Receipt


@dataclass(frozen=True, slots=True)
class FalseConfirmation:
    """A proven false confirmation: these coordinators of `relay` confirmed what entry `index` does not say."""

    relay: str
    index: int
    signers: tuple[str, ...]
    reason: str


def parse_key(vkey: str | Verifier) -> Verifier:
    """The log's key from its vkey text; `NotProven` where it is none."""
    if isinstance(vkey, Verifier):
        return vkey
    try:
        return Verifier.parse(vkey.strip())
    except NoteError as error:
        raise NotProven(f"the verifier key: {error}") from error


def verify_receipt(receipt: Receipt | bytes, key: LogKey) -> Proven:
    """The entry that a receipt proves to be in the log of `key`. Raises `NotProven`."""
    try:
        receipt = (
            receipt if isinstance(receipt, Receipt) else _parse(receipt, Receipt, MAX_RECEIPT_BYTES)
        )  # 1
        data = strict.b64(receipt.entry)
        entry = _decode(data)  # 2
        checkpoint, signed = _included(data, receipt, key)  # 3, 4
        spoken = _statement(entry.command, key.name)  # 5
    except (
        strict.Malformed,
        InvalidEntry,
        ProofError,
        NoteError,
        CheckpointError,
        envelope.BadSignature,
    ) as error:
        raise NotProven(f"the receipt: {error}") from error
    return Proven(receipt.index, entry.at_ms, data, entry.command, entry.events, spoken, checkpoint, signed)


def verify_written(receipt: Receipt, sent: bytes, key: LogKey, *, repeated: bool) -> Proven:
    """Verifies the answer to a write: the entry holds exactly the envelope that was sent.

    Where the service says that the statement is a repetition, its first sending may have had other signatures;
    the payload, and with it the statement's id, is the same.
    """
    proven = verify_receipt(receipt, key)
    mine = commands.parse(sent)
    if proven.spoken is None or proven.spoken.signed.payload != mine.signed.payload:
        raise NotProven(f"entry {proven.index} is not the statement that was sent, {mine.id}")
    if not repeated and proven.spoken.signed.envelope != mine.signed.envelope:
        raise NotProven(f"entry {proven.index} has other signatures than were sent")
    return proven


def pack(receipts: Collection[Receipt]) -> BatchReceipt:
    """Receipts of one batch without their common checkpoint; ValueError where they have no common one."""
    parts = [receipt.proof.partition("\n\n") for receipt in receipts]
    checkpoints = {checkpoint for _, _, checkpoint in parts}
    if len(checkpoints) != 1:
        raise ValueError(f"{len(checkpoints)} checkpoints: receipts of one batch share one")
    short = [
        Receipt(receipt.index, receipt.entry, head + "\n")
        for receipt, (head, _, _) in zip(receipts, parts, strict=True)
    ]
    return BatchReceipt(checkpoints.pop(), tuple(short))


def unpack(packed: BatchReceipt | bytes) -> list[Receipt]:
    """The receipts of a batch, each complete again."""
    batch = (
        packed if isinstance(packed, BatchReceipt) else _parse(packed, BatchReceipt, MAX_BATCH_RECEIPT_BYTES)
    )
    tail = "\n" + batch.checkpoint
    return [Receipt(receipt.index, receipt.entry, receipt.proof + tail) for receipt in batch.receipts]


def verify_batch(packed: BatchReceipt | bytes, key: LogKey) -> list[Proven]:
    """Every entry that a batch receipt proves. Raises `NotProven` where one of them is bad, or there is none."""
    receipts = unpack(packed)
    if not receipts:
        raise NotProven("a batch receipt without receipts")
    return [verify_receipt(receipt, key) for receipt in receipts]


def verify_refusal(signed: bytes, key: LogKey) -> Refusal:
    """Returns what a refusal note says that the log of `key` refused, and when. Raises `NotProven`."""
    try:
        refusal = _refusal(note.parse_note(signed)[0], key.name)
        note.open_note(signed, [key_for(key, refusal.size + 1)])
    except (NoteError, ValueError) as error:
        raise NotProven(f"the refusal note: {error}") from error
    return refusal


def verify_confirmation(
    signed: bytes, network: str, coordinators: Collection[str], threshold: int
) -> Confirmation:
    """A relay's confirmation that at least `threshold` of its coordinators signed. Raises `NotProven`."""
    try:
        spoken = commands.parse(signed)
        envelope.verify(spoken.signed)
    except (strict.Malformed, envelope.BadSignature) as error:
        raise NotProven(f"the relay's confirmation: {error}") from error
    statement = spoken.payload
    if not isinstance(statement, RelayConfirm) or statement.network != network:
        raise NotProven(f"not a relay.confirm in {network}")
    signers = tuple(did for did in spoken.signed.signers if did in coordinators)
    if len(signers) < threshold:
        raise NotProven(f"{len(signers)} of the {threshold} coordinators that must sign a confirmation")
    return Confirmation(statement, signers)


def check_confirmed(confirmation: Confirmation, winner: Proven) -> None:
    """Returns where the entry at the confirmed index names the same winner; else `NotProven`: the relay lied."""
    statement = confirmation.statement
    opened = winner.event("claim.opened")
    confirmed = (statement.index, statement.task, statement.claim, statement.worker)
    logged = (winner.index, opened.get("task"), opened.get("claim"), opened.get("worker"))
    if confirmed != logged:
        raise NotProven(f"the relay confirmed {confirmed}, entry {winner.index} says {logged}")


def verify_statement(signed: Envelope, what: str) -> Spoken:
    """Returns the statement in an envelope, each of whose signatures holds; else `NotProven`, in the words `what`.

    That somebody signed it is all that this shows. An output that is not on the log proves nothing after its
    `expires_ms` (docs/rules.md 8): who receives one outside the log asks for its receipt.
    """
    try:
        spoken = commands.spoken(envelope.from_envelope(signed))
        rulebook.verify(spoken)
    except (strict.Malformed, envelope.BadSignature) as error:
        raise NotProven(f"{what}: {error}") from error
    return spoken


def verify_denial(data: bytes, key: LogKey) -> Denial:
    """The refusal in a file of evidence, which is of the statement beside it. Raises `NotProven`."""
    file = _parse(data, DenialEvidence, MAX_RECEIPT_BYTES)
    refusal = verify_refusal(file.note.encode("utf-8", "surrogatepass"), key)
    spoken = verify_statement(file.statement, "the refused statement")
    if spoken.id != refusal.statement:
        raise NotProven(f"the note refuses {refusal.statement}, the statement is {spoken.id}")
    return Denial(refusal, spoken)


def verify_false_confirmation(data: bytes, key: LogKey) -> FalseConfirmation:
    """Returns what a file proves against a relay. `NotProven` where it proves nothing, or the relay was right."""
    file = _parse(data, ConfirmEvidence, MAX_RECEIPT_BYTES)
    claim, registered = verify_receipt(file.claim, key), verify_receipt(file.relay, key)
    try:
        relay = msgspec.convert(registered.event("relay.registered"), RelayRegistered)
    except msgspec.ValidationError as error:
        raise NotProven(f"entry {registered.index} registers no relay: {error}") from error
    signed = msgspec.json.encode(file.statement)
    confirmation = verify_confirmation(signed, key.name, relay.coordinators, max(1, relay.threshold))
    if claim.index != confirmation.statement.index:
        raise NotProven(
            f"the relay named entry {confirmation.statement.index}, the receipt is of entry {claim.index}"
        )
    try:
        check_confirmed(confirmation, claim)
    except NotProven as lie:
        return FalseConfirmation(relay.relay, claim.index, confirmation.signers, str(lie))
    raise NotProven(f"the relay told the truth: entry {claim.index} says the same")


def _parse(data: bytes, shape: type[T], max_bytes: int) -> T:
    try:
        return strict.parse(data, shape, max_bytes=max_bytes)
    except strict.Malformed as error:
        raise NotProven(f"not a receipt: {error}") from error


def _decode(data: bytes) -> _Entry:
    entry = strict.parse(data, _Entry, max_bytes=MAX_ENTRY_BYTES)
    if entry.v != FORMAT:
        raise strict.Malformed(f"an entry of format {entry.v}, this release reads {FORMAT}")
    kind_of_command(entry.command)
    return entry


def _included(data: bytes, receipt: Receipt, key: LogKey) -> tuple[Checkpoint, bytes]:
    parsed = proof.TlogProof.parse(receipt.proof.encode("utf-8", "surrogatepass"))
    if parsed.index != receipt.index:
        raise ProofError(f"the proof is for entry {parsed.index}")
    checkpoint = _opened(parsed.checkpoint, key)
    merkle.verify_inclusion(
        merkle.leaf_hash(data), parsed.index, checkpoint.size, parsed.path, checkpoint.root
    )
    return checkpoint, parsed.checkpoint


@lru_cache(maxsize=64)
def _opened(signed: bytes, key: LogKey) -> Checkpoint:
    """The receipts of a batch share a checkpoint: its signature is verified once."""
    return opened(signed, key)


def _statement(command: Command, network: str) -> Spoken | None:
    if command.statement is None:
        return None
    spoken = commands.spoken(envelope.from_envelope(command.statement))
    if spoken.payload.network != network:
        raise strict.Malformed(f"a statement of network {spoken.payload.network} in the log of {network}")
    rulebook.verify(spoken)
    return spoken


def _refusal(text: str, network: str) -> Refusal:
    lines = text.removesuffix("\n").split("\n")
    if len(lines) != _REFUSAL_LINES or lines[0] != REFUSAL_HEADER:
        raise NotProven(f"a refusal has {_REFUSAL_LINES} lines and starts with {REFUSAL_HEADER}")
    _, origin, statement, code, size, at_ms, root = lines
    if origin != network:
        raise NotProven(f"a refusal of {origin}, not of {network}")
    if len(note.decode_base64(root)) != merkle.HASH_BYTES:
        raise NotProven("the root of a refusal is 32 bytes")
    return Refusal(origin, statement, code, _decimal(size), _decimal(at_ms), note.decode_base64(root))


def _decimal(text: str) -> int:
    if not text.isascii() or not text.isdigit() or text != str(int(text)):
        raise NotProven(f"not a number in a refusal: {text[:40]!r}")
    return int(text)
