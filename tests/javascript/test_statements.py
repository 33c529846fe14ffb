"""Statements signed in JavaScript are taken by Python, and the other way round, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.factories import did, seed, statement
from tests.javascript.node import Node, Refused
from trust.core import commands, envelope, rulebook
from trust.core.identity import did_of
from trust.log import ed25519

SAID = {
    "kind": "task.cancel",
    "network": "trust.example.org/main",
    "actor": did(0),
    "issued_ms": 1_800_000_000_000,
    "expires_ms": 1_800_000_600_000,
    "task": "task-1",
}
Json = dict[str, Any]


def test_the_same_seed_and_payload_give_the_same_envelope_in_both_languages(node: Node) -> None:
    for seeds in ([seed(0)], [seed(0), seed(1), seed(2)]):
        made = node.sign(SAID, seeds)
        payload = json.dumps(SAID, separators=(",", ":")).encode()
        assert json.dumps(made, separators=(",", ":")).encode() == envelope.sign(payload, seeds)
        spoken = commands.parse(json.dumps(made).encode())
        rulebook.verify(spoken)
        assert spoken.id == node.openStatement(made)["id"]


def test_a_statement_signed_in_python_is_opened_in_javascript(node: Node) -> None:
    sent = statement("task.cancel", task="task-7", seeds=[seed(0), seed(3)])
    opened = node.openStatement(sent)
    assert opened["payload"]["task"] == "task-7"
    assert sorted(opened["signers"]) == sorted([did(0), did(3)])
    assert opened["id"] == commands.parse(sent).id


def test_every_byte_of_an_envelope_counts(node: Node) -> None:
    sent = statement("task.cancel", task="task-7")
    changed = [
        [sent[:at] + bytes([sent[at] ^ mask]) + sent[at + 1 :]]
        for at in range(len(sent))
        for mask in (1, 0x20)
    ]
    assert [answer for answer in node.each("openStatement", changed) if not answer.get("refused")] == []


def _with(change: Any) -> bytes:
    sent = json.loads(statement("task.cancel", task="task-7"))
    change(sent)
    return json.dumps(sent).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda sent: sent["signatures"].append(sent["signatures"][0]),
        lambda sent: sent["signatures"].clear(),
        lambda sent: sent.update(payloadType="application/json"),
        lambda sent: sent["signatures"][0].update(keyid=did(1)),
        lambda sent: sent["signatures"][0].update(more=1),
        lambda sent: sent.update(payload=sent["payload"].rstrip("=") + "===="),
    ],
)
def test_an_envelope_that_is_not_what_it_must_be_is_refused(node: Node, change: Any) -> None:
    (answer,) = node.each("openStatement", [[_with(change)]])
    assert answer["refused"]


@pytest.mark.parametrize(
    "text",
    [
        '{"kind":"a","kind":"a"}',
        '{"kind":"\\ud800"}',
        '{"a":9007199254740992}',
        '{"a":1.0}',
        '{"a":1e2}',
        '{"a":01}',
        '{"a":NaN}',
        "[" * 17 + "]" * 17,
        "{} ",
        '{"a":1,}',
        "{'a':1}",
        '{"a":"\t"}',
        '{"a":"\\x"}',
        '{"a" 1}',
        '{"__proto__":1,"__proto__":2}',
        "{}{}",
        "",
    ],
)
def test_json_is_read_as_strictly_as_python_reads_it(node: Node, text: str) -> None:
    accepted = text == "{} "
    (answer,) = node.each("parseStrict", [[text, {"maxBytes": 1000}]])
    assert answer.get("refused", False) is not accepted


def test_json_keeps_what_it_reads(node: Node) -> None:
    value = {"a": [1, -9007199254740991, True, None, '\u00e9\n"\U0001f41f'], "__proto__": {"7": [], "1": {}}}
    for spaced in (None, 1):
        assert node.parseStrict(json.dumps(value, indent=spaced), {"maxBytes": 1000}) == value
    with pytest.raises(Refused):
        node.parseStrict(json.dumps(value), {"maxBytes": 10})


def test_dids_are_read_and_written_alike(node: Node) -> None:
    for number in range(20):
        key = ed25519.public_key(seed(number))
        assert node.didOf(key) == did_of(key)
        assert node.keyOf(did_of(key)) == key
    bad = [
        [did(0)[:-1]],
        [did(0) + "1"],
        [did(0)[:-1] + "0"],
        ["did:web:" + did(0)[8:]],
        ["did:key:z" + "1" * 47],
        [did(0)[:-2] + "zz"],
    ]
    assert [answer["refused"] for answer in node.each("keyOf", bad)] == [True] * len(bad)


def test_base64_has_one_spelling_however_long_it_is(node: Node) -> None:
    good = ["", "AA==", "AAA=", "AAAA", "+/+/", "A" * 4_000_000]
    bad = [
        "A",
        "AA",
        "AAA",
        "A===",
        "====",
        "AB==",
        "AAB=",
        "AA==AA==",
        "AA==\n",
        " AA==",
        "AA=A",
        "-_-_",
        "A" * 4_000_000 + "!AAA",
    ]
    assert [len(node.fromBase64(text)) for text in good] == [0, 1, 2, 3, 3, 3_000_000]
    assert [answer.get("refused") for answer in node.each("fromBase64", [[text] for text in bad])] == [
        True
    ] * len(bad)
