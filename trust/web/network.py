"""The pages of the network as a whole: home, the log, the search, policy and rules, witnesses, statistics."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from markupsafe import escape

from trust.api.views import due as waiting
from trust.api.views import lists, log, network
from trust.api.views import periods as overtime
from trust.core.commands import Spoken
from trust.core.entry import decode_entry
from trust.core.records import Claim, Party, Relay, Seat, Task
from trust.core.rulebook import incoming_of
from trust.errors import TrustError
from trust.services.cosigning import QuorumState
from trust.services.publishing import cosigned_head
from trust.storage import tallies
from trust.storage.projections import actor_and_subjects, named_by
from trust.storage.reading import Reader
from trust.web import charts
from trust.web.policy_texts import explained
from trust.web.rendering import Page, asked

LISTED = 40
NEWEST = 20
TOTALS = ("registered", "tasks", "claims", "checked", "burnt_units")
PERIODS = {"hour": 48, "day": 60}
FACTS = {
    "equivocation": "two outputs for one claim",
    "relay-confirm": "a confirmation that says otherwise than the log",
    "log-fork": "two logs of one size",
    "canary": "a canary with a false answer",
}
"""What the kinds of facts that convict are."""
MAX_RAW = 24_000
"""Characters as they are sent, where a quotation mark is five."""
MAX_NAMED = 60
_SEARCHABLE = re.compile(r"[!#-\[\]-~]{1,256}")


def home_page(reader: Reader) -> Page:
    """The home page: what this is, figures, and the latest entries."""
    data = {
        "totals": tallies.totals(reader.connection, TOTALS),
        "entries": lists.entries(reader, "", None, NEWEST)["entries"],
        "open_claims": lists.claims(reader, lists.OPEN, {}, "", NEWEST // 2)["claims"],
        "rejected": lists.claims(reader, "rejected", {}, "", NEWEST // 4)["claims"],
    }
    return Page("home.html", "What agents did, and what became of it", "/v1/stats", data, live="")


def entries_page(reader: Reader, kind: str, after: int | None) -> Page:
    """The log, the newest entries first."""
    listed = lists.entries(reader, kind, after, LISTED)
    proves = [each["index"] for each in listed["entries"]]
    data = {**listed, "kind": kind}
    return Page("entries.html", "The log", asked("/v1/entries", kind=kind, after=after), data, proves=proves)


def entry_page(reader: Reader, index: str) -> Page:
    """An entry decoded, with its receipt."""
    receipt = log.receipt(reader, index)
    number = int(index)
    stored = reader.entry(number)
    if stored is None:
        raise TrustError("unknown-entry", f"the log has no entry {number}")
    raw = msgspec.json.format(stored.data, indent=2).decode("utf-8", "replace")
    data = {
        "entry": log.entry_facts(stored),
        "statement": _statement(stored.data),
        "named": _named(reader, stored.data),
        "raw": _cut(raw),
        "bytes": len(stored.data),
        "leaf": stored.leaf_hash.hex(),
        "receipt": receipt,
    }
    return Page("entry.html", f"Entry {number}", f"/v1/receipts/{number}", data, proves=[number])


def _statement(data: bytes) -> dict[str, Any] | None:
    """Returns actor, id and payload of an entry's statement; None where it has none."""
    command = decode_entry(data).command
    if command.statement is None:
        return None
    spoken = incoming_of(command)
    if not isinstance(spoken, Spoken):
        return None
    payload = msgspec.to_builtins(spoken.payload)
    shown = msgspec.json.format(msgspec.json.encode(payload), indent=2).decode()
    return {"actor": spoken.payload.actor, "id": spoken.id, "payload": _cut(shown)}


def _named(reader: Reader, data: bytes) -> list[tuple[str, str]]:
    """The parties, claims, tasks and relays that an entry names, as far as they have a page."""
    entry = decode_entry(data)
    actor, subjects = actor_and_subjects(entry)
    of_events = (each for event in entry.events for each in named_by(event))
    names = list(dict.fromkeys(each for each in (actor, *subjects, *of_events) if each))[:MAX_NAMED]
    claims = [*(each.claim for each in reader.records(Seat, names)), *names]
    ids_by_kind = {
        "agent": [each.id for each in reader.records(Party, names)],
        "task": [each.id for each in reader.records(Task, names)],
        "claim": [each.id for each in reader.records(Claim, list(dict.fromkeys(claims)))],
        "relay": [each.id for each in reader.records(Relay, names)],
    }
    return [(kind, id) for kind, ids in ids_by_kind.items() for id in ids]


def _cut(text: str) -> str:
    kept = text
    while len(escape(kept)) > MAX_RAW:
        kept = kept[: min(MAX_RAW, len(kept) * 3 // 4)]
    return kept if kept == text else f"{kept}\n... cut here: the JSON of this page has all of it"


def search(reader: Reader, word: str, after: str) -> tuple[Page, str]:
    """Returns the page of what a word names, and the path of the page of its one find; "" where there is none or
    several."""
    is_word = _SEARCHABLE.fullmatch(word) is not None
    finds = lists.search(reader, word, after, LISTED) if is_word else {"found": [], "after": None}
    places = [{**each, "page": page_of(each["path"])} for each in finds["found"]]
    only = places[0]["page"] if len(places) == 1 and not after else ""
    data = {"word": word, "is_word": is_word, "found": places, "after": finds["after"]}
    title = f"Search: {word}" if word else "Search"
    return Page("search.html", title, asked("/v1/search", q=word, after=after) if is_word else "", data), only


def page_of(path: str) -> str:
    """The page that shows what the API has at a path."""
    if path.startswith("/v1/blobs/"):
        return path
    return path.removeprefix("/v1").replace("/receipts/", "/entries/").removesuffix("/ledger")


def policy_page(reader: Reader, number: int | None) -> Page:
    """The rules and a policy, with its numbers explained."""
    record = network.policy(reader, number)
    data = {"policy": record, "sections": explained(record["terms"])}
    title = f"Policy {record['policy']} ({record['terms']['name']})"
    return Page("policy.html", title, asked("/v1/policy", number=number), data, proves=[record["index"]])


def witnesses_page(reader: Reader, quorum: QuorumState) -> Page:
    """The page of the witnesses: the policy's quorum, and which of them have cosigned."""
    is_witnessed, cosigned = cosigned_head(reader)
    data = {
        "is_witnessed": is_witnessed,
        "cosigned": cosigned,
        "note": "" if cosigned is None else cosigned.note.decode("utf-8", "replace"),
        "checkpoint": reader.head().checkpoint.decode("utf-8", "replace"),
        "quorum": quorum,
        "lines": network.policy(reader, None)["terms"]["witnesses"]["quorum"],
    }
    return Page("witnesses.html", "Witnesses", "/health/ready", data)


def stats_page(reader: Reader, per: str, after: int | None) -> Page:
    """Counts and sums, what happened over time, and what coordination takes."""
    over_time = overtime.periods(reader, per, after, PERIODS[per])
    width_ms = over_time["width_ms"]
    until_ms = over_time["periods"][0]["since_ms"] + width_ms if over_time["periods"] else 0
    data = {
        "totals": tallies.totals(reader.connection, (*tallies.NAMES, *tallies.LIES)),
        "kinds": tallies.SUMMED,
        "overhead": network.overhead(reader, "", "", LISTED),
        "per": per,
        "periods": over_time["periods"],
        "from_ms": until_ms - PERIODS[per] * width_ms,
        "until_ms": until_ms,
        "after": over_time["after"],
        "charts": charts.of(over_time["periods"][::-1], PERIODS[per]),
    }
    return Page("stats.html", "Statistics", asked("/v1/stats/periods", per=per, after=after), data)


def convictions_page(reader: Reader, after: int | None) -> Page:
    """Who was convicted of what, by whose evidence."""
    found = lists.convictions(reader, after, LISTED)
    proves = [each["index"] for each in found["convictions"]]
    asks = asked("/v1/convictions", after=after)
    data = {**found, "facts": FACTS}
    return Page("convictions.html", "Evidence and convictions", asks, data, live="", proves=proves)


def due_page(reader: Reader, after: str) -> Page:
    """What is due next."""
    found = waiting.due(reader, after, LISTED)
    return Page("due.html", "What is due next", asked("/v1/due", after=after), found, live="")
