"""What must always hold (docs/rules.md 9), checked over a whole state and a whole log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeVar

from tests.core.network import Records
from trust.core import ledger, rawsums, reputation, rulebook, scoring
from trust.core.entry import MAX_ENTRY_BYTES, decode_entry
from trust.core.events import MoneyMoved
from trust.core.events.parties import name_timer, policy_timer, verifier_timer
from trust.core.events.tasks import leaving
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    CanaryRoot,
    Challenge,
    Claim,
    Network,
    Node,
    Party,
    Pool,
    Poster,
    Probation,
    Record,
    Round,
    Score,
    Seat,
    Squad,
    Task,
    Timer,
    Withdrawal,
)
from trust.core.rulebook import Decided
from trust.core.state import Draft, MemoryState

PPM = 1_000_000
OPEN_TIMERS = {
    "claimed": "lease",
    "submitted": "draw",
    "unchecked": "challenge",
    "passing": "challenge",
    "failing": "challenge",
    "voiding": "challenge",
}
TASK_TIMERS = {"open": "deadline", "allocating": "allocation"}
R = TypeVar("R", bound=Record)


class Checker:
    """Holds each state against the rules and against the state before it."""

    def __init__(self) -> None:
        self._burned = 0
        self._commitments: dict[str, str] = {}
        self._winners: dict[str, tuple[str, str]] = {}
        self._entries = 0
        self._at_ms = 0

    def check(self, records: Records, entries: Sequence[Decided], at_ms: int) -> None:
        """Everything that must hold after any step."""
        self._records = records
        self._by_kind: dict[type[Record], list[Record]] = {}
        for (kind, _), record in records.items():
            self._by_kind.setdefault(kind, []).append(record)
        self._at_ms_now = at_ms
        self._check_entries(entries)
        self._check_money()
        self._check_locks()
        self._check_claims()
        self._check_squads()
        self._check_seats()
        self._check_challenges()
        self._check_posters()
        self._check_futures()
        self._check_scores()
        self._check_allocations()

    def _all(self, kind: type[R]) -> list[R]:
        return self._by_kind.get(kind, [])  # type: ignore[return-value]

    def _get(self, kind: type[R], id: str) -> R | None:
        return self._records.get((kind, id))  # type: ignore[return-value]

    def _balance(self, account: str) -> int:
        record = self._get(Account, account)
        return record.balance_units if record else 0

    def _check_entries(self, entries: Sequence[Decided]) -> None:
        """Entries follow each other in place and time; each fits, and its postings sum to zero."""
        for decided in entries[self._entries :]:
            assert decided.index == self._entries
            assert decided.at_ms >= self._at_ms, "time goes back"
            assert len(decided.data) <= MAX_ENTRY_BYTES
            self._entries, self._at_ms = self._entries + 1, decided.at_ms
            for event in decided.events:
                if isinstance(event, MoneyMoved):
                    _check_posting(event)

    def _check_money(self) -> None:
        accounts = self._all(Account)
        assert sum(account.balance_units for account in accounts) == 0
        for account in accounts:
            assert account.balance_units >= 0 or account.id == ledger.EXTERNAL, account
        burned = self._balance(ledger.BURN)
        assert burned >= self._burned, "burn shrinks"
        self._burned = burned

    def _check_locks(self) -> None:
        """Every lock holds exactly what some open thing says it holds, and nothing lies anywhere else."""
        expected: Counter[str] = Counter()
        for claim in self._all(Claim):
            expected[ledger.stake(claim.id)] = claim.hold_units if claim.ended_ms else claim.stake_units
        for challenge in self._all(Challenge):
            held = challenge.bond_units + challenge.prepaid_units if challenge.state == "open" else 0
            expected[ledger.challenge_bond(challenge.id)] = held
        for withdrawal in self._all(Withdrawal):
            bond = withdrawal.source == ledger.OPERATOR_BOND
            waiting = ledger.OPERATOR_UNBONDING if bond else ledger.unbonding(withdrawal.party)
            expected[waiting] += withdrawal.amount_units * (withdrawal.state in ("unbonding", "payable"))
        for party in self._all(Party):
            expected[ledger.unbonding(party.id)] -= party.unbonding_lost_units
        for network in self._all(Network):
            expected[ledger.OPERATOR_UNBONDING] -= network.bond_lost_units
        for account, units in expected.items():
            assert self._balance(account) == units, account
        for squad in self._all(Squad):
            lasts = any(member.claim for member in squad.members)
            for member in squad.members:
                held = self._balance(ledger.surety(squad.id, member.worker))
                assert held <= (member.surety_units if lasts else 0), squad
        for task in self._all(Task):
            self._check_escrow(task)

    def _check_escrow(self, task: Task) -> None:
        held = self._balance(ledger.escrow(task.id))
        if task.state == "closed":
            assert held == 0, task
        elif task.state in ("open", "allocating"):
            assert held == task.escrow_units, task
        elif task.state == "split":
            assert held == 0, task
        else:
            assert task.price_units <= held <= task.escrow_units, task

    def _check_claims(self) -> None:
        open_claims = [claim for claim in self._all(Claim) if not claim.ended_ms]
        by_task = {claim.task: claim.id for claim in open_claims}
        assert len(by_task) == len(open_claims), "two open claims on one task"
        claimed = {task.id: task.claim for task in self._all(Task) if task.state == "claimed"}
        assert by_task == claimed
        for claim in self._all(Claim):
            assert self._winners.setdefault(claim.id, (claim.task, claim.worker)) == (
                claim.task,
                claim.worker,
            )

    def _check_squads(self) -> None:
        """A task that is split has parts that make it up, and is closed when the last of them is."""
        for squad in self._all(Squad):
            parent = self._get(Task, squad.task)
            parts = [self._get(Task, id) for id in squad.tasks]
            assert parent is not None
            if squad.state in ("calling", "formed", "dissolved", "expired"):
                assert not parts
                continue
            assert parent.squad == squad.id
            assert [each.worker for each in squad.members] == list(
                dict.fromkeys(each.worker for each in squad.members)
            )
            assert sum(part.price_units for part in parts if part) == parent.price_units
            assert sum(part.items_count for part in parts if part) == parent.items_count
            is_over = all(part is not None and part.state == "closed" for part in parts)
            assert is_over == (parent.state == "closed") == (squad.state in ("accepted", "unfinished"))
            assert is_over or parent.state == "split"

    def _check_seats(self) -> None:
        by_claim: dict[str, list[Seat]] = {}
        for seat in self._all(Seat):
            by_claim.setdefault(seat.claim, []).append(seat)
            if seat.commitment:
                assert self._commitments.setdefault(seat.id, seat.commitment) == seat.commitment
            assert seat.state in ("seated", "passed", "excused") or seat.commitment
        for claim in self._all(Claim):
            places = by_claim.get(claim.id, [])
            assert len({seat.agent for seat in places}) == len(places), "one agent on two seats of a claim"
            assert len({seat.owner for seat in places}) == len(places), "one owner on two seats of a claim"
            assert claim.worker not in {seat.agent for seat in places}
            task = self._get(Task, claim.task)
            squad = self._get(Squad, task.squad) if task else None
            assert not {seat.agent for seat in places} & {
                each.worker for each in (squad.members if squad else ())
            }

    def _check_challenges(self) -> None:
        """One challenge a verdict, each of them open exactly as long as its claim."""
        rounds: set[tuple[str, int]] = set()
        for challenge in self._all(Challenge):
            claim = self._get(Claim, challenge.claim)
            assert claim is not None
            assert (challenge.state == "open") == (not claim.ended_ms)
            assert challenge.against in ("pass", "fail", "void")
            assert (claim.id, challenge.round) not in rounds, "two challenges open one round"
            rounds.add((claim.id, challenge.round))
            voided = claim.verdict if claim.canary else "void"
            final = {"accepted": "pass", "rejected": "fail", "voided": voided}.get(claim.state)
            if claim.ended_ms and challenge.state != "returned":
                assert (challenge.state == "lost") == (challenge.against == final), challenge
            erased = claim.state == "voided" and claim.verdict != "void"
            assert claim.canary or not erased, "an appeal erased a verdict"

    def _check_posters(self) -> None:
        """A requester's tasks that are not closed hang together, each once; who left has none that is open."""
        closing = {timer.id for timer in self._all(Timer) if timer.kind == "leaving"}
        unclosed: dict[str, set[str]] = {}
        for task in self._all(Task):
            if task.state != "closed":
                unclosed.setdefault(task.requester, set()).add(task.id)
        for poster in self._all(Poster):
            walked, id, newer = [], poster.newest, ""
            while id and (found := self._get(Task, id)):
                assert found.newer == newer
                walked.append(id)
                newer, id = id, found.older
            assert len(walked) == len(set(walked))
            assert set(walked) == unclosed.pop(poster.id, set())
            party = self._get(Party, poster.id)
            if party is not None and party.left and leaving(party.id) not in closing:
                assert not any(self._is_open(task) for task in walked)
        assert not unclosed

    def _is_open(self, id: str) -> bool:
        task = self._get(Task, id)
        return task is not None and task.state == "open"

    # -- every open thing has a future

    def _check_futures(self) -> None:
        timers = [
            timer for timer in self._all(Timer) if timer.kind not in ("party", "leaving", "verifier", "name")
        ]
        for party in self._all(Party):
            staked = bool(self._balance(ledger.verifier_stake(party.id)))
            leaves = self._get(Timer, verifier_timer(party.id)) is not None
            assert not (leaves and party.enrolled), f"{party.id} checks and leaves"
            assert leaves or party.enrolled or not staked, f"the stake of {party.id} stays for ever"
            bonded = bool(self._balance(ledger.name_bond(party.id)))
            returns = self._get(Timer, name_timer(party.id)) is not None
            assert returns or not (party.left and bonded), f"the bond of {party.id}'s name stays for ever"
            assert party.left or not returns, f"the bond of {party.id}'s name comes back, and it works on"
        for timer in timers:
            assert timer.due_ms > self._at_ms_now, f"{timer} is due and not settled"
        expected = dict(self._expected_timers())
        found = {timer.id: timer.kind for timer in timers}
        assert found == expected, (found.items() - expected.items(), expected.items() - found.items())

    def _expected_timers(self) -> Iterable[tuple[str, str]]:
        """Exactly the due dates that the open things of this state must have."""
        for task in self._all(Task):
            if task.state in TASK_TIMERS:
                yield f"task/{task.id}", TASK_TIMERS[task.state]
        for claim in self._all(Claim):
            yield from self._timers_of_claim(claim)
        for withdrawal in self._all(Withdrawal):
            if withdrawal.state == "unbonding":
                yield withdrawal.id, "unbonding"
        for pool in self._all(Pool):
            if pool.dirty:
                yield pool.id, "epoch"
        yield from ((squad.id, "squad") for squad in self._all(Squad) if squad.state in ("calling", "formed"))
        yield from self._timers_of_canaries()
        announced = (each for each in self._all(AdoptedPolicy) if each.effective_ms > self._at_ms_now)
        yield from ((policy_timer(int(policy.id)), "policy") for policy in announced)

    def _timers_of_canaries(self) -> Iterable[tuple[str, str]]:
        for root in self._all(CanaryRoot):
            if root.opened < root.count and root.open_by_ms > self._at_ms_now:
                yield f"canary/{root.id}", "canary"

    def _timers_of_claim(self, claim: Claim) -> Iterable[tuple[str, str]]:
        if claim.ended_ms:
            if claim.hold_units:
                yield claim.id, "evidence"
        elif claim.state != "checking":
            yield claim.id, OPEN_TIMERS[claim.state]
        elif claim.draw_round:
            yield claim.id, "draw"
        else:
            yield from self._timers_of_round(f"{claim.id}/{claim.round}")

    def _timers_of_round(self, id: str) -> Iterable[tuple[str, str]]:
        panel = self._get(Round, id)
        assert panel is not None
        assert panel.phase in ("opening", "commit", "reveal"), f"nothing moves {id} on"
        if panel.phase != "commit":
            yield id, panel.phase
            return
        seats = [self._get(Seat, seat) for seat in panel.seats]
        waiting = [seat.id for seat in seats if seat is not None and seat.state == "seated"]
        assert waiting, f"nobody is waited for in {id}"
        yield from ((seat, "commit") for seat in waiting)

    # -- allocations

    def _check_allocations(self) -> None:
        """A draw is awaited exactly while its task is allocating; who is on probation has that one claim in flight,
        which no panel has passed."""
        awaited = {each.id for each in self._all(Allocation) if each.state == "awaited"}
        assert awaited == {task.id for task in self._all(Task) if task.state == "allocating"}
        for each in self._all(Allocation):
            assert len(each.shortlist) <= min(each.size, each.eligible)
            assert len({place.agent for place in each.shortlist}) == len(each.shortlist)
        passed = {each.claim for each in self._all(Round) if each.verdict == "pass"}
        in_flight = {
            claim.worker: claim.id
            for claim in self._all(Claim)
            if claim.route == "probation" and not claim.ended_ms and claim.id not in passed
        }
        assert in_flight == {each.id: each.claim for each in self._all(Probation)}

    # -- scores

    def _check_scores(self) -> None:
        network = self._get(Network, "network")
        assert network is not None
        for score in self._all(Score):
            seen = rawsums.read(rawsums.stored(score), network, self._at_ms_now)
            assert 0 <= reputation.expected_ppm(seen) <= PPM
            assert 0 <= reputation.priority_ppm(seen) <= PPM
        state = MemoryState()
        state.records, state.at_ms = self._records, self._at_ms_now
        agents = [party.id for party in self._all(Party)]
        for candidate in scoring.priorities(state, "code-review", agents):
            assert 0 <= candidate.liveness_ppm <= PPM
            assert candidate.rank_ppm >= 0
            assert 0 <= scoring.rater_ppm(state, candidate.agent) <= PPM


def _check_posting(event: MoneyMoved) -> None:
    """It sums to zero; what is called a slash comes out of a lock of its kind, and burns or goes to a requester."""
    assert sum(change for _, change in event.postings) == 0
    assert len({account for account, _ in event.postings}) == len(event.postings)
    if event.why == "slash.equivocation":
        for account, change in event.postings:
            locks = account.startswith("claim/") or account.endswith(("/free", "/unbonding"))
            assert locks if change < 0 else account == ledger.BURN or account.endswith("/free")
    elif event.why in ("slash.name", "slash.surety"):
        for account, change in event.postings:
            is_lock = account.endswith("/name") if event.why == "slash.name" else account.startswith("squad/")
            assert is_lock if change < 0 else account == ledger.BURN
    elif event.why.startswith(("slash.", "seat.slash")):
        lock = "claim/" if event.why.startswith("slash.") else "verifier/"
        for account, change in event.postings:
            gains = (ledger.BURN, "agent/") if lock == "claim/" else (ledger.BURN, ledger.VERIFICATION)
            assert account.startswith(lock) if change < 0 else account.startswith(gains)


def check_log(entries: Sequence[Decided], records: Records) -> None:
    """Replaying gives the same bytes, folding the same records, and `json.dumps` the same text."""
    nodes = [record for record in records.values() if isinstance(record, Node)]
    replayed, folded = MemoryState(), MemoryState()
    replayed.put_all(nodes)
    folded.put_all(nodes)
    for decided in entries:
        entry = decode_entry(decided.data)
        text = json.dumps(json.loads(decided.data), separators=(",", ":"), ensure_ascii=False)
        assert text.encode() == decided.data
        assert b"\\" not in decided.data
        assert entry.events == decided.events
        again = Draft(replayed)
        rulebook.replay(again, entry, decided.data)
        replayed.absorb(again)
        plain = Draft(folded)
        rulebook.fold(plain, entry)
        folded.absorb(plain)
    assert replayed.records == records
    assert folded.records == records
