"""Coordinators as their operators run them: processes that are killed with -9, and agents that go to the next one."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.api.processes import free_port
from tests.relay.networks import KIND, Agent, Network, RelayProcess, named, run
from trust import clock
from trust.cli import run as trust
from trust.cli.failures import GOOD
from trust.client import Worker
from trust.client.statements import did_of_seed
from trust.core.payloads import Part
from trust.errors import TrustError
from trust.relay.link import RelayLink
from trust.verify.receipts import verify_confirmation

pytestmark = pytest.mark.journey
FEED_MS = 15_000


def _kinds(feed: str, town: Network, capsys: pytest.CaptureFixture[str]) -> Any:
    """How often a feed has each kind of decision, all of which the log bears out."""
    capsys.readouterr()
    assert trust(["relay", "check", feed, town.url, "--key", town.vkey, "--json"]) == GOOD
    return json.loads(capsys.readouterr().out)["kinds"]


def test_a_squad_is_drawn_through_the_group_and_claims_its_task_as_one(town: Network, tmp_path: Path) -> None:
    ports = [free_port() for _ in range(2)]
    dids = [did_of_seed(seed) for seed in town.three]
    processes = []
    for here, there in ((0, 1), (1, 0)):
        cosigner = ("--cosigner", f"{dids[there]}=http://127.0.0.1:{ports[there]}")
        feed = ("--feed", str(tmp_path / f"feed-{here}"))
        args = (tmp_path, town, town.three[here], town.group, ports[here])
        processes.append(RelayProcess(*args, *cosigner, *feed))
    halves = (Part("head", 400_000), Part("body", 600_000))

    async def test() -> None:
        rosa, (ada, ben, cyd) = Agent(town.requester), (Agent(each) for each in town.agents[:3])
        for number, each in enumerate((rosa, ada, ben, cyd)):
            each.link = await RelayLink.open(processes[number % 2].url, each.me, each._hear)
        task = named()
        [posted] = await rosa.link.post([town.task_post(task, town.group, parts=halves)])
        async with town.client() as client:
            founder, *askers = (Worker(client, each.me.seed) for each in (ada, ben, cyd))
            asks_until_ms = client.now_ms() + 700
            until = {"asks_until_ms": asks_until_ms, "until_ms": asks_until_ms + 60_000}
            called = await founder.call_squad(task, stake_units=200, **until)
            squad = called.created["squad"]
            for asker in askers:
                await asker.ask_squad(squad, stake_units=200)
            with pytest.raises(TrustError, match="bad-until"):
                await ada.link.draw_squad(squad, 20_000)
            await asyncio.sleep(max(0, asks_until_ms - client.now_ms()) / 1_000 + 0.05)
            with pytest.raises(TrustError, match="not-yours"):
                await ben.link.draw_squad(squad, 20_000)
            await ada.link.draw_squad(squad, 20_000)
            await ada.hears("offer", task=task)
            shown = await client.squad(squad)
            members = [each["worker"] for each in shown["members"]]
            assert (shown["state"], members[0]) == ("formed", founder.did)
            assert members[1] in {asker.did for asker in askers}
            alone = town.claim_of(cyd.me, task, posted["index"], town.group)
            with pytest.raises(TrustError, match="threshold-not-met"):
                await cyd.link.claim(alone)
            asked = town.claim_of(ada.me, task, posted["index"], town.group, squad=squad, stake_units=400)
            told = await ada.link.claim(asked)
            confirmed = verify_confirmation(told["confirmation"].encode(), ada.me.network, dids, 2)
            assert (len(confirmed.signers), confirmed.statement.worker) == (2, founder.did)
            parts = (await client.squad(squad))["parts"]
            assert [each["claims"][0]["worker"] for each in parts] == members
            for each in (each for each in (ada, ben, cyd) if each.me.actor in members):
                number = members.index(each.me.actor)
                output = town.output_of(each.me, parts[number]["claims"][0]["claim"])
                [delivered] = await each.link.deliver([output])
                assert delivered["status"] == 201, delivered
        for agent in (rosa, ada, ben, cyd):
            await agent.link.close()

    try:
        for process in processes:
            process.wait()
        run(test)
        for process in processes:
            assert trust(["relay", "check", f"{process.http}/feed", town.url, "--key", town.vkey]) == GOOD
    finally:
        for process in processes:
            process.kill()


def test_a_group_of_processes_loses_one_to_kill_9_and_its_agents_go_on_at_another(
    town: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ports = [free_port() for _ in range(3)]
    dids = [did_of_seed(seed) for seed in town.three]
    processes = []
    for seed, did, port in zip(town.three, dids, ports, strict=True):
        others = [f"{d}=http://127.0.0.1:{p}" for d, p in zip(dids, ports, strict=True) if d != did]
        more = [word for other in others for word in ("--cosigner", other)]
        feed = ("--feed", str(tmp_path / f"feed-{port}"))
        processes.append(RelayProcess(tmp_path, town, seed, town.group, port, *more, *feed))
    try:
        for each in processes:
            each.wait()

        async def test() -> None:
            rosa, ada = Agent(town.requester), Agent(town.agents[0])
            rosa.link = await RelayLink.open(processes[2].url, rosa.me, rosa._hear)
            urls = [each.url for each in processes]
            ada.link = await RelayLink.open(urls, ada.me, ada._hear, coordinators=dids)
            await ada.link.subscribe([KIND])
            for kill in (False, True):
                if kill:
                    processes[0].kill()
                    await ada.hears("reconnected")
                task = named()
                [posted] = await rosa.link.post([town.task_post(task, town.group)])
                await ada.hears("offer", task=task)
                told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
                confirmation = told["confirmation"].encode()
                assert len(verify_confirmation(confirmation, ada.me.network, dids, 2).signers) == 2
            await rosa.link.close()
            await ada.link.close()

        run(test)
        again = RelayProcess(
            tmp_path, town, town.three[0], town.group, ports[0], "--feed", str(tmp_path / f"feed-{ports[0]}")
        )
        processes[0] = again.wait()
        starts = [0, 0, 0]
        until_ms = clock.monotonic_ms() + FEED_MS
        while starts != [2, 1, 1] and clock.monotonic_ms() < until_ms:  # a feed is written a moment later
            starts = [_kinds(f"{each.http}/feed", town, capsys)["started"] for each in processes]
        assert starts == [2, 1, 1]
    finally:
        for each in processes:
            each.kill()
