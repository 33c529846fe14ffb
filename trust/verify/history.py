"""The history of one case: the records that its entries fold to so far, and the entry that is being checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from trust.core import events as e
from trust.core import payloads as p
from trust.core.commands import Spoken, enclosed
from trust.core.entry import Draw, Entry
from trust.core.events import round_id
from trust.core.identity import key_of
from trust.core.policy import Policy
from trust.core.records import AdoptedPolicy, Claim, Record, Relay, Round, Task
from trust.core.sampling import vrf
from trust.core.sampling.draw import Stream
from trust.core.state import Draft, MemoryState
from trust.verify.cases import Shortlist

R = TypeVar("R", bound=Record)
S = TypeVar("S", bound=p.Payload)


class DoesNotFollow(ValueError):
    """A step of the case that its entries do not bear out."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A round's draw: its entry, its beta (hex), whom its panel passed over (None: not traced)."""

    round: int
    index: int
    beta: str
    passed: tuple[str, ...] | None


class CaseHistory:
    """One claim of one network; `pool` are nodes of sum trees by digest."""

    def __init__(self, network: str, claim: str, pool: dict[bytes, bytes]) -> None:
        self.claim_id = claim
        self.network = network
        self.pool = pool
        self.visited: set[bytes] = set()
        self.state = Draft(MemoryState())
        self.task_id = ""
        self.whole_id = ""
        self.parent_id = ""
        self.squad_id = ""
        self.keys: dict[str, str] = {}
        self.sealed: dict[str, e.PoolSealed] = {}
        self.drawn: dict[int, Drawn] = {}
        self.shortlist: Shortlist | None = None
        self.held: dict[str, int] = {}
        self.slashed_units = 0
        self.checked: bool | None = None
        self.sitters: set[str] = set()
        self.signers: tuple[str, ...] | None = None
        self.indices: list[int] = []
        self.postings: list[tuple[int, str, tuple[tuple[str, int], ...]]] = []
        self.stream: Stream | None = None
        self.entry: Entry | None = None
        self.spoken: Spoken | None = None

    def find(self, kind: type[R], id: str) -> R | None:
        """Returns a record that the entries so far made, or None."""
        return self.state.get(kind, id)

    def need(self, kind: type[R], id: str) -> R:
        """Returns a record that the entries so far made; DoesNotFollow where there is none."""
        record = self.find(kind, id)
        if record is None:
            raise DoesNotFollow(f"the bundle has no entry before it that makes {kind.__name__.lower()} {id}")
        return record

    @property
    def claim(self) -> Claim:
        return self.need(Claim, self.claim_id)

    @property
    def task(self) -> Task:
        return self.need(Task, self.task_id)

    @property
    def whole(self) -> Task:
        """The task that was asked for: the parent of the claim's task, where a squad claimed that, else the task."""
        return self.need(Task, self.whole_id)

    @property
    def policy(self) -> Policy:
        """The policy that the task pinned."""
        return self.need(AdoptedPolicy, str(self.whole.policy)).terms

    def round(self, number: int) -> Round:
        return self.need(Round, round_id(self.claim_id, number))

    def statement_by(self, kind: type[S], actor: str, **fields: object) -> S:
        """Returns the entry's statement; DoesNotFollow unless it has this kind, this actor and these fields."""
        payload = self.statement_of(kind)
        expect("the actor of the statement", actor, payload.actor)
        for name, value in fields.items():
            expect(name, value, getattr(payload, name))
        return payload

    def statement_of(self, kind: type[S]) -> S:
        """Returns the payload of the entry's statement; DoesNotFollow unless it has this kind."""
        payload = None if self.spoken is None else self.spoken.payload
        if isinstance(payload, p.RelayAttest) and self.spoken is not None:
            [shown] = enclosed(self.spoken.payload)
            actor = shown.payload.actor
            if self.keys.get(actor, actor) not in shown.signed.signers:
                raise DoesNotFollow(f"{actor} did not sign what the relay attests")
            payload = shown.payload
        if not isinstance(payload, kind):
            raise DoesNotFollow(f"this needs a statement {kind.__struct_config__.tag}")
        return payload

    def node(self, digest: bytes) -> bytes:
        """A node of the sealed pool; notes that a draw came by."""
        if digest not in self.pool:
            raise DoesNotFollow(f"the bundle's pool lacks node {digest.hex()}")
        self.visited.add(digest)
        return self.pool[digest]


def signed_for(case: CaseHistory, relay: str) -> tuple[str, ...] | None:
    """The coordinators that signed the entry's statement, at least their threshold; None where their group is not in
    the bundle."""
    group = case.find(Relay, relay)
    if group is None:
        return None
    signers = () if case.spoken is None else case.spoken.signed.signers
    signed = tuple(one for one in group.coordinators if case.keys.get(one, one) in signers)
    if len(signed) < group.threshold:
        raise DoesNotFollow(f"{len(signed)} of the {group.threshold} coordinators of {relay} signed")
    return signed


def verified_beta(draw: Draw, draw_key: str, alpha: bytes) -> bytes:
    """Returns the VRF output (beta) that a draw proves for this key and this input; DoesNotFollow where it does not."""
    if len(draw.beacons) != 1 or draw.beacons[0].key != draw_key:
        raise DoesNotFollow(f"{draw.of} is drawn by {draw_key} alone")
    [beacon] = draw.beacons
    beta = vrf.verify(key_of(beacon.key), alpha, bytes.fromhex(beacon.pi))
    expect("beta", beta.hex(), beacon.beta)
    return beta


def expect(what: str, expected: object, actual: object) -> None:
    """Raises DoesNotFollow unless the entry has what follows from the entries before it."""
    if expected != actual:
        raise DoesNotFollow(f"{what}: {_short(expected)} follows, the entry has {_short(actual)}")


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else text[:117] + "..."
