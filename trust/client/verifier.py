"""The role of a verifier: finds its seats, fetches what it is to judge, commits, and reveals (docs/rules.md 3 and 5).

- It judges what the log holds, not what the service says of it: spec and artifacts are those of the proven entries,
  and every byte is fetched by its digest.
- A vote is on disk before its commitment is sent (`votes.py`), so a restart sends the same one again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from trust.client import wire
from trust.client.agents import Agent
from trust.client.clients import C, Client, conversation
from trust.client.exchanges import Accepted
from trust.client.items import item_of
from trust.client.votes import Vote, VoteBook
from trust.client.wire import Exchange, Facts
from trust.core import strict
from trust.core.commands import effective
from trust.core.lifecycle import Phase, SeatState
from trust.core.payloads import (
    CLAIM,
    JudgedItem,
    OutputSubmit,
    Payload,
    TaskPost,
    VoteCommit,
    VoteReveal,
)
from trust.core.rules.votes import SALT_BYTES, commitment
from trust.errors import TrustError
from trust.log.ed25519 import PrivateKey
from trust.verify.failures import NotProven

P = TypeVar("P", bound=Payload)


@dataclass(frozen=True, slots=True)
class Case:
    """The work of a seat. `items` (index to bytes) are its share of a batch; empty where the output is not one.

    `inputs` is what the output was made from (source to the names and bytes delivered there). A source whose bytes
    nobody has is not among them: an output has to be right without it.
    """

    seat: str
    claim: str
    task: TaskPost
    output: OutputSubmit
    spec: bytes
    artifacts: Mapping[str, bytes]
    items: Mapping[int, bytes]
    inputs: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)


Judgement = bool | Mapping[int, bool] | None
Judge = Callable[[Case], Judgement]
"""Says whether the work is good: of a batch, item by item (index to good). None: the specification cannot be met, read
or judged, so the vote is void."""


@dataclass(frozen=True, slots=True)
class Act:
    """The result of one seat: the entry, or why there is none."""

    seat: str
    did: str
    accepted: Accepted | None
    error: TrustError | None = None


class Verifier(Agent[C]):
    """Takes the seats that it is drawn for. `votes` is the file of its memory: keep it as long as the key.

    `judge` may be slow: with an asynchronous client it runs on another thread.
    """

    def __init__(
        self, client: Client[C], seed: PrivateKey, votes: Path, judge: Judge, actor: str = ""
    ) -> None:
        super().__init__(client, seed, actor)
        self.judge = judge
        self.book = VoteBook(votes, self.me.network, self.did)

    @conversation
    def duties(self) -> Exchange[list[Facts]]:
        """The seats that wait for this verifier, as `GET .../seats` shows them."""
        seats: list[Facts] = []
        after = None
        while True:
            page = yield from self.exchanges.seats(self.did, after=after)
            seats += page["seats"]
            after = page.get("after")
            if not after:
                return seats

    @conversation
    def step(self) -> Exchange[list[Act]]:
        """Does what can be done now on every seat. A seat that fails does not hold up the others."""
        acts = []
        for duty in (yield from Verifier.duties.talk(self)):
            act = yield from Verifier.act.talk(self, duty)
            if act is not None:
                acts.append(act)
        return acts

    @conversation
    def act(self, duty: Facts) -> Exchange[Act | None]:
        """Commits or reveals for one seat of `duties`; None where it waits for others."""
        what = _what_next(duty)
        if not what:
            return None
        try:
            accepted = yield from (self._commit(duty) if what == "commit" else self._reveal(duty["seat"]))
        except TrustError as error:
            return Act(duty["seat"], what, None, error)
        return Act(duty["seat"], what, accepted)

    @conversation
    def case(self, duty: Facts) -> Exchange[Case]:
        """All that a seat is to judge, fetched and checked."""
        output = yield from self._proven(duty["output"]["index"], OutputSubmit)
        task = yield from self._proven(duty["task"]["index"], TaskPost)
        if output.claim != duty["claim"] or task.task != duty["task"]["task"]:
            raise NotProven(f"seat {duty['seat']} was shown the output or the task of another claim")
        spec = yield from self.exchanges.get_blob(task.spec_sha256)
        items = yield from self._items(duty["items"])
        artifacts: dict[str, bytes] = {}
        for artifact in output.artifacts if not items else ():
            artifacts[artifact.name] = yield from self.exchanges.get_blob(artifact.sha256)
        inputs = yield from self._inputs(output.inputs)
        return Case(duty["seat"], duty["claim"], task, output, spec, artifacts, items, inputs)

    def _inputs(self, sources: Iterable[str]) -> Exchange[dict[str, dict[str, bytes]]]:
        """Returns the bytes of what an output was made from, as far as the service has them."""
        contents: dict[str, dict[str, bytes]] = {}
        for source in sources:
            named = {source: source}
            if source.startswith(CLAIM):
                claim = yield from self.exchanges.claim(source)
                output = yield from self._proven(claim["output"]["index"], OutputSubmit)
                if output.claim != source:
                    raise NotProven(f"entry {claim['output']['index']} is no output of {source}")
                named = {artifact.name: artifact.sha256 for artifact in output.artifacts}
            try:
                blobs = {}
                for name, digest in named.items():
                    blobs[name] = yield from self.exchanges.get_blob(digest)
            except TrustError as error:
                if error.code != "unknown-blob":
                    raise
                continue
            contents[source] = blobs
        return contents

    def _proven(self, index: int, kind: type[P]) -> Exchange[P]:
        """The statement of one kind that an entry holds, proven."""
        _, proven = yield from self.exchanges.receipt(index)
        payload = effective(proven.spoken).payload if proven.spoken else None
        if not isinstance(payload, kind):
            raise NotProven(f"entry {index} is no {kind.__name__}")
        return payload

    def _items(self, drawn: Iterable[Facts]) -> Exchange[dict[int, bytes]]:
        items = {}
        for item in drawn:
            leaf = item["leaf"]
            if not leaf:
                raise NotProven(f"item {item['index']} is not opened yet")
            blob = yield from self.exchanges.get_blob(leaf)
            items[item["index"]] = item_of(blob, bytes.fromhex(leaf))
        return items

    def _commit(self, duty: Facts) -> Exchange[Accepted]:
        """Sends the commitment of the vote on disk; where there is none, judges first."""
        seat = duty["seat"]
        vote = self.book.get(seat)
        if vote is None:
            case = yield from Verifier.case.talk(self, duty)
            judgement = yield from wire.compute(lambda: self.judge(case))
            vote = self.vote(duty, case, judgement)
        try:
            return (yield from self.exchanges.send(vote.envelope.encode()))
        except TrustError as error:
            if error.code != "expired":
                raise
        return (yield from self.tell(VoteCommit, seat=seat, commitment=vote.commitment))

    def vote(self, duty: Facts, case: Case, judgement: Judgement) -> Vote:
        """Writes a vote down: from here on it is the only one that this seat can have."""
        leaves = {item["index"]: item["leaf"] for item in duty["items"]}
        reveal = self._decided(case, judgement, leaves)
        fixed = commitment(self.me.network, case.seat, self.did, reveal)
        envelope = self.say(VoteCommit, seat=case.seat, commitment=fixed).decode()
        return self.book.keep(Vote(case.seat, reveal.verdict, reveal.salt, reveal.items, fixed, envelope))

    def _decided(self, case: Case, judgement: Judgement, leaves: Mapping[int, str]) -> VoteReveal:
        items: tuple[JudgedItem, ...] = ()
        good = False
        if isinstance(judgement, bool):
            good = judgement
            if leaves:
                raise ValueError("the judge of a batch says of each item whether it is good")
        elif judgement is not None:
            if judgement.keys() != leaves.keys():
                raise ValueError("the judge says of exactly the items of the case whether they are good")
            good = all(judgement.values())
            items = tuple(
                JudgedItem(
                    index=index, leaf=strict.base64_of(bytes.fromhex(leaves[index])), good=judgement[index]
                )
                for index in sorted(leaves)
            )
        return VoteReveal(
            network=self.me.network,
            actor=self.did,
            issued_ms=0,
            expires_ms=0,
            seat=case.seat,
            verdict="void" if judgement is None else "pass" if good else "fail",
            salt=strict.base64_of(secrets.token_bytes(SALT_BYTES)),
            items=items,
        )

    def _reveal(self, seat: str) -> Exchange[Accepted]:
        vote = self.book.get(seat)
        if vote is None:
            raise NotProven(f"{seat} has committed, but {self.book.path} does not know to what")
        accepted = yield from self.tell(
            VoteReveal, seat=seat, verdict=vote.verdict, salt=vote.salt, items=vote.items or None
        )
        self.book.forget(seat)
        return accepted


def _what_next(duty: Facts) -> str:
    """Returns whether a seat is to commit or to reveal now; "" where it waits for others."""
    turns = {(SeatState.SEATED, Phase.COMMIT): "commit", (SeatState.COMMITTED, Phase.REVEAL): "reveal"}
    return turns.get((duty["state"], duty["phase"]), "")
