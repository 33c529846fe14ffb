"""Three coordinators, two of whom must sign: agents reach any of them, and each looks before it signs."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec
import pytest

from tests.relay.networks import Agent, Network, agents, named, run
from trust import clock
from trust.client import Accepted, Relay, ServiceError, TrustClient
from trust.client.problems import Unreachable
from trust.client.statements import Speaker, cosign, did_of_seed, opened
from trust.core.payloads import RelayAttest, RelayConfirm, TaskAllocate
from trust.log.note import Verifier
from trust.relay.server import RelayServer
from trust.verify.receipts import verify_confirmation, verify_receipt

pytestmark = pytest.mark.journey


def _dids(town: Network) -> list[str]:
    return [did_of_seed(seed) for seed in town.three]


def test_a_claim_and_its_confirmation_have_the_whole_threshold_whomever_the_agent_reached(
    town: Network,
) -> None:
    async def test() -> None:
        rosa = Agent(town.requester)
        async with town.coordinators() as three, agents(rosa.join(three[0], kinds=())):
            for number, each in enumerate(three):
                task, ada = named(), Agent(town.agents[number])
                [posted] = await rosa.link.post([town.task_post(task, town.group)])
                async with agents(ada.join(each)):
                    told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
                confirmation = told["confirmation"].encode()
                said = verify_confirmation(confirmation, town.requester.network, _dids(town), 2)
                assert (said.statement.worker, len(said.signers)) == (ada.me.actor, 2)

    run(test)


def test_two_who_claim_at_once_at_two_coordinators_one_wins_and_the_other_gets_the_proof(
    town: Network,
) -> None:
    async def test() -> None:
        rosa, ada, bob = Agent(town.requester), Agent(town.agents[0]), Agent(town.agents[1])
        async with (
            town.coordinators() as three,
            agents(rosa.join(three[2], kinds=()), ada.join(three[0]), bob.join(three[1])),
        ):
            for _ in range(4):
                task = named()
                [posted] = await rosa.link.post([town.task_post(task, town.group)])
                await asyncio.gather(ada.hears("offer", task=task), bob.hears("offer", task=task))
                results = await asyncio.gather(
                    *(
                        each.link.claim(town.claim_of(each.me, task, posted["index"], town.group))
                        for each in (ada, bob)
                    ),
                    return_exceptions=True,
                )
                won = [each for each in results if isinstance(each, dict)]
                lost = [each for each in results if isinstance(each, ServiceError)]
                assert (len(won), len(lost)) == (1, 1), results
                assert (lost[0].status, lost[0].code) == (409, "already-claimed")
                assert lost[0].extra["worker"] == won[0]["worker"]
                if "receipt" in lost[0].extra:
                    receipt = msgspec.json.encode(lost[0].extra["receipt"])
                    proven = verify_receipt(receipt, Verifier.parse(town.vkey))
                    assert proven.event("claim.opened")["worker"] == won[0]["worker"]
                else:
                    assert "refusal" in lost[0].extra

    run(test)


@pytest.mark.parametrize("dead", range(3))
def test_with_one_of_three_dead_claims_go_on(town: Network, dead: int) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        makes = [None if number == dead else RelayServer for number in range(3)]
        async with town.coordinators(*makes) as two, agents(rosa.join(two[0], kinds=()), ada.join(two[1])):
            [posted] = await rosa.link.post([town.task_post(task, town.group)])
            told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
            assert len(set(opened(told["confirmation"].encode()).signed.signers) & set(_dids(town))) == 2

    run(test)


def test_with_two_of_three_dead_nothing_is_confirmed_and_the_claim_can_be_asked_for_again(
    town: Network,
) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.client() as client:
            posted = await client.send(town.task_post(task, town.group))
        request = town.claim_of(ada.me, task, posted.index, town.group)
        async with town.coordinators(RelayServer, None, None) as [only], agents(ada.join(only)):
            with pytest.raises(ServiceError, match="threshold-not-met"):
                await ada.link.claim(request)
        async with town.coordinators() as three, agents(rosa.join(three[0], kinds=()), ada.join(three[0])):
            assert (await ada.link.claim(request))["worker"] == ada.me.actor

    run(test)


def test_the_sdk_asks_coordinators_by_their_addresses_and_gets_the_whole_threshold(town: Network) -> None:
    async def test() -> None:
        task, dids = named(), _dids(town)
        async with town.coordinators() as three, town.client() as client:
            posted = await client.send(town.task_post(task, town.group))
            addresses = {dids[1]: three[1].http, dids[2]: three[2].http}
            await three[1].server.mirror.until(lambda: task in three[1].server.mirror.tasks, 5)
            request = town.claim_of(town.agents[0], task, posted.index, town.group)

            def grant() -> bytes:
                with TrustClient(town.url, town.vkey) as blocking:
                    relay = Relay(blocking, town.group, [town.three[0]], cosigners=addresses, threshold=2)
                    return relay.grant(request).confirmation

            confirmation = await asyncio.to_thread(grant)
            assert len(verify_confirmation(confirmation, client.network, dids, 2).signers) == 2

    run(test)


async def _asked(url: str, statement: bytes, **more: object) -> httpx.Response:
    body = {"statement": msgspec.json.decode(statement), **more}
    async with httpx.AsyncClient(base_url=url) as http:
        return await http.post("/cosign", content=msgspec.json.encode(body))


def test_a_cosigner_refuses_what_it_has_not_seen_itself(town: Network) -> None:
    async def test() -> None:
        task = named()
        ada, bob = town.agents[:2]
        async with town.coordinators() as three, town.client() as client:
            at = three[1]
            unknown = await _asked(at.http, town.claim_of(ada, task, 1, town.group))
            assert (unknown.status_code, unknown.json()["code"]) == (410, "task-closed")
            posted = await client.send(town.task_post(task, town.group))
            await at.server.mirror.until(lambda: task in at.server.mirror.tasks, 5)

            def claim(agent: Speaker, **fields: int) -> bytes:
                said = {"task_index": posted.index, **fields}
                return cosign(town.claim_of(agent, task, relay=town.group, **said), town.three[0])

            wrong = await _asked(at.http, claim(ada, task_index=posted.index + 1))
            assert wrong.json()["code"] == "wrong-task-index"
            foreign = await _asked(at.http, town.claim_of(ada, task, posted.index, town.solo))
            assert foreign.status_code >= 400
            poor = await _asked(at.http, claim(ada, stake_units=10**9))
            assert poor.status_code in (402, 422), poor.text
            promised = await _asked(at.http, claim(ada))
            assert promised.status_code == 200
            other = await _asked(at.http, claim(bob))
            assert (other.status_code, other.json()["code"], other.json()["worker"]) == (
                409,
                "promised",
                ada.actor,
            )
            speaker = Speaker(ada.network, town.three[0])
            said: dict[str, Any] = {"task": task, "relay": town.group, "shortlist": 1, "exclusive_ms": 1_000}
            draw = speaker.say(TaskAllocate, client.now_ms(), candidates=(ada.actor,), **said)
            assert (await _asked(at.http, draw)).json()["code"] == "named-candidates"
            draws = [speaker.say(TaskAllocate, client.now_ms() + n, candidates=(), **said) for n in range(2)]
            assert (await _asked(at.http, draws[0])).status_code == 200
            assert (await _asked(at.http, draws[1])).json()["code"] == "already-allocated"

    run(test)


def test_a_cosigner_signs_no_confirmation_that_the_log_does_not_bear_out(town: Network) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with (
            town.coordinators() as three,
            town.client() as client,
            agents(rosa.join(three[0], kinds=()), ada.join(three[0])),
        ):
            [posted] = await rosa.link.post([town.task_post(task, town.group)])
            told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
            liar = Speaker(ada.me.network, town.three[2])
            true = {"task": task, "claim": told["claim"], "index": told["index"]}
            lie = liar.say(RelayConfirm, client.now_ms(), worker=town.agents[1].actor, **true)
            for more in ({}, {"receipt": told["receipt"]}):
                assert (await _asked(three[1].http, lie, **more)).status_code >= 400
            good = liar.say(RelayConfirm, client.now_ms(), worker=ada.me.actor, **true)
            assert (await _asked(three[1].http, good, receipt=told["receipt"])).status_code == 200

    run(test)


def test_what_the_service_does_not_take_is_attested_by_the_group_and_brought_by_anybody(
    town: Network,
) -> None:
    async def test() -> None:
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.coordinators() as three, agents(rosa.join(three[0], kinds=())):
            claims = []
            for _ in range(2):
                task = named()
                [posted] = await rosa.link.post([town.task_post(task, town.group)])
                async with agents(ada.join(three[1])):
                    told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
                claims.append(told["claim"])
            async with httpx.AsyncClient(base_url=three[1].http) as http:
                taken = await http.post("/attest", content=town.output_of(ada.me, claims[0]))
                assert (taken.status_code, set(taken.json())) == (
                    201,
                    {"status", "index", "receipt", "attestation"},
                )
                refused = await http.post("/attest", content=town.task_post(named(), town.group))
                assert (refused.status_code, refused.json()["code"]) == (422, "not-attested")
                foreign = Speaker(town.requester.network, town.three[0]).say(
                    RelayConfirm, clock.now_ms(), task="t", claim=claims[0], worker=ada.me.actor, index=1
                )
                refused = await http.post("/attest", content=foreign)
                assert 400 <= refused.status_code < 500, "what is no act on the log is no error of the relay"
                three[1].server.desk._client.send = _deaf  # type: ignore[assignment]
                kept = await http.post("/attest", content=town.output_of(ada.me, claims[1]))
                assert (kept.status_code, set(kept.json())) == (202, {"status", "detail", "attestation"})
            async with town.client() as client:
                said = kept.json()["attestation"].encode()
                assert len(opened(said).signed.signers) == 2
                await client.send(said)
                for claim in claims:
                    assert (await client.claim(claim))["output"]["index"] > 0

    run(test)


async def _deaf(_: bytes) -> Accepted:
    raise Unreachable("the service gives no answer")


def test_no_coordinator_attests_what_was_shown_at_another_time(town: Network) -> None:
    async def test() -> None:
        async with town.coordinators() as three, httpx.AsyncClient(base_url=three[1].http) as http:
            speaker = Speaker(town.requester.network, town.three[0])
            output = town.output_of(town.agents[0], "clm_" + "a" * 26).decode()
            for away_ms, status in ((0, 200), (-60_000, 422), (60_000, 422)):
                now_ms = clock.now_ms()
                said = speaker.say(RelayAttest, now_ms, statement=output, shown_ms=now_ms + away_ms)
                asked = {"statement": msgspec.to_builtins(opened(said).signed.envelope)}
                assert (await http.post("/cosign", json=asked)).status_code == status

    run(test)
