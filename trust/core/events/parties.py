"""Events about the network, its parties and its rules."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace

from trust.core.events.event import Event, known
from trust.core.policy import Policy
from trust.core.records import (
    AdoptedPolicy,
    AdoptedRules,
    Handle,
    House,
    Key,
    Network,
    Party,
    Relay,
    Role,
)
from trust.core.state import Draft

NETWORK = "network"


def service_key(use: str, key: str) -> str:
    """The id of a key of the service itself."""
    return f"{use}/{key}"


def verifier_timer(party: str) -> str:
    """The timer by which the stake of a verifier that left comes back."""
    return f"verifier/{party}"


def name_timer(party: str) -> str:
    """The timer by which the bond of a name whose party left comes back."""
    return f"name/{party}"


def house_id(task_kind: str, owner: str) -> str:
    """The key of what one owner has in the pool of a task kind."""
    return f"{task_kind}/{owner}"


def policy_timer(number: int) -> str:
    """The timer of a policy's notice: of two that end together, the later policy is settled last."""
    return f"policy/{number:08}"


class NetworkCreated(Event, tag="network.created", frozen=True, kw_only=True):
    says: ClassVar[str] = "The log of {origin} begins under rules {rules}."

    origin: str
    operator: str
    log_key: str
    draw_key: str
    t0_ms: int
    slow_half_life_ms: int
    fast_half_life_ms: int
    rules: int
    terms: Policy

    def write(self, s: Draft) -> None:
        s.put(
            Network(
                id=NETWORK,
                origin=self.origin,
                operator=self.operator,
                log_key=self.log_key,
                draw_key=self.draw_key,
                t0_ms=self.t0_ms,
                slow_half_life_ms=self.slow_half_life_ms,
                fast_half_life_ms=self.fast_half_life_ms,
                rules=self.rules,
                policy=0,
                policies=1,
            )
        )
        s.put(AdoptedPolicy(id="0", effective_ms=s.at_ms, index=s.size, terms=self.terms))
        for use, key in (("log", self.log_key), ("draw", self.draw_key)):
            s.put(Key(id=service_key(use, key), party=use, since_index=s.size, until_index=-1))


class PartyRegistered(Event, tag="party.registered", frozen=True, kw_only=True):
    """`places` are its slots in the pools of workers, one for each capability."""

    says: ClassVar[str] = "{party} registers; {owner} stands behind it."
    creates: ClassVar[tuple[str, ...]] = ("party",)

    party: str
    owner: str
    handle: str = ""
    capabilities: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def write(self, s: Draft) -> None:
        s.put(
            Party(
                id=self.party,
                key=self.party,
                owner=self.owner,
                handle=self.handle,
                capabilities=self.capabilities,
                registered_ms=s.at_ms,
                index=s.size,
                places=self.places,
            )
        )
        s.put(Key(id=self.party, party=self.party, since_index=s.size, until_index=-1))
        if self.handle:
            s.put(Handle(id=self.handle, party=self.party))


class PartyRotated(Event, tag="party.rotated", frozen=True, kw_only=True):
    says: ClassVar[str] = "{party} signs with the key {key} from here on."

    party: str
    key: str

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        s.put(replace(known(s, Key, party.key), until_index=s.size, until_ms=s.at_ms))
        s.put(Key(id=self.key, party=self.party, since_index=s.size, until_index=-1))
        s.put(replace(party, key=self.key, rotations=party.rotations + 1))


class PartyLeft(Event, tag="party.left", frozen=True, kw_only=True):
    """`how` is revoked or tombstoned: no new claims, posts or enrolments from here on. Where the operator revoked
    it, what it had begun goes on, and so do its seats on claims from before."""

    party: str
    how: str
    by_operator: bool = False

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        s.put(replace(party, left=self.how, left_index=s.size, expelled=self.by_operator))

    def sentence(self) -> str:
        by = " by the operator" if self.by_operator else ""
        rest = ". What it had begun goes on" if self.by_operator else ""
        return f"{self.party} is {self.how}{by}: no new claims, seats, posts or enrolments{rest}."


class PartyCaught(Event, tag="party.caught", frozen=True, kw_only=True):
    """Work of this party failed an exact check or was withheld: its other open claims are looked at."""

    says: ClassVar[str] = "{party} is caught: what else it has in flight is checked."

    party: str

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Party, self.party), caught_ms=s.at_ms))


class PartyJailed(Event, tag="party.jailed", frozen=True, kw_only=True):
    says: ClassVar[str] = "{party} is in jail until {until_ms}."

    party: str
    until_ms: int

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Party, self.party), jailed_ms=s.at_ms, jailed_until_ms=self.until_ms))


class PartyFaulted(Event, tag="party.faulted", frozen=True, kw_only=True):
    """The times of the liveness faults and failed exact checks that still count."""

    party: str
    liveness_ms: tuple[int, ...]
    failures_ms: tuple[int, ...]

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        s.put(replace(party, liveness_ms=self.liveness_ms, failures_ms=self.failures_ms))

    def sentence(self) -> str:
        return (
            f"{self.party} has {len(self.liveness_ms)} liveness faults and {len(self.failures_ms)} failed exact checks "
            "that still count."
        )


class VerifierEnrolled(Event, tag="verifier.enrolled", frozen=True, kw_only=True):
    says: ClassVar[str] = "{party} offers to check work of kind {task_kind}."

    party: str
    task_kind: str
    slot: int

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        vacated = tuple(pair for pair in party.vacated if pair[0] != self.task_kind)
        s.put(replace(party, enrolled=(*party.enrolled, (self.task_kind, self.slot)), vacated=vacated))
        s.clear_timer(verifier_timer(self.party))
        _count(s, self.task_kind, party.owner, 1)


class VerifierLeft(Event, tag="verifier.left", frozen=True, kw_only=True):
    """It checks nothing any more; what is left of its stake comes back at `until_ms`."""

    says: ClassVar[str] = "{party} checks no more; its stake comes back at {until_ms}."

    party: str
    until_ms: int

    def write(self, s: Draft) -> None:
        party = known(s, Party, self.party)
        s.put(replace(party, enrolled=(), vacated=(*party.vacated, *party.enrolled)))
        s.set_timer(verifier_timer(self.party), "verifier", self.until_ms)
        for task_kind, _ in party.enrolled:
            _count(s, task_kind, party.owner, -1)


def _count(s: Draft, task_kind: str, owner: str, change: int) -> None:
    id = house_id(task_kind, owner)
    house = s.get(House, id)
    s.put(House(id=id, enrolled=change + (house.enrolled if house else 0)))


class VerifierReleased(Event, tag="verifier.released", frozen=True, kw_only=True):
    says: ClassVar[str] = "The stake of {party} as a verifier is free."

    party: str

    def write(self, s: Draft) -> None:
        known(s, Party, self.party)
        s.clear_timer(verifier_timer(self.party))


class NameReturning(Event, tag="name.returning", frozen=True, kw_only=True):
    """Its party left; what is left of the bond of its name comes back at `until_ms`."""

    says: ClassVar[str] = "The bond of {party}'s name comes back at {until_ms}."

    party: str
    until_ms: int

    def write(self, s: Draft) -> None:
        known(s, Party, self.party)
        s.set_timer(name_timer(self.party), "name", self.until_ms)


class NameReleased(Event, tag="name.released", frozen=True, kw_only=True):
    says: ClassVar[str] = "The bond of {party}'s name is free."

    party: str

    def write(self, s: Draft) -> None:
        known(s, Party, self.party)
        s.clear_timer(name_timer(self.party))


class PartiesDue(Event, tag="parties.due", frozen=True, kw_only=True):
    """Much changed for these parties in one entry: what follows for them is due at once, in clock entries."""

    parties: tuple[str, ...]

    def write(self, s: Draft) -> None:
        for party in self.parties:
            s.set_timer(party, "party", s.at_ms)

    def sentence(self) -> str:
        return f"What this means for {', '.join(self.parties)} follows in entries of its own."


class PartyFollowed(Event, tag="party.followed", frozen=True, kw_only=True):
    """Says that the consequences for this party stand in this entry."""

    says: ClassVar[str] = "What this means for {party} follows."

    party: str

    def write(self, s: Draft) -> None:
        s.clear_timer(self.party)


class RoleGranted(Event, tag="role.granted", frozen=True, kw_only=True):
    says: ClassVar[str] = "{party} becomes {role}."

    party: str
    role: str

    def write(self, s: Draft) -> None:
        s.put(Role(id=f"{self.role}/{self.party}", party=self.party, role=self.role))


class RoleRevoked(Event, tag="role.revoked", frozen=True, kw_only=True):
    says: ClassVar[str] = "{party} is {role} no more."

    party: str
    role: str

    def write(self, s: Draft) -> None:
        s.drop(Role, f"{self.role}/{self.party}")


class RelayRegistered(Event, tag="relay.registered", frozen=True, kw_only=True):
    """A relay as it is from here on: registered, or changed by `relay.update`."""

    says: ClassVar[str] = "Relay {name} ({relay}): {threshold} of its coordinators must sign."
    creates: ClassVar[tuple[str, ...]] = ("relay",)

    relay: str
    name: str
    coordinators: tuple[str, ...]
    threshold: int
    suspended: bool = False

    def write(self, s: Draft) -> None:
        before = s.get(Relay, self.relay)
        s.put(
            Relay(
                id=self.relay,
                name=self.name,
                coordinators=self.coordinators,
                threshold=self.threshold,
                index=s.size,
                suspended=self.suspended,
                convicted=before.convicted if before else (),
            )
        )


class PolicyAnnounced(Event, tag="policy.announced", frozen=True, kw_only=True):
    says: ClassVar[str] = "Policy {policy} is announced, in force from {effective_ms}."

    policy: int
    effective_ms: int
    terms: Policy

    def write(self, s: Draft) -> None:
        s.put(
            AdoptedPolicy(id=str(self.policy), effective_ms=self.effective_ms, index=s.size, terms=self.terms)
        )
        s.put(replace(known(s, Network, NETWORK), policies=self.policy + 1))
        s.set_timer(policy_timer(self.policy), "policy", self.effective_ms)


class PolicyEffective(Event, tag="policy.effective", frozen=True, kw_only=True):
    says: ClassVar[str] = "Policy {policy} is in force for tasks that are posted from here on."

    policy: int

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Network, NETWORK), policy=self.policy))
        s.clear_timer(policy_timer(self.policy))


class RulesAnnounced(Event, tag="rules.announced", frozen=True, kw_only=True):
    says: ClassVar[str] = "Rules {rules} of release {release} are announced, in force from {effective_ms}."

    rules: int
    release: str
    source_sha256: str
    effective_ms: int

    def write(self, s: Draft) -> None:
        s.put(
            AdoptedRules(
                id=str(self.rules),
                effective_ms=self.effective_ms,
                index=s.size,
                release=self.release,
                source_sha256=self.source_sha256,
            )
        )
        s.set_timer(f"rules/{self.rules}", "rules", self.effective_ms)


class RulesEffective(Event, tag="rules.effective", frozen=True, kw_only=True):
    says: ClassVar[str] = "Rules {rules} are in force."

    rules: int

    def write(self, s: Draft) -> None:
        s.put(replace(known(s, Network, NETWORK), rules=self.rules))
        s.clear_timer(f"rules/{self.rules}")


class KeyAdopted(Event, tag="key.adopted", frozen=True, kw_only=True):
    """`use` is log or draw: a draw key draws for claims made after this entry, a log key signs every checkpoint of more
    than this entry, whose own checkpoint is still the earlier key's."""

    says: ClassVar[str] = "{key} is the {use} key from here on."

    use: str
    key: str

    def write(self, s: Draft) -> None:
        network = known(s, Network, NETWORK)
        before = network.log_key if self.use == "log" else network.draw_key
        s.put(replace(known(s, Key, service_key(self.use, before)), until_index=s.size))
        s.put(
            Key(
                id=service_key(self.use, self.key),
                party=self.use,
                since_index=s.size,
                until_index=-1,
                before=before,
            )
        )
        s.put(replace(network, **{f"{self.use}_key": self.key}))
