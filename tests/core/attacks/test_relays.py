"""Attacks by relays and through them."""

from __future__ import annotations

from tests.core.flows import scene
from tests.core.network import Who
from tests.core.proofs import claim_by, confirmation, evidence, three, whole
from trust.core import payloads as p
from trust.core.records import Relay


def test_a_suspended_relay_signs_in_its_own_fresh_key() -> None:
    """Under rules 1 it was unsuspended at once. Now only the operator's signature brings it back."""
    town, members = three(scene())
    town.post()
    claim = claim_by(town, members[:2])
    lie = confirmation(town, claim, members[:2], worker=town.rival.did)
    town.net.do(evidence(town, town.requester, "relay-confirm", lie))
    fresh = [Who("fresh one"), Who("fresh two"), Who("fresh three")]
    group = {
        "relay": town.relay,
        "name": "three",
        "threshold": 2,
        "coordinators": tuple(w.did for w in fresh),
    }
    town.net.say(p.RelayUpdate, members[0], members[1], *fresh, **group)
    assert town.net.get(Relay, town.relay).suspended
    town.net.say(p.RelayUpdate, fresh[0], fresh[1], town.net.operator, **group)
    assert not town.net.get(Relay, town.relay).suspended
    again = {**group, "coordinators": (members[0].did, fresh[0].did)}
    town.net.say(p.RelayUpdate, fresh[0], fresh[1], members[0], **again)
    assert town.net.get(Relay, town.relay).suspended
    whole(town)
