"""did:key texts: one for each key, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.core import identity
from trust.core.identity import InvalidKey
from trust.log import ed25519

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(data: bytes) -> str:
    """An encoder of the textbook kind: leading zero bytes are ones."""
    number, text = int.from_bytes(data), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


@pytest.mark.parametrize(
    ("did", "key"),
    [  # RFC 8032 test 1, encoded as the did:key method says
        (
            "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        ),
    ],
)
def test_a_published_key_has_its_published_did(did: str, key: str) -> None:
    assert identity.key_of(did).hex() == key
    assert identity.did_of(bytes.fromhex(key)) == did


@settings(max_examples=100, deadline=None)
@given(st.binary(min_size=32, max_size=32))
def test_every_key_reads_back_and_agrees_with_the_textbook(seed: bytes) -> None:
    key = ed25519.public_key(seed)
    did = identity.did_of(key)
    assert did == "did:key:z" + base58(b"\xed\x01" + key)
    assert did.startswith("did:key:z6Mk")
    assert identity.key_of(did) == key


def good_key() -> bytes:
    return ed25519.public_key(bytes(32))


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:key:",
        identity.did_of(good_key()) + "1",
        identity.did_of(good_key())[:-1],
        identity.did_of(good_key()).replace("z6Mk", "z16Mk"),
        identity.did_of(good_key()) + "\n",
        " " + identity.did_of(good_key()),
        identity.did_of(good_key()).replace(":z", ":Z"),
        identity.did_of(good_key()).replace("did:key", "did:web"),
        "did:key:z" + base58(b"\xec\x01" + good_key()),
        "did:key:z" + base58(b"\xed\x02" + good_key()),
        "did:key:z" + base58(b"\xed\x01" + good_key()[:-1]),
        "did:key:z" + base58(b"\xed\x01" + good_key() + b"\0"),
        "did:key:z" + "z" * 47,
        "did:key:z" + "1" * 47,
        "did:key:z" + "0" * 47,
        "did:key:z" + "\uff16" * 47,
    ],
)
def test_any_other_text_is_no_key(did: str) -> None:
    with pytest.raises(InvalidKey):
        identity.key_of(did)


@pytest.mark.parametrize(
    "key",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
        bytes.fromhex("cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d"),
        b"\xff" * 32,
        b"\x02" + bytes(31),
        bytes(31),
        b"",
    ],
    ids=["order 4", "identity", "order 8", "mixed", "not canonical", "off the curve", "short", "empty"],
)
def test_a_point_that_is_no_key_is_refused_both_ways(key: bytes) -> None:
    with pytest.raises(InvalidKey) as refused:
        identity.did_of(key)
    assert refused.value.code == "invalid-key"
    with pytest.raises(InvalidKey):
        identity.key_of("did:key:z" + base58(b"\xed\x01" + key))
