"""A relay offers what the log has, confirms only what the service let win, and lets nobody speak for another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.relay.networks import KIND, Agent, Coordinator, Network, agents, named, run
from trust.client import ServiceError
from trust.client.statements import did_of_seed
from trust.log.note import Verifier
from trust.relay import mirror
from trust.verify.receipts import verify_confirmation, verify_refusal

pytestmark = pytest.mark.journey


async def _post_by_hand(relay: Coordinator, path: str, body: bytes) -> httpx.Response:
    async with httpx.AsyncClient(base_url=relay.http) as http:
        return await http.post(path, content=body)


def test_a_task_is_offered_claimed_delivered_and_its_requester_hears_of_each_step(town: Network) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=()), ada.join(relay)):
            [posted] = await rosa.link.post([town.task_post(task)])
            offered = await ada.hears("offer", task=task)
            assert (offered["task_index"], offered["requester"]) == (posted["index"], town.requester.actor)
            told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"]))
            confirmation, coordinator = told["confirmation"].encode(), did_of_seed(town.alone)
            said = verify_confirmation(confirmation, town.requester.network, [coordinator], 1).statement
            assert (said.task, said.claim, said.worker) == (task, told["claim"], ada.me.actor)
            assert (await rosa.hears("confirmed", task=task))["claim"] == told["claim"]
            [delivered] = await ada.link.deliver([town.output_of(ada.me, told["claim"])])
            assert delivered["status"] == 201
            await rosa.hears_event("output.submitted", claim=told["claim"])

    run(test)


def test_of_two_who_claim_over_http_the_first_gets_201_and_the_second_409_with_the_winner_and_a_note(
    town: Network,
) -> None:
    async def test() -> None:
        task = named()
        rosa = Agent(town.requester)
        async with town.relay() as relay, agents(rosa.join(relay, kinds=())):
            [posted] = await rosa.link.post([town.task_post(task)])
            claims = [town.claim_of(each, task, posted["index"]) for each in town.agents[:2]]
            answers = await asyncio.gather(*(_post_by_hand(relay, f"/claim/{task}", each) for each in claims))
            assert sorted(each.status_code for each in answers) == [201, 409]
            won = next(each.json() for each in answers if each.status_code == 201)
            lost = next(each.json() for each in answers if each.status_code == 409)
            assert (lost["code"], lost["worker"], lost["claim"]) == (
                "already-claimed",
                won["worker"],
                won["claim"],
            )
            assert (
                verify_refusal(lost["refusal"].encode(), Verifier.parse(town.vkey)).code == "already-claimed"
            )
            elsewhere = await _post_by_hand(relay, "/claim/another", claims[0])
            assert (elsewhere.status_code, elsewhere.json()["code"]) == (400, "malformed")

    run(test)


def test_nobody_is_confirmed_whom_the_service_refuses_and_those_who_were_offered_hear_who_won(
    town: Network,
) -> None:
    async def test() -> None:
        task = named()
        rosa, ada, bob = Agent(town.requester), Agent(town.agents[0]), Agent(town.agents[1])
        async with (
            town.relay() as relay,
            agents(rosa.join(relay, kinds=()), ada.join(relay), bob.join(relay)),
        ):
            [posted] = await rosa.link.post([town.task_post(task)])
            await asyncio.gather(ada.hears("offer", task=task), bob.hears("offer", task=task))
            with pytest.raises(ServiceError, match="insufficient-stake"):
                await ada.link.claim(town.claim_of(ada.me, task, posted["index"], stake_units=1))
            told = await bob.link.claim(town.claim_of(bob.me, task, posted["index"]))
            assert (await ada.hears("taken", task=task))["worker"] == bob.me.actor
            assert [each["worker"] for each in rosa.all if each["type"] == "confirmed"] == [told["worker"]]

    run(test)


def test_nobody_brings_the_claim_the_task_or_the_output_of_another(town: Network) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=()), ada.join(relay)):
            [posted] = await rosa.link.post([town.task_post(task)])
            with pytest.raises(ServiceError, match="its own claim"):
                await ada.link.claim(town.claim_of(town.agents[1], task, posted["index"]))
            with pytest.raises(ServiceError, match=r"a task\.post of"):
                await ada.link.post([town.task_post(named())])
            with pytest.raises(ServiceError, match=r"an? output\.submit of"):
                await ada.link.deliver([town.output_of(town.agents[1], "clm_" + "a" * 26)])

    run(test)


def test_agents_find_each_other_are_introduced_and_notified(town: Network) -> None:
    async def test() -> None:
        ada, bob = Agent(town.agents[0]), Agent(town.agents[1])
        async with (
            town.relay() as relay,
            agents(ada.join(relay, contact="ws://ada.example"), bob.join(relay, contact="ws://bob.example")),
        ):
            peers = {each["did"]: each["contact"] for each in await ada.link.peers(KIND)}
            assert peers == {ada.me.actor: "ws://ada.example", bob.me.actor: "ws://bob.example"}
            assert await ada.link.introduce(bob.me.actor) == "ws://bob.example"
            assert (await bob.hears("introduction"))["contact"] == "ws://ada.example"
            await ada.link.notify(bob.me.actor, {"x": [1, 2]})
            heard = await bob.hears("notification")
            assert (heard["from"], heard["body"]) == (ada.me.actor, {"x": [1, 2]})
            with pytest.raises(ServiceError, match="not-here"):
                await ada.link.notify(town.agents[2].actor, "nobody")

    run(test)


def test_posts_and_outputs_come_in_batches_with_a_result_each(town: Network) -> None:
    async def test() -> None:
        names = [named() for _ in range(5)]
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=()), ada.join(relay)):
            posts = [town.task_post(name) for name in names]
            posts.append(town.task_post(names[0], price_units=99))
            results = await rosa.link.post(posts)
            assert [each["status"] for each in results] == [201] * 5 + [409]
            claims = [
                await ada.link.claim(town.claim_of(ada.me, name, result["index"]))
                for name, result in zip(names, results, strict=False)
            ]
            delivered = await ada.link.deliver([town.output_of(ada.me, each["claim"]) for each in claims])
            assert [each["status"] for each in delivered] == [201] * 5

    run(test)


def test_an_agent_that_was_away_catches_up_with_what_the_log_said_and_what_it_has_open(town: Network) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=())):
            before = (await relay.get("/health"))["size"] - 1
            [posted] = await rosa.link.post([town.task_post(task)])
            answer = await _post_by_hand(
                relay, f"/claim/{task}", town.claim_of(ada.me, task, posted["index"])
            )
            assert answer.status_code == 201
            await rosa.hears_event("claim.opened", task=task)
            page = await relay.get(f"/events?after={before}&agent={ada.me.actor}")
            kinds = [event["kind"] for entry in page["events"] for event in entry["events"]]
            assert "claim.opened" in kinds
            mine = await relay.get(f"/agents/{ada.me.actor}/open")
            assert [each["claim"] for each in mine["claims"] if each["task"] == task] == [
                answer.json()["claim"]
            ]
            theirs = await relay.get(f"/agents/{town.requester.actor}/open")
            assert task in [each["task"] for each in theirs["tasks"]]
            first = await relay.get("/events?after=-1&limit=3")
            assert [each["index"] for each in first["events"]] == [0, 1, 2]

    run(test)


def test_of_an_agent_only_what_concerns_it_is_shown_however_long_ago(
    town: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "KEPT_ENTRIES", 1)
    monkeypatch.setattr(mirror, "NEAR_ENTRIES", 1)

    async def test() -> None:
        ada = town.agents[0].actor
        async with town.relay() as relay:
            found, after = [], -1
            while True:
                page = await relay.get(f"/events?after={after}&agent={ada}&limit=3")
                found += page["events"]
                after = page["after"]
                if after >= page["size"] - 1:
                    break
            everything = await relay.get("/events?after=-1&limit=1000")
        kinds = [event["kind"] for entry in found for event in entry["events"]]
        assert kinds[0] == "party.registered"
        assert all(ada in json.dumps(entry["events"]) for entry in found[:2])
        named_in = [each["index"] for each in everything["events"] if ada in json.dumps(each["events"])]
        assert len(found) < len(everything["events"])
        assert {each["index"] for each in found} >= set(named_in[:1])
        nobody = await _nobody(town)
        assert nobody["events"] == []
        assert nobody["after"] == nobody["size"] - 1

    run(test)


async def _nobody(town: Network) -> Any:
    async with town.relay() as relay:
        return await relay.get("/events?after=-1&agent=did:key:nobody")


def test_a_task_that_was_posted_at_the_service_is_offered_too_and_to_whoever_comes_later(
    town: Network,
) -> None:
    async def test() -> None:
        task = named()
        ada, bob = Agent(town.agents[0]), Agent(town.agents[1])
        async with town.relay() as relay, town.client() as client, agents(ada.join(relay)):
            await client.send(town.task_post(task))
            await ada.hears("offer", task=task)
            await asyncio.sleep(0.6)  # the waves are over: it is open to all
            async with agents(bob.join(relay)):
                assert task in [each["task"] for each in bob.open]
                shown: Any = await relay.get(f"/tasks?kind={KIND}")
                assert task in [each["task"] for each in shown["tasks"]]

    run(test)


def test_a_relay_that_is_killed_and_started_again_loses_nothing(town: Network) -> None:
    async def test() -> None:
        open_task, claimed = named(), named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=()), ada.join(relay)):
            posted = await rosa.link.post([town.task_post(claimed), town.task_post(open_task)])
            told = await ada.link.claim(town.claim_of(ada.me, claimed, posted[0]["index"]))
        bob = Agent(town.agents[1])
        async with town.relay() as relay, agents(ada.join(relay), bob.join(relay)):
            held = (await relay.get(f"/agents/{ada.me.actor}/open"))["claims"]
            assert told["claim"] in [each["claim"] for each in held]
            [delivered] = await ada.link.deliver([town.output_of(ada.me, told["claim"])])
            assert delivered["status"] == 201
            again = await bob.link.claim(town.claim_of(bob.me, open_task, posted[1]["index"]))
            assert again["worker"] == bob.me.actor

    run(test)
