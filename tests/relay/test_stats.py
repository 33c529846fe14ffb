"""What a coordinator counts of itself, and how it stands beside the service's times."""

from __future__ import annotations

import asyncio

import pytest

from tests.relay.networks import Agent, Network, agents, named, run
from trust import clock
from trust.cli import overheads
from trust.core.overhead import DEFAULT
from trust.errors import Unusable
from trust.relay.figures import SPAN_MS, Peak, a_task

pytestmark = pytest.mark.journey


def test_a_coordinator_tells_its_tasks_its_traffic_and_how_full_its_queues_were(town: Network) -> None:
    async def test() -> None:
        task = named()
        rosa, ada = Agent(town.requester), Agent(town.agents[0])
        async with town.relay() as relay, agents(rosa.join(relay, kinds=()), ada.join(relay)):
            before = await relay.get("/stats")
            assert before["tasks"] == {"posted": 0, "claimed": 0, "delivered": 0}
            assert before["a_task"] == {"messages_milli": None, "bytes": None}
            [posted] = await rosa.link.post([town.task_post(task)])
            told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"]))
            output = town.output_of(ada.me, told["claim"])
            await ada.link.deliver([output])
            await ada.link.deliver([output])  # the same again is not another
            after = await relay.get("/stats")
            assert after["tasks"] == {"posted": 1, "claimed": 1, "delivered": 1}
            assert (after["relay"], after["coordinator"]) == (town.solo, relay.server.did)
            assert after["a_task"]["bytes"] == sum(
                after["traffic"][f"{way}_bytes"] for way in ("sent", "received")
            )
            assert after["queues"]["requests"] == {"waiting": 0, "most": 1, "bound": 4_096}
            assert after["queues"]["unread_by_one_agent"]["most"] >= 1
            said = await asyncio.to_thread(overheads.asked, relay.http)
            page = {
                "thresholds": {name: getattr(DEFAULT, name) for name in DEFAULT.__struct_fields__},
                "pairs": [],
            }
            [joined] = overheads.together([page], [said, said])["relays"]
            assert (joined["coordinators"], joined["tasks"]["claimed"]) == (1, 1)
            with pytest.raises(Unusable, match="does not say what it counts"):
                await asyncio.to_thread(overheads.asked, town.url)

    run(test)


def test_a_queue_is_as_full_as_it_was_in_this_minute_and_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_ms = 1_000_000
    monkeypatch.setattr(clock, "monotonic_ms", lambda: now_ms)
    peak = Peak(10)
    peak.note(7)
    now_ms += SPAN_MS
    peak.note(2)
    assert peak.shown(1) == {"waiting": 1, "most": 7, "bound": 10}
    now_ms += SPAN_MS
    assert peak.most == 2
    now_ms += 5 * SPAN_MS
    assert peak.most == 0


def test_traffic_is_shared_by_the_tasks_that_were_claimed() -> None:
    traffic = {"sent": 5, "received": 2, "sent_bytes": 900, "received_bytes": 100}
    assert a_task(traffic, 2) == {"messages_milli": 3_500, "bytes": 500}
