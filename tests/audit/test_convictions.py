"""A log with convictions and canaries replays for a stranger; one whose operator forged the evidence does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.audit.networks import ORIGIN, World, did, seed_of, signer
from trust.audit.auditing import audit
from trust.client.canaries import Canaries
from trust.core import commands, envelope, strict
from trust.core.commands import Spoken
from trust.core.payloads import (
    Artifact,
    CanaryCommit,
    CanaryOpen,
    EvidenceSubmit,
    OutputSubmit,
    RelayConfirm,
)
from trust.core.records import Claim
from trust.core.rules.canaries import Answer
from trust.log import ed25519
from trust.log.checkpoint import Checkpoint
from trust.log.note import sign_note

VKEY = str(signer().verifier)
OTHER, SECOND = (Artifact(name="work.json", sha256=digit * 64, size_bytes=1) for digit in "23")


def founded() -> tuple[World, str]:
    """A network with a worker, verifiers and a relay."""
    world = World()
    world.deposit("operator/bond", 100_000)
    for name in ("alice", "bob", "eve"):
        world.register(name, deposit=100_000)
    for number in range(8):
        world.register(f"verifier-{number}", deposit=5_000, verifies=True)
    relay = world.relay()
    world.wait(1_000)
    return world, relay


def shown(world: World, kind: str, *statements: Spoken, **fields: Any) -> None:
    """Eve shows evidence."""
    held = tuple(envelope.encode(each.signed.envelope).decode() for each in statements)
    world.say(EvidenceSubmit, "eve", type=kind, statements=held, **fields)


def delivered(world: World, relay: str, task: str = "work") -> tuple[str, Spoken]:
    """Bob's claim, and the output that he delivered for it."""
    claim = world.claim("bob", task, world.post("alice", task), relay)
    said = world.statement(OutputSubmit, "bob", claim=claim, artifacts=(OTHER,))
    world.decide(said)
    world.now_ms += 1
    return claim, said


def secrets(world: World, *answers: tuple[str, str]) -> Canaries:
    """Canaries on Bob's work."""
    made = tuple(
        Answer(number, len(answers), task, did("bob"), verdict, f"{number:064x}")
        for number, (task, verdict) in enumerate(answers)
    )
    return Canaries(ORIGIN, world.now_ms + 60_000, made)


def test_a_log_with_every_conviction_and_canaries_passes(tmp_path: Path) -> None:
    world, relay = founded()
    hidden = secrets(world, ("work", "fail"), ("work", "pass"), ("never", "pass"))
    world.say(CanaryCommit, "operator", **hidden.commitment())
    world.wait(2_000)
    claim, first = delivered(world, relay)
    world.serve()
    world.check("bob", claim, lambda _: "pass")
    opened = [
        world.statement(CanaryOpen, "operator", ["alice", "bob"], **hidden.opening(number))
        for number in (0, 1)
    ]
    world.decide(opened[0])
    shown(world, "canary", *opened)
    world.wait(1_500)
    assert world.need(Claim, claim).state == "voided"
    index = world.need(Claim, claim).index
    told: dict[str, Any] = {"task": "work", "claim": claim, "worker": did("eve"), "index": index}
    shown(world, "relay-confirm", world.statement(RelayConfirm, "relay", **told))
    notes = tuple(sign_note(Checkpoint(ORIGIN, 9, bytes([n]) * 32).body(), signer()).decode() for n in (1, 2))
    shown(world, "log-fork", notes=notes)
    second = world.statement(OutputSubmit, "bob", claim=claim, artifacts=(SECOND,))
    shown(world, "equivocation", first, second)
    world.wait(100_000)
    report = audit(str(world.publish(tmp_path / "log")), VKEY)
    assert report.ok, report.findings
    assert report.statements["evidence.submit"] == 4


def unsigned(second: Spoken) -> Spoken:
    """The statement as if Bob had signed it: his key, somebody else's signature."""
    forged = ed25519.sign(seed_of("eve"), envelope.pae(envelope.PAYLOAD_TYPE, second.signed.payload))
    held = second.signed.envelope.signatures[0]
    text = envelope.encode(second.signed.envelope).decode()
    return commands.parse(text.replace(held.sig, strict.base64_of(forged)).encode())


@pytest.mark.parametrize(("spoil", "honest"), [(lambda said: said, True), (unsigned, False)])
def test_an_operator_who_convicts_by_a_forged_statement_is_found(
    tmp_path: Path, spoil: Callable[[Spoken], Spoken], honest: bool
) -> None:
    world, relay = founded()
    claim, first = delivered(world, relay)
    second = spoil(world.statement(OutputSubmit, "bob", claim=claim, artifacts=(SECOND,)))
    index = len(world.entries)
    shown(world, "equivocation", first, second)
    report = audit(str(world.publish(tmp_path / "log")), VKEY)
    assert report.ok is honest
    if not honest:
        [finding] = report.findings
        assert finding.index == index
        assert did("bob") in finding.reason
