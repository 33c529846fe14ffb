"""Files that the service hands out: the JavaScript verifier proves what the Python one proves, and refuses each lie."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.audit.networks import ORIGIN, did, signer
from tests.audit.test_rotations import receipt as receipt_under
from tests.audit.test_rotations import rotated
from tests.client.services import Log
from tests.factories import log_signer, statement
from tests.javascript.logs import KEY, POLICY, TWO_OF_THREE, WITNESSES, Tree, rows, score_file
from tests.javascript.node import Node
from tests.verify.cases import bundled, claim_of, good, network
from trust.core.receipt import Receipt
from trust.log.note import Signer, sign_note
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven
from trust.verify.files import verify_file, verify_scores
from trust.verify.receipts import pack, verify_refusal

Json = dict[str, Any]
SIGNED = log_signer()


@pytest.fixture(scope="module")
def log() -> Log:
    log = Log()
    for number in range(5):
        log.append(statement("task.cancel", task=f"task-{number}"))
    return log


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(network().entries)


def proven(node: Node, data: bytes, key: object = SIGNED.verifier, **options: object) -> Json:
    """The report about a file that must hold."""
    report = node.verifyFile(data, str(key) if not isinstance(key, dict) else key, options)
    assert (report["verdict"], report["reason"]) == ("proven", "")
    assert all(step["ok"] for step in report["steps"])
    return dict(report)


def refused(node: Node, data: bytes, key: object = SIGNED.verifier, **options: object) -> str:
    """Why a file is refused."""
    report = node.verifyFile(data, str(key) if not isinstance(key, dict) else key, options)
    assert (report["verdict"], report["ok"], report["facts"]) == ("refused", False, None), report["reason"]
    assert [step["ok"] for step in report["steps"]].index(False) == len(report["steps"]) - 1
    assert report["steps"][-1]["detail"] == report["reason"]
    return str(report["reason"])


# -- receipts and refusals


def test_a_receipt_proves_its_entry_and_the_steps_say_how(node: Node, log: Log) -> None:
    report = proven(node, log.receipt(3).encode())
    facts = report["facts"]
    assert (report["kind"], facts["index"], facts["data"]) == ("receipt", 3, log.entries[3])
    assert facts["statement"]["payload"]["task"] == "task-3"
    assert [step["step"] for step in report["steps"]] == [
        "the keys that you trust can be read",
        "the log's key signed the checkpoint",
        "the entry is in that tree",
        "the entry can be read",
        "its statement is signed, and of this network",
    ]
    assert report["steps"][3]["bytes"] == log.entries[3]


def test_every_byte_of_a_receipt_counts(node: Node, log: Log) -> None:
    data = log.receipt(2).encode().rstrip()
    assert node.flips("verifyReceipt", data, str(SIGNED.verifier), {}, list(range(len(data))), [0x01]) == []
    assert (
        node.flips(
            "verifyReceipt", data, str(SIGNED.verifier), {}, list(range(0, len(data), 5)), [0x20, 0x80]
        )
        == []
    )


def test_every_byte_of_a_refusal_counts(node: Node, log: Log) -> None:
    data = log.refusal("sha256:" + "ab" * 32, "insufficient-stake").encode()
    facts = proven(node, data)["facts"]
    told = msgspec.to_builtins(verify_refusal(data, SIGNED.verifier))
    assert {**facts, "root": bytes.fromhex(facts["root"])} == {
        **told,
        "root": verify_refusal(data, SIGNED.verifier).root,
    }
    assert (
        node.flips("verifyRefusal", data, str(SIGNED.verifier), {}, list(range(len(data))), [0x01, 0x80])
        == []
    )


def test_a_receipt_is_refused_by_another_key_for_another_index_and_where_its_path_is_cut(
    node: Node, log: Log
) -> None:
    receipt = log.receipt(1)
    for other in (log_signer(7).verifier, Signer("elsewhere.example/log", bytes(32)).verifier):
        assert "did not sign the note" in refused(node, receipt.encode(), other)
    assert "for entry 1" in refused(node, Receipt(2, receipt.entry, receipt.proof).encode())
    assert "leads to" in refused(node, Receipt(1, log.receipt(2).entry, receipt.proof).encode())
    head, blank, checkpoint = receipt.proof.partition("\n\n")
    cut = head.rpartition("\n")[0] + blank + checkpoint
    assert "hashes where" in refused(node, Receipt(1, receipt.entry, cut).encode())
    longer = head + head[head.rindex("\n") :] + blank + checkpoint
    assert "hashes where" in refused(node, Receipt(1, receipt.entry, longer).encode())


def test_a_statement_of_another_network_or_with_a_false_signature_is_refused_although_it_is_in_the_log(
    node: Node,
) -> None:
    log = Log()
    log.append(statement("task.cancel", network="elsewhere.example/log"))
    assert "elsewhere" in refused(node, log.receipt(0).encode())
    forged = json.loads(statement("task.cancel"))
    forged["signatures"][0]["keyid"] = did("somebody")
    log.append(json.dumps(forged).encode())
    assert "does not hold" in refused(node, log.receipt(1).encode())


def test_what_was_sent_is_what_the_receipt_must_hold(node: Node, log: Log) -> None:
    payload = node.openStatement(json.loads(log.entries[1])["command"]["statement"])["bytes"]
    key = str(SIGNED.verifier)
    assert node.verifyReceipt(log.receipt(1).encode(), key, {"sent": payload})["ok"]
    assert (
        "another statement" in node.verifyReceipt(log.receipt(2).encode(), key, {"sent": payload})["reason"]
    )


def test_batches_problems_and_answers_are_taken_for_what_they_are(node: Node, log: Log) -> None:
    packed = pack([log.receipt(index) for index in range(5)])
    assert [each["index"] for each in proven(node, packed.encode())["facts"]] == [0, 1, 2, 3, 4]
    swapped = msgspec.structs.replace(packed.receipts[0], index=4)
    refused(node, msgspec.structs.replace(packed, receipts=(*packed.receipts[:4], swapped)).encode())
    refused(node, msgspec.structs.replace(packed, receipts=()).encode())
    note = log.refusal("sha256:" + "ab" * 32, "jailed")
    assert proven(node, json.dumps({"code": "jailed", "refusal": note}).encode())["kind"] == "refusal"
    assert proven(node, log.written(statement("task.cancel", task="task-1")).body)["kind"] == "receipt"
    assert proven(node, log.checkpoint())["kind"] == "checkpoint"


def test_a_refusal_is_proven_with_the_statement_that_it_is_about(node: Node, log: Log) -> None:
    sent = statement("task.cancel", task="refused")
    opened = node.openStatement(json.loads(sent))
    for named, holds in ((opened["id"], True), ("sha256:" + "ab" * 32, False)):
        note = log.refusal(named, "unknown-task")
        data = json.dumps({"evidence": "refusal", "note": note, "statement": json.loads(sent)}).encode()
        report = node.verifyFile(data, str(SIGNED.verifier))
        assert (report["kind"], report["ok"]) == ("denial", holds)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" \n",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b"\xff\xfe",
        b'{"receipts": 1}',
        b'{"index": 1',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_no_file_at_all_is_refused(node: Node, data: bytes) -> None:
    refused(node, data)


def test_json_that_two_readers_could_understand_differently_is_refused(node: Node, log: Log) -> None:
    data = log.receipt(2).encode().decode()
    assert "more than once" in refused(node, data.replace('{"index":2', '{"index":1,"index":2', 1).encode())
    assert "unknown" in refused(node, data.replace('{"index":2', '{"more":1,"index":2', 1).encode())
    assert "2^53-1" in refused(node, data.replace('"index":2', '"index":9007199254740993', 1).encode())
    for number in ("2.0", "2e0", "-2", '"2"', "02"):
        refused(node, data.replace('"index":2', f'"index":{number}', 1).encode())
    receipt = json.loads(data)
    assert "not canonical base64" in refused(
        node, json.dumps({**receipt, "entry": _other_spelling(receipt["entry"])}).encode()
    )
    assert "not base64" in refused(
        node, json.dumps({**receipt, "entry": receipt["entry"][:8] + "\n" + receipt["entry"][8:]}).encode()
    )
    proven(node, json.dumps(receipt, indent=1).encode())


def _other_spelling(text: str) -> str:
    """Base64 of the same bytes with unused bits set; a byte is added where there are none."""
    stem = text.rstrip("=")
    if stem == text:
        return text + "QR=="
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    return stem[:-1] + alphabet[alphabet.index(stem[-1]) | 1] + "=" * (len(text) - len(stem))


def test_evidence_and_formats_that_are_not_checked_here_are_not_called_false(node: Node) -> None:
    for data in (b'{"evidence": "equivocation"}', b'{"format": "trust/bundle/v9"}'):
        assert node.verifyFile(data, str(KEY))["verdict"] == "unknown"


# -- witnesses


def test_enough_of_the_readers_witnesses_must_have_cosigned(node: Node, tree: Tree) -> None:
    data = tree.receipt(3, cosigners=WITNESSES[:2]).encode()
    witnesses = proven(node, data, KEY, quorum=TWO_OF_THREE)["facts"]["witnesses"]
    assert witnesses == [{"witness": f"w{n}", "time_s": 1_800_000_000 + n} for n in range(2)]
    alone = tree.receipt(3, cosigners=WITNESSES[:1]).encode()
    assert "1 of 3 witnesses, w0" in refused(node, alone, KEY, quorum=TWO_OF_THREE)
    strangers = [Signer(each.name, bytes(32), each.key_type) for each in WITNESSES]
    assert "nobody" in refused(node, tree.receipt(3, cosigners=strangers).encode(), KEY, quorum=TWO_OF_THREE)
    proven(node, alone, KEY, quorum=f"{POLICY}quorum w0\n")
    refused(node, alone, KEY, quorum=f"{POLICY}group all all w0 w1\nquorum all\n")


def test_every_byte_of_a_cosigned_checkpoint_counts(node: Node, tree: Tree) -> None:
    note = tree.checkpoint(cosigners=WITNESSES[:2])
    places = list(range(len(note)))
    assert node.flips("verifyCheckpoint", note, str(KEY), {"quorum": TWO_OF_THREE}, places, [0x01]) == []


# -- keys that change


def test_a_log_is_followed_from_its_first_key_to_the_one_that_signs(node: Node) -> None:
    world, (first, second) = rotated("log-2", "log-3")
    keys = [signer(name) for name in ("log", "log-2", "log-3")]
    entries, size = world.entries, len(world.entries)
    rotations = [
        receipt_under(entries, first, first + 1, keys[0]),
        receipt_under(entries, second, second + 1, keys[1]),
    ]
    told = [each.encode().decode() for each in rotations]
    followed = node.follow(str(keys[0].verifier), told)
    assert followed["ok"], followed["reason"]
    data = receipt_under(entries, 1, size, keys[2]).encode()
    proven(node, data, followed["facts"])
    assert "did not sign" in refused(node, data, keys[0].verifier)
    late = receipt_under(entries, 1, size, keys[0]).encode()
    assert "did not sign" in refused(node, late, followed["facts"])
    assert not node.follow(str(keys[0].verifier), told[1:])["ok"]
    assert not node.follow(
        str(keys[0].verifier), [receipt_under(entries, 1, size, keys[0]).encode().decode()]
    )["ok"]


# -- bundles


@pytest.mark.parametrize("worker", ["mallory", "bob", "lena"])
def test_a_bundle_proves_its_entries(node: Node, worker: str) -> None:
    data = good(worker)
    report = proven(node, data, KEY)
    case = verify_bundle(data, KEY)
    facts = report["facts"]
    assert (report["kind"], facts["claim"]) == ("bundle", case.claim)
    assert tuple(each["index"] for each in facts["entries"]) == case.entries
    assert facts["checkpoint"]["root"].hex() == case.root


def test_a_changed_byte_of_a_bundle_is_refused(node: Node) -> None:
    data = good().rstrip()
    places = [
        *range(90),
        *range(90, len(data), 1 + len(data) // 150),
        *range(len(data) - 200, len(data), 7),
    ]
    assert node.flips("verifyBundle", data, str(KEY), {}, places, [0x01]) == []


def _changed(change: Callable[[Json], object]) -> bytes:
    file = json.loads(good())
    change(file)
    return json.dumps(file).encode()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda file: file["entries"].pop(0), "genesis, is missing"),
        (lambda file: file["entries"].reverse(), "genesis, is missing"),
        (lambda file: file["entries"].insert(1, file["entries"][2]), "not in log order"),
        (lambda file: file["entries"][2]["path"].pop(), "hashes"),
        (lambda file: file["entries"][2].update(index=file["entries"][2]["index"] - 1), "entry|log order"),
        (lambda file: file["hashes"].append(file["hashes"][0]), "exactly"),
        (lambda file: file["pool"].append("AAAA"), "none that is sealed"),
        (lambda file: file.update(claim="clm_" + "a" * 26), "no entry opens"),
        (lambda file: file.update(more=1), "unknown"),
    ],
)
def test_a_bundle_that_is_not_what_it_must_be_is_refused_in_words(
    node: Node, change: Callable[[Json], object], match: str
) -> None:
    assert any(word in refused(node, _changed(change), KEY) for word in match.split("|"))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: text.replace('"command":', '"command": '), "white space"),
        (lambda text: text.replace('"postings":[["', '"postings":[["operator/bond",1],["'), "sum to 1"),
        (lambda text: text.replace('"at_ms":1', '"at_ms":2', 1), "time goes back"),
        (lambda text: text.replace('"v":1', '"\\u0076":1'), "canonical"),
    ],
)
def test_an_entry_that_the_log_holds_and_no_honest_service_wrote_is_refused(
    node: Node, change: Callable[[str], str], match: str
) -> None:
    claim = claim_of(network(), "mallory")
    kept = [each["index"] for each in json.loads(good())["entries"]]
    paid = next(at for at in kept[2:] if b'"postings":[["' in network().entries[at])
    altered = change(network().entries[paid].decode()).encode()
    assert altered != network().entries[paid]
    reason = refused(node, bundled(network(), claim, {paid: altered}).encode(), KEY)
    assert match in reason
    assert "entry " in reason


# -- scores


def test_a_file_of_scores_says_what_python_says(node: Node) -> None:
    for agent in sorted({row.agent for row in rows()}):
        places = [at for at, row in enumerate(rows()) if row.agent == agent]
        shown = range(max(0, places[0] - 1), min(len(rows()), places[-1] + 2))
        data = score_file(shown, agent).encode()
        facts = proven(node, data, KEY)["facts"]
        del facts["witnesses"]
        assert facts == json.loads(msgspec.json.encode(verify_scores(data, KEY)))


def test_a_row_that_is_left_out_is_missed(node: Node) -> None:
    agent = sorted({row.agent for row in rows()})[1]
    places = [at for at, row in enumerate(rows()) if row.agent == agent]
    whole = [places[0] - 1, *places, places[-1] + 1]
    for shown, match in (
        (whole[1:], "may be missing"),
        (whole[:-1], "may be missing"),
        (whole[:2] + whole[3:], "side by side"),
    ):
        data = score_file(shown, agent).encode()
        assert match in refused(node, data, KEY)
        with pytest.raises(NotProven):
            verify_file(data, KEY)


def test_every_byte_of_a_file_of_scores_counts(node: Node) -> None:
    agent = rows()[0].agent
    data = score_file([0, 1, 2], agent).encode().rstrip()
    places = list(range(0, len(data), 1 + len(data) // 300))
    assert node.flips("verifyScores", data, str(KEY), {}, places, [0x01]) == []


def test_a_note_that_is_no_refusal_of_this_log_is_refused(node: Node) -> None:
    lines = ("trust/refusal/v1", "elsewhere.example", "sha256:ab", "jailed", "1", "2", "AAAA")
    body = "".join(f"{line}\n" for line in lines)
    assert "elsewhere" in refused(node, sign_note(body, signer()), KEY)
    short = sign_note(f"trust/refusal/v1\n{ORIGIN}\n", signer())
    assert "7 lines" in refused(node, short, KEY)


def test_without_webcrypto_nothing_is_said_for_or_against_a_file(node: Node, log: Log) -> None:
    report = node.withoutWebCrypto("verifyFile", log.receipt(1).encode(), str(SIGNED.verifier), {})
    assert (report["verdict"], report["ok"]) == ("unknown", False)
    assert "open it by https, on localhost, or from a file" in report["reason"]
