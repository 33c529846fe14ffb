"""Offline verification: what was signed and is in the log passes, anything else does not."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.client.services import Log
from tests.factories import NETWORK, did, log_signer, seed, statement
from trust.core.receipt import Receipt
from trust.log.note import Signer
from trust.verify.failures import NotProven
from trust.verify.files import verify_file
from trust.verify.receipts import (
    BatchReceipt,
    Refusal,
    check_confirmed,
    pack,
    unpack,
    verify_batch,
    verify_confirmation,
    verify_receipt,
    verify_refusal,
    verify_written,
)

KEY = log_signer().verifier
CLAIM = "clm_" + "a" * 26


@pytest.fixture
def log() -> Log:
    log = Log()
    for number in range(5):
        log.append(statement("task.cancel", task=f"task-{number}"))
    return log


def test_a_receipt_proves_its_entry_with_nothing_but_the_logs_key(log: Log) -> None:
    proven = verify_receipt(log.receipt(3).encode(), KEY)
    assert (proven.index, proven.data) == (3, log.entries[3])
    assert proven.checkpoint.size == 5
    assert proven.spoken is not None
    assert proven.spoken.payload.actor == did(0)


def test_every_byte_of_a_receipt_counts(log: Log) -> None:
    good = log.receipt(2).encode().rstrip()
    survived = []
    for at in range(len(good)):
        for bit in (0x01, 0x20, 0x80):
            flipped = good[:at] + bytes([good[at] ^ bit]) + good[at + 1 :]
            try:
                verify_receipt(flipped, KEY)
            except NotProven:
                continue
            survived.append((at, bit, good[max(0, at - 9) : at + 9]))
    assert survived == []


def test_every_byte_of_a_refusal_counts(log: Log) -> None:
    good = log.refusal("sha256:" + "ab" * 32, "insufficient-stake").encode()
    assert verify_refusal(good, KEY).code == "insufficient-stake"
    for at in range(len(good)):
        with pytest.raises(NotProven):
            verify_refusal(good[:at] + bytes([good[at] ^ 0x01]) + good[at + 1 :], KEY)


@pytest.mark.parametrize("cut", [0, 1, 40, -1])
def test_a_receipt_that_was_cut_short_is_refused_without_another_error(log: Log, cut: int) -> None:
    with pytest.raises(NotProven):
        verify_receipt(log.receipt(2).encode().rstrip()[:cut], KEY)


def test_another_logs_key_refuses_the_receipt(log: Log) -> None:
    for other in (log_signer(7).verifier, Signer("elsewhere.example/log", seed(1_000)).verifier):
        with pytest.raises(NotProven):
            verify_receipt(log.receipt(0), other)


def test_a_receipt_is_for_its_own_index_only(log: Log) -> None:
    receipt = log.receipt(1)
    with pytest.raises(NotProven, match="entry 1"):
        verify_receipt(Receipt(2, receipt.entry, receipt.proof), KEY)
    with pytest.raises(NotProven):
        verify_receipt(Receipt(1, log.receipt(2).entry, receipt.proof), KEY)


def test_an_entry_whose_statement_is_not_signed_or_of_another_network_is_refused_although_it_is_in_the_log() -> (
    None
):
    log = Log()
    log.append(statement("task.cancel", network="elsewhere.example/log"))
    with pytest.raises(NotProven, match="elsewhere"):
        verify_receipt(log.receipt(0), KEY)
    forged = json.loads(statement("task.cancel"))
    forged["signatures"][0]["keyid"] = did(1)
    log.append(json.dumps(forged).encode())
    with pytest.raises(NotProven, match="does not hold"):
        verify_receipt(log.receipt(1), KEY)


def test_events_of_a_newer_release_do_not_keep_a_receipt_from_being_verified() -> None:
    log = Log()
    log.events = lambda spoken: [{"kind": "something.new.2", "value": [1, {"a": "b"}]}]
    log.append(statement("task.cancel"))
    assert verify_receipt(log.receipt(0), KEY).event("something.new.2")["value"] == [1, {"a": "b"}]


def test_an_answer_with_another_statement_or_other_signatures_than_were_sent_is_refused() -> None:
    log = Log()
    mine, other = statement("task.cancel", task="mine"), statement("task.cancel", task="other")
    log.append(mine)
    log.append(other)
    assert verify_written(log.receipt(0), mine, KEY, repeated=False).index == 0
    with pytest.raises(NotProven, match="not the statement"):
        verify_written(log.receipt(1), mine, KEY, repeated=False)
    with_one_more = statement("task.cancel", task="mine", seeds=[seed(0), seed(1)])
    assert verify_written(log.receipt(0), with_one_more, KEY, repeated=True).index == 0
    with pytest.raises(NotProven, match="other signatures"):
        verify_written(log.receipt(0), with_one_more, KEY, repeated=False)


def test_receipts_of_a_batch_share_their_checkpoint_and_are_whole_again_when_unpacked(log: Log) -> None:
    receipts = [log.receipt(index) for index in range(5)]
    packed = pack(receipts)
    assert unpack(packed.encode()) == receipts
    assert packed.encode().count(NETWORK.encode()) < 5
    assert [proven.index for proven in verify_batch(packed.encode(), KEY)] == list(range(5))
    bad = msgspec.structs.replace(packed, receipts=(*packed.receipts[:4], packed.receipts[0]))
    swapped = msgspec.structs.replace(bad.receipts[4], index=4)
    with pytest.raises(NotProven):
        verify_batch(msgspec.structs.replace(bad, receipts=(*bad.receipts[:4], swapped)), KEY)
    with pytest.raises(NotProven):
        verify_batch(BatchReceipt(packed.checkpoint, ()), KEY)


def test_a_file_is_verified_for_what_it_is(log: Log) -> None:
    note = log.refusal("sha256:" + "ab" * 32, "jailed")
    assert isinstance(verify_file(note.encode(), KEY), Refusal)
    assert isinstance(verify_file(json.dumps({"code": "jailed", "refusal": note}).encode(), KEY), Refusal)
    assert isinstance(verify_file(log.receipt(0).encode(), KEY), list)
    answer = log.written(statement("task.cancel", task="task-9")).body
    assert isinstance(verify_file(answer, KEY), list)
    for nothing in (b"", b"{}", b"[]", b"null", b"\xff", b'{"receipts": 1}'):
        with pytest.raises(NotProven):
            verify_file(nothing, KEY)


def _confirm(*seeds: bytes, **fields: object) -> bytes:
    return statement("relay.confirm", seeds=seeds, **{"claim": CLAIM, "worker": did(0), "index": 0, **fields})


def test_a_confirmation_needs_the_threshold_of_the_coordinators() -> None:
    group = (did(1), did(2), did(3))
    told = verify_confirmation(_confirm(seed(1), seed(3)), NETWORK, group, 2)
    assert set(told.signers) == {did(1), did(3)}
    for signed in (_confirm(seed(1)), _confirm(seed(1), seed(4)), statement("task.cancel")):
        with pytest.raises(NotProven):
            verify_confirmation(signed, NETWORK, group, 2)
    with pytest.raises(NotProven):
        verify_confirmation(_confirm(seed(1), seed(2)), "elsewhere.example/log", group, 2)


@pytest.mark.parametrize(
    "lie", [{"worker": did(9)}, {"claim": "clm_" + "b" * 26}, {"task": "task-9"}, {"index": 1}]
)
def test_a_confirmation_that_names_another_winner_than_the_log_is_refused(lie: dict[str, object]) -> None:
    log = Log()
    log.events = lambda spoken: [{"kind": "claim.opened", "claim": CLAIM, "task": "task-0", "worker": did(0)}]
    log.append(statement("claim.request"))
    entry = verify_receipt(log.receipt(0), KEY)
    check_confirmed(verify_confirmation(_confirm(seed(1)), NETWORK, [did(1)], 1), entry)
    with pytest.raises(NotProven, match="the relay confirmed"):
        check_confirmed(verify_confirmation(_confirm(seed(1), **lie), NETWORK, [did(1)], 1), entry)
