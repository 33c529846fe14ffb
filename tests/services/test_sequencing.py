"""The write path, step by step (docs/architecture.md 4)."""

from __future__ import annotations

from pathlib import Path
from time import sleep
from typing import Any

import msgspec
import pytest

from tests.services.houses import House
from tests.services.logs import check_log, check_receipt, size_of
from tests.services.statements import ORIGIN, Party, created
from trust.core.payloads import KeyAdopt
from trust.core.records import Account, Claim
from trust.errors import TrustError
from trust.log import merkle
from trust.log.checkpoint import open_checkpoint
from trust.log.note import Signer, decode_base64, open_note
from trust.log.proof import TlogProof
from trust.log.succession import Succession
from trust.services import headfile
from trust.services.receipts import Receipt, Refusal, stored_receipt
from trust.services.sequencing import Limits, Sequencer
from trust.storage.engine import Database
from trust.storage.reading import reading


def test_step_14_every_receipt_of_a_batch_verifies_offline_under_one_checkpoint(house: House) -> None:
    receipts = house.receipts(*(house.town.post(f"task-{number}") for number in range(300)))
    assert len({receipt.checkpoint for receipt in receipts}) == 1
    assert [receipt.index for receipt in receipts] == list(range(receipts[0].index, receipts[0].index + 300))
    for receipt in receipts[::37]:
        check_receipt(house.database, house.town.log.verifier, receipt)


def test_step_8_one_of_two_claimants_wins_and_the_other_is_told_who(house: House) -> None:
    (posted,) = house.enlist().receipts(house.town.post("contested"))
    first, second = house.town.workers
    winner, loser = house.decide(
        house.town.claim("contested", posted.index, first),
        house.town.claim("contested", posted.index, second),
    )
    assert isinstance(winner, Receipt)
    assert isinstance(loser, Refusal)
    assert loser.code == "already-claimed"
    assert loser.facts["worker"] == first.did
    assert loser.as_of == winner.index + 1


def test_step_8_a_refusal_takes_no_entry_and_changes_nothing(house: House) -> None:
    before = size_of(house.database)
    (refused,) = house.decide(house.town.claim("no-such-task", 0, house.town.workers[0]))
    assert isinstance(refused, Refusal)
    assert refused.code == "unknown-task"
    assert size_of(house.database) == before == refused.as_of
    assert house.sequencer.figures.refusals == 1


def test_step_14_a_refusal_is_a_note_signed_over_the_log_just_before_it(house: House) -> None:
    town = house.town
    late = town.post("same")
    receipt, refused, _ = house.decide(town.post("same"), late, town.post("after"))
    assert isinstance(receipt, Receipt)
    assert isinstance(refused, Refusal)
    note = open_note(refused.note, [town.log.verifier])
    header, network, statement, code, size, at_ms, root, end = note.text.split("\n")
    assert (header, network, statement, code) == ("trust/refusal/v1", town.log.name, late.id, "task-exists")
    assert (int(size), int(at_ms), end) == (receipt.index + 1, town.now_ms, "")
    with reading(house.database) as reader:
        nodes = reader.nodes(reader.head().size)
        assert merkle.root(int(size), nodes) == decode_base64(root)


def test_a_statement_sent_again_gets_the_receipt_of_its_first_entry(house: House) -> None:
    said = house.town.post("once")
    (first,) = house.receipts(said)
    house.receipts(*(house.town.post(f"task-{number}") for number in range(5)))
    before = size_of(house.database)
    fresh = house.town.post("fresh")
    again, new = house.receipts(said, fresh)
    assert (again.index, again.entry, again.repeated) == (first.index, first.entry, True)
    assert (new.index, new.repeated, new.checkpoint) == (before, False, again.checkpoint)
    check_receipt(house.database, house.town.log.verifier, again)
    (alone,) = house.receipts(said)
    assert alone.index == first.index
    assert size_of(house.database) == before + 1


def test_a_statement_that_stands_twice_in_a_batch_is_one_entry(house: House) -> None:
    before = size_of(house.database)
    said = house.town.post("twice")
    first, second = house.receipts(said, said)
    assert (first.index, first.repeated) == (second.index, False)
    assert second.repeated
    assert size_of(house.database) == before + 1


def test_a_batch_with_nothing_to_append_writes_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headfile, "write", lambda *_: pytest.fail("wrote the head file"))
    monkeypatch.setattr("trust.storage.unit._commit", lambda _: pytest.fail("committed"))
    house.decide()
    house.decide(house.town.claim("no-such-task", 0, house.town.workers[0]))


def test_step_13_the_head_file_names_the_checkpoint_of_the_last_batch(house: House) -> None:
    (receipt,) = house.receipts(house.town.post("task"))
    known = headfile.read(house.head_file)
    assert house.head_file.read_bytes() == receipt.checkpoint
    assert known is not None
    assert known.size == receipt.index + 1


def test_the_time_of_an_entry_never_goes_back(house: House) -> None:
    (first,) = house.receipts(house.town.post("first"))
    house.town.now_ms -= 3_000
    (second,) = house.receipts(house.town.post("second"))
    assert msgspec.json.decode(second.entry)["at_ms"] == msgspec.json.decode(first.entry)["at_ms"]


def test_what_is_due_is_settled_before_anything_else_is_decided(house: House) -> None:
    claim = house.claimed("late", house.town.workers[0])
    house.town.now_ms += house.town.policy.claims.lease_ms + house.town.policy.windows.grace_ms
    (refused,) = house.decide(house.town.output(claim, house.town.workers[0]))
    assert isinstance(refused, Refusal)
    assert refused.code == "lease-over"
    with reading(house.database) as reader:
        record = reader.record(Claim, claim)
        assert record is not None
        assert record.state == "expired"
        entry = reader.entry(refused.as_of - 1)
        assert entry is not None
        assert entry.kind == "clock"


def test_a_long_list_of_what_is_due_is_settled_in_several_transactions_and_nothing_is_decided_before_its_end(
    database: Database, tmp_path: Path
) -> None:
    committed: list[int] = []
    house = House(
        database,
        tmp_path,
        limits=Limits(clock_entries=2),
        after_step=lambda step: committed.append(size_of(database)) if step == 12 else None,
    ).found()
    house.receipts(*(house.town.post(f"task-{number}") for number in range(200)))
    before = size_of(database)
    committed.clear()
    house.town.now_ms += 2 * 86_400_000
    (receipt,) = house.receipts(house.town.post("next"))
    assert receipt.index >= before + 7  # at most 32 items in an entry
    assert committed[:3] == [before + 2, before + 4, before + 6]
    check_log(database, house.town.log.verifier)


def test_timers_fire_while_nobody_says_anything(house: House) -> None:
    claim = house.claimed("left", house.town.workers[0])
    house.town.now_ms += house.town.policy.claims.lease_ms + house.town.policy.windows.grace_ms
    house.sequencer.start()
    house.sequencer.tick()
    for _ in range(1_000):
        with reading(house.database) as reader:
            record = reader.record(Claim, claim)
            if record is not None and record.state == "expired":
                break
        house.sequencer.tick()
        sleep(0.01)
    assert record is not None
    assert record.state == "expired"
    house.sequencer.stop()


def test_steps_4_and_5_submissions_of_many_threads_share_batches_and_each_gets_its_own_answers(
    house: House,
) -> None:
    submissions = [[house.town.post(f"task-{one}-{two}") for two in range(3)] for one in range(40)]
    house.sequencer.start()
    before = house.sequencer.figures.batches
    answers = [house.sequencer.submit(commands) for commands in submissions]
    for commands, answer in zip(submissions, answers, strict=True):
        for command, outcome in zip(commands, answer.result(timeout=30), strict=True):
            assert isinstance(outcome, Receipt)
            assert command.signed.envelope.payload.encode() in outcome.entry
    house.sequencer.stop()
    assert house.sequencer.figures.batches - before <= 40


def test_who_gave_up_waiting_is_not_decided_and_stops_nobody(house: House) -> None:
    gone = house.sequencer.submit([house.town.post("gone")])
    stays = house.sequencer.submit([house.town.post("stays")])
    assert gone.cancel()
    house.sequencer.start()
    assert isinstance(stays.result(timeout=30)[0], Receipt)
    house.sequencer.stop()
    assert len(house.receipts(house.town.post("gone"))) == 1


def test_a_stopping_process_decides_what_waits_and_takes_nothing_more(house: House) -> None:
    waiting = house.sequencer.submit([house.town.post("waits")])
    house.sequencer.start()
    house.sequencer.stop()
    assert isinstance(waiting.result(timeout=0)[0], Receipt)
    with pytest.raises(TrustError, match="shutting-down"):
        house.sequencer.submit([house.town.post("too-late")])


def test_the_newest_receipt_of_any_entry_can_be_made_at_any_time(house: House) -> None:
    house.receipts(*(house.town.post(f"task-{number}") for number in range(600)))
    with reading(house.database) as reader:
        head = reader.head()
        for index in (0, 1, 255, 256, 511, head.size - 1):
            receipt = stored_receipt(reader, index, head)
            assert receipt is not None
            check_receipt(house.database, house.town.log.verifier, receipt)
        assert stored_receipt(reader, head.size, head) is None


def test_a_restarted_process_goes_on_where_the_log_is(house: House) -> None:
    house.receipts(*(house.town.post(f"task-{number}") for number in range(300)))
    restarted = House(house.database, house.head_file.parent, house.town)
    restarted.sequencer.open()
    (receipt,) = restarted.receipts(house.town.post("after"))
    check_receipt(house.database, house.town.log.verifier, receipt)


def test_a_batch_reads_almost_nothing_that_was_not_loaded_ahead(house: House) -> None:
    town, worker = house.enlist().town, house.town.workers[0]
    misses: dict[str, int] = {}

    def restarted(*commands: Any) -> list[Receipt]:
        other = House(house.database, house.head_file.parent, town)
        other.sequencer.open()
        receipts = other.receipts(*commands)
        misses[commands[0].payload.__class__.__name__] = other.sequencer.figures.misses
        return receipts

    posted = restarted(*(town.post(f"task-{number}") for number in range(20)))
    claims = restarted(*(town.claim(f"task-{n}", receipt.index, worker) for n, receipt in enumerate(posted)))
    restarted(*(town.output(created(receipt.entry, "claim.opened", "claim"), worker) for receipt in claims))
    assert all(count <= 2 for count in misses.values()), misses


def test_money_on_the_tables_is_money_on_the_log(house: House) -> None:
    house.claimed("paid", house.town.workers[0])
    with reading(house.database) as reader:
        worker = f"agent/{house.town.workers[0].did}/free"
        account = reader.record(Account, worker)
        assert account is not None
        assert sum(posting.change_units for posting in reader.ledger([worker])) == account.balance_units


def test_a_batch_ends_with_the_entry_that_gives_the_log_another_key(
    database: Database, tmp_path: Path
) -> None:
    new = Signer(ORIGIN, Party("log 2").seed)
    house = House(database, tmp_path).found()
    town, (worker, _) = house.town, house.town.workers
    house.sequencer = Sequencer(
        database, [town.log], house.head_file, now_ms=lambda: town.now_ms, more_signers=lambda: [new]
    )
    house.sequencer.open()
    adopt = town.say(KeyAdopt, town.operator, Party("log"), Party("log 2"), use="log", key=Party("log 2").did)
    first, refused, adopted, last = house.decide(
        town.deposit(worker.did, 1), town.register(worker), adopt, town.deposit(worker.did, 2)
    )
    assert isinstance(refused, Refusal)
    assert isinstance(adopted, Receipt)
    open_note(refused.note, [new.verifier])
    keys = Succession.of(town.log.verifier, [(adopted.index, new.verifier)])
    for receipt in (first, adopted, last):
        assert isinstance(receipt, Receipt)
        proof = TlogProof.parse(receipt.proof)
        assert keys.open(proof.checkpoint).size == adopted.index + 2
    (alone,) = house.receipts(town.deposit(worker.did, 3))
    assert keys.open(TlogProof.parse(alone.proof).checkpoint).size == adopted.index + 3


def test_a_key_that_is_adopted_alone_is_answered_under_the_key_before(
    database: Database, tmp_path: Path
) -> None:
    house = House(database, tmp_path).found()
    town, new = house.town, Party("log 2")
    adopt = town.say(KeyAdopt, town.operator, Party("log"), new, use="log", key=new.did)
    (adopted,) = house.receipts(adopt)
    assert not adopted.repeated
    checkpoint = TlogProof.parse(adopted.proof).checkpoint
    assert open_checkpoint(checkpoint, ORIGIN, town.log.verifier).size == adopted.index + 1
    with pytest.raises(TrustError) as frozen:
        house.decide(town.deposit(town.workers[0].did, 1))
    assert frozen.value.code == "log-frozen"
    assert new.did in house.sequencer.frozen
