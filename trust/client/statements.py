"""Making statements: a payload of the closed list and keys in, a signed envelope out (docs/protocol.md 2).

Pure: the time comes from the caller. What the service would refuse as malformed is refused here already.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

import msgspec

from trust.core import commands, envelope, identity, strict
from trust.core.commands import Spoken
from trust.core.payloads import MAX_LIFETIME_MS, Payload
from trust.errors import ClientError
from trust.log import ed25519
from trust.log.ed25519 import PrivateKey

LIFETIME_MS = 600_000


@dataclass(frozen=True, slots=True)
class Speaker:
    """A signer in a network: a party with its current key, a seed or a `RemoteKey`. `actor` is its DID unless given."""

    network: str
    seed: PrivateKey = field(repr=False)
    actor: str = ""

    def __post_init__(self) -> None:
        if not self.actor:
            object.__setattr__(self, "actor", did_of_seed(self.seed))

    def say(
        self,
        kind: type[Payload],
        now_ms: int,
        *,
        cosigners: Iterable[PrivateKey] = (),
        lifetime_ms: int = LIFETIME_MS,
        **fields: Any,
    ) -> bytes:
        """A statement of this kind, said now, signed by the speaker and by the keys of `cosigners`."""
        payload = build(kind, self.network, self.actor, now_ms, lifetime_ms, **fields)
        return sign(payload, [self.seed, *cosigners])


def did_of_seed(seed: PrivateKey) -> str:
    """The DID of the key with this seed."""
    return identity.did_of(ed25519.public_key(seed))


def build(
    kind: type[Payload], network: str, actor: str, now_ms: int, lifetime_ms: int, **fields: Any
) -> bytes:
    """The bytes of a payload; fields that are None are left out. `ClientError` malformed where it is none."""
    if not 0 < lifetime_ms <= MAX_LIFETIME_MS:
        raise ClientError("malformed", f"a statement lives for 1 to {MAX_LIFETIME_MS} ms")
    given = {name: value for name, value in fields.items() if value is not None}
    payload = kind(network=network, actor=actor, issued_ms=now_ms, expires_ms=now_ms + lifetime_ms, **given)
    return msgspec.json.encode(payload)


def sign(payload: bytes, seeds: Iterable[PrivateKey]) -> bytes:
    """A signed envelope over the payload's very bytes, each key once."""
    signed = envelope.sign(payload, list(dict.fromkeys(seeds)))
    opened(signed)
    return signed


def opened(signed: bytes) -> Spoken:
    """The statement in an envelope; `ClientError` with the service's own code where it is malformed."""
    try:
        return commands.parse(signed)
    except strict.Malformed as error:
        raise ClientError(error.code, str(error), status=400) from error


def cosign(signed: bytes, *seeds: PrivateKey) -> bytes:
    """The envelope with more signatures over the same payload; a key that signed already is left as it is."""
    before = opened(signed).signed
    extra = [seed for seed in dict.fromkeys(seeds) if did_of_seed(seed) not in before.signers]
    added = envelope.signatures(before.payload, extra)
    whole = msgspec.structs.replace(before.envelope, signatures=(*before.envelope.signatures, *added))
    return envelope.encode(envelope.from_envelope(whole).envelope)


def find_nonce(network: str, did: str, bits: int) -> str:
    """The proof of work of a registration: SHA-256 with `bits` leading zero bits; takes about 2^bits hashes."""
    start = sha256(f"trust/pow/v1\n{network}\n{did}\n".encode())
    limit = 1 << (256 - bits)
    for nonce in count():
        tried = start.copy()
        tried.update(b"%d" % nonce)
        if int.from_bytes(tried.digest()) < limit:
            return str(nonce)
    raise AssertionError("count never ends")
