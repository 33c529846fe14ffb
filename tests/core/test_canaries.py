"""Canaries: answers that were on the log, hidden, before the work; nobody can tell them apart until they are opened."""

from __future__ import annotations

import json

import pytest

from tests.core.flows import Scene, scene
from tests.core.network import kinds
from tests.core.proofs import Promise, canaries, evidence, whole
from tests.core.terms import JUDGED, policy_of
from tests.core.test_draws import trusted
from trust.core import payloads as p
from trust.core.events import MoneyMoved, Observed
from trust.core.records import Canary, CanaryRoot, Claim, Conviction, Task

FEES = 39
LIABILITY = 200


@pytest.fixture
def town() -> Scene:
    return scene()


def opened_after(town: Scene, answer: str, *votes: str) -> tuple[Promise, str]:
    """A canary with this answer, judged by the panel, and opened within the window."""
    promise = Promise(town, ("t1", town.worker, answer))
    claim = town.opened()
    town.judge(claim, *votes)
    promise.open()
    return promise, claim


def test_an_opened_canary_voids_the_claim_when_its_window_is_over_and_gives_everything_back(
    town: Scene,
) -> None:
    _, claim = opened_after(town, "fail", "fail")
    assert (town.state(claim), town.net.get(Claim, claim).canary) == ("failing", "fail")
    town.net.tick(999)
    assert town.state(claim) == "failing"
    town.net.tick(1)
    assert (town.state(claim), town.net.get(Task, "t1").closed_why) == ("voided", "canary")
    assert town.net.free(town.worker) == 5_000
    assert town.net.free(town.requester) == 5_000 - FEES
    assert [town.net.free(town.sitter(seat)) for seat in town.seats(claim)] == [5_010] * 3
    assert {seat.outcome for seat in town.seats(claim)} == {"canary-right"}
    whole(town)


def test_a_seat_that_passed_a_bad_canary_loses_all_that_it_answers_for_and_the_weight_of_four(
    town: Scene,
) -> None:
    _, claim = opened_after(town, "fail", "pass")
    town.net.tick(1_000)
    settled = next(entry for entry in reversed(town.net.entries) if "seat.settled" in kinds(entry.events))
    slashes = [e for e in settled.events if isinstance(e, MoneyMoved) and e.why == "seat.slash"]
    assert sum(dict(each.postings)["burn"] for each in slashes) == 3 * LIABILITY
    assert [town.net.staked(town.sitter(seat)) for seat in town.seats(claim)] == [3_000 - LIABILITY] * 3
    blamed = [e for e in settled.events if isinstance(e, Observed)]
    assert {(e.role, e.why, e.bad_milli) for e in blamed} == {("verifier", "canary-wrong", 12_000)}
    assert town.net.balance("operator/bond") == 5_000
    whole(town)


def test_a_panel_that_was_split_is_judged_by_the_answer_and_needs_no_second_round(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "fail"))
    claim = town.opened()
    town.judge(claim, "fail", "pass", "fail")
    assert town.net.get(Claim, claim).draw_round == 2
    promise.open()
    assert (town.state(claim), town.net.get(Claim, claim).draw_round) == ("failing", 0)
    town.net.tick(1_000)
    assert [seat.outcome for seat in town.seats(claim)] == ["canary-right", "canary-wrong", "canary-right"]
    whole(town)


def test_a_canary_is_not_opened_before_the_reveals(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "fail"))
    town.post()
    claim = town.claim()
    town.net.refused("too-early", promise.opening())
    town.net.do(town.output(claim))
    town.net.refused("too-early", promise.opening())
    town.net.draw(claim)
    town.open(claim)
    seats = town.seats(claim)
    for seat in seats:
        town.commit(seat, town.vote(seat))
    for seat in seats[:2]:
        town.reveal(seat, town.vote(seat))
    town.net.refused("too-early", promise.opening())
    town.reveal(seats[2], town.vote(seats[2]))
    promise.open()


def test_a_canary_whose_window_was_let_pass_is_opened_no_more_and_costs_the_operator_at_its_date(
    town: Scene,
) -> None:
    promise = Promise(town, ("t1", town.worker, "fail"))
    town.ended()
    town.net.refused("too-late", promise.opening())
    open_by_ms = promise.secrets.open_by_ms
    town.net.tick_to(open_by_ms - 1)
    [missed] = town.net.tick(1)
    assert kinds(missed.events) == ["canaries.missed", "convicted", "money.moved"]
    assert town.net.balance("operator/bond") == 4_000
    assert town.net.get(Conviction, f"canary/{promise.root}").reporter == ""
    town.net.refused("too-late", promise.opening())
    whole(town)


def test_a_canary_that_nobody_claimed_or_checked_is_opened_all_the_same_and_costs_nothing(
    town: Scene,
) -> None:
    tasks = [f"t{number}" for number in range(12)]
    promise = Promise(town, *((task, town.worker, "fail") for task in ("never", *tasks)))
    promise.open(0)
    for task in tasks:
        trusted(town)
        claim = town.drawn(task)
        if town.state(claim) == "unchecked":
            break
    number = tasks.index(task) + 1
    town.net.refused("too-early", promise.opening(number))
    town.net.tick(1_000)
    assert town.state(claim) == "accepted"
    promise.open(number)
    assert town.net.get(Canary, f"{task}/{town.worker.did}").claim == ""
    assert town.net.get(CanaryRoot, promise.root).opened == 2


def test_a_canary_that_the_last_panel_decided_is_opened_all_the_same() -> None:
    town = scene(policy_of(panels=[3]))
    promise = Promise(town, ("t1", town.worker, "fail"))
    claim = town.opened()
    town.judge(claim)
    assert town.state(claim) == "accepted"
    promise.open()
    town.net.tick_to(promise.secrets.open_by_ms)
    assert town.net.balance("operator/bond") == 5_000
    whole(town)


def test_each_leaf_that_is_not_open_at_the_date_costs_the_operator_the_least_bond(town: Scene) -> None:
    promise = Promise(town, *((f"t{number}", town.worker, "pass") for number in range(5)))
    promise.open(3)
    town.net.tick_to(promise.secrets.open_by_ms - 1)
    in_time = town.fork()
    town.net.tick(1)
    missed = json.loads(town.net.entries[-1].data)["events"][0]
    assert (missed["kind"], missed["missing"]) == ("canaries.missed", 4)
    assert town.net.balance("operator/bond") == 1_000
    assert in_time.net.balance("operator/bond") == 5_000
    whole(town)


def test_the_operator_cannot_commit_to_both_answers_and_open_the_one_that_suits(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "pass"), ("t1", town.worker, "fail"))
    claim = town.opened()
    town.judge(claim, "pass")
    promise.open(1)
    town.net.refused("canary-opened", promise.opening(0))
    shown = evidence(town, town.rival, "canary", promise.opening(0), promise.opening(1))
    decided = town.net.do(shown)
    assert kinds(decided.events) == ["convicted", "money.moved"]
    assert town.net.balance("operator/bond") == 4_000
    town.net.refused(
        "convicted-already", evidence(town, town.worker, "canary", promise.opening(1), promise.opening(0))
    )
    town.net.tick_to(promise.secrets.open_by_ms)
    assert town.net.balance("operator/bond") == 3_000
    whole(town)


def test_what_does_not_contradict_is_no_evidence_against_the_operator(town: Scene) -> None:
    promise = Promise(
        town, ("t1", town.worker, "pass"), ("t1", town.worker, "pass"), ("t2", town.worker, "fail")
    )
    one, same, other = (promise.opening(number) for number in range(3))
    town.net.refused("same-output", evidence(town, town.rival, "canary", one, same))
    town.net.refused("other-claims", evidence(town, town.rival, "canary", one, other))
    forged = promise.opening(2, who=town.rival)
    town.net.refused("not-evidence", evidence(town, town.rival, "canary", one, forged))


def test_a_canary_is_of_an_exact_kind_and_committed_to_an_epoch_before_the_claim(town: Scene) -> None:
    judged, batch = town.fork(), town.fork()
    promise = Promise(judged, ("t1", judged.worker, "fail"))
    claim = judged.opened(task_kind=JUDGED)
    judged.judge(claim)
    judged.net.refused("canary-kind", promise.opening())
    promise = Promise(batch, ("t1", batch.worker, "fail"))
    claim = batch.opened(**batch.batch_task(3))
    batch.judge(claim)
    batch.net.refused("canary-kind", promise.opening())
    secrets = canaries([("t1", town.worker, "fail")], town.net.now_ms + 100_000)
    claim = town.claimed()
    town.net.say(p.CanaryCommit, town.net.operator, **secrets.commitment())
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.refuses("canary-too-new", p.CanaryOpen, town.net.operator, **secrets.opening(0))


def test_an_answer_binds_only_where_its_requester_and_its_worker_sign_it_too(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "fail"))
    claim = town.opened()
    town.judge(claim, "pass")
    net, said = town.net, promise.secrets.opening(0)
    for others in ((), (town.requester,), (town.worker,)):
        net.refused("no-consent", net.statement(p.CanaryOpen, net.operator, *others, **said))
    stranger = net.statement(p.CanaryOpen, net.operator, town.requester, town.worker, town.rival, **said)
    net.refused("unexpected-signature", stranger)
    assert town.net.get(Claim, claim).canary == ""
    promise.open()
    assert town.net.get(Claim, claim).canary == "fail"


def test_only_the_operator_promises_and_opens(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "pass"))
    town.net.refused("not-operator", promise.opening(who=town.rival))
    fields = {"root": "1" * 64, "count": 1, "open_by_ms": town.net.now_ms + 10_000}
    town.net.refuses("not-operator", p.CanaryCommit, town.rival, **fields)
    again = promise.secrets.commitment()
    town.net.refuses("canary-known", p.CanaryCommit, town.net.operator, **again)
    for open_by_ms in (town.net.now_ms, town.net.now_ms + 367 * 86_400_000):
        fields["open_by_ms"] = open_by_ms
        town.net.refuses("bad-deadline", p.CanaryCommit, town.net.operator, **fields)


def test_an_opening_that_leads_nowhere_is_refused_each_with_its_code(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "pass"), ("t2", town.worker, "pass"))
    right = promise.secrets.opening(0)
    preimage = str(right["preimage"])
    stranger = canaries([("t1", town.rival, "pass"), ("t2", town.worker, "pass")])
    for code, change in (
        ("bad-canary", {"leaf": promise.secrets.opening(1)["leaf"]}),
        ("bad-canary", {"path": ()}),
        ("bad-canary", {"preimage": preimage.replace("pass", "perhaps")}),
        ("bad-canary", {"preimage": preimage.replace("trust.example.org/test", "trust.example.org/other")}),
        ("bad-canary", {"preimage": preimage + "x"}),
        ("bad-canary", {"preimage": preimage.replace("\n0\n2\n", "\nzero\n2\n")}),
        ("malformed", {"leaf": "A"}),
        ("unknown-canary", stranger.opening(0)),
    ):
        town.net.refuses(code, p.CanaryOpen, town.net.operator, **{**right, **change})
    assert town.net.draft.get(Canary, f"t1/{town.worker.did}") is None


def test_who_was_a_canary_cannot_be_told_from_the_log_before_it_is_opened() -> None:
    """The verifier's view: whatever is hidden under the root, every entry up to the opening is the same to the byte."""

    def played(hidden: str) -> list[bytes]:
        town = scene()
        others = {"t1": "fail", "t2": "pass", "elsewhere": "pass"}
        promise = Promise(town, (hidden, town.worker, others[hidden]))
        for task in ("t1", "t2"):
            town.judged(task)
        return [entry.data.replace(promise.root.encode(), b"root") for entry in town.net.entries]

    worlds = [played(hidden) for hidden in ("t1", "t2", "elsewhere")]
    assert len({len(world) for world in worlds}) == 1
    told_apart = [
        index
        for index, entries in enumerate(zip(*worlds, strict=True))
        if len({visible(entry) for entry in entries}) > 1
    ]
    assert told_apart == []


def visible(entry: bytes) -> str:
    """An entry without what the root alone changes: the payload and signature of the commitment, and ids after it."""
    told = json.loads(entry)
    said = told["command"].get("statement")
    if any(event["kind"] == "canaries.committed" for event in told["events"]):
        said["payload"], said["signatures"] = "", ""
    return json.dumps(told)


def test_an_outsider_who_reads_an_opening_learns_no_other_canary(town: Scene) -> None:
    promise = Promise(town, ("t1", town.worker, "pass"), ("t2", town.worker, "fail"))
    shown = json.dumps(promise.secrets.opening(0))
    salts = [answer.salt for answer in promise.secrets.answers]
    assert salts[0] in shown
    assert salts[1] not in shown
