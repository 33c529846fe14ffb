"""A squad over HTTP, on both databases: formed and granted by the SDK, judged part by part, read, told and proven."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest

from tests.api.house import KIND, WORK, House, house
from tests.services.statements import Party
from trust.client import ClientError, Relay, Requester, TrustClient, Worker
from trust.core import payloads, strict
from trust.core.payloads import Member, Part
from trust.verify.bundles import verify_bundle
from trust.verify.cases import Case
from trust.verify.receipts import check_confirmed, parse_key, verify_confirmation
from trust.verify.story import tell

PARTS = [Part("head", 400_000), Part("body", 600_000)]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, shared_database_url: str) -> Iterator[House]:
    """A town with five verifiers, on each kind of database."""
    with house(tmp_path_factory.mktemp("house"), shared_database_url) as running:
        running.settle_in(verifiers=5)
        yield running


@pytest.fixture
def client(town: House) -> TrustClient:
    return TrustClient("http://testserver.local", town.vkey, transport=town.client._transport)


def granted(town: House, client: TrustClient, task: str = "essay") -> tuple[str, list[str]]:
    """A squad of both workers that has claimed a task, and the claims on its parts."""
    requester = Requester(client, town.requester.seed)
    deadline_ms = client.now_ms() + 600_000
    requester.post(task, KIND, b"spec", price_units=100, deadline_ms=deadline_ms, parts=PARTS)
    founder, other = (Worker(client, worker.seed) for worker in town.workers)
    members = [Member(founder.did, 200), Member(other.did, 300)]
    formed = founder.form_squad(task, members, client.now_ms() + 60_000)
    with pytest.raises(ClientError, match="does not want"):
        other.join_squad(formed, 299)
    squad = client.send(other.join_squad(formed, 300)).created["squad"]
    relay = Relay(client, town.relay, [town.coordinator.seed])
    won = relay.grant(founder.claim_for_squad(squad, town.relay))
    said = verify_confirmation(won.confirmation, client.network, [town.coordinator.did], 1)
    check_confirmed(said, won.accepted.entry)
    claims = [part["claims"][0]["claim"] for part in client.squad(squad)["parts"]]
    assert won.claim == claims[0]
    return squad, claims


def judged(town: House, claim: str, worker: Any, verdict: str) -> None:
    digest = stored_work(town, worker)
    artifact = payloads.Artifact(name="findings.json", sha256=digest, size_bytes=len(WORK))
    town.done("/v1/outputs", town.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact,)))
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["rounds"])
    town.done("/v1/outputs", town.say(payloads.OutputOpen, worker, claim=claim))
    town.vote(claim, verdict)
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["ended_ms"])


def stored_work(town: House, worker: Any) -> str:
    assert town.store(WORK, worker).status_code in (200, 201)
    return sha256(WORK).hexdigest()


def proven(town: House, claim: str) -> Case:
    return verify_bundle(town.client.get(f"/v1/claims/{claim}/bundle").content, parse_key(town.vkey))


def entries(town: House, path: str) -> list[tuple[int, bytes]]:
    told = town.get(f"{path}/timeline")["entries"]
    return [(each["index"], strict.b64(town.get(f"/v1/receipts/{each['index']}")["entry"])) for each in told]


def test_a_squad_from_its_forming_to_its_end_is_read_told_and_proven(
    town: House, client: TrustClient
) -> None:
    squad, (head, body) = granted(town, client)
    shown = client.squad(squad)
    assert [(each["part"], each["price_units"]) for each in shown["members"]] == [("head", 40), ("body", 60)]
    assert client.task("essay")["state"] == "split"
    begun = proven(town, body)
    assert (begun.worker, begun.price_units, begun.stake_units) == (town.workers[1].did, 60, 300)
    judged(town, head, town.workers[0], "pass")
    judged(town, body, town.workers[1], "fail")
    assert (proven(town, head).state, proven(town, body).state) == ("accepted", "rejected")
    part = client.task(shown["parts"][1]["task"])
    assert (part["state"], part["parent"], client.task("essay")["state"]) == ("open", "essay", "split")
    town.done("/v1/tasks", town.say(payloads.TaskCancel, town.requester, task=part["task"]))
    assert client.squad(squad)["state"] == client.task("essay")["closed_why"] == "unfinished"
    whole = tell("essay", entries(town, "/v1/tasks/essay")).summary
    assert any("agree to take it together" in sentence for sentence in whole)
    assert sum("claims it with a stake" in sentence for sentence in whole) == 2
    mine = tell(body, entries(town, f"/v1/claims/{body}")).summary
    claims = [sentence for sentence in mine if "claims it with a stake" in sentence]
    assert len(claims) == 1
    assert "a stake of 300" in claims[0]


def test_a_part_that_came_to_another_is_proven_too(town: House, client: TrustClient) -> None:
    squad, (head, _) = granted(town, client, "second-essay")
    abandoned = town.say(payloads.ClaimAbandon, town.workers[0], claim=head)
    town.done("/v1/claims", abandoned)
    part = client.squad(squad)["parts"][0]
    claim = str(
        town.done("/v1/claims", town.claim(part["task"], part["index"], town.workers[1]))["result"]["claim"]
    )
    case = proven(town, claim)
    assert (case.worker, case.task, case.state) == (town.workers[1].did, part["task"], "claimed")


def test_who_joins_by_draw_is_proven_by_the_bundle(town: House, client: TrustClient) -> None:
    deadline_ms = client.now_ms() + 600_000
    requester = Requester(client, town.requester.seed)
    requester.post(
        "drawn", KIND, b"spec", price_units=100, deadline_ms=deadline_ms, parts=PARTS, relay=town.relay
    )
    asker = Party("asker")
    town.all_done([town.register(asker, capabilities=(KIND,)), town.deposit(asker.did, 1_000)])
    founder, other = Worker(client, town.workers[0].seed), Worker(client, asker.seed)
    asks_until_ms = client.now_ms() + 1_500
    until = {"asks_until_ms": asks_until_ms, "until_ms": deadline_ms}
    squad = founder.call_squad("drawn", stake_units=200, **until).created["squad"]
    other.ask_squad(squad, stake_units=300, surety_units=50)
    assert client.squads("drawn", "calling")["squads"][0]["squad"] == squad
    town.wait(lambda: client.now_ms() > asks_until_ms)
    relay = Relay(client, town.relay, [town.coordinator.seed])
    relay.allocate("drawn", shortlist=1, exclusive_ms=20_000, squad=squad)
    town.wait(lambda: client.squad(squad)["state"] == "formed")
    relay.grant(founder.claim_for_squad(squad, town.relay))
    head, body = (part["claims"][0]["claim"] for part in client.squad(squad)["parts"])
    case = proven(town, body)
    assert (case.worker, case.stake_units, case.route) == (other.did, 300, "first-come")
    assert case.shortlist is not None
    assert case.shortlist.agents == (other.did,)
    assert proven(town, head).worker == founder.did
    told = " ".join(tell("drawn", entries(town, "/v1/tasks/drawn")).summary)
    assert "calls for a squad" in told


def test_what_is_not_a_squad_is_said_so(town: House, client: TrustClient) -> None:
    answer = town.client.get("/v1/squads/sqd_none")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-squad")
    said = town.say(payloads.SquadDissolve, town.workers[0], squad="sqd_" + "a" * 26)
    assert town.post_to("/v1/claims", said).json()["code"] == "unknown-squad"
