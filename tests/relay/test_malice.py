"""A coordinator that does not play fair: what it could do, what it could not, and what convicts it offline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.api.processes import ROOT, free_port
from tests.relay.networks import KIND, Agent, Coordinator, Make, Network, agents, named, run
from trust.audit.export import export
from trust.audit.feeds import FeedReport, check_feed
from trust.audit.fetching import DirectorySource, HttpSource
from trust.audit.report import silent
from trust.client import ServiceError
from trust.client.statements import did_of_seed
from trust.core.receipt import Receipt
from trust.log.note import Verifier
from trust.relay.feed import PUBLISH_S
from trust.relay.server import RelayServer
from trust.sandbox.adversaries import MaliciousDesk, Started, malicious
from trust.verify.failures import NotProven
from trust.verify.files import verify_file
from trust.verify.receipts import FalseConfirmation, verify_confirmation, verify_receipt

pytestmark = pytest.mark.journey

FRIEND = 7
ALLOCATE = {"shortlist": 1, "exclusive_ms": 1_000}


@dataclass(frozen=True)
class Stage:
    """A task that a requester, Rosa, has posted at a group whose first coordinator is malicious; Ada is there too.

    `friend` is whom a coordinator that is not fair prefers.
    """

    town: Network
    three: Sequence[Coordinator]
    rosa: Agent
    ada: Agent
    friend: Agent
    task: str
    posted: dict[str, Any]

    def claim_of(self, agent: Agent) -> bytes:
        return self.town.claim_of(agent.me, self.task, self.posted["index"], self.town.group)

    async def claimed(self, agent: Agent) -> dict[str, Any]:
        """What the coordinator that an agent is at tells it about its claim."""
        return await agent.link.claim(self.claim_of(agent))

    async def claimed_elsewhere(self, at: int) -> dict[str, Any]:
        """The same for Ada, at another coordinator."""
        other = Agent(self.ada.me)
        async with agents(other.join(self.three[at])):
            return await self.claimed(other)


@asynccontextmanager
async def staged(
    town: Network,
    make: Make,
    rosa_at: int = 0,
    ada_at: int = 0,
    friend_at: int | None = None,
    allocate: dict[str, int] | None = None,
) -> AsyncIterator[Stage]:
    """The numbers say at which coordinator each is; the friend need not be there."""
    task, rosa, ada = named(), Agent(town.requester), Agent(town.agents[0])
    friend = Agent(town.agents[FRIEND])
    async with town.coordinators(make, RelayServer, RelayServer) as three:
        joining = [rosa.join(three[rosa_at], kinds=()), ada.join(three[ada_at])]
        joining += [friend.join(three[friend_at])] if friend_at is not None else []
        async with agents(*joining):
            [posted] = await rosa.link.post([town.task_post(task, town.group)], allocate)
            yield Stage(town, three, rosa, ada, friend, task, posted)


async def _saved(coordinator: Coordinator, town: Network, folder: Path) -> FeedReport:
    """The coordinator's feed and the network's log as files, held against each other with nothing but the log's key."""
    await asyncio.sleep(2 * PUBLISH_S)
    key, feed = Verifier.parse(town.vkey), coordinator.server.feed

    def save() -> FeedReport:
        for url, its_key, name in (
            (town.url, key, "log"),
            (f"{coordinator.http}/feed", Verifier.parse(feed.vkey), "feed"),
        ):
            source = HttpSource(url)
            export(source, its_key, folder / name, silent)
            source.close()
        return check_feed(DirectorySource(folder / "feed"), DirectorySource(folder / "log"), key)

    return await asyncio.to_thread(save)


def _papers(coordinator: Coordinator) -> list[bytes]:
    desk = coordinator.server.desk
    assert isinstance(desk, MaliciousDesk)
    return desk.papers


def test_honest_coordinators_feeds_are_borne_out_by_the_log(town: Network, tmp_path: Path) -> None:
    async def test() -> None:
        rosa, ada, bob = Agent(town.requester), Agent(town.agents[0]), Agent(town.agents[1])
        async with (
            town.coordinators() as three,
            agents(rosa.join(three[2], kinds=()), ada.join(three[0]), bob.join(three[0])),
        ):
            for _ in range(3):
                task = named()
                [posted] = await rosa.link.post([town.task_post(task, town.group)])
                await ada.hears("offer", task=task)
                told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"], town.group))
                with pytest.raises(ServiceError):
                    await bob.link.claim(town.claim_of(bob.me, task, posted["index"], town.group))
                await ada.link.deliver([town.output_of(ada.me, told["claim"])])
            for number, each in enumerate(three):
                report = await _saved(each, town, tmp_path / str(number))
                assert report.ok, report.findings
                assert report.coordinator == each.server.did
            first = await _saved(three[0], town, tmp_path / "again")
            assert first.kinds["confirmed"] == first.kinds["forwarded"] == 3

    run(test)


def test_one_that_favours_its_friend_keeps_nobody_from_a_task_and_its_feed_convicts_it(
    town: Network, tmp_path: Path
) -> None:
    async def test() -> None:
        make = malicious("favours", town.agents[FRIEND].actor)
        async with staged(town, make, allocate=ALLOCATE) as stage:
            # could not: have its friend named as the only candidate
            refusals = stage.posted["allocation"]["refusals"].values()
            assert {each["code"] for each in refusals} == {"named-candidates"}
            # could: turn an agent away that comes to it
            with pytest.raises(ServiceError, match="task-closed"):
                await stage.claimed(stage.ada)
            # could not: keep it from the task
            assert (await stage.claimed_elsewhere(1))["worker"] == stage.ada.me.actor
            report = await _saved(stage.three[0], town, tmp_path)
            assert not report.ok
            assert any("task-closed" in each.reason for each in report.findings)

    run(test)


def test_an_agent_that_is_censored_gets_through_by_another_coordinator(town: Network, tmp_path: Path) -> None:
    async def test() -> None:
        async with staged(town, malicious("censors", victim=town.agents[0].actor)) as stage:
            with pytest.raises(ServiceError, match="overloaded"):
                await stage.claimed(stage.ada)
            assert (await stage.claimed_elsewhere(2))["worker"] == stage.ada.me.actor
            # nothing false was said, so nothing convicts it: its feed shows that it offered and never confirmed
            report = await _saved(stage.three[0], town, tmp_path)
            assert report.ok
            assert report.kinds.get("confirmed", 0) == 0
            assert report.kinds["offered"] > 0

    run(test)


def test_one_that_drops_results_is_not_believed_and_its_feed_convicts_it(
    town: Network, tmp_path: Path
) -> None:
    async def test() -> None:
        async with staged(town, malicious("drops"), rosa_at=1) as stage:
            ada = stage.ada
            output = town.output_of(ada.me, (await stage.claimed(ada))["claim"])
            [said] = await ada.link.deliver([output])
            # could: throw the output away. could not: show a receipt of it
            proven = verify_receipt(msgspec.json.encode(said["receipt"]), Verifier.parse(town.vkey))
            assert proven.spoken is None or b"output.submit" not in proven.spoken.signed.payload
            other = Agent(ada.me)
            async with agents(other.join(stage.three[1])):
                [true] = await other.link.deliver([output])
                assert true["status"] == 201
            report = await _saved(stage.three[0], town, tmp_path)
            assert any("which it is not" in each.reason for each in report.findings)

    run(test)


async def _evidence(town: Network, relay: str, paper: bytes, index: int) -> bytes:
    """The file of a false confirmation: the paper, the receipt of the entry that it names, that of the relay's own."""
    async with town.client() as client:
        claim, _ = await client.receipt(index)
        at = 0
        while True:
            registered, proven = await client.receipt(at)
            if any(each["kind"] == "relay.registered" and each["relay"] == relay for each in proven.events):
                break
            at += 1
    file: dict[str, Any] = {
        "evidence": "relay-confirm",
        "statement": msgspec.json.decode(paper),
        "claim": _receipt(claim),
        "relay": _receipt(registered),
    }
    return msgspec.json.encode(file)


def _receipt(receipt: Receipt) -> Any:
    return msgspec.to_builtins(receipt)


def test_in_a_group_one_that_credits_its_friend_convinces_nobody_and_its_feed_convicts_it(
    town: Network, tmp_path: Path
) -> None:
    async def test() -> None:
        dids = [did_of_seed(seed) for seed in town.three]
        async with staged(town, malicious("credits", town.agents[FRIEND].actor)) as stage:
            ada = stage.ada
            told = await stage.claimed(ada)
            assert told["worker"] == stage.friend.me.actor
            with pytest.raises(NotProven):
                verify_confirmation(told["confirmation"].encode(), ada.me.network, dids, 2)
            opened = await stage.rosa.hears_event("claim.opened", task=stage.task)
            assert opened["worker"] == ada.me.actor
            report = await _saved(stage.three[0], town, tmp_path)
            assert any("it confirmed" in each.reason for each in report.findings)

    run(test)


@pytest.mark.parametrize("kind", ["credits", "confirms-twice"])
def test_alone_one_that_confirms_what_is_not_so_is_convicted_by_its_own_paper(
    town: Network, tmp_path: Path, kind: str
) -> None:
    async def test() -> None:
        task = named()
        rosa, ada, friend = Agent(town.requester), Agent(town.agents[0]), Agent(town.agents[FRIEND])
        async with (
            town.relay(make=malicious(kind, friend.me.actor)) as relay,
            agents(rosa.join(relay, kinds=()), ada.join(relay), friend.join(relay)),
        ):
            [posted] = await rosa.link.post([town.task_post(task)])
            first = await ada.link.claim(town.claim_of(ada.me, task, posted["index"]))
            if kind == "confirms-twice":
                await friend.link.claim(town.claim_of(friend.me, task, posted["index"]))
            [paper] = _papers(relay)
            evidence = await _evidence(town, town.solo, paper, first["index"])
            convicted = verify_file(evidence, Verifier.parse(town.vkey))
            assert isinstance(convicted, FalseConfirmation)
            assert convicted.signers == (relay.server.did,)
            assert not (await _saved(relay, town, tmp_path)).ok

    run(test)


def test_one_that_confirms_two_claims_in_a_group_has_one_signature_for_the_second(
    town: Network, tmp_path: Path
) -> None:
    async def test() -> None:
        dids = [did_of_seed(seed) for seed in town.three]
        async with staged(town, malicious("confirms-twice"), ada_at=1, friend_at=0) as stage:
            ada, friend = stage.ada, stage.friend
            await ada.hears("offer", task=stage.task)
            true = await stage.claimed(ada)
            await friend.hears("taken", task=stage.task)
            false = await stage.claimed(friend)
            assert (true["worker"], false["worker"]) == (ada.me.actor, friend.me.actor)
            with pytest.raises(NotProven):
                verify_confirmation(false["confirmation"].encode(), ada.me.network, dids, 2)
            report = await _saved(stage.three[0], town, tmp_path)
            assert any("it confirmed" in each.reason for each in report.findings)

    run(test)


def test_one_that_signs_two_allocations_gets_one_draw_and_another_coordinators_feed_convicts_it(
    town: Network, tmp_path: Path
) -> None:
    async def test() -> None:
        async with staged(town, malicious("allocates-twice"), allocate=ALLOCATE) as stage:
            allocation = stage.posted["allocation"]
            assert allocation["status"] == 201
            assert allocation["again"] != "accepted"
            reports = [await _saved(each, town, tmp_path / each.server.did[-6:]) for each in stage.three[1:]]
            found = [each.reason for report in reports for each in report.findings]
            signed = f"{stage.three[0].server.did} signed 2 allocations of {stage.task}"
            assert any(signed in each for each in found)

    run(test)


def test_a_record_earned_at_one_relay_orders_at_another(town: Network) -> None:
    async def test() -> None:
        rosa, ada, bob = Agent(town.requester), Agent(town.agents[5]), Agent(town.agents[6])
        async with town.relay() as solo, town.coordinators() as three, town.client() as client:
            async with agents(rosa.join(solo, kinds=()), ada.join(solo)):
                for _ in range(3):
                    task = named()
                    [posted] = await rosa.link.post([town.task_post(task)])
                    told = await ada.link.claim(town.claim_of(ada.me, task, posted["index"]))
                    await ada.link.deliver([town.output_of(ada.me, told["claim"])])
            both = [bob.me.actor, ada.me.actor]
            ranked = [each["agent"] for each in (await client.priorities(KIND, both))["candidates"]]
            async with agents(rosa.join(three[0], kinds=()), bob.join(three[0]), ada.join(three[0])):
                task = named()
                await rosa.link.post([town.task_post(task, town.group)])
                await ada.hears("offer", task=task)
                order = three[0].server.offering._orders[KIND].ranked
                assert [agent for agent, _ in order] == ranked

    run(test)


def test_one_runs_as_a_process_from_a_file(town: Network, tmp_path: Path) -> None:
    key, port = tmp_path / "coordinator.key", free_port()
    key.write_text(town.alone.hex() + "\n", encoding="ascii")
    key.chmod(0o600)
    started = Started("censors", town.url, town.vkey, town.solo, str(key), port, victim=town.agents[0].actor)
    (tmp_path / "config.json").write_bytes(msgspec.json.encode(started))
    command = [sys.executable, "-m", "trust.sandbox.adversaries", str(tmp_path / "config.json")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                about = httpx.get(f"http://127.0.0.1:{port}/").json()
                break
            except httpx.TransportError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
        assert about["coordinator"] == did_of_seed(town.alone)
    finally:
        process.kill()
        process.wait()
