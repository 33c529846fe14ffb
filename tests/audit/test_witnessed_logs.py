"""With witnesses, what they cosigned must be this log: in every draw, and in the checkpoint that is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.audit.conftest import played
from tests.audit.networks import ORIGIN, T0_MS, World, did, policy, publish, signer
from tests.core.witnesses import note_of, two_of_three, witness
from trust.audit.auditing import audit
from trust.audit.export import export
from trust.audit.fetching import DirectorySource
from trust.audit.monitor import Watcher
from trust.audit.report import Report, Step
from trust.cli import run
from trust.cli.failures import FALSE, GOOD, USAGE
from trust.core.entry import Draw
from trust.core.payloads import KeyAdopt
from trust.core.policy import Witnesses
from trust.core.records import Claim
from trust.log import merkle
from trust.log.checkpoint import Checkpoint
from trust.log.note import add_signatures, sign_note
from trust.log.quorum import parse_quorum
from trust.log.succession import Succession

LINES = two_of_three()
QUORUM = parse_quorum(tuple(LINES))
KEY = signer().verifier


class Witnessed(World):
    """A world whose draws carry what two of three witnesses cosigned; `shown` are roots that they saw instead."""

    def __init__(self) -> None:
        self.shown: dict[int, bytes] = {}
        self.late_s = 0
        super().__init__(replace(policy(), witnesses=Witnesses(tuple(LINES))))

    def draw(self, claim: Claim) -> Draw:
        size = claim.output_index + 1
        tree = merkle.CompactRange()
        for data in self.entries[:size]:
            tree.append(merkle.leaf_hash(data))
        root = self.shown.get(claim.output_index, tree.root())
        time_s = self.now_ms // 1_000 + self.late_s
        note = note_of(signer(), size, root, LINES, time_s, ["w1", "w3"])
        return replace(super().draw(claim), checkpoint=note)


def cosigned(
    folder: Path, labels: Sequence[str] = ("w1", "w3"), time_s: int = T0_MS // 1_000 + 3_600
) -> Path:
    """Puts cosignatures on the checkpoint of a published log."""
    note = (folder / "checkpoint").read_bytes()
    body = note.partition(b"\n\n")[0].decode() + "\n"
    (folder / "checkpoint").write_bytes(
        add_signatures(note, [witness(label).sign(body, time_s) for label in labels])
    )
    return folder


@pytest.fixture(scope="module")
def honest() -> World:
    return played(Witnessed())


def draws_of(world: World) -> list[int]:
    return [index for index, data in enumerate(world.entries) if "draw" in json.loads(data)["command"]]


def examine(folder: Path, state: Path | None = None) -> Report:
    return audit(str(folder), str(KEY), state, quorum=QUORUM)


def test_a_witnessed_log_passes_and_its_witnesses_are_named(honest: World, tmp_path: Path) -> None:
    report = examine(cosigned(honest.publish(tmp_path)))
    assert report.findings == ()
    assert report.ok
    assert report.witnesses == "2 of 3 witnesses: w1, w3"
    assert report.commands["draw"] == len(draws_of(honest)) > 1


@pytest.mark.parametrize("labels", [(), ("w2",)])
def test_a_checkpoint_without_the_callers_quorum_is_a_finding(
    honest: World, tmp_path: Path, labels: tuple[str, ...]
) -> None:
    report = examine(cosigned(honest.publish(tmp_path), labels))
    assert not report.ok
    assert f"{len(labels)} of 3 witnesses" in report.findings[0].reason
    assert audit(str(tmp_path), str(KEY)).ok


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("nth", [0, -1])
def test_a_draw_whose_checkpoint_has_another_root_than_the_log_is_named(
    honest: World, tmp_path: Path, nth: int, *, resumed: bool
) -> None:
    index = draws_of(honest)[nth]
    draw = json.loads(honest.entries[index])["command"]["draw"]
    size = int(draw["checkpoint"].split("\n")[1])
    liar = Witnessed()
    liar.shown = {size - 1: b"\6" * 32}
    played(liar)
    assert draws_of(liar)[nth] == index
    if resumed:
        publish(tmp_path / "before", liar.entries[:index], signer())
        assert audit(str(tmp_path / "before"), str(KEY), tmp_path / "state").ok
    publish(tmp_path / "log", liar.entries, signer())
    for _ in range(2):
        report = examine(cosigned(tmp_path / "log"), tmp_path / "state")
        assert [finding.index for finding in report.findings] == [index]
        assert f"the first {size} entries lead to" in report.findings[0].reason


@pytest.mark.parametrize(("late_s", "ok"), [(29, True), (32, False)])
def test_a_draw_that_was_made_long_before_its_cosignatures_is_named(
    tmp_path: Path, late_s: int, *, ok: bool
) -> None:
    liar = Witnessed()
    liar.late_s = late_s
    played(liar)
    report = examine(cosigned(liar.publish(tmp_path)))
    assert report.ok is ok
    assert [finding.index for finding in report.findings] == ([] if ok else draws_of(liar)[:1])


def test_a_checkpoint_that_was_cosigned_long_before_its_last_entry_is_a_finding(
    honest: World, tmp_path: Path
) -> None:
    report = examine(cosigned(honest.publish(tmp_path), time_s=T0_MS // 1_000 - 31))
    assert "its last entry is of" in report.findings[0].reason


def test_an_export_keeps_the_cosignatures(honest: World, tmp_path: Path) -> None:
    source = DirectorySource(cosigned(honest.publish(tmp_path / "log")))
    export(source, KEY, tmp_path / "copy", lambda done, total: None)
    assert examine(tmp_path / "copy").witnesses == "2 of 3 witnesses: w1, w3"


def test_the_quorum_is_asked_of_a_log_whatever_key_signs_it(tmp_path: Path) -> None:
    world = Witnessed()
    world.deposit("operator/bond", 100_000)
    index = world.say(KeyAdopt, "operator", ["log", "log-2"], use="log", key=did("log-2")).index
    world.deposit("operator/bond", 5)
    log = cosigned(publish(tmp_path / "log", world.entries, signer("log-2")))
    report = examine(log)
    assert report.findings == ()
    assert {line.step: line.ok for line in report.steps}[Step.WITNESSES]
    keys = Succession.of(KEY, [(index, signer("log-2").verifier)])
    watch = Watcher(lambda: DirectorySource(log), keys, tmp_path / "state", quorum=QUORUM)
    assert watch.poll(5) is None


def test_the_line_of_the_witnesses_is_false_where_their_quorum_is_missing(
    honest: World, tmp_path: Path
) -> None:
    report = examine(cosigned(honest.publish(tmp_path), ["w2"]))
    steps = {line.step: line.ok for line in report.steps}
    assert {step for step, ok in steps.items() if ok is False} == {Step.WITNESSES}
    assert {step for step, ok in steps.items() if ok is None} == {Step.ANSWERS}


# -- the monitor


def watcher(folder: Path) -> Watcher:
    return Watcher(
        lambda: DirectorySource(folder / "log"), KEY, folder / "state", quorum=QUORUM, ahead_ms=60_000
    )


def test_a_monitor_shouts_where_the_checkpoint_lacks_its_witnesses(honest: World, tmp_path: Path) -> None:
    cosigned(honest.publish(tmp_path / "log"))
    assert watcher(tmp_path).poll(5) is None
    cosigned(honest.publish(tmp_path / "log"), ["w1"])
    alarm = watcher(tmp_path).poll(6)
    assert alarm is not None
    assert (alarm.kind, alarm.index) == ("no-quorum", None)
    assert "1 of 3 witnesses: w1" in alarm.reason


@pytest.mark.parametrize("size", [255, 256, 280])
def test_a_monitor_shouts_where_the_log_goes_on_and_nobody_cosigns(
    honest: World, tmp_path: Path, size: int
) -> None:
    publish(tmp_path / "log", honest.entries[:290], signer())
    root = _root(honest.entries[:size])
    (tmp_path / "log" / "checkpoint").write_bytes(sign_note(Checkpoint(ORIGIN, size, root).body(), signer()))
    cosigned(tmp_path / "log")
    tile = tmp_path / "log" / "tile" / "0"
    for n, at in ((0, size), (1, size - 256)):  # as a service serves them: of every width that there is
        if 0 <= at < 256:
            whole = (tile / ("000" if n == 0 else "001.p/34")).read_bytes()
            (tile / f"00{n}.p").mkdir(exist_ok=True)
            (tile / f"00{n}.p" / str(at + 1)).write_bytes(whole[: (at + 1) * 32])
    assert watcher(tmp_path).poll(1_000) is None
    assert watcher(tmp_path).poll(61_000) is None
    alarm = watcher(tmp_path).poll(61_001)
    assert alarm is not None
    assert alarm.kind == "no-quorum"
    assert f"beyond {size} entries" in alarm.reason
    cosigned(publish(tmp_path / "log", honest.entries[:290], signer()))
    assert watcher(tmp_path).poll(70_000) is None
    assert watcher(tmp_path).memory.ahead_ms == 0


def _root(entries: Sequence[bytes]) -> bytes:
    tree = merkle.CompactRange()
    for data in entries:
        tree.append(merkle.leaf_hash(data))
    return tree.root()


# -- the command line


def test_the_commands_take_the_callers_policy_from_a_file(
    honest: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = str(cosigned(honest.publish(tmp_path / "log")))
    good, strict, none = (tmp_path / name for name in ("good", "strict", "none"))
    good.write_text("# my own\n" + "\n".join(LINES) + f"\nlog {KEY}\n")
    strict.write_text("\n".join(two_of_three("all")))
    none.write_text("quorum nobody")
    audited = ["audit", log, "--key", str(KEY), "--witnesses"]
    assert run([*audited, str(good)]) == GOOD
    assert "witnesses        good: 2 of 3 witnesses: w1, w3" in capsys.readouterr().out
    assert run([*audited, str(strict)]) == FALSE
    assert run([*audited, str(none)]) == USAGE
    watched = ["log", "watch", log, "--key", str(KEY), "--once", "--state", str(tmp_path / "state")]
    assert run([*watched, "--witnesses", str(good)]) == GOOD
    assert run([*watched, "--witnesses", str(strict)]) == FALSE
    assert "ALARM no-quorum" in capsys.readouterr().err
