"""Witnesses with ML-DSA-44 keys (C2SP tlog-cosignature, type 0x06): what they sign, and that it counts."""

from __future__ import annotations

from base64 import b64decode
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.core.witnesses import witness
from trust.log import mldsa
from trust.log.checkpoint import Checkpoint
from trust.log.note import (
    COSIGNATURE_MLDSA,
    NoteError,
    Signature,
    Signer,
    Verifier,
    add_signatures,
    encode_base64,
    open_note,
    sign_note,
    subtree_message,
)
from trust.log.quorum import QuorumMissing, open_with_quorum, parse_quorum

KEY = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
NAME, TIME_S = "witness.example.com/w1", 1_679_315_147
COSIGNER = Verifier(NAME, PUBLIC, COSIGNATURE_MLDSA)
LOG = Signer("example.com/behind-the-sofa", bytes(32))
CHECKPOINT = Checkpoint(LOG.name, 20_852_163, b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="))


def cosign(text: str, time_s: int = TIME_S, name: str = NAME) -> Signature:
    """The line of a witness with such a key."""
    signed = KEY.sign(subtree_message(name, time_s, text))
    return Signature(COSIGNER.name, COSIGNER.key_id, time_s.to_bytes(8, "big") + signed)


def test_what_is_signed_is_laid_out_as_the_specification_says() -> None:
    said = subtree_message(NAME, TIME_S, CHECKPOINT.body())
    assert said == b"".join(
        (
            b"subtree/v1\n\0",
            b"\x16witness.example.com/w1",
            bytes.fromhex("00000000641850cb"),
            b"\x1bexample.com/behind-the-sofa",
            bytes(8),
            (20_852_163).to_bytes(8, "big"),
            CHECKPOINT.root,
        )
    )
    extended = Checkpoint(CHECKPOINT.origin, CHECKPOINT.size, CHECKPOINT.root, ("more",))
    assert subtree_message(NAME, TIME_S, extended.body()) == said


def test_a_key_has_the_id_and_the_text_that_the_specification_says() -> None:
    assert COSIGNER.key_id == sha256(NAME.encode() + b"\n\x06" + PUBLIC).digest()[:4]
    assert str(COSIGNER) == f"{NAME}+{COSIGNER.key_id.hex()}+{encode_base64(bytes([6]) + PUBLIC)}"
    assert Verifier.parse(str(COSIGNER)) == COSIGNER
    for size in (0, 32, len(PUBLIC) - 1, len(PUBLIC) + 1):
        with pytest.raises(NoteError, match="not an ML-DSA-44"):
            Verifier(NAME, bytes(size), COSIGNATURE_MLDSA)
    with pytest.raises(NoteError, match="0x06"):
        Signer(NAME, bytes(32), COSIGNATURE_MLDSA)


def test_a_cosignature_verifies_over_its_checkpoint_and_its_time_and_nothing_else() -> None:
    note = add_signatures(sign_note(CHECKPOINT.body(), LOG), [cosign(CHECKPOINT.body())])
    opened = open_note(note, [LOG.verifier, COSIGNER])
    assert [line.time_s for line in opened.verified] == [None, TIME_S]
    good = cosign(CHECKPOINT.body())
    other = Checkpoint(LOG.name, 20_852_162, CHECKPOINT.root).body()
    later = Signature(good.name, good.key_id, (TIME_S + 1).to_bytes(8, "big") + good.blob[8:])
    for text, line in (
        (other, good),
        (CHECKPOINT.body(), later),
        (CHECKPOINT.body(), cosign(CHECKPOINT.body(), name="witness.example.com/w2")),
        (CHECKPOINT.body(), Signature(good.name, good.key_id, good.blob[:-1])),
        (CHECKPOINT.body(), Signature(good.name, good.key_id, good.blob + b"\0")),
        (CHECKPOINT.body(), Signature(good.name, good.key_id, b"\0")),
        (CHECKPOINT.body(), cosign(CHECKPOINT.body(), time_s=0)),
    ):
        with pytest.raises(NoteError):
            COSIGNER.check(text, line)


@pytest.mark.parametrize(
    "text", ["", "one\n", "a\nb\nc\n", "a\n1\n", "a\n-1\nAAAA\n", f"{'o' * 256}\n1\n{'A' * 43}=\n"]
)
def test_what_is_no_checkpoint_cannot_be_signed_so(text: str) -> None:
    with pytest.raises(NoteError):
        subtree_message(NAME, TIME_S, text)


def test_such_a_witness_counts_towards_a_quorum() -> None:
    old = witness("old")
    lines = [
        f"witness new {COSIGNER}",
        f"witness old {old.verifier}",
        "group both all new old",
        "quorum both",
    ]
    quorum = parse_quorum(lines)
    half = add_signatures(sign_note(CHECKPOINT.body(), LOG), [old.sign(CHECKPOINT.body(), TIME_S)])
    with pytest.raises(QuorumMissing, match="1 of 2 witnesses: old"):
        open_with_quorum(half, LOG.verifier, quorum)
    whole = add_signatures(half, [cosign(CHECKPOINT.body())])
    _, cosigned = open_with_quorum(whole, LOG.verifier, quorum)
    assert quorum.summary(cosigned) == "2 of 2 witnesses: new, old"


def test_a_signature_of_another_length_or_key_is_false_and_never_an_error() -> None:
    signed = KEY.sign(b"said")
    assert mldsa.verify(PUBLIC, b"said", signed)
    for key, message, signature in (
        (PUBLIC, b"other", signed),
        (bytes(len(PUBLIC)), b"said", signed),
        (b"", b"said", signed),
        (PUBLIC, b"said", b""),
        (PUBLIC, b"said", bytes(len(signed))),
        (PUBLIC, b"said", b"\xff" * len(signed)),
        (b"\xff" * len(PUBLIC), b"said", signed),
    ):
        assert not mldsa.verify(key, message, signature)
