"""A mirror of the open part of the log, as far as a relay has followed it: tasks, claims, the relay's own group,
the last entries.

Read from `GET /v1/events` from the first entry on, and resumed after the last index that was seen, so neither a restart
of the service nor a lost connection hides an entry. Nothing here is believed: it says what to offer, whom to tell, and
where a co-signer looks first; what is confirmed is proven by receipts.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import httpx
import msgspec

from trust.errors import ClientError

AGAIN_S = 0.1
QUIET_S = 30.0
KEPT_ENTRIES = 10_000
NEAR_ENTRIES = 256
"""Entries that are no further apart are read in one request."""

Facts = dict[str, Any]


class Work(msgspec.Struct, kw_only=True):
    """A task that is not closed. `state` is open, allocating or claimed; `worker` and `claim` are of who has it.

    `opened_index` is the entry that last made it open: its posting, its draw, or the end of a claim.
    """

    task: str
    task_kind: str
    task_index: int
    requester: str
    price_units: int
    spec_sha256: str
    deadline_ms: int
    stake_units: int
    lease_ms: int
    items: int
    relay: str
    assignee: str
    state: str = "open"
    exclusive_until_ms: int = 0
    shortlist: tuple[str, ...] = ()
    claim: str = ""
    worker: str = ""
    claim_index: int = -1
    is_allocated: bool = False
    opened_index: int = -1
    parent: str = ""
    squad: str = ""


class Held(msgspec.Struct):
    """A claim that has not ended."""

    claim: str
    task: str
    worker: str
    requester: str
    lease_until_ms: int
    index: int
    state: str = "claimed"


class Entry(msgspec.Struct):
    """One entry of the log, and the parties whom it concerns."""

    index: int
    at_ms: int
    kind: str
    events: list[Facts]
    concerns: set[str]


class Group(msgspec.Struct, frozen=True):
    """A relay's coordinators and how many of them must sign, as registered or changed last."""

    coordinators: tuple[str, ...] = ()
    threshold: int = 1
    suspended: bool = False


class Mirror:
    """The open tasks and claims for `relay`, as reported by one of the addresses of the service.

    `tell` is called with each entry that came after the start had been caught up with.
    """

    def __init__(
        self, http: httpx.AsyncClient, services: Sequence[str], relay: str, tell: Callable[[Entry], None]
    ) -> None:
        self._http = http
        self._services = [address.rstrip("/") for address in services]
        self._relay = relay
        self._tell = tell
        self._seats: dict[str, str] = {}
        self._about: dict[str, array[int]] = {}
        self.size = 0
        self.at_ms = 0
        self.group = Group()
        self.tasks: dict[str, Work] = {}
        self.claims: dict[str, Held] = {}
        self.recent: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self.ready = asyncio.Event()
        self.grew = asyncio.Condition()

    # -- following

    async def follow(self) -> None:
        """Reads the log for ever."""
        while True:
            with suppress(httpx.HTTPError, ValueError, KeyError, TypeError):
                if not self.ready.is_set():
                    await self._catch_up()
                async for facts in self._stream(self.size - 1):
                    self.take(facts)
                    await self._stir()
            self._services.append(self._services.pop(0))
            await asyncio.sleep(AGAIN_S)

    async def _catch_up(self) -> None:
        """Takes everything that the log has at this moment; afterwards entries are news."""
        answer = await self._http.get(f"{self._services[0]}/health/live")
        size = int(answer.headers["trust-size"])
        while self.size < size:
            async for facts in self._stream(self.size - 1):
                self.take(facts)
                if self.size >= size:
                    break
        self.ready.set()
        await self._stir()

    async def _stir(self) -> None:
        async with self.grew:
            self.grew.notify_all()

    def take(self, facts: Facts) -> None:
        """Folds one entry of the stream; one that was seen before changes nothing."""
        index = int(facts["index"])
        if index < self.size:
            return
        events: list[Facts] = list(facts["events"])
        concerns = {party for event in events for party in self._concerned(event)}
        for event in events:
            self._fold(event, index)
        entry = Entry(index, int(facts["at_ms"]), str(facts["kind"]), events, concerns)
        self.size, self.at_ms = index + 1, entry.at_ms
        self.recent.append(entry)
        for party in concerns:
            self._about.setdefault(party, array("Q")).append(index)
        if self.ready.is_set():
            self._tell(entry)

    def _fold(self, event: Facts, index: int) -> None:
        fold = _FOLDS.get(event["kind"])
        if fold is not None:
            fold(self, event, index)

    def _registered(self, event: Facts, _: int) -> None:
        if event["relay"] == self._relay:
            suspended = bool(event.get("suspended"))
            self.group = Group(tuple(event["coordinators"]), int(event["threshold"]), suspended)

    def _suspended(self, event: Facts, _: int) -> None:
        if event.get("relay") == self._relay:
            self.group = msgspec.structs.replace(self.group, suspended=True)

    def _posted(self, event: Facts, index: int) -> None:
        if event.get("relay", "") not in ("", self._relay):
            return
        self.tasks[event["task"]] = Work(
            task=event["task"],
            task_kind=event["task_kind"],
            task_index=index,
            requester=event["requester"],
            price_units=event["price_units"],
            spec_sha256=event["spec_sha256"],
            deadline_ms=event["deadline_ms"],
            stake_units=event["stake_units"],
            lease_ms=event["lease_ms"],
            items=event.get("items_count", 0),
            relay=event.get("relay", ""),
            assignee=event.get("assignee", ""),
            opened_index=index,
        )

    def _part_posted(self, event: Facts, index: int) -> None:
        if parent := self.tasks.get(event["parent"]):
            self.tasks[event["task"]] = msgspec.structs.replace(
                parent,
                task=event["task"],
                task_index=index,
                price_units=event["price_units"],
                stake_units=event["stake_units"],
                items=event.get("items_count", 0),
                shortlist=(),
                exclusive_until_ms=0,
                is_allocated=False,
                opened_index=index,
                state="open",
                claim="",
                worker="",
                claim_index=-1,
                parent=parent.task,
            )

    def _allocating(self, event: Facts, _: int) -> None:
        if work := self.tasks.get(event["task"]):
            work.state, work.is_allocated = "allocating", True
            work.squad = event.get("squad", "")

    def _allocated(self, event: Facts, index: int) -> None:
        if work := self.tasks.get(event["task"]):
            work.state, work.opened_index = "open", index
            work.exclusive_until_ms = event["exclusive_until_ms"]
            work.shortlist = tuple(agent for agent, *_ in event["shortlist"])

    def _squad_formed(self, event: Facts, _: int) -> None:
        """Whom a draw gave for a squad claims together, so only its founder may."""
        if (work := self.tasks.get(event["task"])) and work.squad == event["squad"]:
            work.shortlist = (event["founder"],)

    def _allocation_failed(self, event: Facts, _: int) -> None:
        if (work := self.tasks.get(event["task"])) and work.state == "allocating":
            work.state = "open"

    def _claimed(self, event: Facts, index: int) -> None:
        work = self.tasks.get(event["task"])
        if work is not None:
            work.state, work.claim, work.worker = "claimed", event["claim"], event["worker"]
            work.claim_index = index
            self._claimed_whole(work, index)
            held = Held(
                event["claim"], work.task, event["worker"], work.requester, event["lease_until_ms"], index
            )
            self.claims[held.claim] = held

    def _claimed_whole(self, part: Work, index: int) -> None:
        """Marks a task that a squad took as its founder's, whose part is claimed first."""
        whole = self.tasks.get(part.parent)
        if whole is not None and whole.state != "claimed":
            whole.state, whole.claim, whole.worker = "claimed", part.claim, part.worker
            whole.claim_index = index

    def _submitted(self, event: Facts, _: int) -> None:
        if held := self.claims.get(event["claim"]):
            held.state = "submitted"

    def _ended(self, event: Facts, _: int) -> None:
        self.claims.pop(event["claim"], None)

    def _reopened(self, event: Facts, index: int) -> None:
        if work := self.tasks.get(event["task"]):
            work.opened_index = index
            work.state, work.claim, work.worker, work.claim_index = "open", "", "", -1
            work.shortlist, work.exclusive_until_ms = (), 0

    def _closed(self, event: Facts, _: int) -> None:
        self.tasks.pop(event["task"], None)

    # -- whom it concerns

    def _concerned(self, event: Facts) -> Iterator[str]:
        """Returns the parties that an event is about; called before it is folded, so that an end still finds its
        claim."""
        yield from (str(event[name]) for name in ("requester", "worker", "agent", "party") if event.get(name))
        claim = event.get("claim") or self._seats.get(event.get("seat", ""), "")
        if held := self.claims.get(claim):
            yield from (held.worker, held.requester)
        if work := self.tasks.get(event.get("task", "")):
            yield work.requester
        if event["kind"] == "round.opened":
            for seat, agent, *_ in event["seats"]:
                self._seats[seat] = claim
                yield agent
        if event["kind"] == "seat.passed" and event.get("next"):
            seat, agent, *_ = event["next"]
            self._seats[seat] = claim
            yield agent
        if event["kind"] in ("seat.settled", "seat.passed"):
            self._seats.pop(event["seat"], None)

    # -- reading

    async def entries(self, after: int, limit: int, agent: str = "") -> list[Entry]:
        """Returns at most `limit` entries after index `after`, with `agent` only those that concern it; entries
        older than the kept ones are fetched from the service."""
        wanted: Sequence[int] = range(after + 1, min(self.size, after + 1 + limit))
        if agent:
            about = self._about.get(agent, array("Q"))
            start = bisect_right(about, after)
            wanted = about[start : start + limit]
        first = self.recent[0].index if self.recent else self.size
        kept = bisect_right(wanted, first - 1)
        try:
            older = await self._older(wanted[:kept])
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise ClientError("overloaded", "the service does not answer", status=503) from error
        return [*older, *(self.recent[index - first] for index in wanted[kept:])]

    async def _older(self, wanted: Sequence[int]) -> list[Entry]:
        """Returns the entries at these indexes, from the service."""
        entries: list[Entry] = []
        while len(entries) < len(wanted):
            async for facts in self._stream(wanted[len(entries)] - 1):
                if facts["index"] == wanted[len(entries)]:
                    entries.append(
                        Entry(facts["index"], facts["at_ms"], facts["kind"], facts["events"], set())
                    )
                if len(entries) == len(wanted) or wanted[len(entries)] > facts["index"] + NEAR_ENTRIES:
                    break
        return entries

    async def _stream(self, after: int) -> AsyncIterator[Facts]:
        """Yields the entries after an index, from the service."""
        url, timeout = f"{self._services[0]}/v1/events", httpx.Timeout(5.0, read=QUIET_S)
        async with self._http.stream("GET", url, params={"after": after}, timeout=timeout) as response:
            response.raise_for_status()
            rest = b""
            async for part in response.aiter_bytes():
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    if line.startswith(b"data:"):
                        yield _decoded(line.removeprefix(b"data:"))

    async def until(self, is_met: Callable[[], bool], patience_s: float) -> bool:
        """Waits until a condition on the mirrored log holds; returns False where it did not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s), self.grew:
                await self.grew.wait_for(is_met)
        return is_met()


def _decoded(data: bytes) -> Facts:
    try:
        facts: Facts = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from error
    return facts


_FOLDS: dict[str, Callable[[Mirror, Facts, int], None]] = {
    "relay.registered": Mirror._registered,
    "relay.suspended": Mirror._suspended,
    "task.posted": Mirror._posted,
    "part.posted": Mirror._part_posted,
    "task.allocating": Mirror._allocating,
    "task.allocated": Mirror._allocated,
    "squad.formed": Mirror._squad_formed,
    "allocation.failed": Mirror._allocation_failed,
    "claim.opened": Mirror._claimed,
    "output.submitted": Mirror._submitted,
    "claim.ended": Mirror._ended,
    "task.reopened": Mirror._reopened,
    "task.closed": Mirror._closed,
}
