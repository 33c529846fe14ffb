"""Evidence: objective proof of misbehaviour, judged by the rules themselves (docs/rules.md 4 and 8).

- `equivocation`: two `output.submit` of one party for one claim with different bytes, one on the log, and the other
  valid at the same time or issued after the log took the first. Under which of its keys does not matter. A retry has
  the same bytes; one that was over before the other began cannot have been meant beside it; a second vote is refused,
  and proves nothing.
- `relay-confirm`: a `relay.confirm`, signed by a relay's threshold, that the entry at its index does not bear out.
- `log-fork`: two checkpoints of one size and different roots, both under the log's key for it.
- `canary`: two `canary.open` of the operator that answer for the same work differently.

The signatures in it were verified with its own (`rulebook.verify`); notes are verified here, since only the state knows
the log's key. A fact convicts once, and where it is about a claim, only until its evidence window is over. A signature
by a key that was rotated away counts where the key was its party's when the statement was issued.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trust.core import identity, ledger, scorebook
from trust.core.commands import Spoken, enclosed
from trust.core.events import Convicted, RelaySuspended, StakeSlashed, UnbondingSlashed, canary_id
from trust.core.payloads import CanaryOpen, EvidenceSubmit, OutputSubmit, Payload, RelayConfirm
from trust.core.records import Account, Claim, Conviction, Key, Party, Pool, Poster, Relay, Task
from trust.core.refusal import Refused
from trust.core.rules import bond, names, parties, rating, reads, settlement
from trust.core.rules.acts import act
from trust.core.rules.canaries import canary, shown
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek
from trust.log.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from trust.log.note import NoteError, Verifier
from trust.log.succession import peek_checkpoint


def _shown(view: Peek, evidence: EvidenceSubmit) -> Keys:
    """The records that evidence reads: the claims it is about, the keys that signed for them, and the party it
    convicts."""
    for each in enclosed(evidence):
        for signer in each.signed.signers:
            yield Key, signer
        match each.payload:
            case OutputSubmit(claim=claim) | RelayConfirm(claim=claim):
                yield Conviction, f"equivocation/{claim}"
                yield from reads.claim(view, claim)
                yield from _confirming(view, evidence, each)
                yield from _punished(view, claim)
            case CanaryOpen():
                yield from canary(view, each.payload)


def _confirming(view: Peek, evidence: EvidenceSubmit, shown: Spoken) -> Keys:
    """The relay whose confirmation the evidence is about."""
    claim = view.peek(Claim, shown.payload.claim) if isinstance(shown.payload, RelayConfirm) else None
    relay = evidence.relay or (claim.relay if claim else "")
    if relay:
        yield Relay, relay
        yield Conviction, f"relay-confirm/{relay}/{shown.id}"


def _punished(view: Peek, id: str) -> Keys:
    """The records of a worker that a conviction for its claim changes."""
    claim = view.peek(Claim, id)
    task = None if claim is None else view.peek(Task, claim.task)
    if claim is not None and task is not None:
        yield Account, ledger.unbonding(claim.worker)
        yield Poster, claim.worker
        yield Pool, scorebook.POOL
        yield from reads.offers(view, claim.worker)


@act(EvidenceSubmit, reads=_shown)
def submit(d: Decision, evidence: EvidenceSubmit) -> None:
    """Convicts by evidence that anyone may submit; Refused with what is wrong with it."""
    statements = enclosed(evidence)
    for each in statements:
        if each.payload.network != d.network.origin:
            raise Refused("foreign-network", f"{each.id} was said in {each.payload.network}")
    _JUDGES[evidence.type](d, evidence, statements)


def _check_counts(evidence: EvidenceSubmit, statements: int, notes: int) -> None:
    if (len(evidence.statements), len(evidence.notes)) != (statements, notes):
        raise Refused("not-evidence", f"a {evidence.type} is {statements} statements and {notes} notes")


def _convict(d: Decision, fact: str, party: str, reporter: str) -> None:
    if (before := d.get(Conviction, fact)) is not None:
        raise Refused(
            "convicted-already", f"entry {before.index} convicted {party} of it", index=before.index
        )
    d.emit(Convicted(fact=fact, party=party, reporter=reporter))


def _check_window(d: Decision, claim: Claim) -> None:
    evidence_ms = d.task_policy(d.need(Task, claim.task)).windows.evidence_ms
    if claim.ended_ms and d.at_ms >= claim.ended_ms + evidence_ms:
        raise Refused(
            "too-late", f"the evidence window of {claim.id} was over at {claim.ended_ms + evidence_ms}"
        )


def signers_of(d: Decision, statement: Spoken) -> set[str]:
    """Returns the parties that signed a statement, each key counted for the party that had it when it was issued."""
    signers = set()
    for signer in statement.signed.signers:
        key = d.get(Key, signer)
        if key is None:
            signers.add(signer)
        elif key.until_index < 0 or statement.payload.issued_ms < key.until_ms:
            signers.add(key.party)
    return signers


# -- equivocation


def _equivocation(d: Decision, evidence: EvidenceSubmit, statements: Sequence[Spoken]) -> None:
    _check_counts(evidence, statements=2, notes=0)
    first, other = statements
    if first.id == other.id:
        raise Refused("same-statement", "both are one statement: the same bytes twice are a retry")
    outputs = [each.payload for each in statements if isinstance(each.payload, OutputSubmit)]
    if len(outputs) != 2:
        raise Refused("not-evidence", "only two output.submit are an equivocation; a second vote is refused")
    if outputs[0].claim != outputs[1].claim:
        raise Refused("other-claims", f"one is about {outputs[0].claim}, the other about {outputs[1].claim}")
    claim = d.find(Claim, outputs[0].claim)
    if claim.output == other.id:
        first, other = other, first
    if claim.output != first.id:
        raise Refused("not-on-log", f"neither is the output of {claim.id} that the log has")
    if claim.worker not in signers_of(d, other):
        raise Refused("other-keys", f"it is not signed by a key that was {claim.worker}'s when it was issued")
    if _bytes_of(outputs[0]) == _bytes_of(outputs[1]):
        raise Refused("same-output", f"both deliver the same bytes for {claim.id}")
    if not contradicts(first.payload, claim.submitted_ms, other.payload, _valid_until_ms(d, other)):
        raise Refused(
            "not-at-once", f"it was over before {first.payload.issued_ms}, when the other was issued"
        )
    _check_window(d, claim)
    _convict(d, f"equivocation/{claim.id}", claim.worker, evidence.actor)
    parties.catch(d, claim.worker)
    _slash(d, claim, evidence.actor)
    names.burn(d, claim.worker)
    if d.need(Party, claim.worker).left != "tombstoned":
        parties.leave(d, d.need(Party, claim.worker), "tombstoned")


def contradicts(first: Payload, logged_ms: int, other: Payload, until_ms: int) -> bool:
    """Returns whether another output, valid until `until_ms`, stands against the one that the log took at
    `logged_ms`."""
    at_once = other.issued_ms < first.expires_ms and first.issued_ms < until_ms
    return at_once or other.issued_ms > logged_ms


def _valid_until_ms(d: Decision, statement: Spoken) -> int:
    """Returns when a statement ceased to count: at its expiry, or when its key was rotated away, so that whoever
    steals an old key convicts nobody of what was delivered since."""
    keys = (d.get(Key, signer) for signer in statement.signed.signers)
    ends = (key.until_ms for key in keys if key is not None and key.until_index >= 0)
    return min((statement.payload.expires_ms, *ends))


def _bytes_of(output: OutputSubmit) -> tuple[list[str], str | None]:
    """Returns an output's digests, without their names, how often they are named and where they lie."""
    return sorted({artifact.sha256 for artifact in output.artifacts}), output.items_root


def _slash(d: Decision, claim: Claim, reporter: str) -> None:
    """Slashes all that is locked on the claim and a share of what else the worker has (docs/rules.md 4 says where it
    goes)."""
    task = d.need(Task, claim.task)
    policy = d.task_policy(task)
    locked = claim.hold_units if claim.ended_ms else claim.stake_units
    free, waiting = ledger.free(claim.worker), ledger.unbonding(claim.worker)
    fine, lost = (
        ledger.share(d.balance(account), policy.faults.equivocation_ppm) for account in (free, waiting)
    )
    gains = settlement.exposed_gains(d, claim, task, policy, locked + fine + lost, reporter)
    d.emit(StakeSlashed(claim=claim.id))
    if lost:
        d.emit(UnbondingSlashed(party=claim.worker, units=lost))
    d.pay(
        "slash.equivocation",
        (ledger.stake(claim.id), ledger.BURN, locked),
        (free, ledger.BURN, fine),
        (waiting, ledger.BURN, lost),
        *((ledger.BURN, target, units) for target, units in gains),
    )
    rating.equivocated(d, claim, task, policy)


# -- a relay's word against the log


def _false_confirmation(d: Decision, evidence: EvidenceSubmit, statements: Sequence[Spoken]) -> None:
    _check_counts(evidence, statements=1, notes=0)
    [shown] = statements
    confirmed = shown.payload
    if not isinstance(confirmed, RelayConfirm):
        raise Refused("not-evidence", "a relay-confirm is a relay's signed confirmation")
    if confirmed.index >= d.size:
        raise Refused("not-evidence", f"there is no entry {confirmed.index} yet")
    claim = d.get(Claim, confirmed.claim)
    if claim is not None and (claim.index, claim.task, claim.worker) == (
        confirmed.index,
        confirmed.task,
        confirmed.worker,
    ):
        raise Refused(
            "no-false-confirmation", f"{confirmed.worker} won {confirmed.task} at entry {confirmed.index}"
        )
    if claim is not None:
        _check_window(d, claim)
    relay = d.find(Relay, _relay_of(d, evidence, confirmed, claim))
    signers = sorted(signers_of(d, shown) & set(relay.coordinators))
    if len(signers) < relay.threshold:
        raise Refused(
            "threshold-not-met",
            f"{len(signers)} of the {relay.threshold} coordinators of {relay.id} signed this",
        )
    _convict(d, f"relay-confirm/{relay.id}/{shown.id}", relay.id, evidence.actor)
    d.emit(RelaySuspended(relay=relay.id, signers=tuple(signers)))


def _relay_of(d: Decision, evidence: EvidenceSubmit, confirmed: RelayConfirm, claim: Claim | None) -> str:
    """Returns the id of the relay whose confirmation it is: the one that the evidence names, else the claim's or the
    task's."""
    if evidence.relay is not None:
        return evidence.relay
    if claim is not None:
        return claim.relay
    task = d.get(Task, confirmed.task)
    if task is None or not task.relay:
        raise Refused(
            "not-evidence", "neither claim nor task says whose confirmation this is: name the relay"
        )
    return task.relay


# -- the log against itself


def _log_fork(d: Decision, evidence: EvidenceSubmit, statements: Sequence[Spoken]) -> None:
    del statements
    _check_counts(evidence, statements=0, notes=2)
    one, other = (_checkpoint(d, note) for note in evidence.notes)
    if one.size != other.size:
        raise Refused("other-sizes", f"one is of {one.size} entries, the other of {other.size}")
    if one.root == other.root:
        raise Refused("same-tree", f"both say that {one.size} entries have the root {one.root.hex()}")
    _convict(d, f"log-fork/{one.size}", d.network.operator, evidence.actor)
    bond.fault(d)


def _checkpoint(d: Decision, note: str) -> Checkpoint:
    """Returns the checkpoint that the log signed with its key for the note's size; a key counts only for sizes of its
    time."""
    try:
        data = note.encode()
        key = Verifier(d.network.origin, identity.key_of(d.log_key(peek_checkpoint(data).size)))
        return open_checkpoint(data, d.network.origin, key)
    except (NoteError, CheckpointError, UnicodeEncodeError) as error:
        reason = str(error).encode("ascii", "replace").decode()
        raise Refused("bad-note", reason) from error


# -- canaries


def _canary(d: Decision, evidence: EvidenceSubmit, statements: Sequence[Spoken]) -> None:
    _check_counts(evidence, statements=2, notes=0)
    answers = []
    for each in statements:
        if not isinstance(each.payload, CanaryOpen) or d.network.operator not in signers_of(d, each):
            raise Refused("not-evidence", "a canary's evidence is two canary.open of the operator")
        answers.append(shown(d, each.payload)[0])
    one, other = answers
    if (one.task, one.worker) != (other.task, other.worker):
        raise Refused("other-claims", "the two canaries are about different work")
    if one.verdict == other.verdict:
        raise Refused("same-output", f"both answer {one.verdict}")
    _convict(d, f"canary/{canary_id(one.task, one.worker)}", d.network.operator, evidence.actor)
    bond.fault(d)


_Judge = Callable[[Decision, EvidenceSubmit, Sequence[Spoken]], None]
_JUDGES: dict[str, _Judge] = {
    "equivocation": _equivocation,
    "relay-confirm": _false_confirmation,
    "log-fork": _log_fork,
    "canary": _canary,
}
