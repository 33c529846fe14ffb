"""A second look at one output by an owner's command: the case that it is given, and what its exit status says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from trust.audit.provenance import Output
from trust.client import TrustClient
from trust.core import strict
from trust.core.payloads import CLAIM
from trust.errors import ClientError, TrustError
from trust.programs.command import MAX_WORDS, Limits, Outcome, run
from trust.verify.failures import NotProven

MAX_VERDICT_BYTES = 65_536


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The answer that a command prints, as JSON: pass, fail, or void where it cannot say; of a batch its bad items."""

    verdict: Literal["pass", "fail", "void"]
    reason: str = ""
    bad: tuple[int, ...] = ()


class NoVerdict(ClientError):
    """A command did not come to a verdict; `detail` says why."""

    def __init__(self, why: str) -> None:
        super().__init__("no-verdict", why)


def judge(
    client: TrustClient, command: Sequence[str], limits: Limits
) -> Callable[[Output, Sequence[Output]], tuple[bool | None, str]]:
    """Returns what judges an output by a command, by the verdict that it prints."""

    def look(output: Output, sources: Sequence[Output]) -> tuple[bool | None, str]:
        try:
            blobs = {digest: client.get_blob(digest) for digest in _digests(output, sources)}
        except (TrustError, NotProven) as error:
            return None, f"its bytes cannot be had: {error}"
        return _verdict(run(command, case_of(output, sources), blobs, limits))

    return look


def case_of(output: Output, sources: Iterable[Output]) -> dict[str, Any]:
    """Returns `case.json`: the task, what was delivered, and what that was made from."""
    return {
        "task": output.task,
        "task_kind": output.task_kind,
        "spec_sha256": output.spec_sha256,
        **_delivered(output),
        "inputs": [{"task": source.task, **_delivered(source)} for source in sources],
    }


def _delivered(output: Output) -> dict[str, Any]:
    artifacts = [{"name": each.name, "sha256": each.sha256} for each in output.artifacts]
    return {"claim": output.claim, "worker": output.worker, "artifacts": artifacts}


def _digests(output: Output, sources: Iterable[Output]) -> Iterator[str]:
    yield output.spec_sha256
    for each in (output, *sources):
        yield from (artifact.sha256 for artifact in each.artifacts)
    yield from (source for source in output.inputs if not source.startswith(CLAIM))


def _verdict(outcome: Outcome) -> tuple[bool | None, str]:
    """Returns what a command found of one output, and why."""
    try:
        verdict = verdict_of(outcome)
    except NoVerdict as error:
        return None, error.detail
    return {"pass": True, "fail": False, "void": None}[verdict.verdict], verdict.reason[:MAX_WORDS]


def verdict_of(outcome: Outcome) -> Verdict:
    """Returns the verdict that a command printed. `NoVerdict` where it ended otherwise: a crash is never a verdict."""
    if outcome.failure:
        raise NoVerdict(outcome.failure)
    try:
        return strict.parse(outcome.stdout, Verdict, max_bytes=MAX_VERDICT_BYTES)
    except strict.Malformed as error:
        raise NoVerdict(f"what the command printed is no verdict: {error}"[:MAX_WORDS]) from None
