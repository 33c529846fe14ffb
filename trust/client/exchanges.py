"""The conversations with the service, once for all transports: build, send, retry, verify (docs/protocol.md 4, 5).

- Nothing is handed out that did not verify: a write returns its proven entry, a refusal by a rule its proven note.
- Whatever was not answered, or answered with 429 or a 5xx, is sent again with the same bytes: a statement counts
  once, and its repetition gets the first receipt. Retry-After is honoured, the total time is bounded.
- Reads ask for at least the log size of the client's last write, so that any replica shows what it did.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar, get_args

import msgspec

from trust.client import wire
from trust.client.outbox import Outbox, is_decided
from trust.client.problems import ServiceError, Unreachable
from trust.client.statements import opened
from trust.client.wire import Exchange, Facts, Request, Response
from trust.core.events import Events
from trust.core.payloads import CLAIM_ID, kind_of
from trust.core.receipt import BatchAnswer, Receipt, ReceiptAnswer, Written
from trust.errors import ClientError, TrustError
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, Verifier
from trust.log.succession import LogKey
from trust.log.succession import opened as opened_note
from trust.verify.bundles import verify_bundle
from trust.verify.failures import NotProven
from trust.verify.files import verify_scores
from trust.verify.receipts import Proven, verify_receipt, verify_refusal, verify_written
from trust.verify.rotations import follow

MANY = 8
RETRIED = frozenset({429, 500, 502, 503, 504})
T = TypeVar("T")
_CLAIM_ID = re.compile(CLAIM_ID)
_CREATES = {kind.__struct_config__.tag: kind.creates[0] for kind in get_args(Events) if kind.creates}
"""The field with the id of what an event created, by the event's kind."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How long a client keeps trying: waits double from `first_ms` to `longest_ms`, `total_ms` in all."""

    first_ms: int = 100
    longest_ms: int = 5_000
    total_ms: int = 30_000

    def wait_ms(self, attempt: int, asked_s: int | None, waited_ms: int) -> int | None:
        """The wait after attempt number `attempt` (from 0), None to give up. `asked_s` is the answer's Retry-After.

        The wait is spread, so that clients that were turned away together do not come back together.
        """
        backoff = min(self.longest_ms, self.first_ms << min(attempt, 20))
        wait = max(1, backoff // 2 + random.randrange(backoff // 2 + 1), (asked_s or 0) * 1_000)
        return wait if waited_ms + wait <= self.total_ms else None


@dataclass(frozen=True, slots=True, repr=False)
class Accepted:
    """A statement that is on the log: its id, its proven entry and the receipt to keep."""

    statement: str
    repeated: bool
    receipt: Receipt
    entry: Proven

    def __repr__(self) -> str:
        """One line: the receipt alone has thousands of characters."""
        made = "".join(f", {name}={id!r}" for name, id in self.created.items())
        return f"Accepted(index={self.index}, statement={self.statement!r}, repeated={self.repeated}{made})"

    @property
    def index(self) -> int:
        """The entry's index."""
        return self.entry.index

    @property
    def created(self) -> dict[str, str]:
        """The ids of what the entry created, by kind (party, claim, relay, withdrawal, task, challenge, squad): of
        several the first, which is that of the founder where a squad claims."""
        named = ((event.get("kind", ""), event) for event in reversed(self.entry.events))
        return {_CREATES[kind]: str(event[_CREATES[kind]]) for kind, event in named if kind in _CREATES}


class Exchanges:
    """The exchanges of a client with the service; `key` is the log's key, from the caller and nowhere else."""

    def __init__(self, key: Verifier, retry: Retry | None = None, outbox: Outbox | None = None) -> None:
        self.key: LogKey = key
        self._first = key
        self.network = key.name
        self.retry = retry or Retry()
        self.outbox = outbox
        self.seen_size = 0

    def attempt(self, request: Request) -> Exchange[Response]:
        """The answer to a request, asked for again while nothing was decided."""
        attempt = waited_ms = 0
        while True:
            try:
                response = yield from wire.ask(request)
            except Unreachable as error:
                failure: ClientError | None = error
                wait_ms = self.retry.wait_ms(attempt, None, waited_ms)
            else:
                if response.status not in RETRIED:
                    return response
                failure = None
                wait_ms = self.retry.wait_ms(attempt, wire.retry_after_s(response), waited_ms)
            if wait_ms is None:
                if failure:
                    raise failure
                return response
            attempt, waited_ms = attempt + 1, waited_ms + wait_ms
            yield from wire.pause(wait_ms)

    # -- writing

    def send(self, envelope: bytes, outbox: Outbox | None = None) -> Exchange[Accepted]:
        """Posts one statement; returns its proven entry. Raises the service's error, its refusal note verified.

        With an outbox, the client's own or this one, what an earlier run sent without an answer goes out instead where
        it says the same.
        """
        outbox = outbox or self.outbox
        if outbox is None:
            return (yield from self._send(envelope))
        return (yield from outbox.sending(envelope, self._send))

    def _send(self, envelope: bytes) -> Exchange[Accepted]:
        statement = opened(envelope)
        response = yield from self.attempt(wire.write(kind_of(statement.payload), envelope))
        try:
            written = wire.shaped(wire.facts(response), Written)
        except ServiceError as error:
            refused = error
            raise (yield from self._proven(lambda: self.refused(refused, statement.id))) from None
        receipt = written.receipt.receipt()
        return (
            yield from self._proven(
                lambda: self.accepted(envelope, statement.id, receipt, repeated=written.repeated)
            )
        )

    def send_many(
        self, envelopes: Sequence[bytes], outbox: Outbox | None = None
    ) -> Exchange[list[Accepted | ServiceError]]:
        """Posts statements in order, in as few requests as may be; one result each, in the same order."""
        outbox = outbox or self.outbox
        kept = outbox.keep(list(envelopes)) if outbox else []
        results: list[Accepted | ServiceError] = []
        for batch in wire.batches([each.envelope for each in kept] or envelopes):
            response = yield from self.attempt(wire.batch(batch))
            answer = wire.shaped(wire.facts(response), BatchAnswer)
            if len(answer.results) != len(batch):
                raise NotProven(f"{len(answer.results)} results for {len(batch)} statements")
            first, *others = zip(batch, answer.results, strict=True)
            results.append((yield from self._proven(lambda pair=first: self._result(*pair))))  # type: ignore[misc]
            results += yield from self._results(others)
        for each, result in zip(kept, results, strict=False):
            each.is_decided = isinstance(result, ServiceError) and is_decided(result)
        return results

    def _proven(self, verify: Callable[[], T]) -> Exchange[T]:
        """Returns the result of a verification. Where it fails, the log may have another key: it is followed, once."""
        try:
            return verify()
        except NotProven as lie:
            try:
                is_new = yield from self._follow()
            except TrustError:
                is_new = False
            if not is_new:
                raise lie
        return verify()

    def _follow(self) -> Exchange[bool]:
        """Learns the keys that came after the caller's, each vouched for by the one before; whether there are any."""
        facts = yield from self.get("/v1/policy")
        rotations, own = [], str(self._first)
        keys = facts.get("log_keys")
        named = [each for each in keys if isinstance(each, dict)] if isinstance(keys, list) else []
        vkeys = [each.get("vkey") for each in named]
        for each in named[vkeys.index(own) + 1 :] if own in vkeys else ():
            path = wire.path("/v1/receipts/{}", str(each.get("since_index")))
            rotations.append(wire.shaped((yield from self.get(path)), ReceiptAnswer).receipt())
        before = self.key
        self.key = follow(self._first, rotations) if rotations else before
        return self.key != before

    def _results(self, pairs: Sequence[tuple[bytes, Facts]]) -> Exchange[list[Accepted | ServiceError]]:
        """The results of a batch; on another thread where there are many, since each takes a fraction of a ms."""

        def verified() -> list[Accepted | ServiceError]:
            return [self._result(*pair) for pair in pairs]

        return verified() if len(pairs) < MANY else (yield from wire.compute(verified))

    def _result(self, envelope: bytes, result: Facts) -> Accepted | ServiceError:
        statement = opened(envelope)
        status = result.get("status")
        if not isinstance(status, int):
            raise NotProven("a result without a status")
        if status >= 400:
            return self.refused(ServiceError.of(status, result), statement.id)
        receipt = wire.shaped(result, ReceiptAnswer).receipt()
        return self.accepted(envelope, statement.id, receipt, repeated=status == 200)

    def accepted(self, envelope: bytes, id: str, receipt: Receipt, *, repeated: bool) -> Accepted:
        """The entry that a receipt proves, where it is of the statement that was sent; else `NotProven`."""
        proven = verify_written(receipt, envelope, self.key, repeated=repeated)
        self.seen_size = max(self.seen_size, proven.checkpoint.size)
        return Accepted(id, repeated, receipt, proven)

    def refused(self, error: ServiceError, id: str) -> ServiceError:
        """The error, its note verified where it carries one; `NotProven` where that does not refuse statement `id`."""
        signed = error.extra.get("refusal")
        if not isinstance(signed, str):
            return error
        refusal = verify_refusal(signed.encode(), self.key)
        if (refusal.statement, refusal.code) != (id, error.code):
            raise NotProven(f"the refusal of {id} carries a note about {refusal.statement}: {refusal.code}")
        return error

    def try_claim(self, envelope: bytes) -> Exchange[Facts]:
        """Returns what `POST /v1/claims` would answer to this claim.request now, without doing it."""
        request = Request("POST", "/v1/claims/check", envelope, wire.JSON_TYPE)
        return wire.facts((yield from self.attempt(request)))

    # -- blobs

    def put_blob(self, data: bytes, upload: str = "") -> Exchange[str]:
        """Stores bytes; returns their SHA-256 in hex. `upload` signs for them, where no statement names them yet."""
        digest = sha256(data).hexdigest()
        request = Request("PUT", wire.path("/v1/blobs/{}", digest), data, wire.BYTES_TYPE, upload)
        wire.content((yield from self.attempt(request)))
        return digest

    def get_blob(self, digest: str) -> Exchange[bytes]:
        """The bytes with this SHA-256, checked."""
        data = wire.content((yield from self.attempt(Request("GET", wire.path("/v1/blobs/{}", digest)))))
        if sha256(data).hexdigest() != digest:
            raise NotProven(f"the service answered other bytes than those of {digest}")
        return data

    # -- reading

    def get(self, path: str) -> Exchange[Facts]:
        """The JSON at a path, as of this client's last write or later."""
        if self.seen_size:
            path += f"{'&' if '?' in path else '?'}min_size={self.seen_size}"
        return wire.facts((yield from self.attempt(Request("GET", path))))

    def agent(self, id: str) -> Exchange[Facts]:
        """A party by its DID or @handle."""
        return (yield from self.get(wire.path("/v1/agents/{}", id)))

    def reputation(self, id: str, task_kind: str | None = None, role: str | None = None) -> Exchange[Facts]:
        """An agent's named scores, in one task kind or all, in one role or all."""
        path = wire.path("/v1/agents/{}/reputation", id, task_kind=task_kind, role=role)
        return (yield from self.get(path))

    def reputation_history(
        self, id: str, task_kind: str, role: str = "worker", points: int = 100
    ) -> Exchange[Facts]:
        """How one of an agent's scores came to be, at up to `points` of its observations."""
        path = wire.path(
            "/v1/agents/{}/reputation/history", id, task_kind=task_kind, role=role, points=points
        )
        return (yield from self.get(path))

    def score_file(self, id: str) -> Exchange[bytes]:
        """The file that shows an agent's scores to other networks, verified."""
        answer = yield from self.attempt(Request("GET", wire.path("/v1/agents/{}/reputation/proof", id)))
        data = wire.content(answer)
        shown = (yield from self._proven(lambda: verify_scores(data, self.key))).agent
        if id.startswith("did:") and shown != id:
            raise NotProven(f"asked for the scores of {id}, shown those of {shown}")
        return data

    def show_elsewhere(self, id: str, file: bytes) -> Exchange[Facts]:
        """Brings what another network says about an agent: shown here where the service recognises that network."""
        path = wire.path("/v1/agents/{}/elsewhere", id)
        return wire.facts((yield from self.attempt(Request("PUT", path, file, wire.JSON_TYPE))))

    def ledger(self, id: str, after: str | None = None, limit: int | None = None) -> Exchange[Facts]:
        """An agent's balances and postings."""
        return (yield from self.get(wire.path("/v1/agents/{}/ledger", id, after=after, limit=limit)))

    def seats(self, id: str, state: str | None = "open", after: str | None = None) -> Exchange[Facts]:
        """A verifier's seats, those that wait for it unless told otherwise."""
        return (yield from self.get(wire.path("/v1/agents/{}/seats", id, state=state, after=after)))

    def tasks(
        self,
        state: str | None = None,
        *,
        task_kind: str | None = None,
        relay: str | None = None,
        requester: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Exchange[Facts]:
        """A page of tasks, the newest first; go on with `after` until it is None, even behind a page without any."""
        asked = {"state": state, "task_kind": task_kind, "relay": relay, "requester": requester}
        return (yield from self.get(wire.path("/v1/tasks", **asked, after=after, limit=limit)))

    def claims(
        self,
        state: str | None = None,
        *,
        worker: str | None = None,
        task_kind: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Exchange[Facts]:
        """A page of claims, the newest first; the state `open` stands for all that have not ended."""
        asked = {"state": state, "worker": worker, "task_kind": task_kind}
        return (yield from self.get(wire.path("/v1/claims", **asked, after=after, limit=limit)))

    def agents(
        self,
        capability: str | None = None,
        *,
        role: str | None = None,
        sort: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Exchange[Facts]:
        """A page of agents: those who offer a kind of work, or with the role `verifier` its checks; the newest first,
        or by `weight` in draws."""
        asked = {"capability": capability, "role": role, "sort": sort}
        return (yield from self.get(wire.path("/v1/agents", **asked, after=after, limit=limit)))

    def relays(self, after: str | None = None, limit: int | None = None) -> Exchange[Facts]:
        """A page of the relays."""
        return (yield from self.get(wire.path("/v1/relays", after=after, limit=limit)))

    def open_seats(self, after: str | None = None, limit: int | None = None) -> Exchange[Facts]:
        """A page of the seats that wait for their verifiers, whoever they are."""
        return (yield from self.get(wire.path("/v1/seats", state="open", after=after, limit=limit)))

    def entries(
        self, kind: str | None = None, after: int | None = None, limit: int | None = None
    ) -> Exchange[Facts]:
        """A page of entries with their events, the newest first; `after` is the index before which to go on."""
        return (yield from self.get(wire.path("/v1/entries", kind=kind, after=after, limit=limit)))

    def search(self, word: str, after: str | None = None, limit: int | None = None) -> Exchange[Facts]:
        """Finds what a word names: a DID, handle, task, claim, entry, statement, hash, or a name in another system."""
        return (yield from self.get(wire.path("/v1/search", q=word, after=after, limit=limit)))

    def task(self, id: str) -> Exchange[Facts]:
        """A task."""
        return (yield from self.get(wire.path("/v1/tasks/{}", id)))

    def claim(self, id: str) -> Exchange[Facts]:
        """A claim."""
        return (yield from self.get(wire.path("/v1/claims/{}", id)))

    def squads(
        self,
        task: str | None = None,
        state: str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> Exchange[Facts]:
        """A page of the squads, of a task and in a state where named."""
        return (
            yield from self.get(wire.path("/v1/squads", task=task, state=state, after=after, limit=limit))
        )

    def squad(self, id: str) -> Exchange[Facts]:
        """A squad, with the parts of its task."""
        return (yield from self.get(wire.path("/v1/squads/{}", id)))

    def bundle(self, claim: str) -> Exchange[bytes]:
        """A claim's bundle, verified: the file that proves its case offline."""
        request = Request("GET", wire.path("/v1/claims/{}/bundle", claim, min_size=self.seen_size or None))
        data = wire.content((yield from self.attempt(request)))
        case = yield from self._proven(lambda: verify_bundle(data, self.key))
        if case.claim != claim:
            raise NotProven(f"asked for the bundle of {claim}, shown that of {case.claim}")
        return data

    def timeline(self, case: str) -> Exchange[list[Facts]]:
        """Returns every entry about a claim or a task, in order."""
        template = "/v1/claims/{}/timeline" if _CLAIM_ID.fullmatch(case) else "/v1/tasks/{}/timeline"
        entries: list[Facts] = []
        after = None
        while True:
            page = yield from self.get(wire.path(template, case, after=after))
            entries += page["entries"]
            after = page.get("after")
            if after is None:
                return entries

    def provenance(self, claim: str) -> Exchange[Facts]:
        """Returns what a claim's output was made from, and every output that was made from it."""
        facts: Facts = {}
        after = None
        while True:
            page = yield from self.get(wire.path("/v1/claims/{}/provenance", claim, after=after))
            facts = page | {"outputs": [*facts.get("outputs", []), *page["outputs"]]}
            after = page.get("after")
            if after is None:
                return facts

    def policy(self, number: int | None = None) -> Exchange[Facts]:
        """The network, its keys and rules, and a policy: the one in force, or by its number."""
        return (yield from self.get(wire.path("/v1/policy", number=number)))

    def stats(self) -> Exchange[Facts]:
        """Counts and sums of the whole network."""
        return (yield from self.get("/v1/stats"))

    def overhead(self, task_kind: str | None = None, after: str | None = None) -> Exchange[Facts]:
        """Fetches the cost of coordination in tasks' lives, by task kind and relay, with advice."""
        return (yield from self.get(wire.path("/v1/stats/overhead", task_kind=task_kind, after=after)))

    def priorities(
        self, task_kind: str, candidates: Sequence[str], task: str | None = None
    ) -> Exchange[Facts]:
        """Candidates in the order in which to offer them the work."""
        asked: dict[str, Any] = {"task_kind": task_kind, "candidates": list(candidates)}
        body = msgspec.json.encode(asked | ({"task": task} if task else {}))
        request = Request("POST", "/v1/priorities", body, wire.JSON_TYPE)
        return wire.facts((yield from self.attempt(request)))

    def bring_draw(self, of: str, key: str, pi: str) -> Exchange[Facts]:
        """Brings the draw of a beacon whose turn it is: its key and its VRF proof (hex)."""
        body = msgspec.json.encode({"for": of, "key": key, "pi": pi})
        request = Request("POST", "/v1/draws", body, wire.JSON_TYPE)
        return wire.facts((yield from self.attempt(request)))

    # -- the log

    def receipt(self, index: int) -> Exchange[tuple[Receipt, Proven]]:
        """The newest receipt of an entry, and the entry that it proves."""
        given = wire.shaped((yield from self.get(wire.path("/v1/receipts/{}", str(index)))), ReceiptAnswer)
        receipt = given.receipt()
        proven = yield from self._proven(lambda: verify_receipt(receipt, self.key))
        if proven.index != index:
            raise NotProven(f"asked for entry {index}, shown entry {proven.index}")
        return receipt, proven

    def check_log(self) -> Exchange[None]:
        """Raises `NotProven` where the service shows the checkpoint of another log, or one of another key.

        Asks once: where there is no answer, or no checkpoint yet, it says nothing.
        """
        try:
            answer = yield from wire.ask(Request("GET", "/log/checkpoint"))
        except Unreachable:
            return
        if answer.status == 200:
            yield from self._proven(lambda: self._opened(answer.body))

    def checkpoint(self) -> Exchange[Checkpoint]:
        """The log's newest checkpoint, its signature verified."""
        signed = wire.content((yield from self.attempt(Request("GET", "/log/checkpoint"))))
        return (yield from self._proven(lambda: self._opened(signed)))

    def _opened(self, signed: bytes) -> Checkpoint:
        try:
            return opened_note(signed, self.key)
        except (NoteError, CheckpointError) as error:
            raise NotProven(f"the checkpoint: {error}") from error
