"""Evidence as files, and as what `evidence.submit` says of it (docs/rules.md 8).

A file names its kind in `evidence`, and all are checked offline: `fork` in verify/forks.py, `relay-confirm` in
verify/receipts.py, and here `equivocation` and `canary`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from trust.core import envelope, strict
from trust.core.commands import Spoken, effective
from trust.core.envelope import Envelope
from trust.core.payloads import MAX_LARGE_PAYLOAD_BYTES, CanaryOpen, OutputSubmit
from trust.core.receipt import Receipt
from trust.core.refusal import Refused
from trust.core.rules import canaries
from trust.core.rules.canaries import Answer
from trust.core.rules.evidence import contradicts
from trust.errors import ClientError
from trust.log.succession import LogKey
from trust.verify.failures import NotProven
from trust.verify.forks import Fork
from trust.verify.receipts import ConfirmEvidence, Proven, verify_receipt, verify_statement

MAX_FILE_BYTES = 512 * 1024


class EquivocationEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The receipt of an output that is on the log, and another `output.submit` for the same claim.

    Beside them, where the worker signed under two keys, the receipts of the entries of its rotations.
    """

    evidence: Literal["equivocation"]
    receipt: Receipt
    statement: Envelope
    rotations: tuple[Receipt, ...] = ()

    @classmethod
    def of(
        cls, receipt: Receipt, statement: bytes, rotations: tuple[Receipt, ...] = ()
    ) -> EquivocationEvidence:
        """The evidence of a receipt and of the other envelope."""
        return cls("equivocation", receipt, envelope.open_envelope(statement).envelope, rotations)

    def encode(self) -> bytes:
        """The evidence as a file."""
        return msgspec.json.encode(self) + b"\n"


class CanaryEvidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Two `canary.open` of the operator for the same work, with different answers.

    Beside them, in receipts: for each the `canary.commit` that it opens, the genesis that says who the operator is, and
    where it has changed its key, the entries of its rotations.
    """

    evidence: Literal["canary"]
    statements: tuple[Envelope, Envelope]
    commits: tuple[Receipt, Receipt]
    genesis: Receipt
    rotations: tuple[Receipt, ...] = ()

    @classmethod
    def of(
        cls,
        statements: tuple[bytes, bytes],
        commits: tuple[Receipt, Receipt],
        genesis: Receipt,
        rotations: tuple[Receipt, ...] = (),
    ) -> CanaryEvidence:
        """The evidence of two envelopes."""
        one, other = (envelope.open_envelope(each).envelope for each in statements)
        return cls("canary", (one, other), commits, genesis, rotations)

    def encode(self) -> bytes:
        """The evidence as a file."""
        return msgspec.json.encode(self) + b"\n"


@dataclass(frozen=True, slots=True)
class TwoOutputs:
    """A proven equivocation: `worker` signed another output for `claim` than entry `index` has."""

    claim: str
    worker: str
    index: int
    statements: tuple[str, str]


@dataclass(frozen=True, slots=True)
class TwoAnswers:
    """Two proven canaries: `operator` committed to both answers for the work of `worker` on `task`, and opened both."""

    operator: str
    task: str
    worker: str
    indices: tuple[int, int]
    statements: tuple[str, str]


def verify_equivocation(data: bytes, key: LogKey) -> TwoOutputs:
    """Returns what the file proves by itself. Raises `NotProven` where it proves nothing, or a retry."""
    file = _parsed(data, EquivocationEvidence)
    proven = verify_receipt(file.receipt, key)
    other = verify_statement(file.statement, "the other output")
    first = effective(proven.spoken) if proven.spoken else None
    one, two = (None if each is None else each.payload for each in (first, other))
    if first is None or not isinstance(one, OutputSubmit) or not isinstance(two, OutputSubmit):
        raise NotProven("an equivocation is two output.submit")
    keys, until_ms = _keys_of(one.actor, file.rotations, key)
    if (one.claim, one.network) != (two.claim, two.network) or not keys.issuperset(other.signed.signers):
        raise NotProven("not two outputs of one party for one claim")
    ends_ms = min((two.expires_ms, *(until_ms[each] for each in other.signed.signers if each in until_ms)))
    if two.issued_ms >= ends_ms or not contradicts(one, proven.at_ms, two, ends_ms):
        raise NotProven("the second had expired before the first was issued")
    if (one.artifacts, one.items_root) == (two.artifacts, two.items_root):
        raise NotProven("the second is a retry: it delivers the same")
    return TwoOutputs(one.claim, one.actor, proven.index, (first.id, other.id))


def _keys_of(party: str, rotations: tuple[Receipt, ...], key: LogKey) -> tuple[set[str], dict[str, int]]:
    """The keys that were a party's as far as these receipts say, and when each of those before the last was rotated."""
    keys, until_ms, current = {party}, {}, party
    for proven in sorted((verify_receipt(each, key) for each in rotations), key=lambda each: each.index):
        event = proven.event("party.rotated")
        if event.get("party") == party:
            until_ms[current] = proven.at_ms
            current = str(event.get("key"))
            keys.add(current)
    return keys, until_ms


def verify_canaries(data: bytes, key: LogKey) -> TwoAnswers:
    """Returns what the file proves by itself. Raises `NotProven` where it proves nothing, or both answers are one."""
    file: CanaryEvidence = _parsed(data, CanaryEvidence)
    operator, keys = _operator(file, key)
    commits = [verify_receipt(receipt, key) for receipt in file.commits]
    opened = [verify_statement(each, "a canary.open") for each in file.statements]
    one, other = (_answer(each, commit, keys, key.name) for each, commit in zip(opened, commits, strict=True))
    if (one.task, one.worker) != (other.task, other.worker):
        raise NotProven("the two canaries are about different work")
    if one.verdict == other.verdict:
        raise NotProven(f"both answer {one.verdict}")
    indices, ids = (commits[0].index, commits[1].index), (opened[0].id, opened[1].id)
    return TwoAnswers(operator, one.task, one.worker, indices, ids)


def _operator(file: CanaryEvidence, key: LogKey) -> tuple[str, set[str]]:
    """The operator, and the keys that were its own."""
    genesis = verify_receipt(file.genesis, key).command.genesis
    if genesis is None:
        raise NotProven("the receipt of the genesis is of another entry")
    rotated = [verify_receipt(each, key).event("party.rotated") for each in file.rotations]
    keys = {str(event.get("key")) for event in rotated if event.get("party") == genesis.operator}
    return genesis.operator, {genesis.operator} | keys


def _answer(opened: Spoken, commit: Proven, keys: set[str], network: str) -> Answer:
    """The answer that the operator opened out of what this entry committed to."""
    canary = opened.payload
    if (
        not isinstance(canary, CanaryOpen)
        or canary.network != network
        or not keys & set(opened.signed.signers)
    ):
        raise NotProven("a canary's evidence is two canary.open of the operator")
    try:
        answer, root = canaries.opening(canary, network)
    except Refused as error:
        raise NotProven(f"a canary.open: {error}") from error
    committed = commit.event("canaries.committed")
    if (committed.get("root"), committed.get("count")) != (root, answer.count):
        raise NotProven(f"entry {commit.index} commits to other canaries than {opened.id} opens")
    return answer


def said_of(data: bytes) -> dict[str, Any]:
    """The fields of the `evidence.submit` that shows a file to the log. Raises `NotProven` where it is no evidence."""
    kind = _kind_of_evidence(data)
    try:
        fields: dict[str, Any] = dict(_SAID[kind](data))
    except (ValueError, TypeError, KeyError, StopIteration, RecursionError) as error:
        raise NotProven(f"this file of evidence ({kind}) is not whole: {error!r}") from error
    if len(msgspec.json.encode(fields)) > MAX_LARGE_PAYLOAD_BYTES:
        raise NotProven("this evidence is larger than a statement may be: it convicts offline only")
    return fields


def _kind_of_evidence(data: bytes) -> str:
    """Returns which evidence a file says it is; `ClientError` with what is missing where it is none yet."""
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise ClientError("not-evidence", "this file is no evidence: evidence is a JSON object")
    kind = members.get("evidence")
    if isinstance(kind, str) and kind in _SAID:
        return kind
    if "evidence" in members:
        raise ClientError("not-evidence", f"the rules judge {', '.join(_SAID)}, and this says {kind!r}")
    lacking, hint = _UNWRAPPED.get(_kind_of_statement(members), _NOTHING)
    raise ClientError("not-evidence", f"this file is no evidence yet: {lacking}", hint=hint)


def _kind_of_statement(members: Mapping[str, Any]) -> str:
    """The kind of statement that a bare envelope holds; "" where it is none."""
    try:
        payload = json.loads(strict.b64(members["payload"]))
        return str(payload["kind"])
    except (KeyError, TypeError, ValueError, strict.Malformed):
        return "receipt" if {"entry", "proof"} <= members.keys() else ""


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
_NOTHING = (
    "it does not say in `evidence` what it proves",
    "trust evidence --help lists what makes such files",
)
_UNWRAPPED = {
    "relay.confirm": (
        "it is a relay's signed confirmation; missing are the receipts of the entry that it names and of the relay",
        "trust evidence confirmation FILE EVIDENCE fetches both and writes the evidence, where the relay lied",
    ),
    "output.submit": (
        "it is one signed output; missing is the receipt of the other one, which the log has",
        "trust evidence outputs RECEIPT FILE EVIDENCE puts the two together",
    ),
    "canary.open": (
        "it is one answer of the operator; missing are the other one, and the receipts of what both open",
        "trust evidence canaries FILE OTHER EVIDENCE --genesis RECEIPT --commit RECEIPT puts them together",
    ),
    "receipt": (
        "it is a receipt, which proves that an entry is on the log",
        "trust receipt judge FILE LOG holds a receipt against the log",
    ),
}
"""What a file that is no evidence yet lacks, and the command that makes evidence of it."""
