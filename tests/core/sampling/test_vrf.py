"""ECVRF against RFC 9381's examples, against tampering, and at the edges of the group."""

from __future__ import annotations

import json
from hashlib import sha512
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl import bindings

from tests.shared import VECTORS, need
from trust.core.sampling import vrf
from trust.core.sampling.vrf import InvalidProof
from trust.log import ed25519

SEED = bytes(range(32))
KEY = ed25519.public_key(SEED)
ORDER_8 = bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def examples() -> list[dict[str, Any]]:
    path = need(VECTORS / "rfc9381" / "ecvrf_edwards25519_sha512_tai.json")
    found: list[dict[str, Any]] = json.loads(path.read_text())
    return found


def first_candidate_decodes(public_key: bytes, alpha: bytes) -> bool:
    """Whether counter 0 already gives a point of the curve, by the curve equation in plain integers."""
    digest = sha512(b"\x03\x01" + public_key + alpha + b"\x00\x00").digest()[:32]
    prime = 2**255 - 19
    y = int.from_bytes(digest, "little") % 2**255
    d = -121665 * pow(121666, -1, prime)
    square = (y * y - 1) * pow(d * y * y + 1, -1, prime) % prime
    return y < prime and pow(square, (prime - 1) // 2, prime) in (0, 1)


def test_the_examples_of_rfc_9381_come_out() -> None:
    for example in examples():
        seed, alpha, pi, beta = (bytes.fromhex(example[name]) for name in ("sk", "alpha", "pi", "beta"))
        public_key = bytes.fromhex(example["pk"])
        assert vrf.prove(seed, alpha) == pi
        assert vrf.verify(public_key, alpha, pi) == beta
        assert vrf.proof_to_hash(pi) == beta
        assert first_candidate_decodes(public_key, alpha) == (example["ctr"] == 0)


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100))
def test_what_is_proved_verifies_and_is_unique(seed: bytes, alpha: bytes) -> None:
    pi = vrf.prove(seed, alpha)
    assert len(pi) == vrf.PROOF_BYTES
    assert vrf.prove(seed, alpha) == pi
    assert vrf.verify(ed25519.public_key(seed), alpha, pi) == vrf.proof_to_hash(pi)


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_candidates_that_do_not_decode_are_passed_over(failures: int) -> None:
    alphas = (number.to_bytes(4) for number in range(1000))
    alpha = next(alpha for alpha in alphas if counter_used(alpha) == failures)
    assert not first_candidate_decodes(KEY, alpha)
    vrf.verify(KEY, alpha, vrf.prove(SEED, alpha))


def counter_used(alpha: bytes) -> int:
    for counter in range(256):
        digest = sha512(b"\x03\x01" + KEY + alpha + bytes([counter, 0])).digest()[:32]
        try:
            bindings.crypto_core_ed25519_add(digest, digest)
        except Exception:
            continue
        return counter
    raise AssertionError("no point in 256 tries")


@pytest.mark.parametrize("bit", range(0, 8 * vrf.PROOF_BYTES, 7))
def test_a_proof_with_one_bit_flipped_is_refused(bit: int) -> None:
    pi = bytearray(vrf.prove(SEED, b"alpha"))
    pi[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"alpha", bytes(pi))


def test_a_proof_holds_for_its_own_key_and_alpha_only() -> None:
    pi = vrf.prove(SEED, b"alpha")
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"alphb", pi)
    with pytest.raises(InvalidProof):
        vrf.verify(ed25519.public_key(bytes(32)), b"alpha", pi)


@pytest.mark.parametrize("size", [0, 79, 81, 160])
def test_a_proof_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"", bytes(size))
    with pytest.raises(InvalidProof):
        vrf.proof_to_hash(bytes(size))


def test_a_gamma_outside_the_subgroup_is_refused() -> None:
    pi = vrf.prove(SEED, b"alpha")
    shifted = bindings.crypto_core_ed25519_add(pi[:32], ORDER_8) + pi[32:]
    assert vrf.proof_to_hash(shifted) == vrf.proof_to_hash(pi)
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"alpha", shifted)


@pytest.mark.parametrize(
    "gamma", [bytes(32), b"\x01" + bytes(31), ORDER_8, b"\xff" * 32, b"\x02" + bytes(31)]
)
def test_a_gamma_that_is_small_or_no_point_is_refused(gamma: bytes) -> None:
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"alpha", gamma + vrf.prove(SEED, b"alpha")[32:])


def test_an_s_that_is_not_reduced_is_refused() -> None:
    pi = vrf.prove(SEED, b"alpha")
    s = int.from_bytes(pi[48:], "little") + GROUP_ORDER
    with pytest.raises(InvalidProof, match="not reduced"):
        vrf.verify(KEY, b"alpha", pi[:48] + s.to_bytes(32, "little"))


def test_zero_scalars_are_refused_and_do_not_crash() -> None:
    pi = vrf.prove(SEED, b"alpha")
    for forged in (pi[:32] + bytes(48), pi[:48] + bytes(32), pi[:32] + bytes(16) + pi[48:]):
        with pytest.raises(InvalidProof):
            vrf.verify(KEY, b"alpha", forged)


@pytest.mark.parametrize("key", [bytes(32), ORDER_8, b"\x01" + bytes(31), bytes(31), b""])
def test_a_key_that_is_none_is_refused(key: bytes) -> None:
    with pytest.raises(InvalidProof):
        vrf.verify(key, b"alpha", vrf.prove(SEED, b"alpha"))


def test_what_was_verified_elsewhere_is_taken_once_and_for_the_same_input_only() -> None:
    pi, said = vrf.prove(SEED, b"alpha"), bytes(vrf.OUTPUT_BYTES)
    vrf.remember(KEY, b"alpha", pi, said)
    with pytest.raises(InvalidProof):
        vrf.verify(KEY, b"other", pi)
    assert vrf.verify(KEY, b"alpha", pi) == said
    assert vrf.verify(KEY, b"alpha", pi) == vrf.proof_to_hash(pi)


def test_no_more_is_remembered_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vrf, "MOST_REMEMBERED", 3)
    for number in range(10):
        vrf.remember(KEY, b"%d" % number, bytes(vrf.PROOF_BYTES), bytes(vrf.OUTPUT_BYTES))
        assert len(vrf._remembered) <= 3
    vrf._remembered.clear()
