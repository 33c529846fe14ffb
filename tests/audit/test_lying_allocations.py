"""Allocations that an operator bent to its will: each is found at the entry that lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit.networks import World, did, publish, seed_of, signer
from trust.audit.auditing import audit
from trust.core.entry import Beacon, Draw
from trust.core.payloads import TaskAllocate
from trust.core.records import Allocation
from trust.core.rulebook import Decided
from trust.core.rules import shortlists
from trust.core.sampling import vrf

VKEY = str(signer().verifier)
Json = dict[str, Any]


def allocating(candidates: tuple[str, ...] = ()) -> World:
    """A log that ends with an allocation whose draw is awaited."""
    world = World()
    world.deposit("operator/bond", 100_000)
    world.register("alice", deposit=10_000)
    for number in range(12):
        world.register(f"worker-{number}", deposit=5_000)
    relay = world.relay()
    world.wait(1_000)
    world.post("alice", "a-task", relay=relay)
    world.now_ms += 1
    terms: Json = {"candidates": candidates, "shortlist": 3, "exclusive_ms": 1_000}
    world.say(TaskAllocate, "relay", task="a-task", relay=relay, **terms)
    world.now_ms += 1
    return world


def drawn(world: World) -> Decided:
    allocation = world.need(Allocation, "a-task")
    pi = vrf.prove(seed_of("draw"), shortlists.alpha(world.state, allocation))
    beacon = Beacon(key=did("draw"), pi=pi.hex(), beta=vrf.proof_to_hash(pi).hex())
    return world.decide(Draw(of="task/a-task", beacons=(beacon,)))


def bent(world: World, **changes: Any) -> list[bytes]:
    """The log with another shortlist in its last entry."""
    entry = json.loads(world.entries[-1])
    [event] = entry["events"]
    event.update(changes)
    return [*world.entries[:-1], json.dumps(entry, separators=(",", ":")).encode()]


@pytest.mark.parametrize("named", [False, True], ids=["all", "named"])
def test_a_log_with_an_allocation_passes_and_one_with_another_shortlist_does_not(
    tmp_path: Path, named: bool
) -> None:
    candidates = tuple(did(f"worker-{number}") for number in range(12)) if named else ()
    world = allocating(candidates)
    index = drawn(world).index
    assert audit(str(publish(tmp_path / "true", world.entries, signer())), VKEY).ok
    [event] = json.loads(world.entries[-1])["events"]
    first, second, third = event["shortlist"]
    chosen = {first[0], second[0], third[0]}
    friend = next(did(f"worker-{n}") for n in range(12) if did(f"worker-{n}") not in chosen)
    lies: list[Json] = [
        {"shortlist": [[friend, False], second, third]},
        {"shortlist": [second, first, third]},
        {"shortlist": [first, second]},
        {"eligible": 120},
        {"owners": 120},
        {"exclusive_until_ms": event["exclusive_until_ms"] + 1},
    ]
    for number, changes in enumerate(lies):
        folder = tmp_path / str(number)
        report = audit(str(publish(folder, bent(world, **changes), signer())), VKEY)
        assert [finding.index for finding in report.findings] == [index]
        assert "task.allocated" in report.findings[0].reason
