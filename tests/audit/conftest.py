"""One small network for the audit's tests: every kind of entry, over more than one bundle."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.networks import World, did


def played(world: World | None = None) -> World:
    """Two workers, one honest; a panel for each output; an expired claim; agents enough for a second bundle."""
    world = world or World()
    world.deposit("operator/bond", 100_000)
    world.register("alice", deposit=1_000_000)
    for worker in ("bob", "mallory", "lena"):
        world.register(worker, deposit=100_000)
    for number in range(8):
        world.register(f"verifier-{number}", deposit=5_000, verifies=True)
    relay = world.relay()
    world.wait(1_000)
    for worker, verdict in (("bob", "pass"), ("mallory", "fail")):
        index = world.post("alice", f"task-{worker}")
        claim = world.claim(worker, f"task-{worker}", index, relay)
        world.output(worker, claim)
        world.serve()
        world.check(worker, claim, lambda name, verdict=verdict: verdict)  # type: ignore[misc]
        world.wait(3_000)
    world.claim("lena", "late", world.post("alice", "late"), relay)
    world.wait(60_000)
    while len(world.entries) < 300:
        world.deposit(did("bob"), 1 + len(world.entries))
    return world


@pytest.fixture(scope="session")
def world() -> World:
    """The network; tests read it."""
    return played()


@pytest.fixture
def log(world: World, tmp_path: Path) -> Path:
    """Its log as files, to be spoilt."""
    return world.publish(tmp_path / "log")
