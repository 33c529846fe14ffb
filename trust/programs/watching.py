"""`trust agent watch`: tells a person what is due of an agent, each thing once (docs/protocol.md 9.3).

Nothing is remembered of the service but what was told: every look asks how things stand, so neither a restart on either
side nor a broken line hides anything. What is to be told is on disk before it goes out, and goes when it was taken;
after a power cut in between it is told again under the same id. It is the service's word: it says when to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from trust.client import TrustClient
from trust.client.wire import path as path_of
from trust.core.ledger import is_penalty
from trust.errors import Unusable
from trust.files import PRIVATE, write_whole
from trust.programs.command import Limits, run
from trust.programs.webhooks import NotTaken, Webhook

REMEMBERED_MS = 86_400_000
"""How long something is known to be told after it was last so: a lagging replica does not bring it back."""
MAX_WAITING = 1_000

Facts = dict[str, Any]


class Notice(msgspec.Struct, frozen=True):
    """What a person is told; `id` is of the thing that happened, whenever and however often it is sent."""

    id: str
    kind: str
    at_ms: int
    words: str
    facts: Facts


class Waiting(msgspec.Struct):
    """A notice, and to whom it has still to go."""

    notice: Notice
    to: list[str]


class Seen(msgspec.Struct):
    """What was told (and when it was last so), the claims that had not ended, the last entry with a posting."""

    told: dict[str, int] = {}
    claims: list[str] = []
    posting: int | None = None
    waiting: list[Waiting] = []


Sink = Callable[[Notice], None]
"""Takes a notice; `NotTaken` where it could not be given."""


class Watch:
    """One agent's notices. `soon_ms` before a window or a lease ends it is said; `sinks` by name take what is new."""

    def __init__(
        self,
        client: TrustClient,
        agent: str,
        state: Path,
        sinks: Mapping[str, Sink],
        soon_ms: int,
        warn: Callable[[str], None],
    ) -> None:
        self._client, self._agent, self._state = client, agent, state
        self._sinks, self._soon_ms, self._warn = sinks, soon_ms, warn
        self._seen = _read(state)

    def look(self) -> None:
        """Finds what is new and gives it out; TrustError where the service gives no answer."""
        if len(self._seen.waiting) < MAX_WAITING:
            self._find()
        dead: set[str] = set()
        for waiting in list(self._seen.waiting):
            self._give(waiting, dead)

    def _find(self) -> None:
        seen, now_ms = self._seen, self._client.now_ms()
        open_ones = self._pages("claims", "/v1/claims", state="open", worker=self._agent)
        claims = [each["claim"] for each in open_ones]
        ended = [self._client.claim(id) for id in seen.claims if id not in claims]
        ledger = self._client.ledger(self._agent)
        found = [
            *self._of_seats(now_ms),
            *(notice for claim in open_ones for notice in self._of_claim(claim, now_ms)),
            *(notice for claim in ended for notice in _of_end(claim, now_ms)),
            *self._of_withdrawals(ledger["withdrawals"], now_ms),
            *self._of_slashes(ledger, now_ms),
        ]
        seen.waiting += [Waiting(each, list(self._sinks)) for each in found if each.id not in seen.told]
        kept = {id: at_ms for id, at_ms in seen.told.items() if now_ms - at_ms < REMEMBERED_MS}
        seen.told = kept | {each.id: now_ms for each in found}
        indices = [each["index"] for each in ledger["postings"]]
        seen.claims, seen.posting = claims, max([-1 if seen.posting is None else seen.posting, *indices])
        self._save()

    def _give(self, waiting: Waiting, dead: set[str]) -> None:
        """Gives a notice to each who has not taken it; who does not take one is `dead` for this look."""
        waiting.to = [name for name in waiting.to if name in self._sinks]
        for name in [each for each in waiting.to if each not in dead]:
            try:
                self._sinks[name](waiting.notice)
            except NotTaken as error:
                self._warn(f"{name} did not take {waiting.notice.id}, it goes again: {error}")
                dead.add(name)
                continue
            waiting.to.remove(name)
            self._save()
        if not waiting.to:
            self._seen.waiting.remove(waiting)
            self._save()

    def _save(self) -> None:
        write_whole(self._state, msgspec.json.encode(self._seen), PRIVATE)

    def _pages(self, name: str, path: str, **asked: str) -> list[Facts]:
        found: list[Facts] = []
        after = None
        while True:
            page = self._client.get(path_of(path, **asked, after=after))
            found += page[name]
            if not (after := page["after"]):
                return found

    # -- what there is to tell

    def _of_seats(self, now_ms: int) -> Iterator[Notice]:
        for seat in self._pages("seats", f"/v1/agents/{self._agent}/seats", state="open"):
            id, until_ms, phase = seat["seat"], seat["until_ms"], seat["phase"]
            facts = {"seat": id, "claim": seat["claim"], "phase": phase, "until_ms": until_ms}
            kind = seat["task"]["task_kind"]
            words = (
                f"you are drawn to judge {seat['claim']} ({kind}); its {phase} window ends {_time(until_ms)}"
            )
            yield Notice(f"{id}/drawn", "seat.drawn", now_ms, words, facts)
            is_mine = (phase, seat["state"]) in (("commit", "seated"), ("reveal", "committed"))
            if is_mine and until_ms - now_ms <= self._soon_ms:
                words = f"the {phase} window of {id} ends {_time(until_ms)}, and you have not voted in it"
                yield Notice(f"{id}/{phase}/{until_ms}", "window.ends", now_ms, words, facts)

    def _of_claim(self, claim: Facts, now_ms: int) -> Iterator[Notice]:
        id, until_ms = claim["claim"], claim["lease_until_ms"]
        facts = {"claim": id, "task": claim["task"], "state": claim["state"]}
        if claim["state"] == "claimed" and until_ms - now_ms <= self._soon_ms:
            words = f"the lease of {id} on {claim['task']} ends {_time(until_ms)}: deliver or renew"
            yield Notice(
                f"{id}/lease/{until_ms}", "lease.ends", now_ms, words, facts | {"until_ms": until_ms}
            )
        if claim["state"] == "checking":
            for each in self._client.claim(id)["rounds"][-1:]:
                if each["phase"] == "opening":
                    words = (
                        f"{id} on {claim['task']} is checked: open its output by {_time(each['until_ms'])}"
                    )
                    yield Notice(f"{id}/checked/{each['round']}", "output.drawn", now_ms, words, facts)
        yield from _verdict_of(claim, now_ms)

    def _of_withdrawals(self, withdrawals: Sequence[Facts], now_ms: int) -> Iterator[Notice]:
        for each in withdrawals:
            id, units = each["withdrawal"], each["amount_units"]
            facts = {"withdrawal": id, "amount_units": units, "reference": each["reference"]}
            if each["state"] == "payable":
                words = f"{id}: {units} units have matured and can be paid out"
                yield Notice(f"{id}/payable", "payout.matured", now_ms, words, facts)
            elif each["state"] == "paid" and not self._seen.told.keys().isdisjoint(
                {f"{id}/payable", f"{id}/paid"}
            ):
                yield Notice(f"{id}/paid", "payout.paid", now_ms, f"{id} is booked as paid", facts)

    def _of_slashes(self, ledger: Facts, now_ms: int) -> Iterator[Notice]:
        """What was taken for a fault since the last look; nothing of what was before the first."""
        if (first := self._seen.posting) is None:
            return
        lost: dict[int, list[Facts]] = {}
        for posting in self._postings_since(ledger, first):
            if posting["change_units"] < 0 and is_penalty(posting["why"]):
                lost.setdefault(posting["index"], []).append(posting)
        for index, postings in sorted(lost.items()):
            units, why = -sum(each["change_units"] for each in postings), postings[0]["why"]
            words = f"{units} units were taken from you by entry {index} ({why}): trust stake show"
            facts = {"index": index, "amount_units": units, "why": why}
            yield Notice(f"slash/{index}", "slash", now_ms, words, facts)

    def _postings_since(self, page: Facts, first: int) -> Iterator[Facts]:
        while True:
            for posting in page["postings"]:
                if posting["index"] <= first:
                    return
                yield posting
            if page["after"] is None:
                return
            page = self._client.ledger(self._agent, after=page["after"])


def _verdict_of(claim: Facts, now_ms: int) -> Iterator[Notice]:
    if claim["verdict"]:
        id, number, verdict = claim["claim"], claim["verdict_round"], claim["verdict"]
        facts = {"claim": id, "task": claim["task"], "verdict": verdict, "round": number}
        words = f"the verdict on {id} is {verdict} (round {number})"
        yield Notice(f"{id}/verdict/{number}/{verdict}", "verdict", now_ms, words, facts)


def _of_end(claim: Facts, now_ms: int) -> Iterator[Notice]:
    claim = claim | {"task": claim["task"]["task"]}
    yield from _verdict_of(claim, now_ms)
    id, state = claim["claim"], claim["state"]
    words = f"{id} on {claim['task']} has ended: {state}"
    yield Notice(
        f"{id}/ended", "claim.ended", now_ms, words, {"claim": id, "task": claim["task"], "state": state}
    )


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _read(path: Path) -> Seen:
    if not path.exists():
        return Seen()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seen)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unusable(
            f"{path}: {error}", "remove it to begin anew; what is due now is then told again"
        ) from None


def by_webhook(webhook: Webhook, agent: str) -> Sink:
    """Returns what posts notices to an address, in the form that Standard Webhooks advises."""

    def give(notice: Notice) -> None:
        at = datetime.fromtimestamp(notice.at_ms / 1_000, UTC).isoformat(timespec="milliseconds")
        data = {"agent": agent, "id": notice.id, "words": notice.words, **notice.facts}
        body = msgspec.json.encode({"type": notice.kind, "timestamp": at, "data": data})
        webhook.send("msg_" + sha256(f"{agent}/{notice.id}".encode()).hexdigest()[:32], body)

    return give


def by_command(command: Sequence[str], limits: Limits) -> Sink:
    """Returns what runs a command for each notice, which is its input."""

    def give(notice: Notice) -> None:
        if failure := run(command, msgspec.to_builtins(notice), {}, limits).failure:
            raise NotTaken(failure)

    return give
