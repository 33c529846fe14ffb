"""What coordination takes is folded from the log's own times, and spoken of where the numbers say so."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.flows import Scene, scene
from tests.core.terms import EXACT, policy_of, policy_text
from trust.core import overhead
from trust.core.overhead import DEFAULT, HOUR_MS, NETWORK, Legs, overhead_id
from trust.core.policy import Coordination, parse
from trust.core.records import EMPTY_SPENT, Overhead, Spent

TIMES = st.integers(0, 2**40)
LEGS = st.builds(Legs, wait_ms=TIMES, work_ms=TIMES, settle_ms=TIMES)
README = Path(__file__).parents[2] / "policies" / "README.md"


def spent(*legs: Legs, at_ms: int = 2**50) -> Spent:
    found = EMPTY_SPENT
    for each in legs:
        found = overhead.spent(found, each, at_ms)
    return found


def of(town: Scene, task_kind: str = EXACT) -> Overhead:
    return town.net.get(Overhead, overhead_id(task_kind, town.relay))


# -- the fold


def test_the_three_legs_are_those_of_the_logs_own_times() -> None:
    town = scene()
    town.post()
    town.net.tick(40)
    claim = town.claim()
    town.net.tick(700)
    town.net.do(town.output(claim))
    submitted_ms = town.net.now_ms
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(town.net.policy.windows.challenge_ms)
    total = of(town).total
    assert (total.claims, total.lost) == (1, 0)
    assert 40 <= total.wait_ms < 60
    assert 700 <= total.work_ms < 720
    assert town.net.policy.windows.challenge_ms <= total.settle_ms <= town.net.now_ms - submitted_ms
    assert total.last_ms - total.first_ms == total.wait_ms + total.work_ms + total.settle_ms
    assert town.net.get(Overhead, NETWORK).total == total


def test_a_task_that_is_open_again_waits_from_then_on() -> None:
    town = scene()
    town.post()
    town.claim()
    town.net.tick(10_000)
    assert of(town).total.lost == 1
    assert of(town).total.lost_ms >= 10_000
    town.net.tick(25)
    claim = town.claim(worker=town.rival)
    town.net.do(town.output(claim))
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim)
    town.net.tick(town.net.policy.windows.challenge_ms)
    total = of(town).total
    assert (total.claims, total.lost) == (1, 1)
    assert 25 <= total.wait_ms < 10_000


def test_what_no_claim_ended_on_has_no_record() -> None:
    town = scene()
    town.claimed()
    assert town.net.all(Overhead) == []


def test_the_hour_that_runs_and_the_one_before_are_kept_apart_from_all_time() -> None:
    record = Overhead(id="k/r", task_kind="k", relay="r")
    for hour, count in ((10, 2), (11, 3), (13, 1)):
        for _ in range(count):
            record = overhead.added(record, Legs(1, 2, 3), hour * HOUR_MS + 5)
    assert (record.total.claims, record.recent.claims, record.before.claims) == (6, 1, 0)
    assert overhead.recent(record, 13 * HOUR_MS + 9).claims == 1
    assert overhead.recent(record, 14 * HOUR_MS).claims == 1
    assert overhead.recent(record, 15 * HOUR_MS).is_empty
    following = overhead.added(record, Legs(1, 2, 3), 14 * HOUR_MS)
    assert overhead.recent(following, 14 * HOUR_MS + 1).claims == 2


@given(st.lists(LEGS, max_size=8), st.lists(LEGS, max_size=8))
def test_sums_of_parts_are_the_sums_of_the_whole(one: list[Legs], other: list[Legs]) -> None:
    assert overhead.merged(spent(*one), spent(*other)) == spent(*one, *other)


@given(TIMES, TIMES)
def test_a_bucket_is_off_by_an_eighth_at_most_and_buckets_are_in_the_order_of_times(
    one: int, other: int
) -> None:
    assert abs(overhead.middle(overhead.bucket(one)) - one) * 8 <= one
    if one <= other:
        assert overhead.bucket(one) <= overhead.bucket(other)


def test_percentiles_are_of_the_claims_and_shares_of_the_time() -> None:
    read = overhead.reading(spent(*[Legs(100, 800, 100)] * 98, *[Legs(4_000, 800, 100)] * 2))
    assert read.wait.p50_ms == read.wait.p90_ms == pytest.approx(100, rel=0.13)
    assert read.wait.p99_ms == pytest.approx(4_000, rel=0.13)
    assert read.wait.mean_ms == 178
    assert read.coordination_ppm == pytest.approx(278 / 1078 * 1e6, rel=1e-5)
    assert overhead.reading(EMPTY_SPENT).coordination_ppm == 0


# -- advice


def codes(*legs: Legs, policy: Coordination = DEFAULT, at_ms: int = 2**50) -> list[str]:
    return [each.code for each in overhead.advice(overhead.reading(spent(*legs, at_ms=at_ms)), policy)]


def test_good_figures_speak_for_nothing() -> None:
    assert codes(*[Legs(10, 5_000, 100)] * 20) == []


def test_before_there_are_enough_claims_nothing_is_said() -> None:
    assert codes(*[Legs(1_000, 10, 10)] * 19) == []
    assert "work-too-short" in codes(*[Legs(1_000, 10, 10)] * 20)


def test_work_of_less_than_ten_times_the_coordination_is_too_short() -> None:
    assert codes(*[Legs(100, 900, 0)] * 20) == ["work-too-short"]
    assert codes(*[Legs(100, 2_000, 0)] * 20) == []
    assert codes(*[Legs(100, 900, 0)] * 20, policy=replace(DEFAULT, work_ratio=5)) == []


@pytest.mark.parametrize(
    ("wait_ms", "settle_ms", "code"), [(700, 0, "mostly-waiting"), (1, 900, "mostly-settling")]
)
def test_over_half_of_the_time_spent_on_coordination_names_the_leg(
    wait_ms: int, settle_ms: int, code: str
) -> None:
    assert code in codes(*[Legs(wait_ms, 600, settle_ms)] * 20)
    assert code not in codes(*[Legs(wait_ms, 1_000, settle_ms)] * 20)


def test_many_tasks_that_wait_side_by_side_speak_for_events() -> None:
    begun_ms, found = 10**9, EMPTY_SPENT
    for number in range(100):  # each of them waits 900 ms for its claim, and ten of them end each 100 ms
        found = overhead.spent(found, Legs(900, 20_000, 0), begun_ms + 20_900 + number * 10)
    read = overhead.reading(found)
    assert read.waiting_milli == 900 * 100 * 1_000 // (20_900 + 990)
    assert overhead.advice(read, replace(DEFAULT, waiting_milli=4_000))[0].code == "tasks-wait"
    assert overhead.advice(read, DEFAULT) == []
    assert overhead.advice(read, replace(DEFAULT, waiting_milli=1), is_one_relay=False) == []


def test_a_queue_over_its_share_speaks_for_more_relays() -> None:
    [advice] = overhead.queue_advice({"a/requests": 500_001, "b/requests": 500_000}, DEFAULT)
    assert advice.code == "queue-saturated"
    assert advice.said.startswith("a/requests")


# -- the policy

SECTION = """
[coordination]
work_ratio = 3
overhead_ppm = 1
queue_ppm = 2
waiting_milli = 4
min_claims = 5
"""


def test_thresholds_are_the_policys_and_a_policy_without_them_has_the_same_bytes_as_ever() -> None:
    assert overhead.thresholds(policy_of()) is DEFAULT
    assert b"coordination" not in encode_policy(policy_text())
    said = parse(policy_text() + SECTION)
    assert overhead.thresholds(said) == Coordination(3, 1, 2, 4, 5)
    defaults = "\n".join(f"{name} = {getattr(DEFAULT, name)}" for name in Coordination.__struct_fields__)
    assert b'"work_ratio":10' in encode_policy(f"{policy_text()}\n[coordination]\n{defaults}\n")


def encode_policy(text: str) -> bytes:
    return msgspec.json.encode(parse(text))


def test_the_policies_readme_names_each_threshold_and_its_default() -> None:
    told = dict(re.findall(r"^\| `([a-z_]+)` \| `([0-9_]+)` \|", README.read_text("utf-8"), re.MULTILINE))
    told = {name: int(value) for name, value in told.items() if name in Coordination.__struct_fields__}
    assert told == {name: getattr(DEFAULT, name) for name in Coordination.__struct_fields__}
