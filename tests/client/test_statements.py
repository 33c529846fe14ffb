"""Statements as a client makes them: what is signed, what is hidden in a commitment, what work costs."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from tests.factories import NETWORK, NOW_MS, SpeakerFactory, did, seed
from trust.client.statements import cosign, find_nonce, opened
from trust.core import envelope
from trust.core.payloads import ClaimRequest, JudgedItem, TaskCancel, VoteReveal
from trust.core.rules.parties import work_bits
from trust.core.rules.votes import commitment
from trust.core.strict import base64_of
from trust.errors import ClientError

RELAY = "rly_" + "a" * 26


def test_a_statement_carries_what_every_statement_says_and_nothing_that_is_none() -> None:
    me = SpeakerFactory.build(seed=seed(0))
    said = opened(me.say(TaskCancel, NOW_MS, task="task-1", lifetime_ms=1_000))
    assert json.loads(said.signed.payload) == {
        "kind": "task.cancel",
        "network": NETWORK,
        "actor": did(0),
        "issued_ms": NOW_MS,
        "expires_ms": NOW_MS + 1_000,
        "task": "task-1",
    }
    assert said.id == "sha256:" + sha256(said.signed.payload).hexdigest()
    envelope.verify(said.signed)


def test_a_party_that_rotated_speaks_under_its_first_id_with_its_new_key() -> None:
    me = SpeakerFactory.build(seed=seed(5), actor=did(0))
    said = opened(me.say(TaskCancel, NOW_MS, task="task-1"))
    assert (said.payload.actor, said.signed.signers) == (did(0), (did(5),))


@pytest.mark.parametrize("task", ["Not A Name", "x" * 65, ""])
def test_what_the_service_would_call_malformed_is_not_signed(task: str) -> None:
    with pytest.raises(ClientError) as caught:
        SpeakerFactory.build(seed=seed(0)).say(TaskCancel, NOW_MS, task=task)
    assert caught.value.code == "malformed"


def test_a_statement_lives_for_an_hour_at_most() -> None:
    with pytest.raises(ClientError):
        SpeakerFactory.build(seed=seed(0)).say(TaskCancel, NOW_MS, task="t", lifetime_ms=3_600_001)


def test_coordinators_sign_the_very_payload_that_the_worker_signed_in_any_order() -> None:
    request = SpeakerFactory.build(seed=seed(0)).say(
        ClaimRequest, NOW_MS, task="task-1", task_index=3, relay=RELAY, stake_units=100
    )
    one = cosign(cosign(request, seed(1)), seed(2))
    assert one == cosign(request, seed(2), seed(1)) == cosign(one, seed(1))
    said = opened(one)
    assert said.id == opened(request).id
    assert set(said.signed.signers) == {did(0), did(1), did(2)}
    envelope.verify(said.signed)


@pytest.mark.parametrize("bits", [0, 1, 9, 12])
def test_the_nonce_found_gives_the_work_that_was_asked(bits: int) -> None:
    assert work_bits(NETWORK, did(3), find_nonce(NETWORK, did(3), bits)) >= bits


def test_a_commitment_is_the_digest_that_the_protocol_spells_out() -> None:
    items = (
        JudgedItem(index=300, leaf=base64_of(b"b" * 32), good=False),
        JudgedItem(index=7, leaf=base64_of(b"a" * 32), good=True),
    )
    salt = bytes(range(32))
    said = VoteReveal(
        network=NETWORK, actor=did(0), issued_ms=0, expires_ms=1, seat="s", verdict="fail", salt=base64_of(salt),
        items=items,
    )  # fmt: skip
    rows = (7).to_bytes(8, "big") + b"a" * 32 + b"\x01" + (300).to_bytes(8, "big") + b"b" * 32 + b"\x00"
    text = f"trust/vote/v1\n{NETWORK}\ns\n{did(0)}\nfail\n{salt.hex()}\n{sha256(rows).hexdigest()}\n"
    assert commitment(NETWORK, "s", did(0), said) == sha256(text.encode()).hexdigest()
