"""Outputs: delivered once, in time, by whom the claim belongs to; accepted by the requester (docs/rules.md 3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.flows import ARTIFACT, Scene, raw, scene
from tests.core.network import DIGEST
from trust.core import commands, envelope
from trust.core import payloads as p
from trust.core.records import Claim, Rater
from trust.core.strict import Malformed


@pytest.fixture
def town() -> Scene:
    return scene()


def test_an_output_fixes_what_is_judged(town: Scene) -> None:
    claim = town.claimed()
    said = town.output(claim)
    decided = town.net.do(said)
    record = town.net.get(Claim, claim)
    assert (record.state, record.output, record.output_index) == ("submitted", said.id, decided.index)


def test_an_output_for_anothers_claim_is_refused(town: Scene) -> None:
    claim = town.claimed()
    town.net.refuses("not-yours", p.OutputSubmit, town.rival, claim=claim, artifacts=(ARTIFACT,))
    town.net.refuses(
        "unknown-claim", p.OutputSubmit, town.worker, claim="clm_" + "b" * 26, artifacts=(ARTIFACT,)
    )


def test_a_second_output_is_refused(town: Scene) -> None:
    claim = town.submitted()
    town.net.refused("output-exists", town.output(claim, artifacts=(ARTIFACT, ARTIFACT)))
    town.net.draw(claim)
    town.net.refused("output-exists", town.output(claim))


@pytest.mark.parametrize(
    "fields",
    [
        {"items_root": DIGEST, "items_count": 5},
        {"items_root": DIGEST},
        {"items_count": 5},
    ],
)
def test_items_that_nobody_asked_for_are_refused(town: Scene, fields: dict[str, Any]) -> None:
    claim = town.claimed()
    town.net.refused("items-mismatch", town.output(claim, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"items_root": None, "items_count": None},
        {"items_count": 39},
        {"items_root": None},
        {"items_count": None},
    ],
)
def test_a_batch_has_exactly_the_items_of_its_task(town: Scene, fields: dict[str, Any]) -> None:
    claim = town.claimed(**town.batch_task(40))
    town.net.refused("items-mismatch", town.output(claim, **fields))
    town.net.do(town.output(claim))


def test_an_address_is_taken_only_where_the_policy_allows_it(town: Scene) -> None:
    claim = town.claimed()
    away = p.Artifact(name="x", sha256=DIGEST, size_bytes=1, uri="https://example.org/x")
    town.net.refused("uris-not-allowed", town.output(claim, artifacts=(away,)))


@pytest.mark.parametrize(
    "artifacts",
    [
        [],
        [{"name": "x", "sha256": DIGEST, "size_bytes": -1}],
        [{"name": "x", "sha256": DIGEST.upper()[:-1] + "G", "size_bytes": 1}],
        [{"name": "x\n", "sha256": DIGEST, "size_bytes": 1}],
        [{"name": "\u00e9", "sha256": DIGEST, "size_bytes": 1}],
        [{"name": "x", "sha256": DIGEST, "size_bytes": 1, "more": 1}],
        [{"name": "x", "sha256": DIGEST, "size_bytes": 1}] * 65,
    ],
)
def test_artifacts_that_are_none_are_malformed(town: Scene, artifacts: list[object]) -> None:
    claim = town.claimed()
    data = raw(town.output(claim), artifacts=artifacts)
    before = town.net.snapshot()
    with pytest.raises(Malformed):
        commands.parse(envelope.sign(data, [town.worker.seed]))
    assert town.net.snapshot() == before


# -- the requester's acceptance


def test_only_the_requester_accepts_and_only_once(town: Scene) -> None:
    claim = town.claimed()
    town.net.refuses("no-output", p.OutputAccept, town.requester, claim=claim)
    town.net.do(town.output(claim))
    town.net.refuses("not-yours", p.OutputAccept, town.rival, claim=claim)
    town.net.say(p.OutputAccept, town.requester, claim=claim)
    town.net.refuses("accepted-already", p.OutputAccept, town.requester, claim=claim)


def test_an_acceptance_ends_nothing_early(town: Scene) -> None:
    claim = town.submitted()
    town.net.say(p.OutputAccept, town.requester, claim=claim)
    assert town.state(claim) == "submitted"
    town.net.draw(claim)
    assert town.state(claim) == "checking"


def test_after_reveals_open_an_acceptance_is_too_late(town: Scene) -> None:
    claim = town.opened()
    seats = town.seats(claim)
    votes = [town.vote(seat) for seat in seats]
    for seat, vote in zip(seats[:-1], votes[:-1], strict=True):
        town.commit(seat, vote)
    before = town.fork()
    before.net.say(p.OutputAccept, town.requester, claim=claim)
    town.commit(seats[-1], votes[-1])
    town.net.refuses("too-late", p.OutputAccept, town.requester, claim=claim)
    for seat, vote in zip(seats, votes, strict=True):
        town.reveal(seat, vote)
    town.net.refuses("too-late", p.OutputAccept, town.requester, claim=claim)
    town.net.tick(1_000)
    town.net.refuses("too-late", p.OutputAccept, town.requester, claim=claim)


@pytest.mark.parametrize(("verdict", "agree", "against"), [("pass", 250, 0), ("fail", 0, 1_000)])
def test_a_panels_verdict_says_how_good_a_rater_the_requester_is(
    town: Scene, verdict: str, agree: int, against: int
) -> None:
    claim = town.submitted()
    town.net.say(p.OutputAccept, town.requester, claim=claim)
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, verdict)
    town.net.tick(1_000)
    rater = town.net.get(Rater, town.requester.did)
    assert (rater.agree_milli, rater.against_milli) == (agree, against)


def test_an_output_after_abandoning_is_refused(town: Scene) -> None:
    claim = town.claimed()
    town.net.say(p.ClaimAbandon, town.worker, claim=claim)
    refused = town.net.refused("claim-state", town.output(claim))
    assert refused.facts == {"state": "abandoned"}
