"""What others published about trees, notes, proofs, witnesses and Ed25519 holds in JavaScript as well."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.javascript.logs import KEY, WITNESSES, Tree
from tests.javascript.node import Node, Refused
from tests.shared import VECTORS, need
from trust.core.strict import base64_of
from trust.log import ed25519
from trust.log.note import COSIGNATURE_MLDSA, Verifier
from trust.log.quorum import PolicyError, lines_of, parse_quorum

Json = Any


def vectors(folder: str, name: str) -> Json:
    return json.loads(need(VECTORS / folder / name).read_text())


def _hashes(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def test_the_reference_tree_of_certificate_transparency(node: Node) -> None:
    told = vectors("google_certificate-transparency", "rfc6962_reference_tree.json")
    roots = [bytes.fromhex(root) for root in told["roots_hex_size_1_to_8"]]
    leaves = node.each("leafHash", [[bytes.fromhex(leaf)] for leaf in told["leaves_hex"]])
    inclusion = [
        (
            leaves[each["leaf_index"]],
            each["leaf_index"],
            each["tree_size"],
            _hashes(each["path"]),
            roots[each["tree_size"] - 1],
        )
        for each in told["inclusion_paths"]
    ]
    assert node.each("verifyInclusion", inclusion) == [None] * len(inclusion)
    wrong = [(leaf, index, size, steps, bytes(32)) for leaf, index, size, steps, _ in inclusion]
    assert all(answer["refused"] for answer in node.each("verifyInclusion", wrong))
    consistency = [
        (
            each["size1"],
            roots[each["size1"] - 1],
            each["size2"],
            roots[each["size2"] - 1],
            _hashes(each["proof"]),
        )
        for each in told["consistency_proofs"]
    ]
    assert node.each("verifyConsistency", consistency) == [None] * len(consistency)


def test_the_notes_of_go(node: Node) -> None:
    told = vectors("golang_mod", "note_cases.json")
    for case in (case for case in told["open"] if case["vkeys"]):
        for vkey in case["vkeys"]:
            (answer,) = node.each("openNote", [[case["note"], node.parseKey(vkey)]])
            assert isinstance(answer, str) is case["result"].startswith("ok"), case["name"]
    vkey = told["signing"]["vkey"]
    bad = [*told["bad_vkeys"], *(vkey[:at] for at in range(len(vkey)))]
    bad += [vkey[:at] + chr(ord(vkey[at]) + 1) + vkey[at + 1 :] for at in range(len(vkey))]
    assert [
        key
        for key, answer in zip(bad, node.each("parseKey", [[key] for key in bad]), strict=True)
        if not answer.get("refused")
    ] == []


def test_the_examples_of_c2sp(node: Node) -> None:
    told = vectors("C2SP_C2SP", "spec_examples.json")["signed_note"]
    assert node.openNote(told["note"], node.parseKey(told["vkey"])) == "This is an example message.\n"


def test_checkpoints_and_proofs_of_transparency_dev(node: Node) -> None:
    told = vectors("transparency-dev_formats", "tlog_proof_cases.json")
    assert not [
        answer for answer in node.each("parseProof", [[text] for text in told["valid"]]) if "error" in answer
    ]
    invalid = node.each("parseProof", [[case["proof"]] for case in told["invalid"]])
    assert all(answer["refused"] for answer in invalid)
    bodies = [
        case["body"]
        for case in vectors("transparency-dev_formats", "checkpoint_body_cases.json")["cases"]
        if case["want_err"]
    ]
    assert all(answer["refused"] for answer in node.each("parseCheckpoint", [[body] for body in bodies]))


def test_policies_of_witnesses_are_taken_where_python_takes_them(node: Node) -> None:
    texts = vectors("transparency-dev_formats", "witness_policies.json")["policies"]
    one, other = WITNESSES[0].verifier, Verifier("pq.example", bytes(1312), COSIGNATURE_MLDSA)
    base = f"witness a {one}\nwitness b {other} https://witness.example\n"
    for more in (
        "group g all a b",
        "group g 2 a b",
        "group g any a",
        "group g 3 a b",
        "group g 0 a",
        "group g -1 a",
        "group g 1 a a",
        "group g 1 none",
        "group g all",
        "group a any b",
        "#",
        "log x",
        f"witness c {one}",
    ):
        texts += [f"{base}{more}\nquorum g\n", f"{base}{more}\nquorum a\n", f"{base}{more}\n"]
    texts += [
        f"{base}quorum a\nquorum b\n",
        "quorum none\n",
        "quorum a\n",
        f"{base}quorum\ta \n",
        f"{base}quorum\u00a0a\n",
        "",
    ]
    expected = [_is_policy(text) for text in texts]
    assert True in expected
    assert False in expected
    answers = node.each("parseQuorum", [[text] for text in texts])
    assert [not answer.get("refused", False) for answer in answers] == expected


def _is_policy(text: str) -> bool:
    try:
        parse_quorum(lines_of(text))
    except PolicyError:
        return False
    return True


def test_a_note_that_only_ml_dsa_could_complete_is_not_called_false(node: Node) -> None:
    key = Verifier("pq.example", bytes(1312), COSIGNATURE_MLDSA)
    note = Tree([b"entry"]).checkpoint().decode()
    quorum = {"quorum": f"witness pq {key}\nquorum pq\n"}
    assert node.verifyCheckpoint(note, str(KEY), quorum)["verdict"] == "refused"
    cosigned = f"{note}\u2014 {key.name} {base64_of(key.key_id + bytes(2428))}\n"
    assert node.verifyCheckpoint(cosigned, str(KEY), quorum)["verdict"] == "unknown"
    assert node.verifyCheckpoint(cosigned, str(KEY), {})["verdict"] == "proven"


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("cctv-ed25519vectors.json", ("key", "msg", "sig")),
        ("ed25519-speccheck-cases.json", ("pub_key", "message", "signature")),
    ],
)
def test_edge_cases_of_ed25519_get_the_verdict_that_libsodium_gives(
    node: Node, name: str, fields: tuple[str, str, str]
) -> None:
    cases = vectors("ed25519", name)
    key, message, signature = fields
    is_text = name.startswith("cctv")
    calls = [
        [
            bytes.fromhex(case[key]),
            case[message].encode() if is_text else bytes.fromhex(case[message]),
            bytes.fromhex(case[signature]),
        ]
        for case in cases
    ]
    assert node.each("verifySignature", calls) == [ed25519.verify(*call) for call in calls]


def test_wycheproof_gets_the_verdict_that_it_wants(node: Node) -> None:
    groups = vectors("ed25519", "wycheproof-ed25519_test.json")["testGroups"]
    cases = [(bytes.fromhex(group["publicKey"]["pk"]), case) for group in groups for case in group["tests"]]
    calls = [[key, bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"])] for key, case in cases]
    assert node.each("verifySignature", calls) == [case["result"] == "valid" for _, case in cases]


def test_a_signature_with_the_neutral_point_is_refused(node: Node) -> None:
    neutral = bytes([1]) + bytes(31)
    assert node.each("isValidKey", [[neutral], [bytes(32)], [bytes(31)], [b"\xff" * 32]]) == [False] * 4
    with pytest.raises(Refused):
        node.signerOfSeed(bytes(31))
