"""Cases that happened in small networks, and their bundles, of true logs and of others."""

from __future__ import annotations

import json
from functools import cache

import pytest

from tests.audit.conftest import played
from tests.audit.networks import NAMES, World, did, signer
from trust.core import bundle, payloads
from trust.core.bundle import Bundle
from trust.core.records import Claim, Node, Seat
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven

KEY = signer().verifier


@cache
def network() -> World:
    """Two claims that were judged, one accepted and one rejected, and one that expired."""
    return played()


def claim_of(world: World, worker: str) -> str:
    """The claim of a worker."""
    claims = [record for record in world.state.records.values() if isinstance(record, Claim)]
    return next(claim.id for claim in claims if claim.worker == did(worker))


def bundled(
    world: World, claim: str, changed: dict[int, bytes] | None = None, key: Signer | None = None
) -> Bundle:
    """A claim's bundle of a log in which some entries were exchanged, properly signed all the same."""
    key = key or signer()
    data = [(changed or {}).get(index, each) for index, each in enumerate(world.entries)]
    rows = [[merkle.leaf_hash(each) for each in data]]
    while len(rows[-1]) > 1:
        rows.append(merkle.parents(rows[-1]))
    node = lambda level, index: rows[level][index]  # noqa: E731  a shape that merkle takes
    root = merkle.root(len(data), node)
    kept = [index for index, each in enumerate(world.entries) if belongs(world, claim, each)]
    proven = [(index, data[index], merkle.inclusion_proof(index, len(data), node)) for index in kept]
    body = Checkpoint(key.name, len(data), root).body()
    return bundle.pack(claim, sign_note(body, key), proven, pool_nodes(world, claim))


def belongs(world: World, claim: str, data: bytes) -> bool:
    record = world.need(Claim, claim)
    records = world.state.records.values()
    seats = [f'"{seat.id}"' for seat in records if isinstance(seat, Seat) and seat.claim == claim]
    named = [
        f'"{claim}',
        "network.created",
        "relay.registered",
        f'"task.posted","task":"{record.task}"',
        *seats,
    ]
    sealed = (
        record.pool and f'"pool":"{record.pool.rpartition("/")[0]}","epoch":{record.pool.rpartition("/")[2]}'
    )
    text = data.decode()
    return any(each in text for each in named) or ("pool.sealed" in text and bool(sealed) and sealed in text)


def pool_nodes(world: World, claim: str) -> list[bytes]:
    """The one node of the small pool that the claim's panel was drawn from."""
    record = world.need(Claim, claim)
    if not record.round:
        return []
    sealed = next(
        event
        for data in world.entries
        for event in json.loads(data)["events"]
        if event["kind"] == "pool.sealed" and f"{event['pool']}/{event['epoch']}" == record.pool
    )
    return [world.need(Node, sealed["root"]).data]


@cache
def good(worker: str = "mallory") -> bytes:
    return bundled(network(), claim_of(network(), worker)).encode()


@cache
def troubled() -> World:
    """Outputs whose checks went wrong: never opened, never voted on, committed to and never revealed; one abandoned."""
    world = World()
    world.deposit("operator/bond", 100_000)
    world.register("alice", deposit=1_000_000)
    for worker in ("withholds", "unvoted", "unrevealed", "gives-up"):
        world.register(worker, deposit=100_000)
    for number in range(12):
        world.register(f"verifier-{number}", deposit=50_000, verifies=True)
    relay = world.relay()
    world.wait(1_000)
    for worker in ("withholds", "unvoted", "unrevealed", "gives-up"):
        claim = world.claim(worker, worker, world.post("alice", worker), relay)
        if worker == "gives-up":
            world.say(payloads.ClaimAbandon, worker, claim=claim)
            continue
        world.output(worker, claim)
        world.serve()
        if worker != "withholds":
            world.say(payloads.OutputOpen, worker, claim=claim)
        if worker == "unrevealed":
            for seat in world.panel(claim).seats:
                holder = NAMES[world.need(Seat, seat).agent]
                world.say(payloads.VoteCommit, holder, seat=seat, commitment="1" * 64)
        world.wait(200_000)
    return world


def refused(data: bytes, match: str) -> None:
    with pytest.raises(NotProven, match=match):
        verify_bundle(data, KEY)
