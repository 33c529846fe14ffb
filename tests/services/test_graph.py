"""The graph pass off a log: the same numbers on both databases as from the entries by plain integers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.services.observed import DAY_MS, founded, observe, seen
from tests.services.statements import START_MS, Party, Town
from tests.services.test_eigentrust import in_plain_integers
from trust.core import decay
from trust.core.entry import decode_entry
from trust.core.events import Observed
from trust.core.records import AdoptedPolicy
from trust.services import graph
from trust.services.eigentrust import ONE
from trust.services.graph import Pass, Ratings
from trust.services.graph_renewal import Graph
from trust.storage import observations
from trust.storage.engine import Database
from trust.storage.observations import policy_at
from trust.storage.reading import Reader, reading

HALF_LIFE_MS = 90 * DAY_MS


def strangers(count: int) -> list[str]:
    return [Party(f"stranger {number}").did for number in range(count)]


def some(town: Town, count: int = 60) -> list[tuple[int, Observed]]:
    """Observations of every kind, of registered and other agents, in the order of time."""
    rng = random.Random(3)
    agents = [worker.did for worker in town.workers] + strangers(4)
    raters = [town.requester.did, *strangers(6)]
    return [
        seen(
            number,
            rng.choice(agents),
            counterparty=rng.choice(raters),
            **rng.choices(
                [
                    {"why": "verdict", "good_milli": rng.randrange(1, 4_000)},
                    {"why": "accepted", "good_milli": rng.randrange(0, 1_000)},
                    {"why": "expired", "bad_milli": 3_000},
                    {"why": "fraud", "failure_milli": 24_000},
                ],
                (10, 10, 1, 1),
            )[0],
        )
        for number in range(count)
    ]


def passed(database: Database, size: int | None = None) -> Pass:
    with reading(database) as reader:
        return graph.graph_pass(graph.known_of(reader, Ratings(), size or reader.head().size))


def by_plain_integers(reader: Reader, result: Pass) -> list[int]:
    """The trust by owner's number, from the bytes of the log's entries."""
    accounts, ratings = result.numbers, []
    for entry in reader.entries(0, result.size):
        for event in decode_entry(entry.data).events:
            if isinstance(event, Observed):
                rater = event.counterparty if event.why in ("accepted", "expired") else "panels"
                net = worth(event.good_milli, entry.at_ms, result.at_ms, HALF_LIFE_MS)
                net -= worth(event.bad_milli, entry.at_ms, result.at_ms, HALF_LIFE_MS)
                net -= worth(event.failure_milli, entry.at_ms, result.at_ms, 4 * HALF_LIFE_MS)
                if net or event.bad_milli or event.failure_milli:
                    ratings.append((accounts[rater], accounts[event.agent], net))
    return in_plain_integers(len(accounts), ratings, [ONE] + [0] * (len(accounts) - 1))


def worth(milli: int, t_ms: int, at_ms: int, half_life_ms: int) -> int:
    return milli * decay.growth(t_ms, START_MS, half_life_ms) // decay.growth(at_ms, START_MS, half_life_ms)


def test_the_pass_is_what_plain_integers_make_of_the_entries(database: Database, tmp_path: Path) -> None:
    town = founded(database, tmp_path)
    size = observe(database, *some(town))
    result = passed(database)
    assert result.size == size
    with reading(database) as reader:
        assert result.trust.tolist() == by_plain_integers(reader, result)
    assert sum(result.trust.tolist()) <= ONE
    assert max(result.weight_ppm.tolist()) > 500_000


def test_reading_on_gives_the_same_pass_as_reading_anew(database: Database, tmp_path: Path) -> None:
    town = founded(database, tmp_path)
    everything = some(town)
    ratings = Ratings()
    for part in (everything[:20], everything[20:45], everything[45:]):
        size = observe(database, *part)
        with reading(database) as reader:
            grown = graph.graph_pass(graph.known_of(reader, ratings, size))
    assert grown.trust.tolist() == passed(database).trust.tolist()
    assert {owner: grown.of(owner) for owner in grown.numbers} == {
        owner: passed(database).of(owner) for owner in grown.numbers
    }


def test_a_pass_as_of_a_size_is_the_one_that_was_made_then(database: Database, tmp_path: Path) -> None:
    town = founded(database, tmp_path)
    everything = some(town)
    size = observe(database, *everything[:30])
    then = passed(database)
    observe(database, *everything[30:])
    again = passed(database, size)
    assert (again.size, again.at_ms) == (then.size, then.at_ms)
    assert again.trust.tolist() == then.trust.tolist()
    assert again.of(town.workers[0].did) == then.of(town.workers[0].did)


def test_acceptances_count_by_what_their_giver_is_trusted_with(database: Database, tmp_path: Path) -> None:
    town = founded(database, tmp_path)
    known, newcomer, friend = (worker.did for worker in town.workers)
    nobody = strangers(1)[0]
    observe(
        database,
        seen(0, known, good_milli=4_000),
        seen(1, newcomer, why="accepted", good_milli=1_000, counterparty=known),
        seen(1, friend, why="accepted", good_milli=1_000, counterparty=nobody),
    )
    result = passed(database)
    assert result.of(newcomer)["good_milli"] > result.of(friend)["good_milli"] == 0
    assert result.of(newcomer)["trust_q30"] > result.of(friend)["trust_q30"] == 0
    assert result.of(newcomer)["expected_ppm"] > result.of(nobody)["expected_ppm"] == 900_000


def test_half_of_the_trust_starts_from_seeds_that_stand_in_with_money(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = founded(database, tmp_path)
    poor = strangers(8)
    seeds = (town.workers[0].did, town.workers[1].did, *poor)

    def with_seeds(reader: Reader, at_ms: int, size: int) -> AdoptedPolicy:
        adopted = policy_at(reader, at_ms, size)
        reputation = replace(adopted.terms.reputation, seeds=seeds)
        return replace(adopted, terms=replace(adopted.terms, reputation=reputation))

    monkeypatch.setattr(observations, "policy_at", with_seeds)
    observe(database, seen(0, town.workers[2].did, good_milli=4_000))
    result = passed(database)
    assert set(result.seeds) == {town.workers[0].did, town.workers[1].did}
    assert result.of(town.workers[0].did)["trust_q30"] >= ONE // 4 * 3 // 10
    assert all(result.of(seed)["trust_q30"] == 0 for seed in poor)


def test_a_log_on_which_nobody_worked_has_a_pass_too(database: Database, tmp_path: Path) -> None:
    founded(database, tmp_path)
    result = passed(database)
    assert (result.ratings, result.trust.tolist()) == (0, [ONE])
    assert result.of(strangers(1)[0])["trust_q30"] == 0


def test_the_job_makes_a_pass_when_the_log_has_grown_and_rests_in_between(
    database: Database, tmp_path: Path
) -> None:
    town = founded(database, tmp_path)
    holder = Graph()
    holder.renew(database)
    first = holder.latest
    holder._rest_until_ms = 0
    holder.renew(database)
    assert holder.latest is first
    observe(database, *some(town))
    holder._rest_until_ms = 2**62
    holder.renew(database)
    assert holder.latest is first
    holder._rest_until_ms = 0
    holder.renew(database)
    assert holder.latest is not None
    assert holder.latest.trust.tolist() == passed(database).trust.tolist()


def test_an_empty_database_is_left_alone(database: Database) -> None:
    holder = Graph()
    holder.renew(database)
    assert holder.latest is None
