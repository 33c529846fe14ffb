"""Logs that released code wrote are replayed byte for byte by this code, and nobody has edited them.

Specified in docs/protocol.md 3.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from tests.audit.networks import publish
from tests.core.network import Who
from tests.golden import __main__ as writer
from tests.golden.growing import encoded_structs, grow
from tests.golden.histories import HISTORIES
from tests.golden.releases import (
    HERE,
    MANIFEST,
    SEALED,
    Golden,
    digest,
    entries_of,
    lines_of,
    manifest_of,
    root_of,
)
from tests.golden.replaying import replayed
from trust.audit.auditing import audit
from trust.core.events import Events
from trust.core.payloads import Statement
from trust.core.rules.changes import KNOWN
from trust.log.note import Signer

NEVER_EVENTS = {
    "rules.announced": "there is no other rules number yet that could be announced",
    "rules.effective": "the same",
}
NEVER_STATEMENTS = {
    "rules.adopt": "there is no other rules number yet that could be adopted",
    "relay.confirm": "it is signed off the log, and stands in an entry only as evidence",
}
LOGS = [
    (folder, name, golden)
    for folder in map(HERE.joinpath, SEALED)
    for name, golden in manifest_of(folder).logs.items()
]
each_log = pytest.mark.parametrize(
    ("folder", "name", "golden"), LOGS, ids=[f"{folder.name}/{name}" for folder, name, _ in LOGS]
)


@each_log
def test_a_golden_log_is_the_file_that_was_written(folder: Path, name: str, golden: Golden) -> None:
    entries = entries_of(folder / name)
    assert digest(folder / name) == golden.sha256
    assert (folder / name).stat().st_size == golden.file_bytes
    assert (len(entries), root_of(entries)) == (golden.entries, golden.root)


@pytest.mark.parametrize("release", SEALED)
def test_a_release_has_the_files_of_its_manifest_and_no_others(release: str) -> None:
    folder = HERE / release
    found = {path.name for path in folder.iterdir()}
    assert found == {MANIFEST, *manifest_of(folder).logs}
    assert digest(folder / MANIFEST) == SEALED[release], "golden logs are never edited: see the README beside"


def test_every_rules_number_that_this_code_knows_has_its_logs() -> None:
    assert {f"rules-{number}" for number in KNOWN} == set(SEALED)
    assert {path.name for path in HERE.glob("rules-*")} == set(SEALED)
    assert {release: manifest_of(HERE / release).rules for release in SEALED} == {
        f"rules-{number}": number for number in KNOWN
    }


@each_log
def test_a_golden_log_is_decided_again_to_the_same_bytes(folder: Path, name: str, golden: Golden) -> None:
    assert replayed(entries_of(folder / name)) == golden.entries


def test_a_golden_log_replays_where_every_struct_in_its_entries_has_got_a_field_with_a_default(
    tmp_path: Path,
) -> None:
    """A policy number, an input of the check rate or a field of an event may be added without a new format."""
    grown = grow(tmp_path)
    assert {"Registration", "Money", "RateInputs", "BatchTerms", "Seal", "ClaimOpened"} <= grown
    script = "import trust, tests.golden.replaying as r; print(trust.__file__); r.replay_all()"
    run = subprocess.run(
        [sys.executable, "-P", "-c", script],
        env={"PYTHONPATH": os.pathsep.join((str(tmp_path), str(HERE.parent.parent)))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    assert run.stdout.startswith(str(tmp_path))


def test_only_these_structs_are_closed_for_ever() -> None:
    """A struct that is encoded as an array writes its defaults too: what it lacks needs another event."""
    assert {kind.__name__ for kind in encoded_structs() if kind.__struct_config__.array_like} == {
        "Alternate", "Candidate", "DrawnSeat", "Shortlisted",
    }  # fmt: skip


@each_log
def test_a_stranger_audits_a_golden_log_and_finds_nothing(
    folder: Path, name: str, golden: Golden, tmp_path: Path
) -> None:
    """With the checkpoint that was signed then, followed from the first key on; seals of scores are audited here."""
    origin = golden.vkey.partition("+")[0]
    log = publish(tmp_path / "log", entries_of(folder / name), Signer(origin, Who("nobody's").seed))
    (log / "checkpoint").write_bytes(golden.checkpoint.encode())
    report = audit(str(log), golden.vkey)
    assert report.findings == ()
    assert report.replayed == golden.entries
    assert (report.sums.total, report.sums.overdrawn) == (0, ())


@each_log
def test_an_edit_of_a_golden_log_is_refused(folder: Path, name: str, golden: Golden, tmp_path: Path) -> None:
    data = (folder / name).read_bytes()
    edited = tmp_path / name
    edited.write_bytes(data.replace(b'"price_units":100', b'"price_units":101', 1))
    assert edited.read_bytes() != data
    assert digest(edited) != golden.sha256
    assert root_of(entries_of(edited)) != golden.root
    edited.write_bytes(data[:-1])
    with pytest.raises(ValueError, match="whole line"):
        entries_of(edited)


# -- together they hold everything


def found_in(release: Path) -> tuple[set[str], set[str]]:
    """The kinds of events and of statements in a release's logs."""
    events, statements = set(), set()
    for name in manifest_of(release).logs:
        for data in entries_of(release / name):
            told = json.loads(data)
            events |= {event["kind"] for event in told["events"]}
            if (said := told["command"].get("statement")) is not None:
                statements.add(json.loads(base64.b64decode(said["payload"]))["kind"])
    return events, statements


def test_every_kind_of_event_and_statement_is_in_a_golden_log() -> None:
    found = [found_in(HERE / release) for release in SEALED]
    events = {str(kind.__struct_config__.tag) for kind in get_args(Events)}
    statements = {str(kind.__struct_config__.tag) for kind in get_args(Statement)}
    assert events - set().union(*(seen for seen, _ in found)) == set(NEVER_EVENTS)
    assert statements - set().union(*(seen for _, seen in found)) == set(NEVER_STATEMENTS)


# -- writing


def test_what_is_written_is_never_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    newest = f"rules-{max(KNOWN)}"
    assert writer.main([newest]) == 2
    assert "never written again" in capsys.readouterr().err
    assert writer.main([]) == writer.main(["rules-1000"]) == 2
    assert f"it writes {newest} and nothing else" in capsys.readouterr().err
    assert not (HERE / "rules-1000").exists()


def test_a_release_that_is_written_anew_replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command makes today is a release like the old ones."""
    monkeypatch.setattr(writer, "HISTORIES", {"witnessed": HISTORIES["witnessed"]})
    seal = writer.write(tmp_path / "rules-2")
    assert seal == digest(tmp_path / "rules-2" / MANIFEST)
    [(name, golden)] = manifest_of(tmp_path / "rules-2").logs.items()
    assert lines_of(entries_of(tmp_path / "rules-2" / name)) == (tmp_path / "rules-2" / name).read_bytes()
    assert replayed(entries_of(tmp_path / "rules-2" / name)) == golden.entries
    with pytest.raises(FileExistsError):
        writer.write(tmp_path / "rules-2")
