"""`trust simulate`: figures for people, for programs, and as a chart."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from trust.cli import run
from trust.cli.failures import GOOD, USAGE
from trust.cli.terminal import interruptible

SMALL = ["simulate", "game", "--world", "sometimes-20", "--workers", "10", "--tasks", "4", "--seeds", "2"]


def test_the_same_command_gives_the_same_json_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for _ in range(2):
        assert run([*SMALL, "--json"]) == GOOD
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    facts = json.loads(told[0])
    assert facts["size"] == {"workers": 10, "tasks": 4, "seeds": 2}
    (world,) = facts["worlds"]
    assert world["world"]["name"] == "sometimes-20"
    assert set(world["schemes"]) == {"trust", "no checks", "majority of three", "BOINC adaptive"}
    assert [counts["outputs"] for counts in world["counts"]["no checks"]] == [40, 40]


def test_people_get_a_table_progress_on_stderr_and_a_chart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chart = tmp_path / "game.svg"
    assert run([*SMALL, "--chart", str(chart), "--policy", "fast"]) == GOOD
    told = capsys.readouterr()
    assert "sometimes-20" in told.out
    assert "majority of three" in told.out
    assert "games: 2 of 2" in told.err
    assert chart.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    "arguments",
    [["--world", "nowhere"], ["--seeds", "0"], ["--processes", "0"], ["--policy", "nonsense"]],
)
def test_what_cannot_be_played_is_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SMALL, *arguments]) == USAGE
    assert "Traceback" not in capsys.readouterr().err


ATTACKED = [
    "simulate",
    "reputation",
    "--attack",
    "always-bad",
    "--agents",
    "12",
    "--days",
    "4",
    "--seeds",
    "2",
]


def test_attacks_give_the_same_json_byte_for_byte(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for _ in range(2):
        assert run([*ATTACKED, "--json"]) == GOOD
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    facts = json.loads(told[0])
    assert facts["scale"] == {"agents": 12, "days": 4, "seeds": 2}
    (attack,) = facts["attacks"]
    assert attack["malicious_ppm"] == 300_000
    assert "control: iExec, allocated" in attack["schemes"]


def test_attacks_give_people_tables_progress_on_stderr_and_a_chart(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    chart = tmp_path / "attacks.svg"
    assert run([*ATTACKED, "--chart", str(chart), "--checks", "fortieth"]) == GOOD
    told = capsys.readouterr()
    assert "control: iExec, allocated" in told.out
    assert "ten tasks within 7 days" in told.out
    assert "worlds: 2 of 2" in told.err
    assert chart.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    "arguments", [["--attack", "none"], ["--agents", "11"], ["--malicious", "91"], ["--checks", "all"]]
)
def test_attacks_that_cannot_be_played_are_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*ATTACKED, *arguments]) == USAGE
    assert "Traceback" not in capsys.readouterr().err


SOUGHT = ["simulate", "exploit", "--games", "10", "--seed", "3", "--without", "post"]


def test_a_search_gives_the_same_json_and_a_log_that_is_told(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    told = []
    for _ in range(2):
        assert run([*SOUGHT, "--json"]) == GOOD
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    facts = json.loads(told[0])
    assert facts["games"] >= 1
    assert {"best", "others", "tried", "taken", "seen", "harm"} <= facts.keys()
    assert facts["distinct"] <= facts["games"]
    assert facts["honest_loss_units"] <= facts["liveness_fault_units"]
    log, corpus = tmp_path / "best.jsonl", tmp_path / "corpus.jsonl"
    assert run([*SOUGHT, "--log", str(log), "--corpus", str(corpus)]) == GOOD
    assert f"histories, of {facts['games']} games" in capsys.readouterr().out
    assert [json.loads(line)["v"] for line in log.read_bytes().splitlines()]
    over, *histories = map(json.loads, corpus.read_bytes().splitlines())
    assert (over["games"], bool(histories)) == (facts["games"], True)


def test_the_first_interrupt_of_a_search_asks_for_its_result_and_the_next_ends_it() -> None:
    asked = []
    found = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with interruptible(lambda: asked.append(True)):
            signal.raise_signal(signal.SIGINT)
            assert asked == [True]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with interruptible(lambda: asked.append(True)):
            signal.raise_signal(signal.SIGINT)
        assert asked == [True]
    finally:
        signal.signal(signal.SIGINT, found)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--games", "0"],
        ["--processes", "0"],
        ["--policy", "nonsense"],
        ["--corpus", "pyproject.toml"],
    ],
)
def test_what_cannot_be_searched_is_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*SOUGHT, *arguments]) == USAGE
    assert "Traceback" not in capsys.readouterr().err


def test_players_are_named_and_their_gains_are_in_the_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", "game", "--player", "burst", "--seeds", "1", "--json"]) == GOOD
    facts = json.loads(capsys.readouterr().out)
    (player,) = facts["players"]
    assert player["name"] == "burst"
    assert facts["safety"]
    assert facts["worlds"] == []
    assert run(["simulate", "game", "--player", "nobody"]) == USAGE
