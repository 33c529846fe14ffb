"""`trust agent watch`: each thing that is due is told once, whatever fails in between."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.house import House, house
from tests.services.statements import Party
from trust.client import TrustClient
from trust.core import payloads
from trust.errors import Unusable
from trust.programs.command import Limits
from trust.programs.watching import Notice, Seen, Watch, by_command
from trust.programs.webhooks import NotTaken

HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = tmp_path_factory.mktemp("house")
    with house(directory, f"sqlite:///{directory / 'trust.db'}", score_epoch_ms=600_000) as home:
        home.settle_in()
        yield home


class Person:
    """Somebody who watches an agent; what was told, and how often it is not taken."""

    def __init__(self, town: House, party: Party, folder: Path) -> None:
        self.told: list[Notice] = []
        self.other: list[Notice] = []
        self.fails: BaseException | None = None
        self._town, self._party, self.state = town, party, folder / f"{party.did[-8:]}.json"
        self.warned: list[str] = []
        self.start()

    def start(self) -> None:
        """A new process, with what lies on the disk."""
        client = TrustClient(
            "http://testserver.local", self._town.vkey, transport=self._town.client._transport
        )
        sinks = {"other": self._take_other, "terminal": self.told.append}
        self._watch = Watch(client, self._party.did, self.state, sinks, HOUR_MS, self.warned.append)

    def _take_other(self, notice: Notice) -> None:
        if self.fails is not None:
            raise self.fails
        self.other.append(notice)

    def hears(self) -> list[str]:
        """The kinds of what is new."""
        before = len(self.told)
        self._watch.look()
        return sorted(each.kind for each in self.told[before:])


def test_a_worker_and_a_verifier_are_told_of_all_that_is_due_and_of_each_once(
    town: House, tmp_path: Path
) -> None:
    worker, verifier = (Person(town, party, tmp_path) for party in (town.workers[0], town.verifiers[0]))
    assert (worker.hears(), verifier.hears()) == ([], [])
    town.claimed("watched")
    assert worker.hears() == ["lease.ends"]
    worker.start()
    assert worker.hears() == []
    claim = town.delivered("watched-too")
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["rounds"])
    assert worker.hears() == ["output.drawn"]
    assert "open its output by" in worker.told[-1].words
    assert verifier.hears() == ["seat.drawn"]
    town.done("/v1/outputs", town.say(payloads.OutputOpen, town.workers[0], claim=claim))
    town.wait(lambda: town.seated(claim, "commit"))
    assert verifier.hears() == ["window.ends"]
    assert (worker.hears(), verifier.hears()) == ([], [])
    town.vote(claim, "fail")
    town.wait(lambda: town.get(f"/v1/claims/{claim}")["ended_ms"])
    assert worker.hears() == ["claim.ended", "slash", "verdict"]
    for person in (worker, verifier):
        person.start()
        person.hears()
        ids = [each.id for each in person.told]
        assert len(ids) == len(set(ids))
        assert person.other == person.told


def test_what_was_not_taken_goes_again_and_holds_up_nobody_else(town: House, tmp_path: Path) -> None:
    worker = Person(town, town.workers[0], tmp_path)
    worker.hears()
    town.claimed("not-taken")
    worker.fails = NotTaken("the line is dead")
    taken = list(worker.other)
    assert "lease.ends" in worker.hears()
    assert (worker.hears(), worker.other) == ([], taken)
    assert "the line is dead" in worker.warned[0]
    worker.fails = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        worker.hears()
    worker.start()
    worker.fails = None
    assert worker.hears() == []
    assert worker.other == worker.told


def test_nothing_of_what_was_lost_in_the_middle_of_a_look_is_forgotten(
    town: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = Person(town, town.workers[0], tmp_path)
    worker.hears()
    claim = town.checked("cut-off", "fail")
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "_of_slashes", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            worker.hears()
    assert {"slash"} <= set(worker.hears())
    assert not any(each.facts.get("claim") == claim and each.kind == "lease.ends" for each in worker.told)


def test_a_state_that_cannot_be_read_is_said(town: House, tmp_path: Path) -> None:
    worker = Person(town, town.workers[0], tmp_path)
    for said in (b"{", b"[]", b'{"told":1}', b"\xff"):
        worker.state.write_bytes(said)
        with pytest.raises(Unusable):
            worker.start()


def test_a_command_gets_the_notice_and_fails_by_its_status(tmp_path: Path) -> None:
    script = tmp_path / "tell.py"
    script.write_text(
        "import json, sys\nnotice = json.load(sys.stdin)\n"
        "open(sys.argv[1], 'w').write(notice['words'])\nsys.exit(notice['at_ms'])\n"
    )
    give = by_command([sys.executable, "-I", "-S", str(script), str(tmp_path / "told")], Limits(seconds=20))
    give(Notice("id", "slash", 0, "some words", {}))
    assert (tmp_path / "told").read_text() == "some words"
    with pytest.raises(NotTaken):
        give(Notice("id", "slash", 3, "", {}))


def test_the_file_says_what_was_told(town: House, tmp_path: Path) -> None:
    worker = Person(town, town.workers[1], tmp_path)
    worker.hears()
    assert json.loads(worker.state.read_bytes()).keys() == set(Seen.__struct_fields__)
    assert worker.state.stat().st_mode & 0o777 == 0o600
