"""Verifiable randomness: ECVRF-EDWARDS25519-SHA512-TAI (RFC 9381, suite 0x03) on libsodium.

For one key and one alpha there is exactly one beta, and pi proves it: who holds the draw key can
neither choose the result nor show two. Numbers in docstrings are sections of RFC 9381.

libsodium multiplies points of the prime-order subgroup only. So a candidate point is cleared of its
cofactor by three doublings, not by a multiplication, and a Gamma outside the subgroup is refused,
where RFC 9381 would let it pass; `prove` never makes one. Keys outside the subgroup are refused too
(5.4.5 asks for less).

A proof takes as long to verify as eight signatures. Who can verify ahead, elsewhere or before others wait, says what
it found by `remember`; `verify` then takes it from there, once.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha512

from nacl import bindings
from nacl.exceptions import RuntimeError as GroupError

from trust.log import ed25519

PROOF_BYTES = 80
OUTPUT_BYTES = 64
MOST_REMEMBERED = 8_192

_SUITE = b"\x03"
_ENCODE, _CHALLENGE, _HASH, _END = b"\x01", b"\x02", b"\x03", b"\x00"
_POINT_BYTES = 32
_CHALLENGE_BYTES = 16
_IDENTITY = b"\x01" + bytes(31)
_FIELD_PRIME = 2**255 - 19
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_remembered: dict[tuple[bytes, bytes, bytes], bytes] = {}

_add = bindings.crypto_core_ed25519_add
_subtract = bindings.crypto_core_ed25519_sub
_multiply = bindings.crypto_scalarmult_ed25519_noclamp
_multiply_base = bindings.crypto_scalarmult_ed25519_base_noclamp
_reduce = bindings.crypto_core_ed25519_scalar_reduce


class InvalidProof(ValueError):
    """Bytes that prove nothing for this key and alpha."""


def prove(seed: bytes, alpha: bytes) -> bytes:
    """The proof pi (80 bytes) over `alpha` with a 32-byte Ed25519 seed (5.1)."""
    digest = sha512(seed).digest()
    x = _reduce(_clamped(digest[:32]) + bytes(32))
    public_key = ed25519.public_key(seed)
    h = _encode_to_curve(public_key, alpha)
    gamma = _multiply(x, h)
    nonce = _reduce(sha512(digest[32:] + h).digest())
    challenge = _challenge(public_key, h, gamma, _multiply_base(nonce), _multiply(nonce, h))
    product = bindings.crypto_core_ed25519_scalar_mul(_scalar(challenge), x)
    return gamma + challenge + bindings.crypto_core_ed25519_scalar_add(nonce, product)


def verify(public_key: bytes, alpha: bytes, pi: bytes) -> bytes:
    """Beta (64 bytes) when `pi` is the proof of `public_key` over `alpha`, else InvalidProof (5.3)."""
    beta = _remembered.pop((public_key, alpha, pi), None)
    return _verified(public_key, alpha, pi) if beta is None else beta


def remember(public_key: bytes, alpha: bytes, pi: bytes, beta: bytes) -> None:
    """Spares the next `verify` of these its work: `beta` is what `verify` gave, here or in another process."""
    if len(_remembered) >= MOST_REMEMBERED:
        _remembered.clear()
    _remembered[public_key, alpha, pi] = beta


def _verified(public_key: bytes, alpha: bytes, pi: bytes) -> bytes:
    gamma, challenge, s = _decode_proof(pi)
    if not ed25519.is_valid_key(public_key):
        raise InvalidProof("the public key is no point of the prime-order subgroup")
    h = _encode_to_curve(public_key, alpha)
    c = _scalar(challenge)
    try:
        u = _subtract(_multiply_base(s), _multiply(c, public_key))
        v = _subtract(_multiply(s, h), _multiply(c, gamma))
    except GroupError:
        raise InvalidProof("Gamma or a scalar is outside the group") from None
    if _challenge(public_key, h, gamma, u, v) != challenge:
        raise InvalidProof("the proof does not hold")
    return proof_to_hash(pi)


def proof_to_hash(pi: bytes) -> bytes:
    """The beta (64 bytes) that a proof stands for, without verifying it (5.2)."""
    gamma, _, _ = _decode_proof(pi)
    try:
        cleared = _times_cofactor(gamma)
    except GroupError:
        raise InvalidProof("Gamma is no point of the curve") from None
    return sha512(_SUITE + _HASH + cleared + _END).digest()


def _decode_proof(pi: bytes) -> tuple[bytes, bytes, bytes]:
    """Gamma, c and s (5.4.4); s must be reduced."""
    if len(pi) != PROOF_BYTES:
        raise InvalidProof(f"{len(pi)} bytes, a proof has {PROOF_BYTES}")
    gamma, rest = pi[:_POINT_BYTES], pi[_POINT_BYTES:]
    challenge, s = rest[:_CHALLENGE_BYTES], rest[_CHALLENGE_BYTES:]
    if int.from_bytes(s, "little") >= _GROUP_ORDER:
        raise InvalidProof("s is not reduced")
    return gamma, challenge, s


def _encode_to_curve(public_key: bytes, alpha: bytes) -> bytes:
    """Try and increment (5.4.1.1): the first counter whose hash decodes to a point of the curve."""
    prefix = _SUITE + _ENCODE + public_key + alpha
    for counter in range(256):
        candidate = sha512(prefix + bytes([counter]) + _END).digest()[:_POINT_BYTES]
        point = _decoded(candidate)
        if point is not None and point != _IDENTITY:
            return point
    raise InvalidProof("no counter leads to a point")


def _decoded(candidate: bytes) -> bytes | None:
    """Eight times the point that 32 bytes encode (RFC 8032 5.1.3), or None where they encode none."""
    if int.from_bytes(candidate, "little") % 2**255 >= _FIELD_PRIME:
        return None
    try:
        return _times_cofactor(candidate)
    except GroupError:
        return None


@lru_cache(maxsize=256)
def _times_cofactor(point: bytes) -> bytes:
    for _ in range(3):
        point = _add(point, point)
    return point


def _challenge(*points: bytes) -> bytes:
    """Challenge generation over Y, H, Gamma, U, V (5.4.3): 16 bytes."""
    return sha512(_SUITE + _CHALLENGE + b"".join(points) + _END).digest()[:_CHALLENGE_BYTES]


def _scalar(challenge: bytes) -> bytes:
    return challenge + bytes(_POINT_BYTES - _CHALLENGE_BYTES)


def _clamped(half: bytes) -> bytes:
    """The secret scalar of RFC 8032 5.1.5."""
    return bytes([half[0] & 248]) + half[1:31] + bytes([half[31] & 63 | 64])
