"""The role of a worker: asks for claims through a relay, delivers outputs, opens what a panel is to check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256

import msgspec

from trust.client import statements
from trust.client.agents import Agent
from trust.client.clients import C, Client, conversation
from trust.client.exchanges import Accepted
from trust.client.following import Following
from trust.client.items import ItemTree
from trust.client.speculation import Attempt, Bring
from trust.client.transports import AsyncTransport
from trust.client.wire import Exchange, Facts
from trust.core.commands import effective
from trust.core.lifecycle import Phase
from trust.core.payloads import (
    Artifact,
    ClaimRequest,
    ItemsOpen,
    Member,
    OutputOpen,
    OutputSubmit,
    SquadAsk,
    SquadCall,
    SquadForm,
)
from trust.errors import ClientError
from trust.log.ed25519 import PrivateKey
from trust.verify.failures import NotProven


class Worker(Agent[C]):
    """Stakes on claims and delivers."""

    def __init__(self, client: Client[C], seed: PrivateKey, actor: str = "") -> None:
        super().__init__(client, seed, actor)
        self._signed: dict[str, OutputSubmit] = {}

    @conversation
    def request(self, task: str, relay: str, stake_units: int) -> Exchange[bytes]:
        """A signed `claim.request`, for the relay to co-sign and post; exactly this stake locks."""
        return (yield from Worker.claim_of.talk(self, task, relay, stake_units))

    @conversation
    def claim_of(
        self, task: str, relay: str, stake_units: int, task_index: int | None = None
    ) -> Exchange[bytes]:
        """Returns a signed `claim.request` as `request` does; where the index of the task's posting is known, from
        an offer, nothing is fetched."""
        index = task_index if task_index is not None else (yield from self.exchanges.task(task)).get("index")
        if not isinstance(index, int):
            raise NotProven(f"the service does not say where {task} was posted")
        return self.say(ClaimRequest, task=task, task_index=index, relay=relay, stake_units=stake_units)

    @conversation
    def form_squad(self, task: str, members: Sequence[Member], until_ms: int) -> Exchange[bytes]:
        """A signed `squad.form` for the other members to add their signatures to (`join_squad`) and anybody to send.

        This worker, the founder, is the first of the `members`, which take the task's parts in order; of a batch each
        takes the next `items` items.
        """
        yield from ()
        return self.say(SquadForm, task=task, members=tuple(members), until_ms=until_ms)

    @conversation
    def call_squad(
        self,
        task: str,
        *,
        stake_units: int,
        asks_until_ms: int,
        until_ms: int,
        surety_units: int | None = None,
    ) -> Exchange[Accepted]:
        """Calls for a squad, of which this worker is the founder: a draw decides who of those that ask joins it."""
        said = self.say(
            SquadCall,
            task=task,
            stake_units=stake_units,
            asks_until_ms=asks_until_ms,
            until_ms=until_ms,
            surety_units=surety_units,
        )
        return (yield from self.exchanges.send(said))

    @conversation
    def ask_squad(
        self, squad: str, *, stake_units: int, surety_units: int | None = None
    ) -> Exchange[Accepted]:
        """Asks to join a squad that is called for: to take whichever part it is drawn for at this stake."""
        said = self.say(SquadAsk, squad=squad, stake_units=stake_units, surety_units=surety_units)
        return (yield from self.exchanges.send(said))

    @conversation
    def join_squad(self, formed: bytes, stake_units: int, surety_units: int = 0) -> Exchange[bytes]:
        """Returns a `squad.form` with this worker's signature added: it will lock at most `stake_units` for its part,
        and answers with at most `surety_units` for the parts of the others.

        `ClientError` bad-squad where it is none of the members, or would lock more.
        """
        yield from ()
        squad = statements.opened(formed).payload
        if not isinstance(squad, SquadForm) or squad.network != self.me.network:
            raise ClientError("unknown-kind", "a worker joins a squad.form of its own network")
        mine = [member for member in squad.members if member.worker == self.did]
        if len(mine) != 1 or mine[0].stake_units > stake_units:
            raise ClientError(
                "bad-squad", f"this squad does not want {self.did} for {stake_units} units at most"
            )
        if (mine[0].surety_units or 0) > surety_units:
            raise ClientError(
                "bad-squad",
                f"this squad wants {mine[0].surety_units} units as surety, {surety_units} at most",
            )
        return statements.cosign(formed, self.me.seed)

    @conversation
    def claim_for_squad(self, squad: str, relay: str) -> Exchange[bytes]:
        """A founder's signed `claim.request` for its squad, for the relay to co-sign and post."""
        facts = yield from self.exchanges.squad(squad)
        task, stakes = facts["task"], sum(member["stake_units"] for member in facts["members"])
        index = (yield from self.exchanges.task(task)).get("index")
        if not isinstance(index, int):
            raise NotProven(f"the service does not say where {task} was posted")
        return self.say(
            ClaimRequest, task=task, task_index=index, relay=relay, stake_units=stakes, squad=squad
        )

    def speculate(
        self: Worker[AsyncTransport],
        task: str,
        bring: Bring,
        *,
        relay: str,
        stake_units: int,
        task_index: int | None = None,
        log: Following | None = None,
    ) -> Attempt:
        """Work on a task before its claim is decided: `async with worker.speculate(...) as attempt`.

        `bring` brings the claim to a relay (`RelayLink.claim`); `log`, where given, says who won even where the relay
        is silent. The work is cancelled where somebody else wins.
        """
        terms = {"relay": relay, "stake_units": stake_units, "task_index": task_index}
        return Attempt(self, task, bring, log, terms)

    @conversation
    def submit(
        self,
        claim: str,
        artifacts: Mapping[str, bytes],
        items: Sequence[bytes] = (),
        inputs: Sequence[str] = (),
        opened: bool = False,
    ) -> Exchange[Accepted]:
        """Delivers: stores each artifact (name to bytes), then submits. A batch delivers its items too.

        `inputs` names what the output was made from: claims, or blobs by their SHA-256 in hex. Who names them answers
        for its own step alone, and not for what was wrong before. `opened` opens the output at once: whatever becomes
        of this worker, what is drawn is not withheld.

        The items themselves stay with the worker until some of them are drawn: `attend` opens those. A claim has one
        output, and a second one that is signed while another counts convicts its worker: so the service is asked first,
        and where the claim has this output already its receipt is the answer; where it has another, or one that this
        worker signed before has not expired yet, `ClientError` output-exists.
        """
        output = yield from Worker.output_of.talk(self, claim, artifacts, items, inputs, opened)
        return output if isinstance(output, Accepted) else (yield from self.exchanges.send(output))

    @conversation
    def output_of(
        self,
        claim: str,
        artifacts: Mapping[str, bytes],
        items: Sequence[bytes] = (),
        inputs: Sequence[str] = (),
        opened: bool = False,
    ) -> Exchange[bytes | Accepted]:
        """Returns a signed `output.submit` as `submit` sends it, its artifacts stored, for a relay to bring to the log;
        the receipt where the claim has this output already."""
        for data in artifacts.values():
            yield from self.store(data)
        delivered = tuple(
            Artifact(name=name, sha256=sha256(data).hexdigest(), size_bytes=len(data))
            for name, data in artifacts.items()
        )
        tree = ItemTree(items) if items else None
        root = tree.root() if tree else None
        before = (yield from self.exchanges.claim(claim)).get("output")
        if before:
            return (yield from self._delivered(claim, before["index"], delivered, root))
        self._check_signed(claim, delivered, root)
        envelope = self.say(
            OutputSubmit,
            claim=claim,
            artifacts=delivered,
            items_root=root,
            items_count=len(tree) if tree else None,
            inputs=tuple(inputs),
            opened=opened,
        )
        signed = statements.opened(envelope).payload
        assert isinstance(signed, OutputSubmit)
        self._signed[claim] = signed
        return envelope

    def _check_signed(self, claim: str, delivered: tuple[Artifact, ...], items_root: str | None) -> None:
        """`ClientError` output-exists while another output for the claim counts that this party signed, sent or not:
        here, or as the outbox remembers it. What the service refused it might still take."""
        outbox = self.exchanges.outbox
        kept = outbox.said_before("output.submit", claim=claim) if outbox is not None else {}
        signed = self._signed.get(claim) or (msgspec.convert(kept, OutputSubmit) if kept else None)
        if signed is None or signed.expires_ms <= self._now_ms():
            return
        if (set(signed.artifacts), signed.items_root) != (set(delivered), items_root):
            raise ClientError(
                "output-exists",
                f"another output for {claim} was signed and counts until {signed.expires_ms}: "
                "deliver that one, or wait",
                status=409,
            )

    def _delivered(
        self, claim: str, index: int, artifacts: Sequence[Artifact], items_root: str | None
    ) -> Exchange[Accepted]:
        """The output that a claim has, proven, where it is this one; nothing is signed."""
        receipt, proven = yield from self.exchanges.receipt(index)
        output = effective(proven.spoken) if proven.spoken else None
        payload = output.payload if output else None
        if output is None or not isinstance(payload, OutputSubmit) or payload.claim != claim:
            raise NotProven(f"entry {index} is no output of {claim}")
        if (set(payload.artifacts), payload.items_root) != (set(artifacts), items_root):
            raise ClientError("output-exists", f"{claim} has another output, entry {index}", status=409)
        if self.exchanges.outbox is not None:
            self.exchanges.outbox.forget("output.submit", claim=claim)
        return Accepted(output.id, True, receipt, proven)

    @conversation
    def step(self, items: Callable[[str], Sequence[bytes]] | None = None) -> Exchange[list[Accepted]]:
        """Opens what waits to be opened of every claim of this worker, as the service knows them: so it needs no memory
        of its own, but for the items of a batch, which `items` gives by claim."""
        done: list[Accepted] = []
        for claim in (yield from Worker.underway.talk(self)):
            if claim["state"] == "checking":
                done += yield from Worker.attend.talk(
                    self, claim["claim"], items(claim["claim"]) if items else ()
                )
        return done

    @conversation
    def underway(self) -> Exchange[list[Facts]]:
        """Returns this worker's claims that have not ended, as the service shows them."""
        claims: list[Facts] = []
        after = None
        while True:
            page = yield from self.exchanges.claims("open", worker=self.did, after=after)
            claims += page["claims"]
            after = page.get("after")
            if not after:
                return claims

    @conversation
    def attend(self, claim: str, items: Sequence[bytes] = ()) -> Exchange[list[Accepted]]:
        """Opens what waits to be opened of a claim, if anything does: the output, or the drawn items of a batch.

        Call it again until the claim has ended: what is not opened in time counts as withheld.
        """
        claim_facts = yield from self.exchanges.claim(claim)
        panel = (claim_facts.get("rounds") or [{}])[-1]
        if panel.get("phase") != Phase.OPENING:
            return []
        seats = [seat for seat in panel["seats"] if seat["current"]]
        if any(seat["items"] for seat in seats):
            return (yield from self._open_items(seats, ItemTree(items)))
        return [(yield from self.tell(OutputOpen, claim=claim))]

    def _open_items(self, seats: Sequence[Facts], tree: ItemTree) -> Exchange[list[Accepted]]:
        """Stores the drawn items as blobs, then opens them for each seat; seats may share items."""
        wanted = {
            seat["seat"]: [item["index"] for item in seat["items"] if not item["leaf"]] for seat in seats
        }
        for index in sorted({index for indices in wanted.values() for index in indices}):
            yield from self.store(tree.blob(index))
        envelopes = [
            self.say(ItemsOpen, seat=seat, items=opened)
            for seat, indices in wanted.items()
            for opened in tree.openings(indices)
        ]
        results = yield from self.exchanges.send_many(envelopes)
        refused = [result for result in results if not isinstance(result, Accepted)]
        if refused:
            raise refused[0]
        return [result for result in results if isinstance(result, Accepted)]
