"""A claim's bundle over HTTP, on both databases: it proves the case at every step, with nothing but the log's key."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.api.house import WORK, House, house
from tests.services.statements import Party
from trust.core import bundle, payloads
from trust.core.payloads import Artifact
from trust.verify.bundles import verify_bundle
from trust.verify.cases import Case
from trust.verify.receipts import parse_key


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[House]:
    """A town with five verifiers, on each kind of database."""
    with house(tmp_path_factory.mktemp("house"), shared_database_url) as running:
        running.settle_in(verifiers=5)
        yield running


def proven(home: House, claim: str) -> Case:
    answer = home.client.get(f"/v1/claims/{claim}/bundle")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    return verify_bundle(answer.content, parse_key(home.vkey))


def drawn(home: House, claim: str) -> dict[str, Any]:
    """The claim once its panel is seated."""
    shown: dict[str, Any] = home.wait(lambda: _with_rounds(home, claim))
    return shown


def _with_rounds(home: House, claim: str) -> dict[str, Any]:
    shown: dict[str, Any] = home.get(f"/v1/claims/{claim}")
    return shown if shown["rounds"] else {}


def test_a_bundle_proves_the_case_at_every_step(checked: House) -> None:
    claim = checked.claimed("bundled")
    begun = proven(checked, claim)
    assert (begun.state, begun.checked, begun.panels) == ("claimed", None, ())
    assert begun.relay_signers == (checked.coordinator.did,)
    claim = checked.delivered("checked")
    drawn(checked, claim)
    seated = proven(checked, claim)
    assert (seated.state, seated.checked) == ("checking", True)
    checked.done("/v1/outputs", checked.say(payloads.OutputOpen, checked.workers[0], claim=claim))
    checked.vote(claim, "fail")
    assert proven(checked, claim).state == "failing"
    checked.wait(lambda: checked.get(f"/v1/claims/{claim}")["ended_ms"])
    ended = proven(checked, claim)
    assert (ended.state, ended.verdict) == ("rejected", "fail")
    assert ended.slashed_units > 0
    shown = checked.get(f"/v1/claims/{claim}")["rounds"][0]["seats"]
    assert {seat.seat: seat.agent for seat in ended.panels[0].seats} == {s["seat"]: s["agent"] for s in shown}
    assert ended.panels[0].passed is not None
    told = checked.get(f"/v1/claims/{claim}/timeline")["entries"]
    assert {each["index"] for each in told} < set(ended.entries)


def test_nodes_that_would_be_too_many_are_left_out(checked: House, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = checked.delivered("large")
    drawn(checked, claim)
    monkeypatch.setattr(bundle, "MAX_POOL_BYTES", 10)
    assert proven(checked, claim).panels[0].passed is None


def test_a_claim_that_is_not_there_has_no_bundle(home: House) -> None:
    for claim in ("clm_" + "a" * 26, "clm_", "..%2f", "x" * 300):
        answer = home.client.get(f"/v1/claims/{claim}/bundle")
        assert answer.status_code == 404, answer.text


def test_a_bundle_of_too_many_entries_is_refused_in_words(
    checked: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = checked.claimed("many")
    for limit in ("MAX_ENTRIES", "MAX_ENTRIES_BYTES"):
        with monkeypatch.context() as patched:
            patched.setattr(bundle, limit, 2)
            answer = checked.client.get(f"/v1/claims/{claim}/bundle")
        assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert proven(checked, claim).state == "claimed"


def test_the_output_is_named_by_the_bundle(checked: House) -> None:
    digest = sha256(WORK).hexdigest()
    claim = checked.claimed("named")
    artifact = Artifact(name="findings.json", sha256=digest, size_bytes=len(WORK))
    said = checked.say(payloads.OutputSubmit, checked.workers[0], claim=claim, artifacts=(artifact,))
    checked.done("/v1/outputs", said)
    assert proven(checked, claim).output == said.id


def test_a_draw_under_a_newer_key_and_policy_is_proven(checked: House) -> None:
    checked.done(
        "/v1/admin", checked.say(payloads.KeyAdopt, checked.operator, use="draw", key=Party("next").did)
    )
    claim = checked.claimed("newer")
    assert proven(checked, claim).state == "claimed"


def test_rotated_keys_and_changed_relays_are_in_the_bundle(checked: House) -> None:
    worker, second, third = checked.workers[0], Party("second key"), Party("third key")
    for old, new in ((worker, second), (second, third)):
        said = checked.say(payloads.AgentRotate, old, new, actor=worker, new_key=new.did)
        checked.done("/v1/agents", said)
    index = checked.done("/v1/tasks", checked.task_post("rotated"))["receipt"]["index"]
    asked = checked.say(
        payloads.ClaimRequest,
        third,
        checked.coordinator,
        actor=worker,
        task="rotated",
        task_index=index,
        relay=checked.relay,
        stake_units=checked.policy.claims.min_stake_units * 10,
    )
    claim = checked.done("/v1/claims", asked)["result"]["claim"]
    fresh = {"relay": checked.relay, "name": "fresh", "coordinators": (Party("new").did,), "threshold": 1}
    checked.done("/v1/admin", checked.say(payloads.RelayUpdate, checked.coordinator, Party("new"), **fresh))
    case = proven(checked, claim)
    assert (case.worker, case.relay_signers) == (worker.did, (checked.coordinator.did,))
