"""The bundle of a claim: every entry that names it, and what a stranger needs to verify them (`core/bundle.py`).

Beside the entries of the claim, its seats and the posting of its task go in: the genesis; the policy that the task
pinned; the draw key's adoption; the relay's group; the seal of the pool; the rotation of any key that signed one of
these; and the nodes of the sealed pool that the draws visited. Where the worker was drawn for its task, so do the
allocation, its draw, its draw key's adoption, and seals and nodes of the pools that it was drawn from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator

from trust.core import bundle
from trust.core.bundle import Bundle
from trust.core.entry import decode_entry
from trust.core.envelope import from_envelope
from trust.core.events import RoundOpened, round_id, service_key, task_draw
from trust.core.events.tasks import DRAWN_ROUTES
from trust.core.records import (
    AdoptedPolicy,
    Allocation,
    Claim,
    Key,
    Node,
    Relay,
    Round,
    SealedPool,
    Squad,
    Task,
)
from trust.core.rules import panel
from trust.core.sampling import shortlist
from trust.core.sampling.draw import Stream, coin
from trust.core.sampling.sumtree import Get, root_of
from trust.core.sampling.trace import retrace
from trust.errors import TrustError
from trust.log import merkle
from trust.services.publishing import head_over
from trust.services.sealing import entry_of
from trust.storage.reading import Reader
from trust.storage.unit import StoredEntry

PAGE = 100
Found = dict[int, StoredEntry]


def bundle_of(reader: Reader, claim: Claim) -> Bundle:
    """The bundle of a claim under the newest checkpoint, a cosigned one where that covers all of it.

    TrustError `too-large` where it exceeds its limits.
    """
    entries = _entries(reader, claim)
    if _exceeds(entries.values()):
        limits = f"{bundle.MAX_ENTRIES} entries or {bundle.MAX_ENTRIES_BYTES} bytes of them"
        hint = "page through its timeline, and take the receipts of its entries"
        raise TrustError("too-large", f"{claim.id} has more than the {limits} that fit a bundle", hint=hint)
    head = head_over(reader, max(entries, default=0))
    nodes = reader.nodes(head.size)
    proven = (
        (index, stored.data, merkle.inclusion_proof(index, head.size, nodes))
        for index, stored in sorted(entries.items())
    )
    return bundle.pack(claim.id, head.checkpoint, proven, _pool_nodes(reader, claim, entries))


def _exceeds(entries: Collection[StoredEntry]) -> bool:
    size_bytes = sum(len(stored.data) for stored in entries)
    return len(entries) > bundle.MAX_ENTRIES or size_bytes > bundle.MAX_ENTRIES_BYTES


def _entries(reader: Reader, claim: Claim) -> Found:
    entries: Found = {}
    for stored in (
        *_of_case(reader, claim),
        *_of_network(reader, claim),
        *_of_seal(reader, claim.pool),
        *_of_allocation(reader, claim),
    ):
        entries[stored.index] = stored
    waiting = list(entries.values())
    while waiting:
        keys = _signing_keys(waiting)
        since = {key.since_index for key in reader.records(Key, sorted(keys)) if key.id != key.party}
        waiting = [
            one for index in sorted(since - entries.keys()) for one in reader.entries(index, index + 1)
        ]
        entries.update({stored.index: stored for stored in waiting})
    return entries


def _of_case(reader: Reader, claim: Claim) -> Iterator[StoredEntry]:
    """Returns the entries that name the claim or one of its seats, and the posting of its task."""
    subjects = [claim.id, *(seat.id for seat in reader.seats_on(claim.id))]
    task = reader.record(Task, claim.task)
    if task is not None:
        yield from reader.entries(task.index, task.index + 1)
        yield from _of_parent(reader, task)
    entries: list[StoredEntry] = []
    after = -1
    while not _exceeds(entries) and (page := reader.timeline(subjects, after, PAGE)):
        entries += page
        after = page[-1].index
    yield from entries


def _of_parent(reader: Reader, part: Task) -> Iterator[StoredEntry]:
    """The posting of the task that a part is of, and who agreed to take its parts, or asked to."""
    parent, squad = reader.record(Task, part.parent), reader.record(Squad, part.squad)
    for record in (parent, squad):
        if part.parent and record is not None:
            yield from reader.entries(record.index, record.index + 1)
    for member in squad.members if part.parent and squad is not None else ():
        if member.asked_index:
            yield from reader.entries(member.asked_index, member.asked_index + 1)


def _of_network(reader: Reader, claim: Claim) -> Iterator[StoredEntry]:
    """The genesis, the pinned policy, the draw key as it was at the claim, and the relay's group."""
    if (pinned := _pinned(reader, claim)) is not None:
        _, adopted = pinned
        yield from reader.entries(adopted.index, adopted.index + 1)
    yield from reader.entries(0, 1)
    yield from _adoption(reader, claim.draw_key)
    relay = reader.record(Relay, claim.relay)
    if relay is not None and relay.index < claim.index:
        yield from reader.entries(relay.index, relay.index + 1)
    else:
        for kind in ("relay.register", "relay.update"):
            yield from reader.of_kind(kind, 0, claim.index, claim.relay, last=True)


def _adoption(reader: Reader, draw_key: str) -> Iterator[StoredEntry]:
    """The entry that brought a draw key, unless genesis did."""
    adopted = reader.record(Key, service_key("draw", draw_key))
    if adopted is not None and adopted.since_index:
        yield from reader.entries(adopted.since_index, adopted.since_index + 1)


def _of_allocation(reader: Reader, claim: Claim) -> Iterator[StoredEntry]:
    allocation = _allocation_of(reader, claim)
    if allocation is None:
        return
    yield from reader.entries(allocation.index, allocation.index + 1)
    drawn = shortlist_draw(reader, allocation)
    if drawn is not None:
        yield drawn
    yield from _adoption(reader, allocation.draw_key)
    for sealed in (allocation.pool, allocation.lane):
        yield from _of_seal(reader, sealed)


def _allocation_of(reader: Reader, claim: Claim) -> Allocation | None:
    """The allocation that a claim came by, or its squad."""
    task = reader.record(Task, claim.task)
    if task is not None and task.squad and claim.index == task.index:
        squad = reader.record(Squad, task.squad)
        if squad is not None and squad.asks_until_ms:
            return reader.record(Allocation, task.parent)
    if claim.route not in DRAWN_ROUTES:
        return None
    return reader.record(Allocation, claim.task) or (reader.record(Allocation, task.parent) if task else None)


def shortlist_draw(reader: Reader, allocation: Allocation) -> StoredEntry | None:
    """The draw that an allocation asked for, once it was made."""
    draws = reader.of_kind("draw", allocation.index, reader.head().size, allocation.id, limit=1)
    drawn = [stored for stored in draws if _drawn_for(stored) == task_draw(allocation.id)]
    return drawn[0] if drawn else None


def _drawn_for(stored: StoredEntry) -> str:
    draw = decode_entry(stored.data).command.draw
    return "" if draw is None else draw.of


def _of_seal(reader: Reader, pool: str) -> Iterator[StoredEntry]:
    sealed = reader.record(SealedPool, pool) if pool else None
    if sealed is not None:
        yield entry_of(reader, sealed)


def _pinned(reader: Reader, claim: Claim) -> tuple[Task, AdoptedPolicy] | None:
    """The task of a claim and the policy that it pinned."""
    task = reader.record(Task, claim.task)
    adopted = None if task is None else reader.record(AdoptedPolicy, str(task.policy))
    return None if task is None or adopted is None else (task, adopted)


def _signing_keys(entries: Iterable[StoredEntry]) -> set[str]:
    commands = (decode_entry(stored.data).command for stored in entries)
    return {
        signer
        for command in commands
        if command.statement is not None
        for signer in from_envelope(command.statement).signers
    }


def _pool_nodes(reader: Reader, claim: Claim, entries: Found) -> list[bytes]:
    """The nodes that the draws of the claim visited; none where they are too many."""
    visited: dict[bytes, bytes] = {}

    def get(digest: bytes) -> bytes:
        if digest not in visited:
            node = reader.record(Node, digest.hex())
            assert node is not None
            visited[digest] = node.data
            if sum(map(len, visited.values())) > bundle.MAX_POOL_BYTES:
                raise _TooMany
        return visited[digest]

    try:
        _visit_pools(reader, claim, entries, get)
        _visit_shortlist(reader, claim, get)
    except _TooMany:
        return []
    return list(visited.values())


def _visit_pools(reader: Reader, claim: Claim, entries: Found, get: Get) -> None:
    sealed = reader.record(SealedPool, claim.pool) if claim.pool else None
    if sealed is None:
        return
    for opened, beta in _panels(entries, claim.id):
        stream = Stream(beta, panel.LABEL)
        if opened.round == 1 and not claim.unchecked:
            coin(stream, claim.rate_ppm)
        seated, alternates = ([one.agent for one in part] for part in (opened.seats, opened.alternates))
        holds = _same_items(reader, claim, opened)
        retrace(root_of(sealed), dict(sealed.heavy), get, stream, seated, alternates, holds)


def _visit_shortlist(reader: Reader, claim: Claim, get: Get) -> None:
    allocation = _allocation_of(reader, claim)
    drawn = shortlist_draw(reader, allocation) if allocation and allocation.pool else None
    draw = None if drawn is None else decode_entry(drawn.data).command.draw
    pinned = _pinned(reader, claim)
    if allocation is None or draw is None or pinned is None:
        return
    _, adopted = pinned
    pool, lane = reader.record(SealedPool, allocation.pool), reader.record(SealedPool, allocation.lane)
    most_ppm, newcomers = adopted.terms.allocation.probation_ppm, lane.members if lane else 0
    shortlist.retrace(
        Stream(bytes.fromhex(draw.beacons[0].beta), shortlist.LABEL),
        allocation.size,
        shortlist.lane_share_ppm(most_ppm, newcomers, pool.members if pool else 0),
        root_of(pool),
        root_of(lane),
        get,
        allocation.shortlist,
    )


def _same_items(reader: Reader, claim: Claim, opened: RoundOpened) -> Callable[[Stream], bool]:
    """Returns whether a stream leads to the items of a panel."""
    pinned = _pinned(reader, claim)
    before = reader.record(Round, round_id(claim.id, opened.round - 1))

    def holds(after: Stream) -> bool:
        assert pinned is not None
        task, adopted = pinned
        places, _, _ = panel.drawn_items(task, adopted.terms, after, len(opened.seats), before)
        return places == opened.items

    return holds


class _TooMany(Exception):
    """More nodes than a bundle holds."""


def _panels(entries: Found, claim: str) -> Iterator[tuple[RoundOpened, bytes]]:
    """Each panel of the claim, and the beta that it was drawn by."""
    for stored in entries.values():
        entry = decode_entry(stored.data) if stored.kind == "draw" else None
        if entry is not None and entry.command.draw is not None:
            beta = bytes.fromhex(entry.command.draw.beacons[0].beta)
            yield from ((e, beta) for e in entry.events if isinstance(e, RoundOpened) and e.claim == claim)
