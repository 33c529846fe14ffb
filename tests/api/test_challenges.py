"""A challenge over HTTP, on both databases: taken once, decided by the next panel, shown and proven."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.house import House, house
from tests.services.statements import ORIGIN, Party
from trust.core import payloads
from trust.verify.bundles import verify_bundle
from trust.verify.receipts import parse_key


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[House]:
    """A town with ten verifiers: three sit, and five review them."""
    directory = tmp_path_factory.mktemp("house")
    with house(directory, shared_database_url, challenge_ms=4_000, unbonding_ms=300_000) as running:
        running.settle_in(verifiers=10)
        yield running


def judged(town: House, task: str, verdict: str) -> str:
    """A claim with a first verdict."""
    claim = town.delivered(task)
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["rounds"])
    town.done("/v1/outputs", town.say(payloads.OutputOpen, town.workers[0], claim=claim))
    town.vote(claim, verdict)
    return claim


def doubt(town: House, who: Party, claim: str, reason: str = "doubt") -> Any:
    return town.post_to(
        "/v1/challenges", town.say(payloads.VerdictChallenge, who, claim=claim, reason=reason)
    )


def test_the_ledger_shows_locks_and_slashes_of_all_who_took_part(town: House) -> None:
    worker, challenger = town.workers
    claim = judged(town, "paid-for", "pass")
    made = doubt(town, challenger, claim).json()["result"]
    town.wait(lambda: len(town.get(f"/v1/claims/{claim}")["rounds"]) == 2)
    town.vote(claim, "fail")
    lost = _lines(town, worker.did, f"claim/{claim}/stake")
    assert {why for why, _ in lost} == {"stake.lock", "slash.seat-fee", "slash.failed-check"}
    assert sum(units for _, units in lost) == 0
    bond = _lines(town, challenger.did, f"challenge/{made['challenge']}/bond")
    assert bond == [("challenge.return", -100), ("challenge.bond", 100)]
    first = town.get(f"/v1/claims/{claim}")["rounds"][0]["seats"]
    for seat in first:
        lines = _lines(town, seat["agent"], f"verifier/{seat['agent']}/stake")
        assert lines == [("seat.slash", -100), ("verifier.stake", 2_000)]
        assert town.get(f"/v1/agents/{seat['agent']}")["balances"]["bonded_units"] == 1_900


def _lines(town: House, agent: str, account: str) -> list[tuple[str, int]]:
    page = town.get(f"/v1/agents/{agent}/ledger")
    return [(each["why"], each["change_units"]) for each in page["postings"] if each["account"] == account]


def test_a_challenge_is_taken_once_and_decided_by_the_next_panel(town: House) -> None:
    challenger = town.workers[1]
    claim = judged(town, "doubted", "pass")
    answer = doubt(town, challenger, claim)
    assert answer.status_code == 201
    made = answer.json()["result"]
    assert (made["against"], made["round"], made["bond_units"], made["prepaid_units"]) == ("pass", 2, 50, 50)
    second = doubt(town, town.requester, claim)
    assert (second.status_code, second.json()["code"]) == (409, "challenged-already")
    assert town.get(f"/v1/agents/{challenger.did}")["balances"]["bonded_units"] == 100

    town.wait(lambda: len(town.get(f"/v1/claims/{claim}")["rounds"]) == 2)
    town.vote(claim, "fail")
    shown = town.get(f"/v1/claims/{claim}")
    assert (shown["state"], shown["verdict_round"]) == ("rejected", 2)
    [told] = shown["challenges"]
    assert (told["challenge"], told["state"], told["challenger"]) == (
        made["challenge"],
        "won",
        challenger.did,
    )
    late = doubt(town, town.requester, claim)
    assert (late.status_code, late.json()["code"]) == (410, "too-late")

    kinds = [entry["kind"] for entry in town.get(f"/v1/claims/{claim}/timeline")["entries"]]
    assert kinds.count("verdict.challenge") == 1
    case = verify_bundle(town.client.get(f"/v1/claims/{claim}/bundle").content, parse_key(town.vkey))
    assert (case.network, case.state, case.verdict) == (ORIGIN, "rejected", "fail")
    assert [(each.challenge, each.state) for each in case.challenges] == [(made["challenge"], "won")]
    assert [panel.verdict for panel in case.panels] == ["pass", "fail"]


def test_what_cannot_be_challenged_is_refused_with_a_note(town: House) -> None:
    claim = town.delivered("young")
    answer = doubt(town, town.workers[1], claim)
    assert answer.status_code == 409
    assert answer.json()["code"] in ("draw-pending", "panel-at-work")
    assert answer.json()["refusal"]
    unknown = doubt(town, town.workers[1], "clm_" + "a" * 26)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "unknown-claim")
    wrong = town.post_to(
        "/v1/votes", town.say(payloads.VerdictChallenge, town.workers[1], claim=claim, reason="no")
    )
    assert (wrong.status_code, wrong.json()["code"]) == (400, "wrong-endpoint")
