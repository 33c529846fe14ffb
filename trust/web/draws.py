"""A draw made again from the state, so that a page can show who was drawn, by which weight, and who was passed over.

The stream follows from the proof in the draw's entry, the slots and their weights from the sealed pool. What the round
recorded is laid beside it: a slot that came up and is neither seat nor alternate was passed over, because it may not
sit (a party to the claim, its owner drawn before, in jail, or gone).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trust.core.entry import Draw, Entry, decode_entry
from trust.core.events import CoinTossed, RoundOpened
from trust.core.identity import key_of
from trust.core.records import Claim, Node, SealedPool
from trust.core.rules import panel
from trust.core.rules.draws import seed_input
from trust.core.sampling import vrf
from trust.core.sampling.draw import Picker, Stream
from trust.core.sampling.sumtree import root_of
from trust.storage.reading import Reader
from trust.storage.unit import StoredEntry

PPM = 1_000_000
MAX_PICKS = 100


class Pick(NamedTuple):
    """A slot that came up: whose, by which weight, and what it became."""

    agent: str
    weight: int
    became: str


@dataclass(frozen=True)
class Drawn:
    """A draw for a round: its entry, its proof, whether that proof holds, and what follows.

    `coin` is the number below a million that decides whether the output is checked, None where no coin was tossed;
    `agrees` says whether the picks lead to the seats that the round has.
    """

    index: int
    round: int
    by: str
    beta: str
    holds: bool
    coin: int | None
    pool: str
    total: int
    picks: list[Pick]
    agrees: bool


def of_claim(reader: Reader, claim: Claim, entries: Sequence[StoredEntry]) -> list[Drawn]:
    """The draws among a claim's entries, made again."""
    draws = []
    for stored in entries:
        if stored.kind != "draw":
            continue
        entry = decode_entry(stored.data)
        draw = entry.command.draw
        if draw is not None and draw.of.partition("/")[0] == claim.id:
            draws.append(_again(reader, claim, stored.index, entry, draw))
    return draws


def _again(reader: Reader, claim: Claim, index: int, entry: Entry, draw: Draw) -> Drawn:
    number = int(draw.of.partition("/")[2])
    beacon = draw.beacons[0]
    mine = [each for each in entry.events if getattr(each, "claim", "") == claim.id]
    tossed = any(isinstance(each, CoinTossed) for each in mine)
    before = panel.before(reader.record, claim.id, number, not tossed)
    alpha = seed_input(reader.network().origin, claim.id, number, claim.output, before)
    pool = reader.record(SealedPool, claim.pool) if claim.pool else None
    about = (claim.pool, 0 if pool is None else pool.total)
    try:
        beta = vrf.verify(key_of(beacon.key), alpha, bytes.fromhex(beacon.pi))
    except ValueError:
        return Drawn(index, number, beacon.key, "", False, None, *about, [], False)
    stream = Stream(beta, panel.LABEL)
    coin = stream.below(PPM) if tossed else None
    opened = next((each for each in mine if isinstance(each, RoundOpened)), None)
    if opened is None or pool is None:
        return Drawn(index, number, beacon.key, beta.hex(), True, coin, *about, [], True)
    picks, agrees = _picks(reader, pool, stream, opened)
    return Drawn(index, number, beacon.key, beta.hex(), True, coin, *about, picks, agrees)


def _picks(reader: Reader, pool: SealedPool, stream: Stream, opened: RoundOpened) -> tuple[list[Pick], bool]:
    expected = [(seat.agent, f"seat {place}") for place, seat in enumerate(opened.seats)]
    expected += [(each.agent, f"alternate {place}") for place, each in enumerate(opened.alternates, 1)]
    picker = Picker(root_of(pool), lambda digest: _node(reader, digest), stream, dict(pool.heavy))
    picks: list[Pick] = []
    while expected and len(picks) < MAX_PICKS and (slot := picker.pick(lambda _: True)) is not None:
        agent, became = expected[0]
        if slot.id == agent:
            expected.pop(0)
        picks.append(Pick(slot.id, slot.weight, became if slot.id == agent else ""))
    return picks, not expected


def _node(reader: Reader, digest: bytes) -> bytes:
    node = reader.record(Node, digest.hex())
    if node is None:
        raise ValueError("a node of a sealed pool is missing")
    return node.data
