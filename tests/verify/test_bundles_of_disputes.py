"""A case that was challenged is proven offline with its challenges; a lie about one is refused at its entry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec
import pytest

from tests.audit.networks import World, did, policy
from tests.audit.stored import store
from tests.verify.cases import KEY, bundled
from trust.core.payloads import VerdictChallenge
from trust.core.records import Claim
from trust.services.bundles import bundle_of
from trust.services.rebuilding import rebuild
from trust.storage.engine import Database
from trust.storage.reading import reading
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven

Event = dict[str, Any]


@cache
def disputed() -> tuple[World, str, str]:
    """A world, a claim whose pass was overturned, and one whose output the coin had spared, challenged in vain."""
    terms = policy()
    world = World(
        msgspec.structs.replace(terms, checks=msgspec.structs.replace(terms.checks, trusted_streak=3))
    )
    world.deposit("operator/bond", 100_000)
    world.register("alice", deposit=1_000_000)
    for agent in ("bob", "mallory", "carol"):
        world.register(agent, deposit=100_000)
    for number in range(10):
        world.register(f"verifier-{number}", deposit=50_000, verifies=True)
    relay = world.relay()
    world.wait(1_000)

    def delivered(worker: str, task: str) -> str:
        claim = world.claim(worker, task, world.post("alice", task), relay)
        world.output(worker, claim)
        world.serve()
        return claim

    overturned = delivered("mallory", "overturned")
    world.check("mallory", overturned, lambda _: "pass")
    world.say(VerdictChallenge, "carol", claim=overturned, reason="doubt")
    world.serve()
    world.judge(overturned, lambda _: "fail")
    for number in range(40):
        spared = delivered("bob", f"task-{number}")
        if world.need(Claim, spared).state == "unchecked":
            break
        world.check("bob", spared, lambda _: "pass")
        world.wait(3_000)
    world.say(VerdictChallenge, "alice", claim=spared, reason="doubt")
    world.serve()
    world.check("bob", spared, lambda _: "pass")
    world.wait(3_000)
    return world, overturned, spared


def test_an_overturned_verdict_is_proven_with_the_challenge_that_did_it() -> None:
    world, claim, _ = disputed()
    case = verify_bundle(bundled(world, claim).encode(), KEY)
    assert (case.state, case.verdict, case.slashed_units) == ("rejected", "fail", 200)
    [challenge] = case.challenges
    told = challenge.challenger, challenge.against, challenge.round, challenge.state
    assert told == (did("carol"), "pass", 2, "won")
    assert [panel.verdict for panel in case.panels] == ["pass", "fail"]
    assert all(panel.passed is not None for panel in case.panels)


def test_an_output_that_the_coin_spared_is_proven_with_the_panel_of_its_challenge() -> None:
    world, _, claim = disputed()
    case = verify_bundle(bundled(world, claim).encode(), KEY)
    assert (case.state, case.verdict, case.checked) == ("accepted", "pass", False)
    assert [(each.against, each.round, each.state) for each in case.challenges] == [("pass", 1, "lost")]
    assert len(case.panels) == 1


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The same log in a service's database, its state folded."""
    database = Database(store(disputed()[0], tmp_path_factory.mktemp("served")))
    rebuild(database)
    yield database
    database.close()


@pytest.mark.parametrize("which", [1, 2])
def test_the_service_bundles_a_disputed_case_with_all_that_proves_it(served: Database, which: int) -> None:
    claim = disputed()[which]
    assert isinstance(claim, str)
    with reading(served) as reader:
        record = reader.record(Claim, claim)
        assert record is not None
        case = verify_bundle(bundle_of(reader, record).encode(), KEY)
    assert (case.claim, len(case.challenges)) == (claim, 1)
    assert all(panel.passed is not None for panel in case.panels)


@pytest.mark.parametrize(
    ("kind", "change", "match"),
    [
        ("verdict.challenged", lambda event: event.update(bond_units=1), "bond and prepaid fees"),
        ("verdict.challenged", lambda event: event.update(prepaid_units=0), "bond and prepaid fees"),
        ("verdict.challenged", lambda event: event.update(against="fail"), "the verdict that is attacked"),
        ("verdict.challenged", lambda event: event.update(round=1), "the round that is asked for"),
        (
            "verdict.challenged",
            lambda event: event.update(challenger=did("bob")),
            "the actor of the statement",
        ),
        ("challenge.ended", lambda event: event.update(how="lost"), "how the challenge ends"),
        ("challenge.ended", lambda event: event.update(how="returned"), "how the challenge ends"),
        ("money.moved", lambda event: _double(event, "challenge.return"), "loses more than was on it"),
        ("money.moved", lambda event: _double(event, "slash.seat-fee"), "loses more than was on it"),
    ],
)
def test_a_lie_about_a_challenge_is_refused_at_its_entry(
    kind: str, change: Callable[[Event], object], match: str
) -> None:
    world, claim, _ = disputed()
    assert _lied(world, claim, kind, change, match)


def _double(event: Event, why: str) -> None:
    if event["why"] == why:
        event["postings"] = [[account, 2 * units] for account, units in event["postings"]]


def _lied(world: World, claim: str, kind: str, change: Callable[[Event], object], match: str) -> bool:
    """Whether each change of such an event in the case is refused for this reason; False where there is none."""
    found = False
    for index, data in enumerate(world.entries):
        if claim not in data.decode():
            continue
        entry = json.loads(data)
        for event in entry["events"]:
            if event["kind"] == kind:
                change(event)
        changed = json.dumps(entry, separators=(",", ":")).encode()
        if changed != data:
            found = True
            with pytest.raises(NotProven, match=match):
                verify_bundle(bundled(world, claim, {index: changed}).encode(), KEY)
    return found
