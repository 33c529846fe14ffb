"""Evidence and canaries as tests make them: second outputs, relays' words, notes of two logs, and secrets."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from tests.core.flows import STAKE, Scene
from tests.core.invariants import Checker, check_log
from tests.core.network import ORIGIN, Net, Who, created
from trust.client.canaries import Canaries
from trust.core import envelope
from trust.core import payloads as p
from trust.core.commands import Spoken
from trust.core.events import MoneyMoved
from trust.core.records import Claim, Task
from trust.core.rulebook import Decided
from trust.core.rules.canaries import Answer
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note

OTHER = p.Artifact(name="findings.json", sha256="2" * 64, size_bytes=3)


def text(spoken: Spoken) -> str:
    """A statement as evidence holds it."""
    return envelope.encode(spoken.signed.envelope).decode()


def second_output(town: Scene, held: str, **fields: Any) -> Spoken:
    """Another output for a claim, issued a little later."""
    said = {"artifacts": (OTHER,), "issued_ms": town.net.now_ms + 1, **fields}
    return town.output(held, **said)


def evidence(town: Scene, reporter: Who, kind: str, *statements: Spoken, **fields: Any) -> Spoken:
    """An `evidence.submit` over statements or `notes`."""
    said = {"type": kind, "statements": tuple(map(text, statements)), **fields}
    return town.net.statement(p.EvidenceSubmit, reporter, **said)


class Lied:
    """A claim with its output on the log, and another output for it, signed by the same key."""

    def __init__(self, town: Scene, task: str = "t1", **terms: Any) -> None:
        self.town = town
        self.claim = town.claimed(task, **terms)
        self.first = town.output(self.claim)
        town.net.do(self.first)
        self.second = second_output(town, self.claim)

    def shown(self, reporter: Who) -> Spoken:
        """The evidence."""
        return evidence(self.town, reporter, "equivocation", self.first, self.second)

    def convict(self, reporter: Who) -> Decided:
        """Shows it to the log."""
        return self.town.net.do(self.shown(reporter))


def note(net: Net, size: int, root: bytes, signer: Who | None = None, origin: str = ORIGIN) -> str:
    """A checkpoint as the log's key signs it."""
    body = Checkpoint(origin, size, root).body()
    return sign_note(body, Signer(origin, (signer or net.log).seed)).decode()


def three(town: Scene) -> tuple[Scene, list[Who]]:
    """A town whose relay has three coordinators, of whom two sign."""
    members = [Who(f"member {number}") for number in range(3)]
    town.relay = town.net.register_relay(members, 2, name="three")
    return town, members


def claim_by(town: Scene, signers: list[Who], task: str = "t1") -> str:
    posted = town.net.get(Task, task)
    said = {"task": task, "task_index": posted.index, "relay": town.relay, "stake_units": STAKE}
    decided = town.net.say(p.ClaimRequest, town.worker, *signers, **said)
    return str(created(decided, "claim"))


def confirmation(town: Scene, told: str, signers: list[Who], **fields: Any) -> Spoken:
    """What a relay's coordinators tell about a claim."""
    record = town.net.get(Claim, told)
    said = {"task": record.task, "claim": told, "worker": record.worker, "index": record.index, **fields}
    return town.net.statement(p.RelayConfirm, signers[0], *signers[1:], **said)


def fork(net: Net, size: int = 5) -> tuple[str, str]:
    """Two checkpoints of one size."""
    one, other = (note(net, size, sha256(word).digest()) for word in (b"one", b"other"))
    return one, other


def canaries(answers: Sequence[tuple[str, Who, str]], open_by_ms: int = 0, salt: str = "salt") -> Canaries:
    """The operator's secrets for (task, worker, answer), with salts that are the same in every run."""
    return Canaries(
        ORIGIN,
        open_by_ms,
        tuple(
            Answer(
                number, len(answers), task, who.did, verdict, sha256(f"{salt} {number}".encode()).hexdigest()
            )
            for number, (task, who, verdict) in enumerate(answers)
        ),
    )


class Promise:
    """Canaries that are on the log, an epoch ago."""

    def __init__(self, town: Scene, *answers: tuple[str, Who, str], within_ms: int = 500_000) -> None:
        self.town = town
        self.secrets = canaries(answers, town.net.now_ms + within_ms)
        town.net.say(p.CanaryCommit, town.net.operator, **self.secrets.commitment())
        self.root = str(self.secrets.commitment()["root"])
        town.net.tick(town.net.policy.verifiers.epoch_ms)

    def opening(self, number: int = 0, who: Who | None = None, agreed: bool = True) -> Spoken:
        """The statement that opens a leaf; requester and worker sign too where the task was posted and they agreed."""
        net, answer = self.town.net, self.secrets.answers[number]
        task = net.draft.get(Task, answer.task)
        dids = [task.requester, answer.worker] if task and agreed else []
        others = [net.people[did] for did in dict.fromkeys(dids)]
        return net.statement(p.CanaryOpen, who or net.operator, *others, **self.secrets.opening(number))

    def open(self, number: int = 0) -> Decided:
        """Opens a leaf."""
        return self.town.net.do(self.opening(number))


def postings(decided: Decided, why: str) -> list[dict[str, int]]:
    return [
        dict(event.postings) for event in decided.events if isinstance(event, MoneyMoved) and event.why == why
    ]


def whole(town: Scene) -> None:
    """The state keeps its invariants, and the log replays to it."""
    Checker().check(town.net.records(), town.net.entries, town.net.draft.at_ms)
    town.net.flush()
    check_log(town.net.entries, town.net.records())
