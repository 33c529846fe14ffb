"""DSSE v1 envelopes: the bytes that a signature covers (secure-systems-lab/dsse, docs/protocol.md 2).

- The signature is over PAE(payloadType, payload), so neither can be exchanged for the other.
- The payload bytes are kept as they came; the statement's id is the SHA-256 of them and of nothing else.
- Structure and signatures are two steps: `open_envelope` is cheap and finds what is malformed, `verify` costs
  an Ed25519 verification for each signature, and every one that is present must hold.
- On the log an envelope is re-encoded with its signatures sorted by keyid, so one envelope has one form.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Self

import msgspec

from trust.core import identity, strict
from trust.core.strict import Malformed
from trust.log import ed25519

PAYLOAD_TYPE = "application/vnd.ants.trust.v1+json"
MAX_SIGNATURES = 16
MAX_PAYLOAD_BYTES = 40 * 1024
MAX_ENVELOPE_BYTES = 64 * 1024
MAX_HELD = 4_096
"""Signatures that are known to hold; beyond it all are forgotten."""
_held: dict[tuple[str, str, bytes], None] = {}


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One signature: the signer's did:key and 64 bytes in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A DSSE envelope as it stands in JSON."""

    payloadType: str  # noqa: N815  the name that DSSE gives it
    payload: str
    signatures: tuple[Signature, ...]


class Signed(msgspec.Struct, frozen=True):
    """An envelope that is well formed; whether its signatures hold is for `verify` to say.

    `signatures` are the 64 bytes of each signer, in the order of `signers`, which is that of the envelope.
    """

    payload: bytes
    envelope: Envelope
    statement_id: str
    signers: tuple[str, ...]
    signatures: tuple[bytes, ...]


class BadSignature(ValueError):
    """A signature in the envelope does not hold."""

    code = "bad-signature"

    @classmethod
    def of(cls, signer: str) -> Self:
        """This error about the signature of a did:key."""
        return cls(f"the signature of {signer} does not hold")


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE v1 pre-authentication encoding: the bytes that are signed."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def open_envelope(data: bytes) -> Signed:
    """The envelope in `data`, checked for structure and limits but not verified. Raises `Malformed`."""
    return from_envelope(strict.parse(data, Envelope, max_bytes=MAX_ENVELOPE_BYTES))


def from_envelope(envelope: Envelope) -> Signed:
    """Returns the `Signed` of an envelope that is parsed already, such as one from an entry. Raises `Malformed`."""
    if envelope.payloadType != PAYLOAD_TYPE:
        raise Malformed(f"payloadType is not {PAYLOAD_TYPE}")
    payload = strict.b64(envelope.payload)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Malformed(f"a payload of {len(payload)} bytes, at most {MAX_PAYLOAD_BYTES}", "too-large")
    ordered = _normalised(envelope)
    return Signed(
        payload=payload,
        envelope=ordered,
        statement_id="sha256:" + sha256(payload).hexdigest(),
        signers=tuple([signature.keyid for signature in ordered.signatures]),
        signatures=tuple([_signature_bytes(signature) for signature in ordered.signatures]),
    )


def checks(signed: Signed) -> list[tuple[bytes, bytes, bytes]]:
    """Public key, message and signature of each signer, in order: what `ed25519.verify` takes."""
    message = pae(signed.envelope.payloadType, signed.payload)
    pairs = zip(signed.signers, signed.signatures, strict=True)
    return [(identity.key_of(did), message, signature) for did, signature in pairs]


def verify(signed: Signed) -> None:
    """Returns when every signature holds, else raises `BadSignature`.

    Whoever passes an envelope on meets the same signatures several times: one that held is not computed again.
    """
    for did, check in zip(signed.signers, checks(signed), strict=True):
        signature = did, signed.statement_id, check[2]
        if signature in _held:
            continue
        if not ed25519.verify(*check):
            raise BadSignature.of(did)
        _hold(signature)


def _hold(signature: tuple[str, str, bytes]) -> None:
    """Remembers a signature over the payload with this id: the payload type is always the same."""
    if len(_held) >= MAX_HELD:
        _held.clear()
    _held[signature] = None


def sign(payload: bytes, keys: Sequence[ed25519.PrivateKey]) -> bytes:
    """The JSON of an envelope signed with each of the keys."""
    return encode(_normalised(Envelope(PAYLOAD_TYPE, strict.base64_of(payload), signatures(payload, keys))))


def signatures(payload: bytes, keys: Sequence[ed25519.PrivateKey]) -> tuple[Signature, ...]:
    """The signature of each of the keys over a payload."""
    message = pae(PAYLOAD_TYPE, payload)
    return tuple([_sign_one(key, message) for key in keys])


def encode(envelope: Envelope) -> bytes:
    """The compact JSON of an envelope, fields in the order of the schema."""
    return msgspec.json.encode(envelope)


def _sign_one(key: ed25519.PrivateKey, message: bytes) -> Signature:
    return Signature(
        keyid=identity.did_of(ed25519.public_key(key)),
        sig=strict.base64_of(ed25519.sign(key, message)),
    )


def _normalised(envelope: Envelope) -> Envelope:
    """The envelope with its signatures sorted by keyid; refuses none, too many, or two of one key."""
    count = len(envelope.signatures)
    if count == 1:
        return envelope
    if not 1 <= count <= MAX_SIGNATURES:
        raise Malformed(f"{count} signatures, from 1 to {MAX_SIGNATURES} are allowed")
    ordered = sorted(envelope.signatures, key=lambda signature: signature.keyid)
    if len({signature.keyid for signature in ordered}) != count:
        raise Malformed("two signatures of one key")
    return msgspec.structs.replace(envelope, signatures=tuple(ordered))


def _signature_bytes(signature: Signature) -> bytes:
    try:
        identity.key_of(signature.keyid)
    except identity.InvalidKey as error:
        raise Malformed(f"keyid: {error}", error.code) from None
    return strict.b64(signature.sig, ed25519.SIGNATURE_BYTES)
