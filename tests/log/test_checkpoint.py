"""Checkpoints: the text, and what a signed one must be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.shared import VECTORS, need
from trust.log.checkpoint import Checkpoint, CheckpointError, open_checkpoint, open_cosigned
from trust.log.merkle import EMPTY_ROOT
from trust.log.note import (
    COSIGNATURE_V1,
    NoteError,
    Signer,
    add_signatures,
    encode_base64,
    parse_note,
    sign_note,
)

LOG = Signer("log.example/main", bytes(range(32)))
WITNESSES = [Signer(f"witness.example/w{n}", bytes([n] * 32), COSIGNATURE_V1) for n in range(3)]
CHECKPOINT = Checkpoint(LOG.name, 20_852_163, bytes(range(32)))
ROOT = encode_base64(CHECKPOINT.root)
LINES = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=1)


def test_published_bodies_are_read_or_refused_as_there() -> None:
    cases = json.loads(need(VECTORS / "transparency-dev_formats" / "checkpoint_body_cases.json").read_text())
    for case in cases["cases"]:
        # Their valid bodies carry words for a root; ours must be 32 bytes, so they get one.
        body = case["body"]
        for words in ("YmFuYW5hcw==", "dGhlIHZpZXcgZnJvbSB0aGUgdHJlZSB0b3BzIGlzIGdyZWF0IQ=="):
            body = body.replace(words, ROOT)
        # The specification says since: extension lines are non-empty.
        if case["want_err"] or case["desc"] == "valid with trailing newlines":
            with pytest.raises(CheckpointError):
                Checkpoint.parse(body)
        else:
            assert Checkpoint.parse(body).body() == body


def test_the_checkpoint_of_the_spec_parses() -> None:
    examples = json.loads(need(VECTORS / "C2SP_C2SP" / "spec_examples.json").read_text())
    text, lines = parse_note(examples["cosigned_checkpoint"].encode())
    checkpoint = Checkpoint.parse(text)
    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert [line.name for line in lines] == ["example.com/behind-the-sofa", "witness.example.com/w1"]


@given(LINES, st.integers(1, 2**63 - 1), st.binary(min_size=32, max_size=32), st.lists(LINES))
def test_every_checkpoint_reads_back(origin: str, size: int, root: bytes, extensions: list[str]) -> None:
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert Checkpoint.parse(checkpoint.body()) == checkpoint


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n\n\n",
        f"log\n1\n{ROOT}",
        f"log\n01\n{ROOT}\n",
        f"log\n+1\n{ROOT}\n",
        f"log\n 1\n{ROOT}\n",
        f"log\n1_0\n{ROOT}\n",
        f"log\n9223372036854775808\n{ROOT}\n",
        f"log\n{'9' * 5_000}\n{ROOT}\n",
        f"log\n1\n{ROOT[:-1]}\n",
        f"log\n1\n{ROOT} \n",
        "log\n1\nAAAA\n",
        f"log\n1\n{ROOT}\n\n",
        f"log\n1\n{ROOT}\n\nextension\n",
        f"log\n0\n{ROOT}\n",
    ],
)
def test_a_malformed_body_is_refused(body: str) -> None:
    with pytest.raises(CheckpointError):
        Checkpoint.parse(body)


def test_a_checkpoint_that_could_not_be_read_back_is_not_made() -> None:
    for origin, size, root, extensions in (
        ("", 1, bytes(32), ()),
        ("a\nb", 1, bytes(32), ()),
        ("log", -1, bytes(32), ()),
        ("log", 2**63, bytes(32), ()),
        ("log", 1, bytes(31), ()),
        ("log", 0, bytes(32), ()),
        ("log", 1, bytes(32), ("",)),
        ("log", 1, bytes(32), ("a\nb",)),
    ):
        with pytest.raises(CheckpointError):
            Checkpoint(origin, size, root, extensions)
    assert Checkpoint("log", 0, EMPTY_ROOT).body() == f"log\n0\n{encode_base64(EMPTY_ROOT)}\n"


def test_a_checkpoint_opens_for_its_origin_and_key_only() -> None:
    note = sign_note(CHECKPOINT.body(), LOG)
    assert open_checkpoint(note, LOG.name, LOG.verifier) == CHECKPOINT
    with pytest.raises(CheckpointError, match="not of"):
        open_checkpoint(note, "log.example/other", LOG.verifier)
    with pytest.raises(NoteError):
        open_checkpoint(note, LOG.name, Signer(LOG.name, bytes(32)).verifier)


def test_a_signed_note_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(CheckpointError):
        open_checkpoint(sign_note("hello\n", LOG), LOG.name, LOG.verifier)


def test_cosignatures_of_known_witnesses_are_reported_and_of_others_not() -> None:
    lines = [witness.sign(CHECKPOINT.body(), 100 + n) for n, witness in enumerate(WITNESSES)]
    note = add_signatures(sign_note(CHECKPOINT.body(), LOG), lines)
    known = [witness.verifier for witness in WITNESSES[:2]]
    checkpoint, cosignatures = open_cosigned(note, LOG.name, LOG.verifier, known)
    assert checkpoint == CHECKPOINT
    assert [(line.name, line.time_s) for line in cosignatures] == [
        ("witness.example/w0", 100),
        ("witness.example/w1", 101),
    ]


def test_witnesses_alone_do_not_make_a_checkpoint() -> None:
    note = sign_note(CHECKPOINT.body(), *WITNESSES, time_s=5)
    with pytest.raises(CheckpointError, match="did not sign"):
        open_cosigned(note, LOG.name, LOG.verifier, [witness.verifier for witness in WITNESSES])
