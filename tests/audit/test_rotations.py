"""A log that changes its key: followed from the first key on, and from there only as the key before says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.audit.networks import ORIGIN, World, did, publish, seed_of, signer
from tests.journeys.shown import root_of
from trust.audit.auditing import audit
from trust.audit.fetching import DirectorySource
from trust.audit.monitor import Watcher
from trust.audit.report import CannotCheck, Finding, Report, Step
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.core.payloads import KeyAdopt
from trust.core.receipt import Receipt
from trust.core.strict import base64_of
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import Signer, Verifier, sign_note
from trust.log.proof import encode_proof
from trust.log.succession import Succession
from trust.services.receipts import refusal_note
from trust.verify.failures import NotProven
from trust.verify.receipts import verify_receipt, verify_refusal
from trust.verify.rotations import follow

FIRST, SECOND, THIRD = (signer(name) for name in ("log", "log-2", "log-3"))
Capture = pytest.CaptureFixture[str]


def rotated(*names: str) -> tuple[World, list[int]]:
    """A log whose key changed to each of these, with entries between; and where."""
    world, before, indices = World(), "log", []
    for name in names:
        world.deposit("operator/bond", 100_000)
        said = {"use": "log", "key": did(name)}
        indices.append(world.say(KeyAdopt, "operator", [before, name], **said).index)
        world.deposit("operator/bond", 5)
        before = name
    return world, indices


def receipt(entries: list[bytes], index: int, size: int, key: Signer) -> Receipt:
    """The receipt of an entry under the checkpoint of a size."""
    rows = [[merkle.leaf_hash(data) for data in entries[:size]]]
    while len(rows[-1]) > 1:
        rows.append(merkle.parents(rows[-1]))
    path = merkle.inclusion_proof(index, size, lambda level, at: rows[level][at])
    note = sign_note(Checkpoint(ORIGIN, size, root_of(entries[:size])).body(), key)
    return Receipt(index, base64_of(entries[index]), encode_proof(index, path, note).decode())


def audited(folder: Path, entries: list[bytes], signed_by: Signer, key: Signer) -> Report:
    """The audit of a log whose checkpoint has this signer, by whoever trusts this key."""
    return audit(str(publish(folder, entries, signed_by)), str(key.verifier))


def caught(report: Report) -> Finding:
    """What it found."""
    (finding,) = report.findings
    assert finding.step is Step.KEYS
    return finding


# -- the audit


@pytest.mark.parametrize("key", [FIRST, SECOND, THIRD])
def test_a_log_is_followed_from_any_of_its_keys_to_the_one_that_signs(key: Signer, tmp_path: Path) -> None:
    world, _ = rotated("log-2", "log-3")
    report = audited(tmp_path, world.entries, THIRD, key)
    assert report.findings == ()
    assert all(str(each.verifier) in report.steps[0].counted for each in (FIRST, SECOND, THIRD))


def test_the_entry_that_adopts_a_key_is_the_last_under_the_key_before(tmp_path: Path) -> None:
    world, (index,) = rotated("log-2")
    for size, right, wrong in ((index + 1, FIRST, SECOND), (index + 2, SECOND, FIRST)):
        folder, entries = tmp_path / str(size), world.entries[:size]
        assert audited(folder / "right", entries, right, FIRST).ok
        assert not audited(folder / "wrong", entries, wrong, FIRST).ok


def test_a_key_that_is_used_after_its_rotation_is_named(tmp_path: Path) -> None:
    world, (index,) = rotated("log-2")
    for key in (FIRST, SECOND):
        finding = caught(audited(tmp_path / key.name[-1], world.entries, FIRST, key))
        assert str(FIRST.verifier) in finding.reason
        assert f"signs sizes from 0 to {index + 1}" in finding.reason


def test_a_stranger_who_signs_for_the_log_is_found(tmp_path: Path) -> None:
    world, _ = rotated("log-2")
    assert "no known key" in caught(audited(tmp_path, world.entries, THIRD, FIRST)).reason


def test_a_log_that_names_the_callers_key_and_goes_on_without_its_word_is_a_lie(tmp_path: Path) -> None:
    """Whoever has no key at all may found a log that names another's, and adopt its own: the key before must sign."""
    world, (index,) = rotated("log-2")
    entry = json.loads(world.entries[index])
    signatures = entry["command"]["statement"]["signatures"]
    signatures[:] = [each for each in signatures if each["keyid"] != did("log")]
    forged = json.dumps(entry, separators=(",", ":")).encode()
    entries = [*world.entries[:index], forged, *world.entries[index + 1 :]]
    (finding,) = audited(tmp_path, entries, SECOND, FIRST).findings
    assert (finding.index, finding.step) == (index, Step.STATEMENTS)
    assert "wrong-signer" in finding.reason


def test_an_audit_goes_on_over_a_rotation_and_knows_the_keys_afterwards(tmp_path: Path) -> None:
    world, (index,) = rotated("log-2")
    state = tmp_path / "state"
    for size, key in ((index, FIRST), (index + 1, FIRST), (index + 2, SECOND)):
        log = publish(tmp_path / str(size), world.entries[:size], key)
        assert audit(str(log), str(FIRST.verifier), state).ok
    again = publish(tmp_path / "old key", [*world.entries, world.entries[-1]], FIRST)
    assert not audit(str(again), str(FIRST.verifier), state).ok
    assert audit(str(tmp_path / str(index + 2)), str(SECOND.verifier), state).ok
    with pytest.raises(CannotCheck, match="is of the log"):
        audit(str(tmp_path / str(index + 2)), str(THIRD.verifier), state)


def test_what_a_stranger_added_is_forgotten_again(tmp_path: Path) -> None:
    shown, true, state = World(), World(), tmp_path / "state"
    for world in (shown, true):
        world.deposit("operator/bond", 1)
    assert audit(str(true.publish(tmp_path / "first")), str(FIRST.verifier), state).ok
    shown.register("mallory")
    added = publish(tmp_path / "added", shown.entries, signer("mallory"))
    assert "no known key" in caught(audit(str(added), str(FIRST.verifier), state)).reason
    true.deposit("operator/bond", 2)
    assert shown.entries[:2] == true.entries[:2]
    assert audit(str(true.publish(tmp_path / "second")), str(FIRST.verifier), state).findings == ()


def test_a_size_that_nobody_signed_is_not_gone_through(tmp_path: Path) -> None:
    world, _ = rotated("log-2")
    log = publish(tmp_path, world.entries, SECOND)
    (log / "checkpoint").write_bytes(
        sign_note(Checkpoint(ORIGIN, 2**62, bytes(32)).body(), Signer(ORIGIN, seed_of("mallory")))
    )
    (finding,) = audit(str(log), str(FIRST.verifier)).findings
    assert finding.index == 0
    assert "not there" in finding.reason


# -- receipts


def test_an_old_receipt_holds_and_says_under_which_key_and_until_when(
    tmp_path: Path, capsys: Capture
) -> None:
    world, (index,) = rotated("log-2")
    size = len(world.entries)
    old, new, rotation = tmp_path / "old.json", tmp_path / "new.json", tmp_path / "rotation.json"
    old.write_bytes(receipt(world.entries, 1, index, FIRST).encode())
    new.write_bytes(receipt(world.entries, 1, size, SECOND).encode())
    rotation.write_bytes(receipt(world.entries, index, index + 1, FIRST).encode())

    def verified(file: Path, *more: str) -> dict[str, Any]:
        capsys.readouterr()
        assert run(["receipt", "verify", str(file), "--key", str(FIRST.verifier), *more, "--json"]) == GOOD
        return dict(json.loads(capsys.readouterr().out))

    alone = verified(old)
    assert (alone["key"], alone["key_signs_to"]) == (str(FIRST.verifier), None)
    known = verified(old, "--rotation", str(rotation))
    assert (known["key"], known["key_signs_from"], known["key_signs_to"]) == (
        str(FIRST.verifier),
        0,
        index + 1,
    )
    assert run(["receipt", "verify", str(new), "--key", str(FIRST.verifier)]) == FALSE
    later = verified(new, "--rotation", str(rotation))
    assert (later["key"], later["key_signs_from"], later["key_signs_to"]) == (
        str(SECOND.verifier),
        index + 2,
        None,
    )


def test_a_receipt_of_the_old_key_from_after_its_rotation_is_refused() -> None:
    world, (index,) = rotated("log-2")
    keys = follow(FIRST.verifier, [receipt(world.entries, index, len(world.entries), SECOND)])
    late = receipt(world.entries, 1, len(world.entries), FIRST)
    assert verify_receipt(late, FIRST.verifier).index == 1
    with pytest.raises(NotProven, match=f"signs sizes from 0 to {index + 1}"):
        verify_receipt(late, keys)


def test_a_chain_of_rotations_is_followed_in_any_order() -> None:
    world, indices = rotated("log-2", "log-3")
    chain = [receipt(world.entries, index, len(world.entries), THIRD) for index in reversed(indices)]
    keys = follow(FIRST.verifier, chain)
    assert keys.verifiers == [FIRST.verifier, SECOND.verifier, THIRD.verifier]
    assert follow(SECOND.verifier, chain[:1]).verifiers == [SECOND.verifier, THIRD.verifier]
    with pytest.raises(NotProven, match="is not signed by"):
        follow(FIRST.verifier, chain[:1])


def test_what_is_no_rotation_of_this_log_leads_nowhere() -> None:
    world, (index,) = rotated("log-2")
    good = receipt(world.entries, index, index + 1, FIRST)
    deposit = receipt(world.entries, 1, index + 1, FIRST)
    for bad in (deposit, Receipt(index, "AA==", good.proof), Receipt(index, "?", good.proof)):
        with pytest.raises(NotProven):
            follow(FIRST.verifier, [bad])
    with pytest.raises(NotProven, match="is not signed by"):
        follow(Verifier("trust.example.org/other", FIRST.verifier.public_key), [good])
    with pytest.raises(NotProven):  # what adopts the key is proven by nobody
        follow(FIRST.verifier, [receipt(world.entries, index, index + 1, signer("mallory"))])


def test_a_refusal_is_signed_by_the_key_of_the_next_checkpoint() -> None:
    keys = Succession.of(FIRST.verifier, [(7, SECOND.verifier)])
    for size, right, wrong in ((7, FIRST, SECOND), (8, SECOND, FIRST)):
        said: dict[str, Any] = {"size": size, "at_ms": 1, "root": bytes(32)}
        good, bad = (
            refusal_note(each, ORIGIN, "sha256:" + "0" * 64, "jailed", **said) for each in (right, wrong)
        )
        assert verify_refusal(good, keys).size == size
        with pytest.raises(NotProven):
            verify_refusal(bad, keys)


# -- the succession itself


def test_every_size_has_exactly_one_key() -> None:
    keys = Succession.of(FIRST.verifier, [(3, SECOND.verifier), (4, THIRD.verifier)])
    assert [(tenure.first, tenure.last) for tenure in keys.tenures] == [(0, 4), (5, 5), (6, None)]
    for size in range(10):
        assert [tenure for tenure in keys.tenures if size in tenure] == [keys.at(size)]


def test_a_checkpoint_opens_under_the_key_of_its_size_only() -> None:
    keys = Succession.of(FIRST.verifier, [(3, SECOND.verifier)])
    for size, right in ((4, FIRST), (5, SECOND)):
        body = Checkpoint(ORIGIN, size, bytes(32)).body()
        assert keys.open(sign_note(body, right)).size == size
        wrong = SECOND if right is FIRST else FIRST
        with pytest.raises(CheckpointError, match="its size is not one for the key"):
            keys.open(sign_note(body, wrong))


# -- a monitor, and a judge


def test_a_monitor_takes_the_next_key_where_it_was_told_of_it(tmp_path: Path, capsys: Capture) -> None:
    world, (index,) = rotated("log-2")
    rotation, log, state = tmp_path / "rotation.json", tmp_path / "log", tmp_path / "state"
    rotation.write_bytes(receipt(world.entries, index, index + 1, FIRST).encode())
    watch = ["log", "watch", str(log), "--state", str(state), "--once", "--key", str(FIRST.verifier)]
    publish(log, world.entries[:index], FIRST)
    assert run(watch) == GOOD
    publish(log, world.entries, SECOND)
    assert run(watch) == CANNOT_CHECK
    assert "no known key" in capsys.readouterr().err
    assert run([*watch, "--rotation", str(rotation)]) == GOOD


def test_a_monitor_raises_the_alarm_when_a_key_is_used_after_its_rotation(
    tmp_path: Path, capsys: Capture
) -> None:
    world, (index,) = rotated("log-2")
    keys = follow(FIRST.verifier, [receipt(world.entries, index, index + 1, FIRST)])
    log = publish(tmp_path / "log", world.entries, FIRST)
    alarm = Watcher(lambda: DirectorySource(log), keys, tmp_path / "state").poll(0)
    assert alarm is not None
    assert (alarm.kind, alarm.size) == ("key-used", len(world.entries))
    assert str(FIRST.verifier) in alarm.reason


def test_an_old_receipt_is_borne_out_by_a_log_that_another_key_signs(tmp_path: Path, capsys: Capture) -> None:
    world, (index,) = rotated("log-2")
    rotation, old = tmp_path / "rotation.json", tmp_path / "old.json"
    rotation.write_bytes(receipt(world.entries, index, index + 1, FIRST).encode())
    old.write_bytes(receipt(world.entries, 1, index, FIRST).encode())
    log = str(publish(tmp_path / "log", world.entries, SECOND))
    judge = ["receipt", "judge", str(old), log, "--key", str(FIRST.verifier)]
    assert run([*judge, "--rotation", str(rotation)]) == GOOD
    assert run(judge) == CANNOT_CHECK
