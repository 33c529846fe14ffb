"""Proofs of draws are verified where signatures are; a wrong guess at a draw's input hands nothing over."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.audit.networks import World, signer
from trust.audit.auditing import audit
from trust.audit.early_proofs import EarlyProofs, Proven
from trust.audit.stateless_checks import Piece, inspect
from trust.core.commands import Spoken
from trust.core.entry import Command, Draw, decode_entry
from trust.core.payloads import OutputSubmit
from trust.core.rulebook import incoming_of
from trust.core.sampling import vrf
from trust.log.tiles import encode_bundle

VKEY = str(signer().verifier)


def commands(world: World) -> list[Command]:
    return [decode_entry(data).command for data in world.entries]


def outputs(world: World) -> list[Spoken]:
    said = [incoming_of(each) for each in commands(world) if each.statement is not None]
    return [each for each in said if isinstance(each, Spoken) and isinstance(each.payload, OutputSubmit)]


def draws(world: World) -> list[Draw]:
    return [each.draw for each in commands(world) if each.draw is not None]


def heard(said: list[Spoken]) -> EarlyProofs:
    foresight = EarlyProofs()
    for each in said:
        foresight.hear(each)
    return foresight


def test_the_proof_of_every_first_round_is_handed_over(world: World) -> None:
    foresight = heard(outputs(world))
    for draw in draws(world):
        proven = foresight.prove(draw)
        assert proven is not None
        assert proven.beta.hex() == draw.beacons[0].beta
        assert vrf.verify(proven.public_key, proven.alpha, proven.pi) == proven.beta


def test_an_inspected_piece_brings_the_proofs_of_its_draws(world: World) -> None:
    width = min(256, len(world.entries))
    piece = Piece(0, width, (encode_bundle(world.entries[:width]),), (None,))
    here = [each.draw for each in commands(world)[:width] if each.draw is not None]
    assert here
    assert [each.pi.hex() for each in inspect(piece).proofs] == [draw.beacons[0].pi for draw in here]


def test_nothing_is_handed_over_where_the_guess_or_the_proof_is_wrong(world: World) -> None:
    said, draw = outputs(world), draws(world)[0]
    claim = draw.of.partition("/")[0]
    others = [each for each in said if getattr(each.payload, "claim", "") != claim]
    [own] = [each for each in said if getattr(each.payload, "claim", "") == claim]
    mixed = [replace(others[0], payload=own.payload)]
    beacon = draw.beacons[0]
    broken = [
        replace(draw, beacons=()),
        replace(draw, of=f"{claim}/2"),
        replace(draw, of=f"{claim}/"),
        replace(draw, of=f"{claim}/{'9' * 5_000}"),
        replace(draw, beacons=(replace(beacon, pi="zz"),)),
        replace(draw, beacons=(replace(beacon, pi="00" * 80),)),
        replace(draw, beacons=(replace(beacon, key="did:key:z6Mk"),)),
    ]
    assert heard(said).prove(draw) is not None
    assert heard(others).prove(draw) is None
    assert heard(mixed).prove(draw) is None
    assert [heard(said).prove(each) for each in broken] == [None] * len(broken)


def test_an_audit_verifies_each_proof_once(log: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    verified: list[bytes] = []
    verify = vrf._verified

    def counted(public_key: bytes, alpha: bytes, pi: bytes) -> bytes:
        verified.append(pi)
        return verify(public_key, alpha, pi)

    monkeypatch.setattr(vrf, "_verified", counted)
    assert audit(str(log), VKEY).ok
    assert sorted(pi.hex() for pi in verified) == sorted(draw.beacons[0].pi for draw in draws(world))


def test_an_audit_without_foresight_holds_just_as_well(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind(self: EarlyProofs, draw: Draw) -> Proven | None:
        return None

    monkeypatch.setattr(EarlyProofs, "prove", blind)
    assert audit(str(log), VKEY).ok
