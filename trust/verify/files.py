"""Offline verification of any file that the service signed: the one entry point, with the log's key alone."""

from __future__ import annotations

import json
from collections.abc import Callable

from trust.core import scorebook
from trust.log.succession import LogKey
from trust.verify import scores
from trust.verify.bundles import verify_bundle
from trust.verify.cases import Case
from trust.verify.evidence import TwoAnswers, TwoOutputs, verify_canaries, verify_equivocation
from trust.verify.failures import NotProven
from trust.verify.forks import Convicted, verify_fork
from trust.verify.receipts import (
    Denial,
    FalseConfirmation,
    Proven,
    Refusal,
    verify_batch,
    verify_denial,
    verify_false_confirmation,
    verify_receipt,
    verify_refusal,
)
from trust.verify.scores import AgentScores

Evidence = Convicted | Denial | FalseConfirmation | TwoOutputs | TwoAnswers
Verified = list[Proven] | Refusal | Case | AgentScores | Evidence
_EVIDENCE: dict[str, Callable[[bytes, LogKey], Evidence]] = {
    "fork": verify_fork,
    "refusal": verify_denial,
    "relay-confirm": verify_false_confirmation,
    "equivocation": verify_equivocation,
    "canary": verify_canaries,
}


def verify_file(data: bytes, key: LogKey) -> Verified:
    """Returns what a file proves: a receipt, a batch of them, a refusal (a note, or the problem that carries one), a
    bundle, scores, evidence. Raises `NotProven` where it proves nothing."""
    _check_whole(data)
    try:
        members = json.loads(data)
    except (ValueError, RecursionError):
        return verify_refusal(data, key)
    if not isinstance(members, dict):
        return [verify_receipt(data, key)]
    if members.get("format") == scorebook.FORMAT:
        return verify_scores(data, key)
    if "format" in members:
        return verify_bundle(data, key)
    if "evidence" in members:
        return _verify_evidence(members["evidence"], data, key)
    if isinstance(members.get("refusal"), str):
        return verify_refusal(members["refusal"].encode(), key)
    if isinstance(members.get("receipt"), dict):
        return [verify_receipt(json.dumps(members["receipt"]).encode(), key)]
    if "receipts" in members:
        return list(verify_batch(data, key))
    return [verify_receipt(data, key)]


def _verify_evidence(kind: object, data: bytes, key: LogKey) -> Evidence:
    if not isinstance(kind, str) or kind not in _EVIDENCE:
        raise NotProven(f"evidence is one of {', '.join(_EVIDENCE)}")
    return _EVIDENCE[kind](data, key)


def verify_scores(data: bytes, key: LogKey) -> AgentScores:
    """Returns the scores that the network of `key` is proven to have said about an agent. Raises `NotProven`."""
    try:
        return scores.verify(data, key)
    except scores.BadScores as error:
        raise NotProven(str(error)) from error


def _check_whole(data: bytes) -> None:
    """`NotProven` where a file is empty, or begins as JSON and breaks off: its first part proves nothing."""
    if not data.strip():
        raise NotProven("the file is empty")
    if not data.lstrip().startswith((b"{", b"[")):
        return
    try:
        json.loads(data)
    except UnicodeDecodeError as error:
        raise NotProven(f"the file is damaged at byte {error.start}: not UTF-8") from error
    except json.JSONDecodeError as error:
        is_cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        what = "cut off: its end is missing" if is_cut else f"damaged at character {error.pos}: {error.msg}"
        raise NotProven(f"the file is {what}") from error
    except RecursionError:
        return
