"""The pages of a claim and a task: their life, why it was checked, who judged it, and where the money went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from trust.api.views import cases, lists
from trust.api.views.due import DUE
from trust.api.views.log import entry_facts
from trust.api.views.shapes import ID, find
from trust.core.events import ClaimOpened, Event, MoneyMoved
from trust.core.policy import Policy
from trust.core.rate import AtStake, Rate, StakeCannotDeter, check_rate, in_words
from trust.core.records import AdoptedPolicy, Claim, Task
from trust.storage.reading import Reader
from trust.storage.unit import StoredEntry
from trust.verify.story import placed_events, tell
from trust.web import draws
from trust.web.rendering import Page, asked
from trust.web.words import DID

SHOWN_ENTRIES = 40
TOLD_ENTRIES = 200
SHOWN_SENTENCES = 60
SHOWN_TRANSFERS = 60
SHOWN_ARTIFACTS = 20
LISTED = 50
PPM = 1_000_000


class Term(NamedTuple):
    """One of the terms that a check rate is the largest of."""

    name: str
    meaning: str
    ppm: int


class Why(NamedTuple):
    """Why a claim is checked as often as it is: the rate, its terms, whether it is checked in any case, the inputs."""

    rate_ppm: int
    terms: list[Term]
    in_any_case: bool
    inputs: str


@dataclass(frozen=True)
class Transfer:
    """Money that an entry moved: why, and by how much on each account."""

    index: int
    why: str
    taken: list[tuple[str, int]]
    given: list[tuple[str, int]]


def claim_page(reader: Reader, id: str, after: int) -> Page:
    """A claim with everything that was decided about it."""
    held = find(reader, Claim, id, ID)
    shown = cases.claim(reader, id)
    entries = cases.about_claim(reader, id, -1, TOLD_ENTRIES)
    raw = [(each.index, each.data) for each in entries]
    events = placed_events(id, raw)
    task = cast(Task, reader.record(Task, held.task))
    data = {
        "claim": shown,
        "story": tell(id, raw).summary[:SHOWN_SENTENCES],
        "agents": _agents(entries),
        "timeline": _timeline(
            entries if after < 0 else cases.about_claim(reader, id, after, SHOWN_ENTRIES + 1)
        ),
        "due": _due(shown),
        "why": _why(reader, task, events),
        "draws": draws.of_claim(reader, held, entries),
        **_money(events),
        "is_long": len(entries) >= TOLD_ENTRIES,
        "shown_artifacts": SHOWN_ARTIFACTS,
    }
    return Page(
        "claim.html", f"Claim {id}", f"/v1/claims/{id}", data, live=f"claim={id}", proves=[held.index]
    )


def _agents(entries: Sequence[StoredEntry]) -> list[str]:
    """Everybody whom the entries name, so that a story calls each by its handle."""
    return list(dict.fromkeys(DID.findall(b" ".join(each.data for each in entries).decode())))


def _due(claim: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the next step at the latest, and its time: the claim's own date, or that of its round."""
    due: dict[str, Any] | None = claim["due"]
    going_on = [each for each in claim["rounds"] if each["phase"] in DUE]
    if due is None and going_on and not claim["ended_ms"]:
        due = {"kind": going_on[-1]["phase"], "due_ms": going_on[-1]["until_ms"]}
    return due and {"what": DUE.get(due["kind"], due["kind"]), "due_ms": due["due_ms"]}


def _timeline(entries: Sequence[StoredEntry]) -> dict[str, Any]:
    """A page of entries with their sentences, and the index after which the next begins."""
    kept = entries[:SHOWN_ENTRIES]
    after = kept[-1].index if len(entries) > SHOWN_ENTRIES else None
    return {"entries": [entry_facts(each) for each in kept], "after": after}


def _why(reader: Reader, task: Task, events: Sequence[tuple[int, Event]]) -> Why | None:
    """The terms of the check rate; None where the entry that fixed it is not among those at hand."""
    opened = next((event for _, event in events if isinstance(event, ClaimOpened)), None)
    adopted = reader.record(AdoptedPolicy, str(task.policy))
    if opened is None or adopted is None:
        return None
    rate = _rate(opened, task, adopted.terms)
    terms = [] if rate is None else _terms(rate)
    largest = max((each.ppm for each in terms), default=0)
    return Why(opened.rate_ppm, terms, opened.rate_ppm == PPM > largest, in_words(opened.inputs))


def _rate(opened: ClaimOpened, task: Task, terms: Policy) -> Rate | None:
    on_probation = opened.route == "probation"
    at_stake = AtStake(task.task_kind, task.price_units, opened.stake_units, on_probation)
    try:
        return check_rate(opened.inputs, at_stake, terms)
    except StakeCannotDeter:
        return None


def _terms(rate: Rate) -> list[Term]:
    return [
        Term("floor", "nobody is checked more rarely", rate.floor_ppm),
        Term("streak", "one in as many as it has done well in a row", rate.streak_ppm),
        Term("reputation", "the better its record, the smaller", rate.reputation_ppm),
        Term(
            "deterrence", "the least at which doing no work loses money, with this stake", rate.deterrence_ppm
        ),
    ]


def _money(events: Sequence[tuple[int, Event]]) -> dict[str, Any]:
    """Every transfer of a case in order, and what each account has of it in the end."""
    moved = [(index, event) for index, event in events if isinstance(event, MoneyMoved)]
    net: Counter[str] = Counter()
    for _, event in moved:
        net.update(dict(_summed(event)))
    transfers = [
        Transfer(
            index,
            event.why,
            [(account, -units) for account, units in event.postings if units < 0][:LISTED],
            [(account, units) for account, units in event.postings if units > 0][:LISTED],
        )
        for index, event in moved[:SHOWN_TRANSFERS]
    ]
    balances = sorted(net.items(), key=lambda each: (each[1], each[0]))
    return {"transfers": transfers, "balances": [each for each in balances if each[1]][:LISTED]}


def _summed(event: MoneyMoved) -> Counter[str]:
    sums: Counter[str] = Counter()
    for account, units in event.postings:
        sums[account] += units
    return sums


def task_page(reader: Reader, id: str, after: int) -> Page:
    """A task with every claim on it."""
    shown = cases.task(reader, id)
    entries = cases.about_task(reader, id, -1, TOLD_ENTRIES)
    data = {
        "task": {**shown, "claims": shown["claims"][-LISTED:]},
        "claims_in_all": len(shown["claims"]),
        "story": tell(id, [(each.index, each.data) for each in entries]).summary[:SHOWN_SENTENCES],
        "agents": _agents(entries),
        "timeline": _timeline(
            entries if after < 0 else cases.about_task(reader, id, after, SHOWN_ENTRIES + 1)
        ),
    }
    return Page(
        "task.html", f"Task {id}", f"/v1/tasks/{id}", data, live=f"task={id}", proves=[shown["index"]]
    )


def tasks_page(reader: Reader, state: str, filters: dict[str, str], after: str) -> Page:
    """Tasks by state, the newest first."""
    return _listed("tasks", lists.tasks(reader, state, filters, after, LISTED), state, filters, after)


def claims_page(reader: Reader, state: str, filters: dict[str, str], after: str) -> Page:
    """Claims by state, the newest first."""
    return _listed("claims", lists.claims(reader, state, filters, after, LISTED), state, filters, after)


def _listed(name: str, cases: dict[str, Any], state: str, filters: dict[str, str], after: str) -> Page:
    """The page of a list of cases in a state, where one is named, and that pass the filters."""
    path = asked(f"/v1/{name}", state=state, **filters, after=after)
    data = {**cases, "state": state, "filters": filters}
    return Page(f"{name}.html", name.capitalize(), path, data, proves=[each["index"] for each in cases[name]])
