"""An honest log passes, wherever it is read from and however often it is gone on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.audit.conftest import played
from tests.audit.networks import ORIGIN, World, did, publish, signer
from trust.audit import pipeline
from trust.audit.auditing import audit
from trust.audit.fetching import DirectorySource
from trust.audit.report import CannotCheck, Report, Step
from trust.audit.scratch import scratch
from trust.log.note import NoteError

VKEY = str(signer().verifier)


def split_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle."""
    entries = []
    while bundle:
        end = 2 + int.from_bytes(bundle[:2])
        entries.append(bundle[2:end])
        bundle = bundle[end:]
    return entries


@pytest.fixture(scope="module")
def report(world: World, tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report on the log as it is."""
    return audit(str(world.publish(tmp_path_factory.mktemp("audited") / "log")), VKEY)


def test_an_honest_log_passes_and_is_counted(world: World, report: Report) -> None:
    assert report.ok
    assert report.findings == ()
    assert (report.origin, report.size, report.checked, report.replayed) == (ORIGIN, 300, 300, 300)
    assert report.root == world.edge.root().hex()
    assert report.commands == {"clock": 11, "draw": 2, "genesis": 1, "seal": 9, "statement": 277}
    assert sum(report.statements.values()) == 277
    assert report.statements["vote.reveal"] == 6
    assert (
        report.signatures == 277 + 1 + 3
    )  # the relay's coordinator signed its registration and three claims


def test_the_money_of_a_log_that_passes_sums_to_zero(report: Report) -> None:
    sums = report.sums
    assert sums.total == 0
    assert sums.external < 0 < sums.burnt
    assert sums.overdrawn == ()


def test_every_step_has_its_line_with_what_was_counted(report: Report, log: Path) -> None:
    counted = {line.step: line.counted for line in report.steps if line.ok}
    said = sum(report.statements.values())
    assert list(counted) == [step for step in Step if step not in (Step.WITNESSES, Step.ANSWERS)]
    assert counted[Step.KEYS] == f"{ORIGIN}, keys: {VKEY}"
    assert counted[Step.TREE].startswith("300 entries hashed, root ")
    assert counted[Step.CHECKPOINTS] == "1 seen, all of one tree"
    assert counted[Step.STATEMENTS] == f"{said} statements, {report.signatures} signatures"
    assert counted[Step.DECISIONS] == "300 entries decided again, 0 before"
    assert counted[Step.DRAWS] == f"2 draws, {report.commands['seal']} sealed pools"
    postings = int(counted[Step.POSTINGS].split()[0])
    assert postings == sum(
        len(event["postings"])
        for data in (log / "tile" / "entries").rglob("*")
        if data.is_file()
        for entry in split_bundle(data.read_bytes())
        for event in msgspec.json.decode(entry)["events"]
        if event["kind"] == "money.moved"
    )


def test_the_step_that_finds_a_lie_is_false_and_the_others_are_not_finished(
    world: World, tmp_path: Path
) -> None:
    entries = [*world.entries[:270], world.entries[270].replace(b'"sig":"', b'"sig":"A', 1)]
    report = audit(str(publish(tmp_path / "forged", entries, signer())), VKEY)
    assert {line.step: line.ok for line in report.steps} == {
        step: False if step is Step.STATEMENTS else None for step in Step if step is not Step.WITNESSES
    }
    assert report.steps[3].finding.startswith("entry 270: ")


def test_a_report_is_json(report: Report) -> None:
    assert msgspec.json.decode(report.encode(), type=Report) == report


def test_the_state_that_an_audit_reaches_is_the_state_of_the_log(
    world: World, log: Path, tmp_path: Path
) -> None:
    audit(str(log), VKEY, tmp_path / "state")
    with scratch(tmp_path / "state") as own:
        for (kind, id), record in world.state.records.items():
            assert own.view.get(kind, id) == record
        assert own.edge.root() == world.edge.root()


def test_progress_goes_from_nothing_to_all(log: Path) -> None:
    told: list[tuple[int, int]] = []
    audit(str(log), VKEY, progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 300)
    assert told[-1] == (300, 300)
    assert told == sorted(told)


def test_inspecting_in_a_process_of_its_own_finds_the_same(
    world: World, log: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pipeline, "FEW_ENTRIES", 1)
    monkeypatch.setattr(pipeline, "PIECE_BUNDLES", 1)
    report = audit(str(log), VKEY)
    assert report.ok
    forged = [
        *world.entries[:270],
        world.entries[270].replace(b'"sig":"', b'"sig":"A', 1),
        *world.entries[277:],
    ]
    report = audit(str(publish(tmp_path / "forged", forged, signer())), VKEY)
    assert report.findings[0].index == 270


def test_an_audit_goes_on_from_the_state_of_the_last_one(tmp_path: Path) -> None:
    world, state = played(), tmp_path / "state"
    assert audit(str(world.publish(tmp_path / "first")), VKEY, state).replayed == 300
    for units in range(1, 20):
        world.deposit(did("bob"), units)
    report = audit(str(world.publish(tmp_path / "second")), VKEY, state)
    assert report.ok
    assert (report.size, report.checked, report.replayed) == (319, 319, 19)
    assert report.statements == audit(str(tmp_path / "second"), VKEY).statements


def test_an_audit_that_was_interrupted_goes_on_where_it_was(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PIECE_BUNDLES", 1)

    def interrupt(done: int, total: int) -> None:
        if done == 256:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(str(log), VKEY, tmp_path / "state", interrupt)
    report = audit(str(log), VKEY, tmp_path / "state")
    assert report.ok
    assert (report.checked, report.replayed) == (300, 44)


def test_a_log_that_went_back_is_a_finding(world: World, log: Path, tmp_path: Path) -> None:
    audit(str(log), VKEY, tmp_path / "state")
    report = audit(
        str(publish(tmp_path / "shorter", world.entries[:280], signer())), VKEY, tmp_path / "state"
    )
    assert not report.ok
    assert report.findings[0].index == 280
    assert "went back" in report.findings[0].reason


def forked_world(units: int) -> World:
    """A log that differs by these units in its second entry, whatever follows."""
    world = World()
    world.deposit("operator/bond", units)
    for number in range(300):
        world.deposit("operator/bond", 1_000 + number)
    return world


@pytest.mark.parametrize("more", [0, 20])
def test_a_log_that_was_forked_is_a_finding_though_each_branch_is_true(tmp_path: Path, more: int) -> None:
    one, other = forked_world(7), forked_world(8)
    for _ in range(more):
        other.deposit("operator/bond", 5)
    audit(str(one.publish(tmp_path / "one")), VKEY, tmp_path / "state")
    assert audit(str(other.publish(tmp_path / "other")), VKEY).ok
    report = audit(str(tmp_path / "other"), VKEY, tmp_path / "state")
    assert "forked" in report.findings[0].reason
    assert report.findings[0].index == (1 if more else None)


def test_a_fork_is_found_without_hash_tiles_too(tmp_path: Path) -> None:
    one, other = forked_world(7), forked_world(8)
    other.deposit("operator/bond", 5)
    audit(str(one.publish(tmp_path / "one")), VKEY, tmp_path / "state")
    shutil.rmtree(other.publish(tmp_path / "other") / "tile" / "0")
    report = audit(str(tmp_path / "other"), VKEY, tmp_path / "state")
    assert not report.ok
    assert "root" in report.findings[0].reason
    assert audit(str(tmp_path / "one"), VKEY, tmp_path / "state").findings[0].index == one.edge.size


def test_a_checkpoint_of_another_key_is_a_finding(log: Path) -> None:
    report = audit(str(log), str(signer("somebody").verifier))
    assert report.findings[0].index is None
    assert "no known key" in report.findings[0].reason


def test_a_key_that_is_none_is_the_callers_fault(log: Path) -> None:
    with pytest.raises(NoteError):
        audit(str(log), "not-a-key")


def test_a_genesis_of_another_network_is_a_finding(tmp_path: Path) -> None:
    foreign = World(origin="trust.example.org/other")
    report = audit(str(publish(tmp_path / "log", foreign.entries, signer())), VKEY)
    assert report.findings[0].index == 0
    assert "trust.example.org/other" in report.findings[0].reason


def test_a_state_of_another_log_cannot_be_gone_on_with(log: Path, tmp_path: Path) -> None:
    audit(str(log), VKEY, tmp_path / "state")
    with pytest.raises(CannotCheck, match="is of the log"):
        audit(str(log), str(signer("somebody").verifier), tmp_path / "state")


def test_a_damaged_state_cannot_be_gone_on_with(log: Path, tmp_path: Path) -> None:
    audit(str(log), VKEY, tmp_path / "state")
    with scratch(tmp_path / "state") as own:
        own.progress.tail = bytes(len(own.progress.tail))
        own.save()
    with pytest.raises(CannotCheck, match="damaged"):
        audit(str(log), VKEY, tmp_path / "state")


def test_a_log_without_hash_tiles_passes(log: Path) -> None:
    shutil.rmtree(log / "tile" / "0")
    assert audit(str(log), VKEY).ok


def test_an_entry_that_is_not_there_is_a_finding_at_its_index(world: World, log: Path) -> None:
    next((log / "tile" / "entries").glob("001.p/*")).unlink()
    report = audit(str(log), VKEY)
    assert report.findings[0].index == 256
    assert "not there" in report.findings[0].reason


def test_nothing_to_audit_is_not_a_verdict(tmp_path: Path) -> None:
    with pytest.raises(CannotCheck, match="no checkpoint"):
        audit(str(tmp_path), VKEY)
    with pytest.raises(CannotCheck, match="nothing to audit"):
        audit(str(tmp_path / "nowhere"), VKEY)


def test_a_source_may_be_given_open(log: Path) -> None:
    assert audit(DirectorySource(log), VKEY).ok
