"""Governance: the operator's decisions on relays, roles, policies, rules and keys (docs/rules.md 2 and 8). Each of
them is an entry."""

from __future__ import annotations

import re

from trust.core import identity
from trust.core.commands import Spoken
from trust.core.entry import FORMAT, Genesis
from trust.core.events import (
    NETWORK,
    KeyAdopted,
    NetworkCreated,
    PartyRegistered,
    PolicyAnnounced,
    PolicyEffective,
    RelayRegistered,
    RoleGranted,
    RoleRevoked,
    RulesAnnounced,
    RulesEffective,
    service_key,
)
from trust.core.payloads import (
    KeyAdopt,
    PolicyAdopt,
    RelayRegister,
    RelayUpdate,
    RoleGrant,
    RoleRevoke,
    RulesAdopt,
)
from trust.core.policy import InvalidPolicy, dangers, parse
from trust.core.records import AdoptedRules, Key, Network, Party, Relay, Role
from trust.core.refusal import Refused
from trust.core.rules import changes
from trust.core.rules.acts import act, due
from trust.core.rules.decision import Decision
from trust.core.rules.reads import Keys, Peek

MAX_NOTICE_MS = 366 * 86_400_000
ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]*(:[0-9]+)?(/[A-Za-z0-9._~-]+)*")


def create(d: Decision, genesis: Genesis) -> None:
    """Entry 0: the network, its first policy, and the operator as its first party."""
    if d.size:
        raise Refused("network-exists", "this log has its genesis already")
    if genesis.format != FORMAT or genesis.rules not in changes.KNOWN:
        raise Refused("unknown-rules", f"format {genesis.format}, rules {genesis.rules}")
    if not ORIGIN.fullmatch(genesis.network):
        raise Refused("bad-genesis", f"{genesis.network!r} is no schema-less URL")
    if genesis.t0_ms > d.at_ms or min(genesis.slow_half_life_ms, genesis.fast_half_life_ms) < 1:
        raise Refused("bad-genesis", "time begins before genesis, and half-lives are at least 1 ms")
    if reasons := dangers(genesis.policy):
        raise Refused("dangerous-policy", "; ".join(reasons))
    for key in (genesis.log_key, genesis.draw_key, genesis.operator):
        identity.key_of(key)
    d.emit(
        NetworkCreated(
            origin=genesis.network,
            operator=genesis.operator,
            log_key=genesis.log_key,
            draw_key=genesis.draw_key,
            t0_ms=genesis.t0_ms,
            slow_half_life_ms=genesis.slow_half_life_ms,
            fast_half_life_ms=genesis.fast_half_life_ms,
            rules=genesis.rules,
            terms=genesis.policy,
        )
    )
    d.emit(PartyRegistered(party=genesis.operator, owner=genesis.operator))


def check_operator(d: Decision, spoken: Spoken) -> None:
    """Refused `not-operator` unless the actor is the operator."""
    if spoken.payload.actor != d.network.operator:
        raise Refused("not-operator", f"a {spoken.payload.__struct_config__.tag} is the operator's to say")


def is_treasurer(d: Decision, did: str) -> bool:
    """Returns whether a party may book money: the operator, who is the first treasurer, or a holder of the role."""
    return did == d.network.operator or d.get(Role, f"treasurer/{did}") is not None


def check_treasurer(d: Decision, did: str) -> None:
    """Refused `not-treasurer` unless a party may book money."""
    if not is_treasurer(d, did):
        raise Refused("not-treasurer", f"{did} is no treasurer")
    if did != d.network.operator:
        d.active(did)


@act(RoleGrant)
def grant(d: Decision, statement: RoleGrant) -> None:
    d.active(statement.party)
    if d.get(Role, f"{statement.role}/{statement.party}") is not None:
        raise Refused("role-held", f"{statement.party} is {statement.role} already")
    d.emit(RoleGranted(party=statement.party, role=statement.role))


@act(RoleRevoke)
def take_role(d: Decision, statement: RoleRevoke) -> None:
    if d.get(Role, f"{statement.role}/{statement.party}") is None:
        raise Refused("unknown-role", f"{statement.party} is no {statement.role}")
    d.emit(RoleRevoked(party=statement.party, role=statement.role))


def _check_group(coordinators: tuple[str, ...], threshold: int) -> None:
    for did in coordinators:
        identity.key_of(did)
    if len(set(coordinators)) != len(coordinators):
        raise Refused("bad-group", "a coordinator is named twice")
    if threshold > len(coordinators):
        raise Refused("bad-group", f"a threshold of {threshold} with {len(coordinators)} coordinators")


@act(RelayRegister)
def register_relay(d: Decision, statement: RelayRegister) -> None:
    if statement.actor != d.network.operator:
        raise Refused("not-operator", "a relay is registered by the operator and its coordinators")
    _check_group(statement.coordinators, statement.threshold)
    d.signed_by(d.spoken, [statement.actor, *statement.coordinators])
    d.emit(
        RelayRegistered(
            relay=d.new_id("rly_"),
            name=statement.name,
            coordinators=statement.coordinators,
            threshold=statement.threshold,
        )
    )


@act(RelayUpdate)
def update_relay(d: Decision, statement: RelayUpdate) -> None:
    """Changes a relay; signed by the threshold of its coordinators until now, and by each new one.

    A suspension ends where the operator signs too and nobody who signed a false confirmation is in the group: a group
    that could lift its own would come back in a fresh key of the same hand.
    """
    relay = d.find(Relay, statement.relay)
    if statement.actor not in relay.coordinators:
        raise Refused("not-coordinator", f"{statement.actor} is no coordinator of {statement.relay}")
    _check_group(statement.coordinators, statement.threshold)
    new = [did for did in statement.coordinators if did not in relay.coordinators]
    operator = (
        [d.network.operator]
        if relay.suspended and d.key(d.network.operator) in d.spoken.signed.signers
        else []
    )
    d.signed_by(d.spoken, [statement.actor, *new, *operator], relay.coordinators, relay.threshold)
    convicted = not set(relay.convicted).isdisjoint(statement.coordinators)
    d.emit(
        RelayRegistered(
            relay=statement.relay,
            name=statement.name,
            coordinators=statement.coordinators,
            threshold=statement.threshold,
            suspended=convicted or (relay.suspended and not operator),
        )
    )


def _check_notice(d: Decision, effective_ms: int) -> None:
    notice_ms = d.policy.windows.notice_ms
    if effective_ms < d.at_ms + notice_ms:
        raise Refused(
            "notice-too-short", f"a change takes effect {notice_ms} ms after its entry at the earliest"
        )
    if effective_ms > d.at_ms + MAX_NOTICE_MS:
        raise Refused("notice-too-long", "a change takes effect within a year")


@act(PolicyAdopt)
def adopt_policy(d: Decision, statement: PolicyAdopt) -> None:
    try:
        terms = parse(statement.toml)
    except InvalidPolicy as error:
        raise Refused("invalid-policy", str(error)) from error
    if reasons := dangers(terms):
        raise Refused("dangerous-policy", "; ".join(reasons))
    _check_notice(d, statement.effective_ms)
    d.emit(PolicyAnnounced(policy=d.network.policies, effective_ms=statement.effective_ms, terms=terms))


@act(RulesAdopt)
def adopt_rules(d: Decision, statement: RulesAdopt) -> None:
    if statement.rules not in changes.KNOWN:
        raise Refused("unknown-rules", f"this release knows rules {sorted(changes.KNOWN)}")
    if statement.rules <= d.network.rules or d.get(AdoptedRules, str(statement.rules)) is not None:
        raise Refused("rules-known", f"rules {statement.rules} are in force or announced already")
    _check_notice(d, statement.effective_ms)
    d.emit(
        RulesAnnounced(
            rules=statement.rules,
            release=statement.release,
            source_sha256=statement.source_sha256,
            effective_ms=statement.effective_ms,
        )
    )


def _adopting(view: Peek, statement: KeyAdopt) -> Keys:
    yield Party, statement.key
    keys = {statement.key}
    if (network := view.peek(Network, NETWORK)) is not None:
        yield Party, network.log_key
        keys |= {network.log_key, network.draw_key}
    for key in sorted(keys):
        for use in ("log", "draw"):
            yield Key, service_key(use, key)


@act(KeyAdopt, reads=_adopting)
def adopt_key(d: Decision, statement: KeyAdopt) -> None:
    """Adopts a key: a draw key counts for claims made after this entry, a log key from the next checkpoint on.

    Who trusts a log key must be able to tell its successor by that key alone, so it signs the statement too. So does
    the successor: a log whose next key nobody holds would end here.
    """
    identity.key_of(statement.key)
    check_operator(d, d.spoken)
    d.signed_by(
        d.spoken, [statement.actor, *((d.network.log_key, statement.key) if statement.use == "log" else ())]
    )
    if any(d.get(Key, service_key(use, statement.key)) is not None for use in ("log", "draw")):
        raise Refused("key-used", f"{statement.key} is or was a key of this service")
    d.emit(KeyAdopted(use=statement.use, key=statement.key))


@due("policy")
def take_policy(d: Decision, id: str) -> None:
    """Puts a policy into force whose notice is over."""
    d.emit(PolicyEffective(policy=int(id.removeprefix("policy/"))))


@due("rules")
def take_rules(d: Decision, id: str) -> None:
    """Puts a rules number into force whose notice is over."""
    d.emit(RulesEffective(rules=int(id.removeprefix("rules/"))))
