"""Things fail in the middle of a run, and afterwards nothing is lost, stuck or different: slower, not broken."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trust.sandbox import faults
from trust.sandbox.faults import EVERY, chosen
from trust.sandbox.figures import phases_of, stuck
from trust.sandbox.pattern_run import Run, play
from trust.sandbox.proxy import Proxy, Weather

Facts = dict[str, Any]


def _play(data: Path, names: str, **more: Any) -> Facts:
    asked = Run("hybrid", data, agents=9, size=2, seed=7, faults=names, calm_s=2.0, **more)
    facts = asyncio.run(play(asked, lambda step, text: None))
    assert facts["held"] == dict.fromkeys(facts["held"], True), {
        name: each.get("findings") for name, each in facts["feeds"].items()
    }
    assert facts["faults"]["faults"] == len(names.split(","))
    return facts


@pytest.mark.journey
def test_what_is_killed_cut_off_or_away_for_a_while_loses_nothing(
    tmp_path: Path, forked_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(forked_programs / "python"))
    monkeypatch.setattr(faults, "DOWN_S", 2.0)
    facts = _play(tmp_path, "coordinators:1,service-at:claim,agents,service-witnesses:cut,relay-down")
    assert facts["figures"]["open"] == 0
    assert facts["figures"]["states"] == {"accepted": facts["figures"]["tasks"]}


def test_of_each_fault_it_is_said_what_is_expected() -> None:
    assert {name.partition(":")[0] for name in EVERY} == set(faults.EXPECTED)


@pytest.mark.slow
@pytest.mark.parametrize("fault", EVERY)
def test_nothing_is_lost_by(tmp_path: Path, fault: str) -> None:
    _play(tmp_path, fault)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 11))
def test_everything_that_fails_in_an_order_by_seed(tmp_path: Path, seed: int) -> None:
    chosen_ = ("--agents", "50", "--faults", "all", "--seed", str(seed), "--data", str(tmp_path / "run"))
    command = [
        sys.executable,
        "-c",
        "from trust.cli import main; main()",
        "sandbox",
        "run",
        "hybrid",
        *chosen_,
    ]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    facts = json.loads(done.stdout)
    assert (facts["figures"]["open"], facts["figures"]["stuck"]) == (0, {})


def test_the_same_seed_chooses_the_same_order_and_another_one_another() -> None:
    def order(seed: int) -> list[str]:
        return chosen("all", random.Random(seed))

    assert order(7) == order(7) != order(8)
    assert sorted(order(7)) == sorted(EVERY)
    assert chosen("", random.Random(1)) == []
    with pytest.raises(ValueError, match="there is no fault 'flod'"):
        chosen("churn,flod", random.Random(1))


def test_money_that_is_left_on_a_claim_or_a_task_is_stuck_and_nothing_else_is() -> None:
    def moved(*postings: tuple[str, int]) -> Facts:
        return {"kind": "money.moved", "why": "x", "postings": [list(each) for each in postings]}

    events = [moved(("a/free", -5), ("claim/c/stake", 5)), moved(("claim/c/stake", -5), ("a/free", 5))]
    assert stuck(events) == {}
    assert stuck(events[:1]) == {"claim/c/stake": 5}
    assert stuck([moved(("external", -3), ("burn", 3))]) == {}


def test_speed_is_counted_before_during_and_after_and_when_it_was_back() -> None:
    closed = [*range(0, 10_000, 1_000), 15_000, *range(24_000, 40_000, 1_000)]
    events = [{"kind": "task.closed", "at_ms": at} for at in closed]
    phases = phases_of(events, (0, 10_000, 20_000, 40_000), 3)
    assert (phases["tasks_per_s_before"], phases["tasks_per_s_during"]) == (1.0, 0.1)
    assert phases["tasks_per_s_after"] == pytest.approx(0.8, abs=0.05)
    assert 2_000 <= phases["recovered_after_ms"] <= 4_000


@pytest.mark.parametrize(
    ("weather", "comes_back"),
    [
        (Weather(), True),
        (Weather(delay_s=0.05), True),
        (Weather(drip_s=0.001), True),
        (Weather(is_cut=True), False),
        (Weather(is_hanging=True), False),
    ],
)
def test_a_proxy_passes_delays_drips_hangs_and_cuts(weather: Weather, comes_back: bool) -> None:
    async def test() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while data := await reader.read(65_536):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        proxy = Proxy(server.sockets[0].getsockname()[1], random.Random(1))
        await proxy.listen()
        proxy.change(weather)
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        said = bytes(range(256)) * 10
        try:
            writer.write(said)
            async with asyncio.timeout(5 if comes_back else 0.3):
                got = await reader.readexactly(len(said))
            assert comes_back
            assert got == said
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            assert not comes_back
        writer.close()
        proxy.close()
        server.close()

    asyncio.run(test())
