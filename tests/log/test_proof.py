"""The receipt's proof: one text, verified offline."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.log.trees import WholeTree, flipped, leaf_hashes
from tests.shared import VECTORS, need
from trust.log import merkle
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.merkle import ProofError
from trust.log.note import MAX_NOTE_BYTES, NoteError, Signer, sign_note
from trust.log.proof import MAX_EXTRA_BYTES, TlogProof, encode_proof, verify_proof

LOG = Signer("log.example/main", bytes(range(32)))
TREE = WholeTree(leaf_hashes(300))
HASHES = st.binary(min_size=32, max_size=32)


def prove(index: int, size: int, extra: bytes = b"") -> bytes:
    checkpoint = Checkpoint(LOG.name, size, merkle.root(size, TREE.node))
    path = merkle.inclusion_proof(index, size, TREE.node)
    return encode_proof(index, path, sign_note(checkpoint.body(), LOG), extra)


def test_published_proofs_read_back_to_the_byte_or_are_refused_as_there() -> None:
    cases = json.loads(need(VECTORS / "transparency-dev_formats" / "tlog_proof_cases.json").read_text())
    assert (len(cases["valid"]), len(cases["invalid"])) == (3, 7)
    for text in cases["valid"]:
        assert TlogProof.parse(text.encode()).encode() == text.encode()
    assert TlogProof.parse(cases["valid"][1].encode()).extra == b"extra information"
    for case in cases["invalid"]:
        with pytest.raises(ProofError):
            TlogProof.parse(case["proof"].encode())


@given(
    st.integers(0, 2**63 - 1), st.lists(HASHES, max_size=63), st.binary(min_size=1), st.binary(max_size=300)
)
def test_every_proof_reads_back(index: int, path: list[bytes], checkpoint: bytes, extra: bytes) -> None:
    proof = TlogProof(index, tuple(path), checkpoint, extra)
    assert TlogProof.parse(proof.encode()) == proof


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.data(), st.binary(max_size=40))
def test_every_entry_of_every_tree_is_proved_offline(size: int, data: st.DataObject, extra: bytes) -> None:
    index = data.draw(st.integers(0, size - 1))
    text = prove(index, size, extra)
    checkpoint = verify_proof(TREE.leaves[index], text, LOG.verifier, index=index)
    assert checkpoint == Checkpoint(LOG.name, size, merkle.root(size, TREE.node))
    with pytest.raises(ProofError):
        verify_proof(TREE.leaves[(index + 1) % 300], text, LOG.verifier)


def test_a_proof_with_any_bit_flipped_is_refused() -> None:
    text = prove(5, 11)
    verify_proof(TREE.leaves[5], text, LOG.verifier)
    for bit in range(8 * len(text)):
        with pytest.raises((ProofError, NoteError, CheckpointError)):
            verify_proof(TREE.leaves[5], flipped(text, bit), LOG.verifier)


def test_a_proof_for_another_index_origin_or_key_is_refused() -> None:
    text = prove(5, 11)
    with pytest.raises(ProofError, match="for index 5, not 6"):
        verify_proof(TREE.leaves[5], text, LOG.verifier, index=6)
    with pytest.raises(CheckpointError):
        verify_proof(TREE.leaves[5], text, LOG.verifier, origin="log.example/other")
    with pytest.raises(NoteError):
        verify_proof(TREE.leaves[5], text, Signer(LOG.name, bytes(32)).verifier)


def test_an_index_outside_the_checkpointed_tree_is_refused() -> None:
    text = prove(5, 11).replace(b"index 5", b"index 11")
    with pytest.raises(ProofError, match="no leaf 11"):
        verify_proof(TREE.leaves[5], text, LOG.verifier)


def test_an_origin_that_is_not_the_keys_name_is_named_by_the_caller() -> None:
    body = Checkpoint("another.example", 1, TREE.leaves[0]).body()
    text = encode_proof(0, [], sign_note(body, LOG))
    with pytest.raises(CheckpointError):
        verify_proof(TREE.leaves[0], text, LOG.verifier)
    assert verify_proof(TREE.leaves[0], text, LOG.verifier, origin="another.example").size == 1


HASH = b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v2\nindex 0\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1 \nindex 0\n\ncheckpoint\n",
        b"\xef\xbb\xbfc2sp.org/tlog-proof@v1\nindex 0\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 00\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 9223372036854775808\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\nextra AAAA\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nextra \nindex 0\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nextra AB==\nindex 0\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 0\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\nAAAA\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\xff\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\r\nindex 0\r\n\r\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n" + b"\n".join([HASH] * 64) + b"\n\ncheckpoint\n",
        b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + bytes(MAX_NOTE_BYTES + 1),
        b"c2sp.org/tlog-proof@v1\nextra " + b"AAAA" * 2**16 + b"\nindex 0\n\ncheckpoint\n",
    ],
)
def test_a_malformed_proof_is_refused(text: bytes) -> None:
    with pytest.raises(ProofError):
        TlogProof.parse(text)


def test_extra_data_has_a_limit_and_is_never_trusted() -> None:
    text = prove(5, 11, bytes(MAX_EXTRA_BYTES))
    assert verify_proof(TREE.leaves[5], text, LOG.verifier).size == 11
    with pytest.raises(ProofError, match="extra"):
        prove(5, 11, bytes(MAX_EXTRA_BYTES + 1))
    changed = prove(5, 11, b"one").replace(b"b25l", b"dHdv")
    assert TlogProof.parse(changed).extra == b"two"
    assert verify_proof(TREE.leaves[5], changed, LOG.verifier).size == 11
