"""Canaries: work whose answer the operator committed to before anybody did it (docs/rules.md 5).

1. `canary.commit` puts a Merkle root over `count` leaves on the log, an epoch before the first of them is claimed. It
   says neither which tasks they are nor whose; tasks and claims are ordinary ones of ordinary agents.
2. `canary.open` shows one leaf by its preimage. After the reveals and before the window is over its answer becomes the
   verdict, a challenge window opens as for any verdict, and at its end the claim is voided; whoever voted otherwise
   failed a canary, where an appeal against the answer could have been seated.
3. It binds only who agreed: within that window it also carries the signatures of the claim's requester and worker, else
   it is refused. So an answer about somebody else's work can never be opened, and costs the operator at its date; nor
   can the operator choose by the votes which of its canaries count.
4. A canary whose claim ended without such a window (never claimed, never checked, decided by the last panel) is opened
   all the same and comes to bear on nothing. One whose window was let pass can be opened no more.
5. One answer for one worker on one task: a second leaf that says otherwise can never be opened. At the date the clock
   counts what is not open, and each of them is a fault of the operator's.
"""

from __future__ import annotations

import re

import msgspec
from msgspec.structs import replace

from trust.core import strict
from trust.core.events import (
    CanariesCommitted,
    CanariesMissed,
    CanaryOpened,
    Convicted,
    VerdictReached,
    canary_id,
)
from trust.core.events.convictions import CANARY_TIMER
from trust.core.lifecycle import ClaimState
from trust.core.payloads import CanaryCommit, CanaryOpen
from trust.core.records import Canary, CanaryRoot, Claim, Conviction, Task
from trust.core.refusal import Refused
from trust.core.rules import bond, panel, reads
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.governance import check_operator
from trust.core.rules.reads import Keys, Peek
from trust.core.sampling.draw import Stream
from trust.core.strict import Malformed
from trust.log.merkle import HASH_BYTES, ProofError, leaf_hash, root_of

MAX_OPEN_MS = 366 * 86_400_000
HEADING = "trust/canary/v1"
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")
_SALT = re.compile(r"[0-9a-f]{64}")
DECIDED = frozenset({ClaimState.PASSING, ClaimState.FAILING, ClaimState.VOIDING})


class Answer(msgspec.Struct, frozen=True):
    """A leaf of a canary commitment, number `number` of `count`: `worker`'s output on `task` is `verdict`.

    `salt` are 32 bytes in hex, drawn for this leaf alone.
    """

    number: int
    count: int
    task: str
    worker: str
    verdict: str
    salt: str

    def preimage(self, network: str) -> str:
        """The text whose leaf hash stands in the tree."""
        fields = (network, self.number, self.count, self.task, self.worker, self.verdict, self.salt)
        return "".join(f"{line}\n" for line in (HEADING, *fields))


def parse(preimage: str, network: str) -> Answer:
    """The answer in a preimage of this network; Refused `bad-canary` where there is none."""
    lines = preimage.split("\n")
    if len(lines) != 9 or lines[:2] != [HEADING, network] or lines[8]:
        raise Refused(
            "bad-canary", f"a preimage is eight lines of which the first are {HEADING} and {network}"
        )
    number, count, task, worker, verdict, salt = lines[2:8]
    if not (_NUMBER.fullmatch(number) and _NUMBER.fullmatch(count) and _SALT.fullmatch(salt)):
        raise Refused("bad-canary", "a preimage numbers its leaf and ends in a salt of 32 bytes in hex")
    if verdict not in ("pass", "fail") or not task or not worker:
        raise Refused("bad-canary", "a preimage names a task, a worker, and pass or fail")
    return Answer(int(number), int(count), task, worker, verdict, salt)


def opening(statement: CanaryOpen, network: str) -> tuple[Answer, str]:
    """The answer that a `canary.open` shows, and the root that its path leads to; Refused `bad-canary` otherwise."""
    answer = parse(statement.preimage, network)
    leaf = leaf_hash(statement.preimage.encode())
    if strict.b64(statement.leaf, HASH_BYTES) != leaf:
        raise Refused("bad-canary", "the leaf is not the hash of the preimage")
    path = [strict.b64(step, HASH_BYTES) for step in statement.path]
    try:
        return answer, root_of(leaf, answer.number, answer.count, path).hex()
    except ProofError as error:
        raise Refused("bad-canary", f"the path does not lead to a root: {error}") from error


def shown(d: Decision, statement: CanaryOpen) -> tuple[Answer, CanaryRoot]:
    """The answer that a `canary.open` shows, and the commitment to it; Refused where there is none."""
    answer, root = opening(statement, d.network.origin)
    committed = d.get(CanaryRoot, root)
    if committed is None or committed.count != answer.count:
        raise Refused("unknown-canary", f"nobody committed to {root} over {answer.count} canaries")
    return answer, committed


def _root(_: Peek, statement: CanaryCommit) -> Keys:
    yield CanaryRoot, statement.root


def canary(view: Peek, statement: CanaryOpen) -> Keys:
    """The records of a canary: its root, its answer, and the claim whose verdict it is; none if the path is wrong."""
    try:
        answer, root = opening(statement, statement.network)
    except (Refused, Malformed):
        return
    yield CanaryRoot, root
    yield Canary, canary_id(answer.task, answer.worker)
    yield Conviction, f"canary/{canary_id(answer.task, answer.worker)}"
    yield from reads.task(view, answer.task)
    if (task := view.peek(Task, answer.task)) is not None and task.claim:
        yield from reads.challenged(view, task.claim)


@act(CanaryCommit, reads=_root)
def commit(d: Decision, statement: CanaryCommit) -> None:
    """Books the operator's commitment to canaries, and the date by which each of them must be open."""
    if (before := d.get(CanaryRoot, statement.root)) is not None:
        raise Refused("canary-known", f"{statement.root} was committed to at entry {before.index}")
    if not d.at_ms < statement.open_by_ms <= d.at_ms + MAX_OPEN_MS:
        raise Refused("bad-deadline", "canaries are opened by a time ahead, within a year")
    d.emit(CanariesCommitted(root=statement.root, count=statement.count, open_by_ms=statement.open_by_ms))


@act(CanaryOpen, reads=canary)
def open_one(d: Decision, statement: CanaryOpen) -> None:
    """Shows an answer, which becomes the verdict where the claim is between its reveals and its end and its requester
    and worker sign too."""
    check_operator(d, d.spoken)
    answer, committed = shown(d, statement)
    concerned = _concerned(d, answer)
    d.signed_by(d.spoken, [statement.actor], concerned)
    if d.at_ms >= committed.open_by_ms:
        raise Refused("too-late", f"this canary was to be opened by {committed.open_by_ms}")
    if (before := d.get(Canary, canary_id(answer.task, answer.worker))) is not None:
        raise Refused("canary-opened", f"entry {before.index} has the answer: {before.verdict}")
    claim = _claim_of(d, answer)
    bears = claim is not None and _bears(d, claim, committed)
    if bears and not all(d.key(did) in d.spoken.signed.signers for did in concerned):
        raise Refused("no-consent", f"requester and worker of {answer.task} sign an answer that binds them")
    measures = claim is not None and bears and _can_be_appealed(d, claim)
    d.emit(
        CanaryOpened(
            root=committed.id,
            number=answer.number,
            task=answer.task,
            worker=answer.worker,
            verdict=answer.verdict,
            claim=claim.id if claim is not None and bears else "",
            measures=measures,
        )
    )
    if claim is not None and bears:
        policy = d.task_policy(d.need(Task, claim.task))
        until_ms = d.at_ms + policy.windows.challenge_ms
        d.emit(VerdictReached(claim=claim.id, round=claim.round, verdict=answer.verdict, until_ms=until_ms))


def _claim_of(d: Decision, answer: Answer) -> Claim | None:
    """The worker's claim on the task, where it is the task's last one."""
    task = d.get(Task, answer.task)
    claim = d.get(Claim, task.claim) if task is not None and task.claim else None
    return claim if claim is not None and claim.worker == answer.worker else None


def _concerned(d: Decision, answer: Answer) -> list[str]:
    """The DIDs that an answer binds: the task's requester, where it was posted, and the worker."""
    task = d.get(Task, answer.task)
    return [answer.worker] if task is None else [task.requester, answer.worker]


def _can_be_appealed(d: Decision, claim: Claim) -> bool:
    """Returns whether the pool could seat the next panel, to which an answer that wrongs a seat can be appealed."""
    task = d.need(Task, claim.task)
    policy = d.task_policy(task)
    if panel.is_last(policy, claim.round):
        return False
    trial = Stream(d.spoken.id.encode(), b"trial")
    return panel.can_be_seated(d, replace(claim, draw_round=claim.round + 1), task, policy, trial)


def _bears(d: Decision, claim: Claim, committed: CanaryRoot) -> bool:
    """Returns True where the answer becomes the verdict now, False where the claim ended without a window for it."""
    task = d.need(Task, claim.task)
    policy = d.task_policy(task)
    if claim.ended_ms:
        if claim.verdict and not panel.is_last(policy, claim.verdict_round):
            raise Refused(
                "too-late", f"the window of {claim.id} is over, and this canary was not opened in it"
            )
        return False
    tallied = claim.state in DECIDED or (claim.draw_round > 1 and not claim.verdict)
    if not tallied:
        raise Refused("too-early", f"{claim.id} is {claim.state}: a canary is opened after the reveals")
    if not policy.is_exact(task.task_kind) or task.items_count:
        raise Refused("canary-kind", f"{task.id} is not a single output of an exact kind")
    if claim.opened_ms < committed.committed_ms + policy.verifiers.epoch_ms:
        raise Refused("canary-too-new", f"{claim.id} was claimed within an epoch of the commitment")
    return True


@due("canary")
def overdue(d: Decision, id: str) -> None:
    """Charges the operator's bond for a commitment with canaries that are not open at its date."""
    root = d.need(CanaryRoot, id.removeprefix(CANARY_TIMER))
    missing = root.count - root.opened
    d.emit(CanariesMissed(root=root.id, missing=missing))
    d.emit(Convicted(fact=f"canary/{root.id}", party=d.network.operator))
    bond.fault(d, missing)
