"""The histories that a release's golden logs tell: made by the rulebook of that release, from fixed seeds and keys.

They only matter on the day they are written (`tests/golden/__main__.py`): later code may make other logs of the same
histories, or none; what it must do is replay the old ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.audit import networks
from tests.audit.networks import World
from tests.core import network, squads
from tests.core.flows import Scene, batch_of
from tests.core.network import DAY_MS, Net, Who
from tests.core.proofs import Lied, Promise, claim_by, confirmation, evidence, fork, text, three
from tests.core.steps import Steps, run
from tests.core.terms import EXACT, JUDGED, policy_of, policy_text
from tests.core.witnesses import two_of_three
from trust.core import payloads as p
from trust.core.records import Allocation, Claim, Withdrawal
from trust.log.note import Signer


@dataclass(frozen=True)
class History:
    """A log: its entries, the key that its genesis names, and the one that signs it in the end."""

    entries: list[bytes]
    first: Signer
    last: Signer


def told(net: Net, last: Who | None = None) -> History:
    """The log of a network of the rulebook's tests."""
    entries = [entry.data for entry in net.entries]
    first, signing = (Signer(network.ORIGIN, who.seed) for who in (net.log, last or net.log))
    return History(entries, first, signing)


def chance() -> History:
    """What parties say at random, right and wrong, and how all of it ends."""
    steps = Steps()
    run(steps, Random(0), 180)
    return told(steps.net)


def disputes() -> History:
    """A batch through three rounds to its slash; disputes won, lost and returned; short fees; who leaves."""
    town = Scene(Net(policy_of(round_reserve_ppm=0, name_bond_units=50)), verifiers=30)
    _short_fees(town)
    _batch_of_three_rounds(town)
    _challenges(town)
    _allocations(town)
    _treasury(town)
    _silence(town)
    _departures(town)
    _to_the_end(town)
    return told(town.net)


def _short_fees(town: Scene) -> None:
    claim = town.judged("short", "fail")
    town.challenged(claim, town.worker)
    town.judge(claim, "pass")
    town.window_over(claim)


def _batch_of_three_rounds(town: Scene) -> None:
    claim = town.opened("batch", **town.batch_task(40))
    contested = town.round(claim).items[0][:1]
    town.judge(claim, bad=[contested, [], []])
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, bad=[[]] * 7)
    town.challenged(claim, town.rival)
    town.open(claim)
    every = tuple(range(40))
    town.judge(claim, bad=[every] * 15)
    _settled(town, claim)
    town.batch = None


def _challenges(town: Scene) -> None:
    for number, (first, second) in enumerate((("pass", "fail"), ("fail", "fail"), ("fail", "pass"))):
        claim = town.judged(f"challenged-{number}", first, task_kind=JUDGED)
        town.challenged(claim, town.rival if first == "pass" else town.worker)
        town.judge(claim, second)
        _settled(town, claim)
    claim = town.judged("returned", task_kind=JUDGED)
    town.challenge(claim, town.requester)
    seated = {seat.agent for seat in town.seats(claim)}
    leavers = [each for each in town.verifiers if each.did not in seated]
    for who in leavers:
        town.net.say(p.VerifierLeave, who)
    town.net.draw(claim)
    town.net.enroll(*leavers, units=0)
    withheld = town.drawn("withheld")
    town.net.tick(6_000)
    _settled(town, withheld)


def _settled(town: Scene, claim: str) -> None:
    """Waits until the claim is over."""
    while not town.net.get(Claim, claim).ended_ms:
        town.window_over(claim)


def _allocations(town: Scene) -> None:
    town.allocated("used", shortlist=2, exclusive_ms=9_000)
    place = town.net.get(Allocation, "used").shortlist[0]
    claim = town.claim("used", town.net.people[place.agent], stake_units=200)
    town.net.say(p.ClaimRenew, town.worker_of(claim), claim=claim)
    said = town.output(claim)
    town.net.do(said)
    town.net.say(p.OutputAccept, town.requester, claim=claim)
    town.net.draw(claim)
    town.open(claim)
    town.judge(claim, "pass")
    _settled(town, claim)
    town.allocated("lapses", exclusive_ms=60_000, deadline_ms=town.net.now_ms + 40_000)
    town.net.tick(41_000)
    town.post("undrawn", relay=town.relay)
    town.net.do(town.allocation("undrawn"))
    town.net.tick(11_000)
    town.net.say(p.TaskCancel, town.requester, task="undrawn")


def _treasury(town: Scene) -> None:
    net = town.net
    who = net.join("treasurer")
    net.say(p.RoleGrant, net.operator, party=who.did, role="treasurer")
    net.say(p.StakeDeposit, who, account=town.rival.did, amount_units=50, reference="by-treasurer")
    for amount in (70, 80, 90):
        net.say(p.StakeWithdraw, town.rival, amount_units=amount)
    first, second, _ = (each.id for each in net.all(Withdrawal))
    net.tick(net.policy.windows.unbonding_ms)
    net.say(p.StakePayout, who, town.rival, withdrawal=second, reference="paid")
    net.tick(net.policy.windows.payout_ms)
    net.say(p.StakeWithdraw, town.rival, cancel=first)
    net.say(p.RoleRevoke, net.operator, party=who.did, role="treasurer")


def _silence(town: Scene) -> None:
    claim = town.opened("silent", task_kind=JUDGED)
    for seat in town.seats(claim):
        town.commit(seat, town.vote(seat))
    town.net.tick_to(town.round(claim).until_ms)
    town.net.draw(claim)
    town.judge(claim)
    _settled(town, claim)


def _departures(town: Scene) -> None:
    claim = town.opened("while-leaving")
    leaver = town.sitter(town.seats(claim)[0])
    for number in range(3):
        town.post(f"left-open-{number}")
    town.net.say(p.AgentRevoke, leaver, reason="done")
    town.net.say(p.AgentRevoke, town.requester, reason="done")
    town.net.say(p.AgentRevoke, town.net.operator, reason="abuse", party=town.rival.did)


def _to_the_end(town: Scene) -> None:
    """Lets everything come to its end."""
    for _ in range(60):
        soonest = town.net.draft.timers(1)
        if not soonest:
            return
        town.net.tick_to(max(town.net.now_ms + 1, soonest[0].due_ms))


def convictions() -> History:
    """Every type of evidence, canaries right, wrong, challenged and not opened, and a relay that lied."""
    town = Scene(Net(), verifiers=24)
    _canaries(town)
    for amount in (1_000, 333):
        town.net.say(p.StakeWithdraw, town.rival, amount_units=amount)
    _equivocation(town)
    _lying_relay(town)
    town.net.do(evidence(town, town.requester, "log-fork", notes=fork(town.net)))
    town.net.deposit("operator/bond", 20_000)
    _to_the_end(town)
    return told(town.net)


def _canaries(town: Scene) -> None:
    planted = ("good", "pass"), ("bad", "fail"), ("doubted", "fail"), ("never", "pass"), ("closed", "pass")
    answers = [(task, town.worker, verdict) for task, verdict in planted]
    both = [("two-faced", town.worker, verdict) for verdict in ("pass", "fail")]
    promise = Promise(town, *answers, *both, within_ms=60_000)
    for number, task in enumerate(("good", "bad", "doubted")):
        claim = town.judged(task)
        promise.open(number)
        if task == "doubted":
            town.challenged(claim, town.requester)
            town.judge(claim, "pass")
        _settled(town, claim)
    promise.open(3)
    contradiction = promise.opening(5), promise.opening(6)
    town.net.do(contradiction[0])
    above = town.net.balance("operator/bond") - town.net.policy.money.operator_bond_min_units
    town.net.say(p.StakeWithdraw, town.net.operator, amount_units=above, account="operator/bond")
    town.net.do(evidence(town, town.requester, "canary", *contradiction))
    town.net.tick(60_000)
    town.net.deposit("operator/bond", 20_000)


def _equivocation(town: Scene) -> None:
    honest = town.worker
    town.worker = town.rival
    lied = Lied(town, "two-outputs")
    lied.convict(town.requester)
    _settled(town, lied.claim)
    town.worker = honest


def _lying_relay(town: Scene) -> None:
    town, members = three(town)
    town.post("confirmed")
    claim = claim_by(town, members[:2], "confirmed")
    lie = confirmation(town, claim, members[:2], worker=town.requester.did)
    town.net.do(evidence(town, town.requester, "relay-confirm", lie))
    fresh = [Who("fresh one"), Who("fresh two")]
    said: dict[str, Any] = {"relay": town.relay, "name": "three", "threshold": 2}
    clean = [members[2], *fresh]
    coordinators = tuple(who.did for who in clean)
    town.net.say(
        p.RelayUpdate, members[2], members[0], *fresh, town.net.operator, coordinators=coordinators, **said
    )


def witnessed() -> History:
    """Draws that wait for two of three witnesses; every key of agent and service changes; another policy."""
    terms = policy_of(quorum=two_of_three())
    town = Scene(Net(terms), verifiers=12)
    net = town.net
    town.ended("first")
    town.allocated("drawn-for")
    before, new = net.log, Who("second log key")
    net.say(p.KeyAdopt, net.operator, before, new, use="log", key=new.did)
    drawing = Who("second draw key")
    claim = town.submitted("between")
    net.say(p.KeyAdopt, net.operator, use="draw", key=drawing.did)
    net.draw_keys[drawing.did] = drawing
    agent = Who("worker's second key")
    net.say(p.AgentRotate, town.worker, agent, new_key=agent.did)
    town.worker.seed = agent.seed
    net.log = new
    net.draw(claim)
    town.open(claim)
    town.judge(claim)
    _settled(town, claim)
    toml = policy_text(quorum=two_of_three(), fee_units=12)
    net.say(p.PolicyAdopt, net.operator, toml=toml, effective_ms=net.now_ms + 6_000)
    net.tick(7_000)
    town.ended("second", "fail")
    abandoned = town.claimed("third", task_kind=JUDGED)
    net.say(p.ClaimAbandon, town.worker, claim=abandoned)
    _to_the_end(town)
    net.log = before
    return told(net, new)


def joined() -> History:
    """Squads whose members are drawn from those who ask: one stands surety and pays for a part that fails, one is
    called for in vain."""
    policy = policy_of(unbonding_ms=10**6, surety_ppm=500_000)
    town = Scene(Net(policy), verifiers=16)
    town.post("essay", relay=town.relay, parts=squads.PARTS)
    squad = squads.called(town, "essay", surety_units=60)
    others = (town.net.join(f"asker {number}", capabilities=(EXACT,)) for number in range(3))
    squad = squads.drawn(town, squad, town.rival, *others, surety_units=40)
    for claim, verdict in zip(squads.claimed(town, squad), ("pass", "fail"), strict=True):
        town.net.do(town.output(claim))
        town.net.draw(claim)
        town.open(claim)
        town.judge(claim, verdict)
    town.post("alone", relay=town.relay, parts=squads.PARTS)
    squads.called(town, "alone")
    _to_the_end(town)
    return told(town.net)


def shipped() -> History:
    """The shipped sandbox policy, with seals of pools and of scores over days of work."""
    world = World()
    world.deposit("operator/bond", 100_000)
    world.register("alice", deposit=1_000_000)
    for worker in ("bob", "mallory"):
        world.register(worker, deposit=100_000)
    for number in range(8):
        world.register(f"verifier-{number}", deposit=5_000, verifies=True)
    relay = world.relay()
    world.wait(1_000)
    for number in range(7):
        worker, verdict = ("mallory", "fail") if number == 3 else ("bob", "pass")
        task = f"task-{number}"
        claim = world.claim(worker, task, world.post("alice", task), relay)
        world.output(worker, claim)
        world.serve()
        if world.need(Claim, claim).state == "checking":
            world.check(worker, claim, lambda _, verdict=verdict: verdict)  # type: ignore[misc]
        world.wait(3_000 if number % 5 else DAY_MS)
    key = networks.signer()
    return History(world.entries, key, key)


def caught() -> History:
    """Work that the coin had spared is looked at because its worker was caught; a panel finds a task unclear."""
    windows = {"challenge_ms": 20_000, "notice_ms": 20_000, "unbonding_ms": 1_000_000}
    town = Scene(Net(policy_of(trusted_streak=1, **windows)), verifiers=16)
    town.ended("trusted")
    claims = [town.claimed(f"burst-{number}") for number in range(8)]
    for claim in claims:
        town.net.do(town.output(claim))
    for claim in claims[:-1]:
        town.net.draw(claim)
    first = next(claim for claim in claims if town.state(claim) == "checking")
    town.open(first)
    town.judge(first, "fail")
    town.net.draw(claims[-1])
    for _ in range(3):
        town.net.tick(20_000)
        for claim in [each for each in claims if not town.net.get(Claim, each).ended_ms]:
            if town.net.get(Claim, claim).draw_round:
                town.net.draw(claim)
            if town.state(claim) == "checking":
                town.open(claim)
                town.judge(claim, "fail")
    town.worker = town.rival
    town.ended("unclear", "void")
    town.net.say(p.VerifierLeave, town.verifiers[0])
    _to_the_end(town)
    return told(town.net)


def attested() -> History:
    """An opening that the service did not take counts, because the claim's relay attests it."""
    town = Scene(Net(policy_of(grace_ms=500, unbonding_ms=10**6)), verifiers=12)
    net, claim = town.net, town.drawn("heard-by-the-relay")
    opening = text(net.statement(p.OutputOpen, town.worker_of(claim), claim=claim))
    said = net.statement(p.RelayAttest, net.coordinator, statement=opening, shown_ms=net.now_ms)
    net.tick_to(town.round(claim).until_ms + 100)
    net.do(said)
    town.judge(claim)
    _to_the_end(town)
    return told(net)


def together() -> History:
    """Squads: one that is dissolved, one whose time runs out, and two that split a task and a batch; a part of the
    batch is bad and comes to others."""
    town = Scene(Net(policy_of(unbonding_ms=10**6)), verifiers=16)
    town.post("essay", parts=squads.PARTS)
    pair: list[squads.Taken] = [(town.worker, None), (town.rival, None)]
    dissolved = squads.formed(town, pair, "essay")
    town.net.say(p.SquadDissolve, town.rival, squad=dissolved.id)
    squads.formed(town, pair, "essay", until_ms=town.net.now_ms + 500)
    town.net.tick(1_000)
    for claim in squads.claimed(town, squads.formed(town, pair, "essay")):
        town.net.do(town.output(claim))
        town.net.draw(claim)
        town.open(claim)
        town.judge(claim)
    town.post("batch", items=p.Items(count=9, parts=3))
    halves: list[squads.Taken] = [(town.worker, 4), (town.rival, 5)]
    for claim, count in zip(squads.claimed(town, squads.formed(town, halves, "batch")), (4, 5), strict=True):
        town.batch = batch_of(count)
        town.net.do(town.output(claim))
        town.net.draw(claim)
        town.open(claim)
        bad = range(count) if count == 4 else ()
        town.judge(claim, bad=[bad] * 3)
    town.batch = None
    _to_the_end(town)
    return told(town.net)


HISTORIES: dict[str, Callable[[], History]] = {
    "chance": chance,
    "disputes": disputes,
    "convictions": convictions,
    "witnessed": witnessed,
    "caught": caught,
    "attested": attested,
    "together": together,
    "joined": joined,
    "shipped": shipped,
}
