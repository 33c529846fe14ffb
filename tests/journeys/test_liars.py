"""Every lie that the service could tell is caught, offline, and named with the entry or the notes that prove it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.api.house import house
from tests.audit.networks import ORIGIN, did, publish, signer
from tests.journeys.liars import Liar
from tests.journeys.lies import LIES, STAKE
from tests.journeys.shown import receipt, root_of, showing
from trust.cli import run
from trust.cli.failures import CANNOT_CHECK, FALSE, GOOD
from trust.core.commands import Spoken
from trust.core.payloads import ClaimRequest, RelayConfirm
from trust.services.receipts import refusal_note
from trust.verify.receipts import ConfirmEvidence, DenialEvidence

KEY = ["--key", str(signer().verifier)]
Capture = pytest.CaptureFixture[str]


def told(capture: Capture, *command: str, exit_code: int) -> dict[str, Any]:
    """What a command says as JSON, once it ended as it should."""
    capture.readouterr()
    assert run([*command, *KEY, "--json"]) == exit_code
    said: dict[str, Any] = json.loads(capture.readouterr().out)
    return said


# -- in the log: found by deciding every entry again


@pytest.mark.parametrize("name", LIES)
def test_the_audit_names_the_entry(name: str, tmp_path: Path, capsys: Capture) -> None:
    reason, tell = LIES[name]
    lie = tell()
    assert len(lie.entries) > lie.index + 1
    log = str(publish(tmp_path, lie.entries, signer()))
    (finding,) = told(capsys, "audit", log, exit_code=FALSE)["findings"]
    assert finding["index"] == lie.index, finding
    assert re.search(reason, finding["reason"]), finding


def test_a_liar_who_is_honest_passes(tmp_path: Path, capsys: Capture) -> None:
    liar = Liar()
    liar.checked("mallory", "fail")
    liar.wait(60_000)
    assert told(capsys, "audit", str(liar.publish(tmp_path)), exit_code=GOOD)["ok"]


def test_a_byte_changed_in_a_served_entry_is_named(tmp_path: Path, capsys: Capture) -> None:
    liar = Liar()
    log = liar.publish(tmp_path)
    bundle = next(path for path in (log / "tile" / "entries").rglob("*") if path.is_file())
    bundle.write_bytes(bundle.read_bytes().replace(b'"reference":"dep-', b'"reference":"dap-', 1))
    (finding,) = told(capsys, "audit", str(log), exit_code=FALSE)["findings"]
    assert finding["index"] == 1
    assert "its hash is" in finding["reason"]


# -- between two looks at the log: found by comparing


def test_two_histories_shown_to_two_clients_convict(tmp_path: Path, capsys: Capture) -> None:
    liar, state = Liar(), str(tmp_path / "state")
    size = len(liar.entries)
    liar.deposit(did("bob"), 5)
    other = Liar()
    other.deposit(did("carol"), 5)
    with showing(tmp_path, liar.entries) as log:
        watch = ("log", "watch", log.url, "--state", state, "--once")
        assert run([*watch, *KEY]) == GOOD
        audited = ("audit", log.url, "--from", str(tmp_path / "audited"))
        told(capsys, *audited, exit_code=GOOD)
        log.show(other.entries)
        alarm = told(capsys, *watch, exit_code=FALSE)
        (finding,) = told(capsys, *audited, exit_code=FALSE)["findings"]
    assert (alarm["kind"], alarm["size"]) == ("fork", size + 1)
    assert "forked" in finding["reason"]
    proven = told(capsys, "receipt", "verify", alarm["evidence"], exit_code=GOOD)
    assert (proven["verified"], proven["size"]) == ("fork", size + 1)
    assert {proven["root"], proven["other_root"]} == {
        root_of(liar.entries).hex(),
        root_of(other.entries).hex(),
    }


def test_a_log_rolled_back_is_told_by_both_sizes(tmp_path: Path, capsys: Capture) -> None:
    liar, state = Liar(), str(tmp_path / "state")
    size = len(liar.entries)
    with showing(tmp_path, liar.entries) as log:
        watch = ("log", "watch", log.url, "--state", state, "--once")
        audited = ("audit", log.url, "--from", str(tmp_path / "audited"))
        assert run([*watch, *KEY]) == GOOD
        told(capsys, *audited, exit_code=GOOD)
        log.show(liar.entries[:-1])
        alarm = told(capsys, *watch, exit_code=FALSE)
        (finding,) = told(capsys, *audited, exit_code=FALSE)["findings"]
    assert alarm["kind"] == "rollback"
    for reason in (alarm["reason"], finding["reason"]):
        assert f"{size} entries" in reason
        assert str(size - 1) in reason


# -- beside the log: found by holding what was signed against it


@pytest.fixture(scope="module")
def liar() -> Liar:
    """A log on which Bob has won Alice's task; tests read it."""
    liar = Liar()
    liar.claimed("bob")
    liar.post("alice", "free")
    liar.deposit(did("bob"), 1)
    return liar


@pytest.fixture
def log(liar: Liar, tmp_path: Path) -> str:
    """Its files."""
    return str(liar.publish(tmp_path / "log"))


@pytest.mark.parametrize("after", [0, 3])
def test_a_receipt_whose_entry_never_appears_convicts(
    after: int, liar: Liar, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "receipt.json"
    promised = Liar()
    promised.deposit(did("carol"), 7)
    index = len(promised.entries) - 1
    file.write_bytes(receipt(promised.entries, index).encode())
    told(capsys, "receipt", "verify", str(file), exit_code=GOOD)
    shown = liar.entries[: index + 1 + after]
    log = str(publish(tmp_path / "log", shown, signer()))
    judged = told(capsys, "receipt", "judge", str(file), log, exit_code=FALSE)
    assert judged["index"] == index
    assert judged["reason"].startswith("fork")
    proven = told(capsys, "receipt", "verify", judged["evidence"], exit_code=GOOD)
    assert (proven["verified"], proven["size"]) == ("fork", index + 1)


def test_a_receipt_of_more_entries_than_the_log_has_is_told(
    liar: Liar, tmp_path: Path, capsys: Capture
) -> None:
    file, last = tmp_path / "receipt.json", len(liar.entries) - 1
    file.write_bytes(receipt(liar.entries, last).encode())
    log = str(publish(tmp_path / "log", liar.entries[:last], signer()))
    judged = told(capsys, "receipt", "judge", str(file), log, exit_code=FALSE)
    assert judged["reason"].startswith("rollback")


@pytest.mark.parametrize("size", [40, -1])
def test_a_receipt_whose_entry_is_there_is_borne_out(
    size: int, liar: Liar, log: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "receipt.json"
    file.write_bytes(receipt(liar.entries[:size], 38).encode())
    assert told(capsys, "receipt", "judge", str(file), log, exit_code=GOOD)["ok"]


def denied(liar: Liar, file: Path, said: Spoken, code: str, **other: Any) -> str:
    """A file of a refusal of this statement, as of the log's end."""
    facts = {"size": len(liar.entries), "at_ms": liar.now_ms, "root": root_of(liar.entries), **other}
    note = refusal_note(signer(), ORIGIN, said.id, code, **facts)
    file.write_bytes(msgspec.json.encode(DenialEvidence("refusal", note.decode(), said.signed.envelope)))
    return str(file)


def request(liar: Liar, task: str, stake: int = STAKE) -> Spoken:
    """Carol's claim on a task."""
    index = next(at for at, data in enumerate(liar.entries) if f'"task":"{task}"'.encode() in data)
    fields = {"task": task, "task_index": index, "relay": liar.by, "stake_units": stake}
    return liar.statement(ClaimRequest, "carol", ["relay"], **fields)


def test_a_true_refusal_is_borne_out_by_the_rules(
    liar: Liar, log: str, tmp_path: Path, capsys: Capture
) -> None:
    file = denied(liar, tmp_path / "no.json", request(liar, "review"), "already-claimed")
    assert told(capsys, "receipt", "verify", file, exit_code=GOOD)["code"] == "already-claimed"
    assert told(capsys, "receipt", "judge", file, log, exit_code=GOOD)["ok"]


def test_what_an_honest_service_refuses_and_promises_is_borne_out(tmp_path: Path, capsys: Capture) -> None:
    no, yes = tmp_path / "no.json", tmp_path / "yes.json"
    with house(tmp_path, f"sqlite:///{tmp_path / 'trust.db'}") as town:
        town.settle_in()
        index = town.done("/v1/tasks", town.task_post("contested"))["receipt"]["index"]
        won = town.done("/v1/claims", town.claim("contested", index, town.workers[0]))
        yes.write_text(json.dumps(won["receipt"]))
        loser = town.claim("contested", index, town.workers[1])
        note = town.post_to("/v1/claims", loser).json()["refusal"]
        no.write_bytes(msgspec.json.encode(DenialEvidence("refusal", note, loser.signed.envelope)))
        town.done("/v1/tasks", town.task_post("another"))
        vkey = town.vkey
    for file in (no, yes):
        assert run(["receipt", "judge", str(file), str(tmp_path), "--key", vkey]) == GOOD
    capsys.readouterr()


FALSE_REFUSALS: dict[str, tuple[str, str, Callable[[Liar], dict[str, Any]], str]] = {
    "what the rules let through": ("free", "already-claimed", lambda liar: {}, "let it through"),
    "for a reason that is not the rules'": ("review", "jailed", lambda liar: {}, "already-claimed"),
    "at a time before the log's": (
        "review",
        "already-claimed",
        lambda liar: {"at_ms": liar.now_ms - 1},
        "time goes back",
    ),
    "when its own deadline had passed": (
        "review",
        "already-claimed",
        lambda liar: {"at_ms": liar.now_ms + 30_000},
        "is not settled",
    ),
    "on another log": ("review", "already-claimed", lambda liar: {"root": bytes(32)}, "lead to the root"),
    "on entries that it does not have": (
        "review",
        "already-claimed",
        lambda liar: {"size": len(liar.entries) + 1},
        "the log has",
    ),
}


@pytest.mark.parametrize("name", FALSE_REFUSALS)
def test_a_false_refusal_convicts(name: str, liar: Liar, log: str, tmp_path: Path, capsys: Capture) -> None:
    task, code, other, reason = FALSE_REFUSALS[name]
    file = denied(liar, tmp_path / "no.json", request(liar, task), code, **other(liar))
    judged = told(capsys, "receipt", "judge", file, log, exit_code=FALSE)
    assert judged["what"] == "refusal"
    assert judged["index"] == len(liar.entries) or "size" in other(liar)
    assert reason in judged["reason"]


def test_a_refusal_of_another_statement_or_key_proves_nothing(
    liar: Liar, log: str, tmp_path: Path, capsys: Capture
) -> None:
    said, other = request(liar, "free"), request(liar, "review")
    file = Path(denied(liar, tmp_path / "no.json", said, "jailed"))
    swapped = json.loads(file.read_bytes()) | {"statement": msgspec.to_builtins(other.signed.envelope)}
    (tmp_path / "swapped.json").write_text(json.dumps(swapped))
    assert run(["receipt", "judge", str(tmp_path / "swapped.json"), log, *KEY]) == FALSE
    assert "the note refuses" in capsys.readouterr().err
    foreign = ["--key", str(signer("mallory").verifier)]
    assert run(["receipt", "judge", str(file), log, *foreign]) == FALSE


def confirmed(liar: Liar, file: Path, speaker: str = "relay", **other: Any) -> str:
    """A file of the relay's word on who won Alice's task, with what the log says of it."""
    index = next(at for at, data in enumerate(liar.entries) if b'"kind":"claim.opened"' in data)
    relay = next(at for at, data in enumerate(liar.entries) if b'"kind":"relay.registered"' in data)
    claim = json.loads(liar.entries[index])["events"][0]["claim"]
    fields = {"task": "review", "claim": claim, "worker": did("bob"), "index": index, **other}
    said = liar.statement(RelayConfirm, speaker, **fields)
    proof = receipt(liar.entries, fields["index"]), receipt(liar.entries, relay)
    file.write_bytes(msgspec.json.encode(ConfirmEvidence("relay-confirm", said.signed.envelope, *proof)))
    return str(file)


@pytest.mark.parametrize("lie", [{"worker": did("carol")}, {"task": "free"}, {"index": 3}])
def test_a_confirmation_against_the_log_convicts_the_relay(
    lie: dict[str, Any], liar: Liar, tmp_path: Path, capsys: Capture
) -> None:
    file = confirmed(liar, tmp_path / "confirmed.json", **lie)
    proven = told(capsys, "receipt", "verify", file, exit_code=GOOD)
    assert proven["verified"] == "false relay.confirm"
    assert (proven["relay"], proven["signers"]) == (liar.by, [did("relay")])
    assert proven["index"] == lie.get("index", proven["index"])


@pytest.mark.parametrize("speaker", ["relay", "mallory"])
def test_a_relay_that_told_the_truth_or_said_nothing_is_not_convicted(
    speaker: str, liar: Liar, tmp_path: Path, capsys: Capture
) -> None:
    lie = {"worker": did("carol")} if speaker == "mallory" else {}
    file = confirmed(liar, tmp_path / "confirmed.json", speaker, **lie)
    assert run(["receipt", "verify", file, *KEY]) == FALSE


@pytest.mark.parametrize(
    "data",
    [
        b'{"evidence":"refusal"}',
        b'{"evidence":["refusal"]}',
        b'{"evidence":"refusal","note":"\\ud800","statement":{"payloadType":"","payload":"","signatures":[]}}',
        b'{"evidence":"refusal","note":"","statement":{},"more":1}',
        b'{"evidence":"relay-confirm","statement":{},"claim":{},"relay":{}}',
        b'{"evidence":"relay-confirm","evidence":"refusal"}',
        b'{"refusal":""}',
        b"",
        b"\xff",
    ],
)
def test_evidence_that_is_malformed_is_refused_in_words(
    data: bytes, log: str, tmp_path: Path, capsys: Capture
) -> None:
    file = tmp_path / "evidence.json"
    file.write_bytes(data)
    for command in (["receipt", "verify", str(file)], ["receipt", "judge", str(file), log]):
        assert run([*command, *KEY]) == FALSE
        assert "this is a bug" not in capsys.readouterr().err


def test_a_refusal_without_its_statement_or_a_log_cannot_be_judged(
    liar: Liar, log: str, tmp_path: Path, capsys: Capture
) -> None:
    file = Path(denied(liar, tmp_path / "no.json", request(liar, "review"), "already-claimed"))
    assert run(["receipt", "judge", str(file), str(tmp_path / "nowhere"), *KEY]) == CANNOT_CHECK
    file.write_text(json.loads(file.read_bytes())["note"])
    assert run(["receipt", "judge", str(file), log, *KEY]) == FALSE
    assert "together with their statements" in capsys.readouterr().err
