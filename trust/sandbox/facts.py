"""The demo's claims, gathered from the log and the service, and whether each of them held.

`gather` runs in the agents' process; `held` is pure and is what the exit code hangs on. Everything in here is JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trust.core.lifecycle import ClaimState
from trust.sandbox import cast

if TYPE_CHECKING:
    from trust.sandbox.story import Story

Facts = dict[str, Any]
TIMELINE_ENTRIES = 100
LEDGER_LINES = 12


async def gather(story: Story) -> Facts:
    """Everything that the demo says at its end, as of one log that is at rest."""
    client = story.around.client
    handles = {player.did: name for name, player in story.players.items()} | {
        story.customer.did: cast.REQUESTER
    }
    liar, silent = story.players[cast.LIAR].did, story.players[cast.SILENT].did
    ranked = await client.priorities(cast.TASK_KIND, sorted({*_workers(story), liar}))
    lied = story.ended(cast.LIE.task, ClaimState.REJECTED) or {}
    timeline = await client.get(f"/v1/claims/{lied.get('claim')}/timeline?limit={TIMELINE_ENTRIES}")
    names = (cast.LIAR, cast.SILENT, cast.RACE.first[0])
    return {
        "network": client.network,
        "size": ranked["as_of"]["size"],
        "race": _race(story, handles),
        "scope": _scope(story, handles),
        "batch": _batch(story),
        "drawn": _drawn(story, handles),
        "liar": {
            "agent": liar,
            "claim": lied.get("claim"),
            "state": lied.get("state"),
            "lost_units": _lost_stake(story, lied),
        },
        "silent": _silent(story, silent),
        "slashes": slashes(story.around.board.events, handles, _holders(story)),
        "priorities": [_named(each, handles) for each in ranked["candidates"]],
        "tasks": {job.task: _closed(story, job.task) for job in story.jobs},
        "ledgers": {name: await _ledger(story, name) for name in names},
        "timeline": [
            {"index": each["index"], "words": [_with_handles(words, handles) for words in each["words"]]}
            for each in timeline["entries"]
        ],
    }


def _workers(story: Story) -> set[str]:
    """Whoever had an output accepted."""
    board = story.around.board
    accepted = {event["claim"] for event in board.all("claim.ended", state=ClaimState.ACCEPTED)}
    return {event["worker"] for event in board.all("claim.opened") if event["claim"] in accepted}


def _race(story: Story, handles: Mapping[str, str]) -> Facts:
    """Returns who won, and what everybody else was answered."""
    board = story.around.board
    claims = board.all("claim.opened", task=cast.RACE.task)
    opened = [
        event
        for event in claims
        if not board.find("claim.ended", claim=event["claim"], state=ClaimState.VOIDED)
    ]
    errors = [story.players[name].refused.get(cast.RACE.task) for name in cast.RACE.first]
    refusals = [
        {"status": error.status, "code": error.code, "noted": "refusal" in error.extra}
        for error in errors
        if error
    ]
    winners = [
        {"status": 201, "agent": event["worker"], "handle": handles[event["worker"]]} for event in opened
    ]
    return {"task": cast.RACE.task, "winners": winners, "refusals": refusals}


def _scope(story: Story, handles: Mapping[str, str]) -> Facts:
    """Returns what winner and requester signed to each other; shown here, sealed on the wire."""
    answer = story.customer.agreed[cast.RACE.task]
    answer.verify()
    return {"by": handles[answer.sender], "session": answer.session, "agreed": answer.facts["scope"]}


def _batch(story: Story) -> Facts:
    board = story.around.board
    claims = [event["claim"] for event in board.all("claim.opened", task=cast.BATCH.task)]
    drawn = next(event for event in board.all("round.opened") if event["claim"] == claims[-1])
    verdict = board.find("verdict.reached", claim=claims[-1]) or {}
    return {"task": cast.BATCH.task, "verdict": verdict.get("verdict"), **drawn["batch"]}


def _drawn(story: Story, handles: Mapping[str, str]) -> Facts:
    """The task that the relay let the draw decide on: whom it gave, and who took it."""
    board, task = story.around.board, cast.DRAWN.task
    drawn = board.find("task.allocated", task=task) or {"shortlist": [], "eligible": 0, "owners": 0}
    opened = board.find("claim.opened", task=task) or {}
    return {
        "task": task,
        "shortlist": [handles[agent] for agent, _ in drawn["shortlist"]],
        "eligible": drawn["eligible"],
        "owners": drawn["owners"],
        "worker": handles.get(opened.get("worker", "")),
        "delta_ppm": opened.get("delta_ppm"),
    }


def _lost_stake(story: Story, ended: Mapping[str, Any]) -> int:
    return story.lost(f"claim/{ended.get('claim')}/stake")


def _silent(story: Story, did: str) -> Facts:
    """The seats that were silent, what they cost, and the jail."""
    board = story.around.board
    seats = [seat for seat in story.seats_of(did) if board.find("seat.silent", seat=seat)]
    jailed = board.find("party.jailed", party=did) or {}
    lost = story.lost(story.silent_stake())
    return {"agent": did, "seats": seats, "lost_units": lost, "jailed_until_ms": jailed.get("until_ms")}


def _holders(story: Story) -> dict[str, str]:
    """Returns who locked the money in each stake, by account."""
    board = story.around.board
    stakes = {f"claim/{event['claim']}/stake": event["worker"] for event in board.all("claim.opened")}
    verifiers = {event["party"] for event in board.all("verifier.enrolled")}
    return stakes | {f"verifier/{did}/stake": did for did in verifiers}


def slashes(events: list[Facts], handles: Mapping[str, str], holders: Mapping[str, str]) -> list[Facts]:
    """Every posting that took money away: from whom, its accounts (by handle where they have one), and its sum."""
    return [
        {
            "index": event["index"],
            "why": event["why"],
            "from": sorted({handles[holders[name]] for name, units in event["postings"] if units < 0}),
            "postings": [[_with_handles(account, handles), units] for account, units in event["postings"]],
            "sum": sum(units for _, units in event["postings"]),
        }
        for event in events
        if event["kind"] == "money.moved" and "slash" in event["why"]
    ]


def _with_handles(text: str, handles: Mapping[str, str]) -> str:
    """A text that names agents by DID, or by the end of it, with their handles instead."""
    for did, handle in handles.items():
        text = text.replace(f"agent/{did}", f"@{handle}").replace(f"agent ..{did[-6:]}", f"@{handle}")
    return text


def _named(candidate: Facts, handles: Mapping[str, str]) -> Facts:
    return {"handle": handles[candidate["agent"]], **candidate}


def _closed(story: Story, task: str) -> Facts:
    """How a task ended, and how each claim on it did."""
    board = story.around.board
    claims = [event["claim"] for event in board.all("claim.opened", task=task)]
    states = [ended["state"] for claim in claims if (ended := board.find("claim.ended", claim=claim))]
    closed = board.find("task.closed", task=task) or {}
    return {"closed": closed.get("why"), "claims": states}


async def _ledger(story: Story, name: str) -> Facts:
    ledger = await story.around.client.ledger(story.players[name].did, limit=100)
    return {"balances": ledger["balances"], "postings": ledger["postings"][:LEDGER_LINES]}


def final_states(facts: Mapping[str, Any]) -> Facts:
    """Returns what must be the same whatever happened to the service on the way: chance and crashes apart."""
    tasks = {job.task: facts["tasks"][job.task]["closed"] for job in cast.JOBS}
    return {
        "tasks": tasks,
        "winners": len(facts["race"]["winners"]),
        "liar": facts["liar"]["state"],
        "silent": facts["silent"]["lost_units"] > 0,
        "batch": facts["batch"]["verdict"],
    }


def held(facts: Mapping[str, Any]) -> dict[str, bool]:
    """Each claim of the demo, and whether it held."""
    race, ranked, audit = facts["race"], facts["priorities"], facts["audit"]
    honest = [each["rank_ppm"] for each in ranked if each["handle"] != cast.LIAR]
    lying = [each["rank_ppm"] for each in ranked if each["handle"] == cast.LIAR]
    return {
        "one claim won, one got 409": len(race["winners"]) == 1
        and [(each["status"], each["code"], each["noted"]) for each in race["refusals"]]
        == [(409, "already-claimed", True)],
        "winner and requester agreed on the scope": facts["scope"]["by"] == race["winners"][0]["handle"],
        "the task that was drawn for went to its shortlist": facts["drawn"]["worker"]
        in facts["drawn"]["shortlist"],
        "the liar was rejected and slashed": facts["liar"]["state"] == ClaimState.REJECTED
        and facts["liar"]["lost_units"] > 0,
        "the silent verifier lost stake and went to jail": facts["silent"]["lost_units"] > 0
        and facts["silent"]["jailed_until_ms"] is not None,
        "every slash's postings sum to zero": bool(facts["slashes"])
        and all(each["sum"] == 0 for each in facts["slashes"]),
        "the liar ranks below every honest worker": len(lying) == 1
        and bool(honest)
        and lying[0] < min(honest),
        "every task was closed by an accepted output": all(
            task["closed"] == "accepted" and task["claims"][-1] == ClaimState.ACCEPTED
            for task in facts["tasks"].values()
        ),
        "the audit found no difference": audit["exit"] == 0 and audit["differences"] == 0,
        "the log bears out what the relay decided": facts["relay"]["exit"] == 0
        and facts["relay"]["decisions"] > 0,
    } | _witnessed(audit)


def _witnessed(audit: Mapping[str, Any]) -> dict[str, bool]:
    if "witnesses" not in audit:
        return {}
    return {"two witnesses of three cosigned what was audited": audit["witnesses"].startswith("2 of 3 ")}
