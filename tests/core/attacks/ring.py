"""What an attack plays with: a network with windows as the shipped policies have them to each other, and a ring."""

from __future__ import annotations

from collections.abc import Iterable

from tests.core.flows import Scene, scene
from tests.core.network import Who
from tests.core.terms import EXACT, policy_of
from trust.core import ledger
from trust.core.policy import Policy
from trust.core.records import Claim, Task

RICH = 1_000_000
PRICE, STAKE = 1_000, 2_000


def terms(**values: object) -> Policy:
    """The tests' policy, whose challenge window outlasts a check as in every shipped policy."""
    windows = {"challenge_ms": 60_000, "notice_ms": 60_000, "unbonding_ms": 10**9}
    return policy_of(**{**windows, **values})


def town_of(verifiers: int = 30, **values: object) -> Scene:
    """A scene with a requester and a worker who can pay for much."""
    town = scene(terms(**values), verifiers)
    for who in (town.requester.did, town.worker.did, ledger.OPERATOR_BOND):
        town.net.deposit(who, RICH)
    return town


def rich(town: Scene, name: str) -> Who:
    return town.net.join(name, RICH, capabilities=(EXACT,))


def worth(town: Scene, *people: Who) -> int:
    """What these have once all their claims have ended: free, unbonding, staked, and held for evidence."""
    accounts = [
        name(who.did) for who in people for name in (ledger.free, ledger.unbonding, ledger.verifier_stake)
    ]
    dids = {who.did for who in people}
    accounts += [ledger.stake(claim.id) for claim in town.net.all(Claim) if claim.worker in dids]
    accounts += [ledger.escrow(task.id) for task in town.net.all(Task) if task.requester in dids]
    return sum(map(town.net.balance, accounts))


def claimed(town: Scene, task: str, worker: Who, requester: Who, **fields: object) -> str:
    """A task posted and claimed at the ring's usual price and stake."""
    posted = {"price_units": PRICE, **{key: fields.pop(key) for key in list(fields) if key != "stake_units"}}
    town.post(task, requester, **posted)
    return town.claim(task, worker, stake_units=fields.get("stake_units", STAKE))


def delivered(town: Scene, claims: Iterable[str]) -> None:
    """Delivers and draws each of them, all before any panel has voted."""
    for claim in claims:
        town.net.do(town.output(claim))
    for claim in claims:
        town.net.draw(claim)


def looked_at(town: Scene, claims: Iterable[str], verdict: str) -> None:
    """Has the panels of all that is checked vote, until every claim has ended."""
    claims = list(claims)
    for _ in range(4):
        for claim in claims:
            record = town.net.get(Claim, claim)
            if record.draw_round and not record.ended_ms:
                town.net.draw(claim)
            record = town.net.get(Claim, claim)
            if record.state == "checking" and record.round and not record.verdict:
                if not record.opened:
                    town.open(claim)
                town.judge(claim, verdict)
        town.net.tick(town.net.policy.windows.challenge_ms)
    assert all(town.net.get(Claim, claim).ended_ms for claim in claims)


def states(town: Scene, claims: Iterable[str]) -> list[str]:
    return [town.state(claim) for claim in claims]
