"""Coordinators as their operators run them: processes that are killed with -9, and agents that go to the next one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.processes import ROOT, free_port
from tests.relay.networks import KIND, Agent, Network, RelayProcess, named, run
from trust.client.statements import did_of_seed
from trust.relay.link import RelayLink
from trust.verify.receipts import verify_confirmation

pytestmark = pytest.mark.journey


def _check(feed: str, town: Network) -> subprocess.CompletedProcess[str]:
    command = ("relay", "check", feed, town.url, "--key", town.vkey, "--json")
    return subprocess.run(
        [sys.executable, "-c", "from trust.cli import main; main()", *command],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_group_of_processes_loses_one_to_kill_9_and_its_agents_go_on_at_another(
    town: Network, tmp_path: Path
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
        for each in processes:
            checked = _check(f"{each.http}/feed", town)
            assert checked.returncode == 0, checked.stdout + checked.stderr
        kinds = json.loads(_check(f"{again.http}/feed", town).stdout)["kinds"]
        assert kinds["started"] == 2
    finally:
        for each in processes:
            each.kill()
