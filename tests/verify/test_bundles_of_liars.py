"""Logs that lie under their own key: the bundle is refused at the entry that does not follow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.audit.networks import World, did
from tests.verify.cases import KEY, belongs, bundled, claim_of, good, network, pool_nodes, refused
from trust.core.records import Claim
from trust.core.sampling.sumtree import digest_of
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven

Change = Callable[[dict[str, Any]], object]


def lied(kind: str, change: Callable[[dict[str, Any]], object], worker: str = "mallory") -> str:
    """Changes the first event of a kind in the worker's case, and returns what the verifier says of it."""
    world = network()
    claim = claim_of(world, worker)
    for index, data in enumerate(world.entries):
        entry = json.loads(data)
        events = [event for event in entry["events"] if event["kind"] == kind]
        if events and belongs(world, claim, data) and _names_case(world, claim, events[0]):
            change(events[0])
            changed = json.dumps(entry, separators=(",", ":")).encode()
            assert changed != data
            with pytest.raises(NotProven) as refusal:
                verify_bundle(bundled(world, claim, {index: changed}).encode(), KEY)
            assert f"entry {index}:" in str(refusal.value)
            return str(refusal.value)
    raise AssertionError(f"no {kind} in the case")


def _names_case(world: World, claim: str, event: dict[str, Any]) -> bool:
    text = json.dumps(event)
    names = (claim, world.need(Claim, claim).task, *world.panel(claim).seats)
    return any(name in text for name in names) or event["kind"] in ("pool.sealed", "network.created")


@pytest.mark.parametrize(
    ("kind", "change", "match"),
    [
        ("task.posted", lambda event: event.update(price_units=1), "price_units"),
        ("claim.opened", lambda event: event.update(worker=did("bob")), "the actor of the statement"),
        ("claim.opened", lambda event: event.update(stake_units=1), "stake_units"),
        ("claim.opened", lambda event: event.update(rate_ppm=1), "the check rate"),
        ("claim.opened", lambda event: event.update(draw_key=did("other")), "the draw key"),
        ("output.submitted", lambda event: event.update(output="sha256:" + "0" * 64), "the output"),
        ("coin.tossed", lambda event: event.update(checked=False, until_ms=1), "coin|follow|finds unchecked"),
        ("round.opened", lambda event: event["seats"].reverse(), "does not lead to|follow"),
        ("round.opened", lambda event: event["seats"][0].__setitem__(1, did("bob")), "does not lead to"),
        ("round.opened", lambda event: event.update(quorum=1), "the quorum"),
        ("round.opened", lambda event: event["seats"].pop(), "the size of the panel"),
        ("vote.committed", lambda event: event.update(commitment="0" * 64), "commitment"),
        ("vote.revealed", lambda event: event.update(verdict="pass"), "verdict"),
        ("vote.revealed", lambda event: event.update(salt="A" * 43 + "="), "salt"),
        ("round.tallied", lambda event: event.update(verdict="pass"), "what the votes come to"),
        ("verdict.reached", lambda event: event.update(verdict="pass"), "the verdict of the tally"),
        ("claim.ended", lambda event: event.update(state="accepted"), "is accepted"),
        ("money.moved", lambda event: event["postings"][0].__setitem__(1, 77), "do not sum to zero"),
        ("pool.sealed", lambda event: event.update(root="0" * 64), "the seal"),
        ("network.created", lambda event: event.update(draw_key=did("other")), "the genesis"),
    ],
)
def test_a_log_whose_events_do_not_follow_is_refused_at_that_entry(
    kind: str, change: Change, match: str
) -> None:
    assert re.search(match, lied(kind, change))


def test_a_draw_with_another_proof_or_output_is_refused() -> None:
    world = network()
    claim = claim_of(world, "mallory")
    index = verify_bundle(good(), KEY).panels[0].index
    other = verify_bundle(good("bob"), KEY).panels[0].index
    mine, its = (json.loads(world.entries[each]) for each in (index, other))
    for name in ("pi", "beta", "key"):
        entry = json.loads(json.dumps(mine))
        theirs = {**its["command"]["draw"]["beacons"][0], "key": did("other")}
        entry["command"]["draw"]["beacons"][0][name] = theirs[name]
        changed = json.dumps(entry, separators=(",", ":")).encode()
        refused(bundled(world, claim, {index: changed}).encode(), f"entry {index}:")


def test_a_statement_that_somebody_else_signed_is_refused() -> None:
    world = network()
    claim = claim_of(world, "mallory")
    for index, data in enumerate(world.entries):
        if b'"output.submitted"' in data and claim.encode() in data:
            entry = json.loads(data)
            entry["command"]["statement"]["signatures"][0]["keyid"] = did("bob")
            changed = json.dumps(entry, separators=(",", ":")).encode()
            refused(bundled(world, claim, {index: changed}).encode(), f"entry {index}: .*does not hold")


def test_bytes_that_are_in_the_log_but_not_canonical_are_refused() -> None:
    world = network()
    claim = claim_of(world, "mallory")
    index = verify_bundle(good(), KEY).entries[1]
    changed = world.entries[index].replace(b'{"v":1,', b'{"v":1, ', 1)
    refused(bundled(world, claim, {index: changed}).encode(), f"entry {index}: .*canonical")


def test_a_node_of_the_pool_is_what_its_digest_says() -> None:
    node = pool_nodes(network(), claim_of(network(), "mallory"))[0]
    assert digest_of(node).hex().encode() in b"".join(network().entries)
