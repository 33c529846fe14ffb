"""Tasks, claims and seats: the state of a case and everything that a party needs to take the next step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import msgspec

from trust.api.views.log import entry_facts
from trust.api.views.shapes import ID, NAME, find, page, shown
from trust.core import ledger, strict
from trust.core.entry import decode_entry
from trust.core.events import round_id
from trust.core.lifecycle import Phase
from trust.core.payloads import OutputSubmit
from trust.core.policy import Policy
from trust.core.records import (
    Account,
    AdoptedPolicy,
    Allocation,
    Claim,
    Opening,
    Record,
    Round,
    Seat,
    Squad,
    Task,
    Timer,
)
from trust.core.rulebook import output_in
from trust.services.bundles import bundle_of, shortlist_draw
from trust.storage.holdings import challenges_on
from trust.storage.reading import Reader
from trust.storage.unit import StoredEntry

R = TypeVar("R", bound=Record)


def task(reader: Reader, id: str) -> dict[str, Any]:
    """A task with every claim that it had."""
    task_record = find(reader, Task, id, NAME)
    return {
        **shown_task(task_record),
        "escrow_units": _balance(reader, ledger.escrow(id)),
        "exact": _is_exact(reader, task_record),
        "allocation": _allocation(reader, id),
        "claims": [_brief(each) for each in reader.claims_on(id)],
    }


def _allocation(reader: Reader, task: str) -> dict[str, Any] | None:
    """The draw of who may claim a task first: what was asked for, whom it gave, and its entry with the VRF's proof."""
    record = reader.record(Allocation, task)
    if record is None:
        return None
    drawn = shortlist_draw(reader, record)
    draw = None if drawn is None else decode_entry(drawn.data).command.draw
    return {
        **shown(record, "task", "task", "shortlist"),
        "shortlist": [{"agent": one.agent, "probation": one.probation} for one in record.shortlist],
        "draw": None if drawn is None else {"index": drawn.index, **msgspec.to_builtins(draw)},
    }


def squad(reader: Reader, id: str) -> dict[str, Any]:
    """A squad: its task, who takes what for how much, and once it claimed the parts with the claims on them."""
    record = find(reader, Squad, id, ID)
    return {
        **shown(record, "squad"),
        "parts": [
            {**shown_task(part), "claims": [_brief(each) for each in reader.claims_on(part.id)]}
            for part in _by_id(reader, Task, record.tasks).values()
        ],
    }


def shown_task(record: Task) -> dict[str, Any]:
    """A task's own fields."""
    return shown(record, "task")


def _brief(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.id,
        "worker": claim.worker,
        "state": claim.state,
        "verdict": claim.verdict or None,
        "index": claim.index,
    }


def _is_exact(reader: Reader, task: Task) -> bool:
    adopted = reader.record(AdoptedPolicy, str(task.policy))
    return adopted is not None and adopted.terms.is_exact(task.task_kind)


def _balance(reader: Reader, account: str) -> int:
    record = reader.record(Account, account)
    return 0 if record is None else record.balance_units


def claim(reader: Reader, id: str) -> dict[str, Any]:
    """A claim with its task, output, challenges, rounds and their seats, and what is due next."""
    claim_record = find(reader, Claim, id, ID)
    by_round: dict[int, list[Seat]] = {}
    for seat in reader.seats_on(id):
        by_round.setdefault(seat.round, []).append(seat)
    timer = reader.record(Timer, id)
    return {
        **shown(claim_record, "claim"),
        "staked_units": _balance(reader, ledger.stake(id)),
        "due": None if timer is None else {"kind": timer.kind, "due_ms": timer.due_ms},
        "task": shown_task(cast(Task, reader.record(Task, claim_record.task))),
        "output": _outputs(reader, [claim_record]).get(id),
        "challenges": [shown(each, "challenge", "claim") for each in challenges_on(reader.connection, id)],
        "rounds": [_round(reader, each, by_round.get(each.number, [])) for each in reader.rounds_of(id)],
    }


def _round(reader: Reader, round_: Round, seats: Iterable[Seat]) -> dict[str, Any]:
    fields = shown(round_, "round", "seats", "claim", "past_seats", "items", "to_open", "replaced")
    current = set(round_.seats)
    opened = _opened(reader, [round_])
    return {
        **fields,
        "round": round_.number,
        "seats": [
            {
                **shown(seat, "seat", "claim", "round"),
                "current": seat.id in current,
                "items": _items(round_, seat.place, opened),
                "to_open": round_.to_open[seat.place] if round_.to_open else 0,
            }
            for seat in seats
        ],
    }


def _items(round_: Round, place: int, opened: dict[str, str]) -> list[dict[str, Any]]:
    """The items of a place; `leaf` (hex) is null until the worker opened the item, and names its blob."""
    if not round_.items:
        return []
    return [
        {"index": index, "leaf": opened.get(f"{round_.id}/{place}/{index}")} for index in round_.items[place]
    ]


def _opened(reader: Reader, rounds: Iterable[Round]) -> dict[str, str]:
    ids = [
        f"{round_.id}/{place}/{index}"
        for round_ in rounds
        for place, indices in enumerate(round_.items)
        for index in indices
    ]
    return {record.id: record.leaf for record in reader.records(Opening, ids)} if ids else {}


def duties(reader: Reader, seats: Sequence[Seat]) -> list[dict[str, Any]]:
    """Seats with their claims, tasks, outputs, items and deadlines, loaded together."""
    claims = _by_id(reader, Claim, (seat.claim for seat in seats))
    tasks = _by_id(reader, Task, (each.task for each in claims.values()))
    rounds = _by_id(reader, Round, (round_id(seat.claim, seat.round) for seat in seats))
    opened = _opened(reader, rounds.values())
    outputs = _outputs(reader, claims.values())
    policies = _by_id(reader, AdoptedPolicy, (str(task.policy) for task in tasks.values()))
    return [
        _duty(
            seat,
            claims[seat.claim],
            tasks[claims[seat.claim].task],
            policies[str(tasks[claims[seat.claim].task].policy)].terms,
            rounds[round_id(seat.claim, seat.round)],
            opened,
            outputs,
        )
        for seat in seats
    ]


def _duty(
    seat: Seat,
    held: Claim,
    work: Task,
    policy: Policy,
    round_: Round,
    opened: dict[str, str],
    outputs: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    until_ms = seat.until_ms if round_.phase == Phase.COMMIT else round_.until_ms
    return {
        **shown(seat, "seat"),
        "phase": round_.phase,
        "until_ms": until_ms,
        "fee_units": policy.verifiers.fee_units,
        "liability_units": policy.liability_units(work.price_units),
        "quorum": round_.quorum,
        "accept_count": round_.accept_count,
        "worker": held.worker,
        "claim_state": held.state,
        "task": shown_task(work),
        "output": outputs.get(held.id),
        "items": _items(round_, seat.place, opened),
        "to_open": round_.to_open[seat.place] if round_.to_open else 0,
    }


def _by_id(reader: Reader, kind: type[R], ids: Iterable[str]) -> dict[str, R]:
    return {record.id: record for record in reader.records(kind, list(dict.fromkeys(ids)))}


def _outputs(reader: Reader, claims: Iterable[Claim]) -> dict[str, dict[str, Any]]:
    """Returns the outputs, by claim: the statement's id, where it stands, its artifacts, and whether it is open."""
    return {
        each.id: {
            "statement": each.output,
            "index": each.output_index,
            "opened": each.opened,
            **_delivered(reader, each.output_index),
        }
        for each in claims
        if each.output
    }


def _delivered(reader: Reader, index: int) -> dict[str, Any]:
    output = submitted(reader, index)
    return {
        "artifacts": msgspec.to_builtins(output.artifacts),
        "items_root": output.items_root,
        "items_count": output.items_count,
        "inputs": list(output.inputs),
    }


def submitted(reader: Reader, index: int) -> OutputSubmit:
    """The `output.submit` that entry `index` holds, or that a relay attests in it."""
    entry = reader.entry(index)
    output = None if entry is None else output_in(entry.data)
    if output is None:
        raise strict.Malformed(f"entry {index} is no output")
    return output


def claim_bundle(reader: Reader, id: str) -> bytes:
    """The bundle of a claim as a file."""
    return bundle_of(reader, find(reader, Claim, id, ID)).encode()


def claim_timeline(reader: Reader, id: str, after: int, limit: int) -> dict[str, Any]:
    """Returns the entries about a claim in order; the posting of its task comes first."""
    return {"claim": id, **_page(about_claim(reader, id, after, limit + 1), limit)}


def task_timeline(reader: Reader, id: str, after: int, limit: int) -> dict[str, Any]:
    """Returns the entries about a task and every claim on it, in order."""
    return {"task": id, **_page(about_task(reader, id, after, limit + 1), limit)}


def about_claim(reader: Reader, id: str, after: int, limit: int) -> list[StoredEntry]:
    """The entries of `claim_timeline`, as they are stored."""
    held = find(reader, Claim, id, ID)
    posted = cast(Task, reader.record(Task, held.task)).index
    return _entries(reader, _subjects(reader, held), posted, after, limit)


def about_task(reader: Reader, id: str, after: int, limit: int) -> list[StoredEntry]:
    """The entries of `task_timeline`, as they are stored."""
    record = find(reader, Task, id, NAME)
    posted, squad_record = record.index, reader.record(Squad, record.squad) if not record.parent else None
    tasks = [id, *(squad_record.tasks if squad_record else ())]
    claims = [held for task in tasks for held in reader.claims_on(task)]
    subjects = [*tasks[1:], *(subject for held in claims for subject in _subjects(reader, held))]
    return _entries(reader, [id, *subjects], posted, after, limit)


def _subjects(reader: Reader, held: Claim) -> list[str]:
    return [held.id, *(seat.id for seat in reader.seats_on(held.id))]


def _entries(
    reader: Reader, subjects: Sequence[str], posted: int, after: int, limit: int
) -> list[StoredEntry]:
    first = reader.entries(posted, posted + 1) if after < posted else []
    return first + [each for each in reader.timeline(subjects, after, limit) if each.index != posted]


def _page(entries: Sequence[StoredEntry], limit: int) -> dict[str, Any]:
    return page("entries", [entry_facts(each) for each in entries], limit, "index")
