"""A link that loses every packet: no reset comes, and still nobody waits for ever and nothing is lost."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.api.house import found, settings_for
from tests.api.processes import ROOT, Running, free_port
from tests.forking import MAIN
from tests.relay.namespaces import Link, inside, joined, lacking
from tests.relay.networks import Agent, Network, named
from tests.services.statements import ORIGIN
from trust.client.problems import Unreachable
from trust.errors import TrustError
from trust.relay.link import RelayLink
from trust.sandbox.board import Board

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lacking()), reason=lacking() or "it can")]

CUT_S = 50.0
"""Longer than a ping and its patience, 40 s: both sides have given the connection up by then."""
RECOVERS_S = 60.0
WORKERS = 6


@dataclass(frozen=True)
class Place:
    """A service and a relay, each in a namespace of its own, and the links to them by name."""

    town: Network
    relay_url: str
    links: dict[str, Link]


@contextmanager
def _placed(directory: Path) -> Iterator[Place]:
    service, relay = f"svc-{os.getpid()}", f"rly-{os.getpid()}"
    with joined(("", service), ("", relay), (relay, service)) as (to_service, to_relay, between):
        url = f"sqlite:///{directory / 'trust.db'}"
        vkey = found(
            settings_for(directory, url), ORIGIN, lease_ms=600_000, open_ms=900_000, notice_ms=900_000,
            unbonding_ms=20_000_000,
        )  # fmt: skip
        running = Running(directory, url, free_port(), {"host": "0.0.0.0"}, inside(service))
        running.base_url = f"http://{to_service.ends[1].address}:{running.port}"
        process: subprocess.Popen[bytes] | None = None
        try:
            running.wait(120)
            town = Network(running, vkey)
            asyncio.run(town.settle())
            key, port = directory / "coordinator.key", free_port()
            key.write_text(town.alone.hex() + "\n", encoding="ascii")
            key.chmod(0o600)
            seen = f"http://{between.ends[1].address}:{running.port}"
            where = ["--url", seen, "--vkey", vkey, "--host", "0.0.0.0", "--port", str(port)]
            command = ["relay", "serve", town.solo, "--coordinator", str(key), *where]
            process = subprocess.Popen(
                [*inside(relay), sys.executable, "-c", MAIN, *command], cwd=ROOT, start_new_session=True,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
            address = f"{to_relay.ends[1].address}:{port}"
            _until_healthy(f"http://{address}/health")
            links = {"agents-relay": to_relay, "relay-service": between}
            yield Place(town, f"ws://{address}", links)
        finally:
            if process is not None:
                process.kill()
                process.wait()
            running.kill()


def _until_healthy(url: str) -> None:
    end = time.monotonic() + 120
    while True:
        with suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        assert time.monotonic() < end
        time.sleep(0.1)


async def _done(place: Place, link: RelayLink, number: int, task: str, index: int) -> None:
    """Claims and delivers a task, asking again for as long as it takes."""
    me = place.town.agents[number]
    request = place.town.claim_of(me, task, index)
    output = b""
    while True:
        try:
            told = await link.claim(request)
            output = output or place.town.output_of(me, told["claim"])
            [result] = await link.deliver([output])
            if result["status"] < 300:
                return
        except Unreachable:
            pass
        except TrustError as error:
            if error.status != 503:
                raise
        await asyncio.sleep(0.1)


async def _survives(place: Place, cut: str) -> float:
    """Seconds from the end of the cut until everything that was under way is done."""
    town = place.town
    names = [named() for _ in range(2 * WORKERS)]
    async with town.client() as client:
        posted = await client.send_many([town.task_post(name) for name in names])
    tasks = [(name, each.index) for name, each in zip(names, posted, strict=True)]  # type: ignore[union-attr]
    here = [Agent(town.agents[number]) for number in range(WORKERS)]
    for each in here:
        each.link = await RelayLink.open(place.relay_url, each.me, each._hear)

    async def work(start: int) -> None:
        each = zip(range(WORKERS), here, tasks[start : start + WORKERS], strict=True)
        await asyncio.gather(*(_done(place, agent.link, number, *task) for number, agent, task in each))

    try:
        await work(0)
        place.links[cut].cut()
        begun = asyncio.create_task(work(WORKERS))
        await asyncio.sleep(CUT_S)
        assert not begun.done()
        if cut == "agents-relay":
            assert not any(agent.link.is_up for agent in here), "half-open, and nobody noticed"
        place.links[cut].mend()
        mended = time.monotonic()
        async with asyncio.timeout(RECOVERS_S):
            await begun
        return time.monotonic() - mended
    finally:
        for each in here:
            await each.link.close()


async def _once_each(town: Network) -> None:
    """Each task has one claim, and that one output, by the log."""
    board = Board(town.url)
    following = asyncio.create_task(board.follow())
    async with asyncio.timeout(30):
        await board.until_found(lambda: board.all("output.submitted")[2 * WORKERS - 1 :] or None)
    following.cancel()
    claimed = [event["task"] for event in board.all("claim.opened")]
    assert len(claimed) == len(set(claimed)) == len(board.all("output.submitted")) == 2 * WORKERS


@pytest.mark.parametrize("cut", ["agents-relay", "relay-service"])
def test_a_link_that_loses_everything_and_resets_nothing_is_survived(tmp_path: Path, cut: str) -> None:
    with _placed(tmp_path) as place:
        took_s = asyncio.run(_survives(place, cut))
        asyncio.run(_once_each(place.town))
        audit = ["audit", place.town.url, "--key", str(tmp_path / "log.vkey")]
        (tmp_path / "log.vkey").write_text(place.town.vkey + "\n", encoding="ascii")
        audited = subprocess.run(
            [sys.executable, "-c", MAIN, *audit], cwd=tmp_path, capture_output=True, check=False
        )
        assert audited.returncode == 0, audited.stdout
        assert took_s < RECOVERS_S
