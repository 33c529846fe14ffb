"""DSSE envelopes: what opens, what verifies, and what each is refused for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trust.core import envelope, identity, strict
from trust.core.envelope import BadSignature
from trust.core.strict import Malformed
from trust.log import ed25519

SEEDS = [bytes([number]) * 32 for number in range(1, 18)]
PAYLOAD = b'{"kind":"claim.request"}'


def parts(data: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(data)
    return value


def packed(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def refusal(data: bytes) -> str:
    with pytest.raises(Malformed) as refused:
        envelope.open_envelope(data)
    return refused.value.code


def test_pae_is_that_of_the_dsse_specification() -> None:
    assert envelope.pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_a_signed_payload_opens_and_verifies() -> None:
    data = envelope.sign(PAYLOAD, SEEDS[:1])
    signed = envelope.open_envelope(data)
    envelope.verify(signed)
    assert signed.payload == PAYLOAD
    assert signed.signers == (identity.did_of(ed25519.public_key(SEEDS[0])),)
    assert signed.statement_id == "sha256:641846870ab985033c13aba0bc18ca4f44a54421d7c88b8b8ea2df56037e2a79"
    assert envelope.encode(signed.envelope) == data


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300), st.lists(st.sampled_from(SEEDS[:16]), min_size=1, max_size=16, unique=True))
def test_any_payload_under_any_signers_opens_and_encodes_to_itself(
    payload: bytes, seeds: list[bytes]
) -> None:
    data = envelope.sign(payload, seeds)
    signed = envelope.open_envelope(data)
    envelope.verify(signed)
    assert signed.payload == payload
    assert sorted(signed.signers) == list(signed.signers)
    assert envelope.encode(signed.envelope) == data


def test_signatures_in_another_order_are_the_same_envelope() -> None:
    data = envelope.sign(PAYLOAD, SEEDS[:4])
    value = parts(data)
    value["signatures"].reverse()
    signed = envelope.open_envelope(packed(value))
    envelope.verify(signed)
    assert envelope.encode(signed.envelope) == data


def test_the_id_is_of_the_payload_alone() -> None:
    one, two = (envelope.open_envelope(envelope.sign(PAYLOAD, seeds)) for seeds in (SEEDS[:1], SEEDS[1:3]))
    assert one.statement_id == two.statement_id
    assert one.statement_id != envelope.open_envelope(envelope.sign(PAYLOAD + b" ", SEEDS[:1])).statement_id


@pytest.mark.parametrize("at", [0, 1, 2])
def test_one_bad_signature_among_good_ones_fails_the_whole(at: int) -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:3]))
    raw = bytearray(strict.b64(value["signatures"][at]["sig"]))
    raw[5] ^= 1
    value["signatures"][at]["sig"] = strict.base64_of(bytes(raw))
    signed = envelope.open_envelope(packed(value))
    with pytest.raises(BadSignature, match=value["signatures"][at]["keyid"]):
        envelope.verify(signed)


def test_a_signature_over_another_payload_or_type_does_not_hold() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    value["payload"] = strict.base64_of(PAYLOAD + b" ")
    with pytest.raises(BadSignature):
        envelope.verify(envelope.open_envelope(packed(value)))
    bare = ed25519.sign(SEEDS[0], PAYLOAD)
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    value["signatures"][0]["sig"] = strict.base64_of(bare)
    with pytest.raises(BadSignature):
        envelope.verify(envelope.open_envelope(packed(value)))


def test_another_payload_type_is_malformed() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    value["payloadType"] = "application/json"
    assert refusal(packed(value)) == "malformed"


def test_none_or_seventeen_signatures_are_malformed_and_sixteen_are_not() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:16]))
    envelope.open_envelope(packed(value))
    seventeenth = parts(envelope.sign(PAYLOAD, SEEDS[16:17]))["signatures"]
    assert refusal(packed(value | {"signatures": value["signatures"] + seventeenth})) == "malformed"
    assert refusal(packed(value | {"signatures": []})) == "malformed"


def test_two_signatures_of_one_key_are_malformed() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:2]))
    value["signatures"].append(value["signatures"][0])
    assert refusal(packed(value)) == "malformed"


def test_a_keyid_that_is_no_key_is_an_invalid_key() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    value["signatures"][0]["keyid"] = "did:key:z6Mkhello"
    assert refusal(packed(value)) == "invalid-key"


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_signature_of_another_length_is_malformed(size: int) -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    value["signatures"][0]["sig"] = strict.base64_of(bytes(size))
    assert refusal(packed(value)) == "malformed"


def test_base64_with_spare_bits_is_malformed() -> None:
    value = parts(envelope.sign(b"x", SEEDS[:1]))
    assert value["payload"] == "eA=="
    assert refusal(packed(value | {"payload": "eB=="})) == "malformed"


def test_a_payload_of_40_kib_fits_and_one_byte_more_is_too_large() -> None:
    largest = envelope.sign(b"x" * 40_960, SEEDS[:16])
    envelope.verify(envelope.open_envelope(largest))
    assert refusal(envelope.sign(b"x" * 40_961, SEEDS[:1])) == "too-large"
    assert refusal(envelope.sign(b"x" * 70_000, SEEDS[:1])) == "too-large"


def test_unknown_and_missing_fields_are_malformed() -> None:
    value = parts(envelope.sign(PAYLOAD, SEEDS[:1]))
    assert refusal(packed(value | {"extra": 1})) == "malformed"
    del value["payload"]
    assert refusal(packed(value)) == "malformed"
