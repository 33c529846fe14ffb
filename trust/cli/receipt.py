"""`trust receipt`: what a file proves, with the log's key and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, LogKey, Output, Rotations, read_keys, read_witnesses
from trust.cli.failures import FALSE, GOOD
from trust.cli.terminal import progress
from trust.cli.wait_notice import waiting

if TYPE_CHECKING:
    from trust.log.succession import Succession
    from trust.verify.cases import Case
    from trust.verify.receipts import Proven, Refusal
    from trust.verify.scores import AgentScores

app = App(name="receipt")


@app.command
def verify(
    file: Path,
    /,
    *,
    key: Annotated[str, Parameter(env_var="TRUST_VKEY")],
    rotation: Rotations = (),
    witnesses: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Verify a receipt, a batch, a refusal, a bundle, scores or evidence of a lie, offline. Exit 1 where it fails.

    Parameters
    ----------
    file
        The file to verify.
    key
        The log's verifier key, or a file with it: from somewhere you trust, never from what you verify.
    rotation
        The receipt of an entry by which the log changed its key since: it leads from the key before to the next one.
    witnesses
        A file with the witnesses that you trust and their quorum (C2SP tlog-policy), from there too: the checkpoint
        of a receipt or bundle must have it.
    """
    import msgspec

    from trust.verify.cases import Case
    from trust.verify.evidence import TwoAnswers, TwoOutputs
    from trust.verify.files import verify_file
    from trust.verify.forks import Convicted
    from trust.verify.quorum import check_quorum
    from trust.verify.receipts import Denial, FalseConfirmation, Refusal
    from trust.verify.scores import AgentScores

    data, keys, quorum = file.read_bytes(), read_keys(key, rotation), read_witnesses(witnesses)
    proven = verify_file(data, keys)
    seen = {"cosigned_by": check_quorum(proven, data, keys, quorum)} if quorum else {}
    if isinstance(proven, Case):
        output.show({"verified": "bundle", **_case(proven, whole=output.json), **seen})
    elif isinstance(proven, Refusal):
        output.show({"verified": "refusal", **_refusal(proven)})
    elif isinstance(proven, Denial):
        output.show({"verified": "refusal", **_refusal(proven.refusal), "actor": proven.spoken.payload.actor})
    elif isinstance(proven, Convicted):
        roots = {"root": proven.held.hex(), "other_root": proven.other.hex()}
        facts = {"size": proven.size, **roots, "signed_size": proven.signed_size}
        output.show({"verified": "fork", "network": proven.origin, **facts})
    elif isinstance(proven, FalseConfirmation):
        facts = {"relay": proven.relay, "index": proven.index, "signers": list(proven.signers)}
        output.show({"verified": "false relay.confirm", **facts, "reason": proven.reason})
    elif isinstance(proven, TwoOutputs):
        output.show({"verified": "equivocation", **msgspec.to_builtins(proven)})
    elif isinstance(proven, TwoAnswers):
        output.show({"verified": "canary", **msgspec.to_builtins(proven)})
    elif isinstance(proven, AgentScores):
        output.show({"verified": "scores", **_standing(proven, whole=output.json)})
    elif len(proven) == 1:
        output.show({"verified": "receipt", **_facts(proven[0], keys), **seen})
    else:
        output.show({"verified": "batch", "receipts": [_facts(each, keys) for each in proven], **seen})


@app.command
def judge(
    file: Path,
    log: str,
    /,
    *,
    key: LogKey,
    rotation: Rotations = (),
    output: Output = OUTPUT,
) -> int:
    """Hold a receipt, or a refusal with its statement, against the log. Exit 1 where the log does not bear it out.

    A refusal is decided again, on the log as it was then. Where the log is another than a receipt's, the two notes
    that show it are written beside the file.

    Parameters
    ----------
    file
        The receipt, or the evidence of the refusal.
    log
        The address of a service, a directory of the log's files, or a data directory.
    rotation
        The receipt of an entry by which the log changed its key since.
    """
    import msgspec

    from trust.audit.fetching import open_source
    from trust.audit.promises import judge as held_against

    with waiting() as hooks, progress("deciding entries again") as report:
        judged = held_against(file, lambda: open_source(log, hooks), read_keys(key, rotation), report)
    output.show(msgspec.to_builtins(judged))
    return GOOD if judged.ok else FALSE


def _case(case: Case, *, whole: bool) -> dict[str, Any]:
    """The facts; for people the long lists as sentences or numbers."""
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(case)
    if whole:
        return facts
    for panel in facts["panels"]:
        votes = ", ".join(seat["verdict"] or seat["state"] for seat in panel["seats"])
        traced = "not traced to the draw" if panel["passed"] is None else "as the draw has it"
        facts[f"round {panel['round']}"] = f"{votes}: {panel['verdict'] or 'no verdict'}; seats {traced}"
    return {name: value for name, value in facts.items() if name not in ("panels", "postings")}


def _standing(scores: AgentScores, *, whole: bool) -> dict[str, Any]:
    """The facts; for people each score as a sentence."""
    import msgspec

    facts: dict[str, Any] = msgspec.to_builtins(scores)
    if whole:
        return facts
    for score in facts.pop("scores"):
        expected, priority = (score[name] / 10_000 for name in ("expected_ppm", "priority_ppm"))
        seen = f"{score['observations_milli'] / 1_000:.2f} observations in {score['events']} events"
        facts[f"{score['role']} of {score['task_kind']}"] = (
            f"expected {expected:.2f} %, priority {priority:.2f} %, {seen}"
        )
    return facts


def _refusal(refusal: Refusal) -> dict[str, Any]:
    facts = {
        "statement": refusal.statement,
        "code": refusal.code,
        "size": refusal.size,
        "at_ms": refusal.at_ms,
    }
    return {"network": refusal.network, **facts}


def _facts(proven: Proven, keys: Succession) -> dict[str, Any]:
    checkpoint = proven.checkpoint
    tenure = keys.at(checkpoint.size)
    return {
        "network": checkpoint.origin,
        "index": proven.index,
        "at_ms": proven.at_ms,
        **proven.statement_facts(),
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "key": str(tenure.verifier),
        "key_signs_from": tenure.first,
        "key_signs_to": tenure.last,
    }
