"""Evidence and canaries over HTTP, on both databases: judged, told in words, bundled; and then a stranger audits."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.api.house import JSON, WORK, House, body_of, house
from tests.audit.networks import publish
from tests.services.statements import ORIGIN, Party
from trust.audit.auditing import audit
from trust.client.canaries import Canaries
from trust.core import payloads, strict
from trust.core.commands import Spoken
from trust.core.receipt import Receipt
from trust.core.records import Relay
from trust.errors import ClientError
from trust.log.checkpoint import Checkpoint
from trust.log.note import Signer, sign_note
from trust.storage.reading import reading
from trust.verify.bundles import verify_bundle
from trust.verify.evidence import EquivocationEvidence, said_of, verify_equivocation
from trust.verify.failures import NotProven
from trust.verify.receipts import ConfirmEvidence, parse_key, verify_false_confirmation


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[House]:
    """A town with five verifiers, whose evidence windows leave time to show something."""
    with house(tmp_path, database_url, evidence_ms=60_000, unbonding_ms=400_000) as running:
        running.settle_in(verifiers=5)
        yield running


def artifact(data: bytes = WORK) -> payloads.Artifact:
    return payloads.Artifact(name="findings.json", sha256=sha256(data).hexdigest(), size_bytes=len(data))


def shown(home: House, kind: str, *statements: Spoken, **fields: Any) -> Spoken:
    """Evidence, by the requester."""
    held = tuple(body_of(each).decode() for each in statements)
    return home.say(payloads.EvidenceSubmit, home.requester, type=kind, statements=held, **fields)


def lied(home: House, task: str) -> tuple[str, Spoken, Spoken, Receipt]:
    """A claim with its output on the log, another output for it, and the first one's receipt."""
    claim, worker = home.claimed(task), home.workers[0]
    assert home.store(WORK, worker).status_code in (200, 201)
    first = home.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact(),))
    receipt = home.done("/v1/outputs", first)["receipt"]
    _pass(home, _at_ms(receipt))
    second = home.say(payloads.OutputSubmit, worker, claim=claim, artifacts=(artifact(b"other"),))
    return claim, first, second, _receipt(receipt)


def _pass(home: House, until_ms: int) -> None:
    """Waits until the machine's clock is past a time."""
    home.wait(lambda: time.time_ns() // 1_000_000 > until_ms)


def _at_ms(receipt: dict[str, Any]) -> int:
    return int(json.loads(strict.b64(receipt["entry"]))["at_ms"])


def planted(home: House, answer: Any) -> tuple[Canaries, str]:
    """A canary with this answer, whose panel says pass; the window is open."""
    secrets = Canaries.made(ORIGIN, home.now_ms + 600_000, [("planted", home.workers[0].did, answer)])
    home.done("/v1/admin", home.say(payloads.CanaryCommit, home.operator, **secrets.commitment()))
    _pass(home, home.now_ms + 300)
    claim = home.delivered("planted")
    home.wait(lambda: home.get(f"/v1/claims/{claim}")["rounds"])
    home.done("/v1/outputs", home.say(payloads.OutputOpen, home.workers[0], claim=claim))
    home.vote(claim, "pass")
    return secrets, claim


def audited(home: House, folder: Path) -> None:
    """The log of this service passes an audit, decided again from its first entry."""
    with reading(home.database) as reader:
        entries = [stored.data for stored in reader.entries(0, reader.head().size)]
    report = audit(str(publish(folder, entries, Signer(ORIGIN, Party("log").seed))), home.vkey)
    assert report.ok, report.findings
    assert report.replayed == len(entries)


def test_every_kind_of_evidence_and_canaries_good_and_bad_pass_an_audit(home: House, tmp_path: Path) -> None:
    secrets, canary = planted(home, "fail")
    by = home.operator, home.requester, home.workers[0]
    opened = home.say(payloads.CanaryOpen, *by, **secrets.opening(0))
    home.done("/v1/admin", opened)
    ended = home.wait(lambda: _ended(home, canary))
    assert (ended["state"], ended["canary"]) == ("voided", "fail")
    assert {seat["outcome"] for seat in ended["rounds"][0]["seats"]} == {"heard"}
    case = verify_bundle(home.client.get(f"/v1/claims/{canary}/bundle").content, parse_key(home.vkey))
    assert (case.state, case.verdict) == ("voided", "fail")
    words = home.get(f"/v1/claims/{canary}/timeline")["entries"]
    assert any("was a canary" in said for each in words for said in each["words"])

    claim, first, second, _ = lied(home, "two-outputs")
    proof = shown(home, "equivocation", first, second)
    home.done("/v1/evidence", proof)
    again = home.post_to("/v1/evidence", shown(home, "equivocation", second, first))
    assert (again.status_code, again.json()["code"]) == (409, "convicted-already")
    assert home.get(f"/v1/agents/{home.workers[0].did}")["left"] == "tombstoned"
    case = verify_bundle(home.client.get(f"/v1/claims/{claim}/bundle").content, parse_key(home.vkey))
    assert case.slashed_units > 0

    home.done(
        "/v1/evidence", home.say(payloads.EvidenceSubmit, home.requester, **said_of(false_word(home, claim)))
    )
    notes = tuple(note(home, size=7, root=bytes([number]) * 32) for number in (1, 2))
    home.done("/v1/evidence", shown(home, "log-fork", notes=notes))
    late = Canaries.made(ORIGIN, home.now_ms + 400, [("never", home.workers[1].did, "pass")])
    home.done("/v1/admin", home.say(payloads.CanaryCommit, home.operator, **late.commitment()))
    home.wait(lambda: _missed(home))
    audited(home, tmp_path / "log")


def false_word(home: House, claim: str) -> bytes:
    """The file that convicts the relay of naming another winner; it is good offline too."""
    index = home.get(f"/v1/claims/{claim}")["index"]
    said = {"task": "two-outputs", "claim": claim, "worker": home.workers[1].did, "index": index}
    told = home.say(payloads.RelayConfirm, home.coordinator, **said)
    with reading(home.database) as reader:
        relay = reader.record(Relay, home.relay)
    assert relay is not None
    receipts = [_receipt(home.get(f"/v1/receipts/{each}")) for each in (index, relay.index)]
    file = msgspec.json.encode(ConfirmEvidence("relay-confirm", told.signed.envelope, *receipts))
    assert verify_false_confirmation(file, parse_key(home.vkey)).relay == home.relay
    return file


def _receipt(given: dict[str, Any]) -> Receipt:
    return Receipt(given["index"], given["entry"], given["proof"])


def _ended(home: House, claim: str) -> dict[str, Any]:
    found: dict[str, Any] = home.get(f"/v1/claims/{claim}")
    return found if found["ended_ms"] else {}


def _missed(home: House) -> bool:
    with reading(home.database) as reader:
        size = reader.head().size
        return any(b"canaries.missed" in stored.data for stored in reader.entries(max(0, size - 20), size))


def note(home: House, size: int, root: bytes) -> str:
    """A checkpoint that the log's key signed beside its log."""
    return sign_note(Checkpoint(ORIGIN, size, root).body(), home.log).decode()


def test_evidence_whose_statements_are_not_signed_is_not_even_put_to_the_rules(home: House) -> None:
    _, first, second, _ = lied(home, "unsigned")
    signature = first.signed.envelope.signatures[0].sig
    forged = body_of(second).decode().replace(second.signed.envelope.signatures[0].sig, signature)
    said = home.say(
        payloads.EvidenceSubmit,
        home.requester,
        type="equivocation",
        statements=(body_of(first).decode(), forged),
    )
    for path, body in (("/v1/evidence", body_of(said)), ("/v1/statements", b"[" + body_of(said) + b"]")):
        answer = home.client.post(path, content=body, headers=JSON).json()
        found = answer["results"][0] if "results" in answer else answer
        assert (found["status"], found["code"]) == (401, "bad-signature")


def test_two_outputs_are_evidence_offline_too_and_a_retry_is_none(home: House) -> None:
    claim, first, second, receipt = lied(home, "offline")
    key = parse_key(home.vkey)
    file = EquivocationEvidence.of(receipt, body_of(second)).encode()
    proven = verify_equivocation(file, key)
    assert (proven.claim, proven.worker, proven.statements) == (
        claim,
        home.workers[0].did,
        (first.id, second.id),
    )
    said = home.say(payloads.EvidenceSubmit, home.requester, **said_of(file))
    index = home.done("/v1/evidence", said)["receipt"]["index"]
    [listed] = home.get("/v1/convictions")["convictions"]
    worker, reporter = home.workers[0].did, home.requester.did
    assert (listed["fact"], listed["type"]) == (f"equivocation/{claim}", "equivocation")
    assert (listed["party"], listed["reporter"], listed["index"]) == (worker, reporter, index)
    page = home.client.get("/convictions").text
    assert "Two outputs for one claim" in page
    assert f'href="/agents/{worker}"' in page
    assert f'data-verify="{index}"' in page
    with pytest.raises(NotProven, match="retry"):
        verify_equivocation(EquivocationEvidence.of(receipt, body_of(first)).encode(), key)
    with pytest.raises(ClientError, match="hearsay"):
        said_of(b'{"evidence":"hearsay"}')
