"""Each step of a claim, held against what caused it: what an event must follow from before it is folded.

- A task, claim, output, opening, commitment or reveal follows from the statement of whoever may make it.
- The check rate follows from its inputs; the panel from the draw under the draw key that was in force
  (docs/rules.md 6).
- A reveal follows from its commitment, a tally and a verdict from the votes, the claim's end from the verdict.
- What a stake or a challenge's bond loses was on it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from trust.core import events as e
from trust.core import ledger
from trust.core import payloads as p
from trust.core.commands import effective, enclosed
from trust.core.entry import Draw, Seal
from trust.core.events import Event, round_id
from trust.core.events.tasks import DRAWN_ROUTES
from trust.core.lifecycle import (
    AllocationState,
    ChallengeState,
    ClaimState,
    Phase,
    SeatState,
    SquadState,
    TaskState,
)
from trust.core.policy import parse as parse_policy
from trust.core.rate import AtStake, check_rate
from trust.core.records import (
    AdoptedPolicy,
    Allocation,
    Challenge,
    Claim,
    Network,
    Portion,
    Round,
    Seat,
    Squad,
    Task,
)
from trust.core.reputation import Route
from trust.core.rules import allocation as allocations
from trust.core.rules import disputes, panel, squads, votes
from trust.core.rules.canaries import parse as parse_canary
from trust.core.rules.shortlists import drawer as shortlist_drawer
from trust.core.rules.shortlists import shortlist_seed
from trust.core.sampling import shortlist
from trust.core.sampling.draw import Stream
from trust.core.sampling.sumtree import EMPTY, Root, root_of
from trust.core.sampling.trace import retrace
from trust.core.strict import b64
from trust.log.merkle import HASH_BYTES, verify_inclusion
from trust.verify.cases import Shortlist
from trust.verify.history import CaseHistory, DoesNotFollow, Drawn, expect, signed_for, verified_beta


def _nothing(case: CaseHistory, _: Event) -> None:
    """Checks nothing: folding finds out by itself."""


def _created(case: CaseHistory, event: e.NetworkCreated) -> None:
    expect("the network", case.network, event.origin)
    founded = None if case.entry is None else case.entry.command.genesis
    if founded is None:
        raise DoesNotFollow("a network is created by the genesis alone")
    actual = (event.draw_key, event.terms, event.operator)
    expect("the genesis", (founded.draw_key, founded.policy, founded.operator), actual)


def _rotated(case: CaseHistory, event: e.PartyRotated) -> None:
    case.statement_by(p.AgentRotate, event.party, new_key=event.key)
    case.keys[event.party] = event.key


def _policy_announced(case: CaseHistory, event: e.PolicyAnnounced) -> None:
    statement = case.statement_by(p.PolicyAdopt, case.need(Network, e.NETWORK).operator)
    expect("the policy", parse_policy(statement.toml), event.terms)


def _relay_registered(case: CaseHistory, event: e.RelayRegistered) -> None:
    statement = None if case.spoken is None else case.spoken.payload
    if not isinstance(statement, p.RelayRegister | p.RelayUpdate):
        raise DoesNotFollow("a relay is what relay.register or relay.update says")
    actual = (event.name, event.coordinators, event.threshold)
    expect("the relay", (statement.name, statement.coordinators, statement.threshold), actual)


def _key_adopted(case: CaseHistory, event: e.KeyAdopted) -> None:
    case.statement_by(p.KeyAdopt, case.need(Network, e.NETWORK).operator, use=event.use, key=event.key)


def _pool_sealed(case: CaseHistory, event: e.PoolSealed) -> None:
    statement = None if case.entry is None else case.entry.command.seal
    expect(
        "the seal",
        statement,
        Seal(event.pool, *(getattr(event, name) for name in Seal.__struct_fields__[1:])),
    )
    case.sealed[f"{event.pool}/{event.epoch}"] = event


def _moved(case: CaseHistory, event: e.MoneyMoved) -> None:
    if sum(change for _, change in event.postings):
        raise DoesNotFollow(f"the postings of {event.why} do not sum to zero")
    if not any(_is_of_case(case, account) for account, _ in event.postings):
        return
    case.postings.append((case.state.size, event.why, event.postings))
    for account, change in event.postings:
        case.held[account] = case.held.get(account, 0) + change
        if account.startswith(("claim/", "challenge/")) and case.held[account] < 0:
            raise DoesNotFollow(f"{account} loses more than was on it")
        if account == ledger.stake(case.claim_id) and event.why.startswith("slash."):
            case.slashed_units -= change


def _is_of_case(case: CaseHistory, account: str) -> bool:
    kind, _, rest = account.partition("/")
    id = rest.partition("/")[0]
    if kind == "verifier":
        return id in case.sitters
    if kind == "challenge":
        challenge = case.find(Challenge, id)
        return challenge is not None and challenge.claim == case.claim_id
    return (kind, id) in (("claim", case.claim_id), ("task", case.task_id))


def _posted(case: CaseHistory, event: e.TaskPosted) -> None:
    if case.find(Task, event.task) is not None:
        raise DoesNotFollow(f"{event.task} is posted a second time")
    names = ("task", "task_kind", "price_units", "deadline_ms", "spec_sha256")
    case.statement_by(p.TaskPost, event.requester, **{name: getattr(event, name) for name in names})


def _squad_called(case: CaseHistory, event: e.SquadCalled) -> None:
    terms = {name: getattr(event, name) for name in ("task", "stake_units", "asks_until_ms", "until_ms")}
    case.statement_by(p.SquadCall, event.founder, **terms)


def _squad_asked(case: CaseHistory, event: e.SquadAsked) -> None:
    statement = case.statement_by(p.SquadAsk, event.worker, squad=event.squad, stake_units=event.stake_units)
    expect("the surety", statement.surety_units or 0, event.surety_units)


def _squad_drawn(case: CaseHistory, event: e.SquadFormed) -> None:
    """The members are the founder and whom the draw of this entry gave, each with what it offered when it asked."""
    allocation, squad = case.need(Allocation, case.whole_id), case.need(Squad, event.squad)
    expect("the squad that is drawn for", allocation.squad, event.squad)
    agents = [place.agent for place in allocation.shortlist]
    if unasked := set(agents) - {each.worker for each in squad.members}:
        raise DoesNotFollow(f"{min(unasked)} did not ask to join {event.squad}")
    task = case.need(Task, event.task)
    expect("who takes what", squads.drawn_portions(task, squad, agents), event.members)


def _squad_formed(case: CaseHistory, event: e.SquadFormed) -> None:
    if case.spoken is None:
        _squad_drawn(case, event)
        return
    statement = case.statement_by(p.SquadForm, event.founder, task=event.task, until_ms=event.until_ms)
    signers = case.spoken.signed.signers
    for member in statement.members:
        if case.keys.get(member.worker, member.worker) not in signers:
            raise DoesNotFollow(f"{member.worker} did not sign for {event.squad}")
    expect("who takes what", squads.portions(case.need(Task, event.task), statement.members), event.members)


def _squad_claimed(case: CaseHistory, event: e.SquadClaimed) -> None:
    squad = case.need(Squad, event.squad)
    task = case.need(Task, squad.task)
    asked = {"task_index": task.index, "stake_units": sum(each.stake_units for each in squad.members)}
    case.statement_by(p.ClaimRequest, squad.founder, task=event.task, squad=event.squad, **asked)
    expect("the task of the squad", squad.task, event.task)
    if case.state.at_ms >= squad.until_ms:
        raise DoesNotFollow(f"{squad.id} was over at {squad.until_ms}")


def _part_posted(case: CaseHistory, event: e.PartPosted) -> None:
    squad, parent = case.need(Squad, event.squad), case.need(Task, event.parent)
    expect("the task that is split", (squad.task, SquadState.CLAIMED), (event.parent, squad.state))
    member, policy = _portion(squad, event), case.need(AdoptedPolicy, str(parent.policy)).terms
    terms = member.price_units, squads.least_stake(parent, member, policy)
    expect("price and least stake of the part", terms, (event.price_units, event.stake_units))


def _portion(squad: Squad, part: e.PartPosted | Task) -> Portion:
    wanted = part.part, part.first_item, part.items_count
    for member in squad.members:
        if (member.part, member.first_item, member.items_count) == wanted:
            return member
    raise DoesNotFollow(f"{squad.id} has no part like this")


def _opened(case: CaseHistory, event: e.ClaimOpened) -> None:
    if case.find(Claim, event.claim) is not None:
        raise DoesNotFollow(f"{event.claim} is opened a second time")
    task, network = case.task, case.need(Network, e.NETWORK)
    if case.statement_of(p.ClaimRequest).squad is None:
        actual = {name: getattr(event, name) for name in ("task", "relay", "stake_units")}
        case.statement_by(p.ClaimRequest, event.worker, task_index=task.index, **actual)
    else:
        _opened_in_squad(case, event, task)
    expect("the draw key", network.draw_key, event.draw_key)
    probation = event.route == "probation"
    at_stake = AtStake(task.task_kind, task.price_units, event.stake_units, probation)
    expect("the check rate", check_rate(event.inputs, at_stake, case.policy).p_ppm, event.rate_ppm)
    case.signers = signed_for(case, event.relay)
    _check_route(case, event)


def _opened_in_squad(case: CaseHistory, event: e.ClaimOpened, part: Task) -> None:
    """The claim of a member follows from what its squad agreed, in the entry that splits the task."""
    squad = case.need(Squad, part.squad)
    case.statement_by(p.ClaimRequest, squad.founder, squad=squad.id, task=part.parent, relay=event.relay)
    expect("the entry that posts the part", case.state.size, part.index)
    member = _portion(squad, part)
    expect("worker and stake", (member.worker, member.stake_units), (event.worker, event.stake_units))


def _renewed(case: CaseHistory, event: e.ClaimRenewed) -> None:
    case.statement_by(p.ClaimRenew, case.claim.worker, claim=event.claim)


def _submitted(case: CaseHistory, event: e.OutputSubmitted) -> None:
    expect("the state before an output", ClaimState.CLAIMED, case.claim.state)
    statement = case.statement_by(p.OutputSubmit, case.claim.worker, claim=event.claim)
    expect("the root of the items", statement.items_root or "", event.items_root)
    expect("the output", None if case.spoken is None else effective(case.spoken).id, event.output)


def _accepted(case: CaseHistory, event: e.OutputAccepted) -> None:
    case.statement_by(p.OutputAccept, case.task.requester, claim=event.claim)


def _ended(case: CaseHistory, event: e.ClaimEnded) -> None:
    claim = case.claim
    rightly = {
        ClaimState.ACCEPTED: not claim.canary and disputes.standing(claim) == "pass",
        ClaimState.REJECTED: (not claim.canary and claim.verdict == "fail") or _was_withheld(case, claim),
        ClaimState.VOIDED: disputes.standing(claim) in ("", "void") or bool(claim.canary),
        ClaimState.EXPIRED: claim.state == ClaimState.CLAIMED and claim.lease_until_ms <= case.state.at_ms,
    }
    if event.state == ClaimState.ABANDONED:
        case.statement_by(p.ClaimAbandon, claim.worker, claim=claim.id)
    elif claim.ended_ms or not rightly.get(event.state, False):
        raise DoesNotFollow(f"a claim that was {claim.state}, verdict {claim.verdict!r}, is {event.state}")


def _was_withheld(case: CaseHistory, claim: Claim) -> bool:
    """Returns whether the panel was given up in this very entry because the worker did not open in time."""
    events = () if case.entry is None else case.entry.events
    tallied = any(isinstance(event, e.RoundTallied) and event.claim == claim.id for event in events)
    round_ = case.round(claim.round) if claim.round else None
    if not tallied or round_ is None or round_.until_ms > case.state.at_ms:
        return False
    shut = any(round_.to_open) if round_.items else not claim.opened
    return shut and claim.verdict_round < round_.number


def _tossed(case: CaseHistory, event: e.CoinTossed) -> None:
    if case.stream is None or case.checked is not None:
        raise DoesNotFollow("a coin is tossed once, by the draw of round 1")
    case.checked = event.checked


def _due(case: CaseHistory, event: e.RoundDue) -> None:
    if event.caught and (case.claim.state, event.round) != (ClaimState.UNCHECKED, 1):
        raise DoesNotFollow("only what was not checked is looked at because its worker was caught")


def _round_opened(case: CaseHistory, event: e.RoundOpened) -> None:
    drawn, stream, policy = case.drawn.get(event.round), case.stream, case.policy
    if drawn is None or stream is None or drawn.index != case.state.size:
        raise DoesNotFollow(f"round {event.round} is opened by its own draw alone")
    size = policy.checks.panels[event.round - 1]
    expect("the size of the panel", size, len(event.seats))
    expect("the quorum", panel.quorum(policy, event.round, size), event.quorum)
    if len({seat.house for seat in event.seats}) < size:
        raise DoesNotFollow("one owner has two seats")
    case.sitters.update(seat.agent for seat in event.seats)
    if case.pool:
        passed = _trace(case, event, stream)
        case.drawn[event.round] = Drawn(drawn.round, drawn.index, drawn.beta, passed)


def _trace(case: CaseHistory, event: e.RoundOpened, stream: Stream) -> tuple[str, ...]:
    sealed = case.sealed.get(case.claim.pool)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {case.claim.pool}")
    seated, alternates = ([one.agent for one in part] for part in (event.seats, event.alternates))
    before = case.find(Round, round_id(case.claim_id, event.round - 1))
    actual = (event.items, event.samples, event.batch)
    return retrace(
        root_of(sealed),
        dict(sealed.heavy),
        case.node,
        stream,
        seated,
        alternates,
        lambda after: panel.drawn_items(case.task, case.policy, after, len(seated), before) == actual,
    )


def _output_opened(case: CaseHistory, event: e.OutputOpened) -> None:
    case.statement_by(p.OutputOpen, case.claim.worker, claim=event.claim)


def _items_opened(case: CaseHistory, event: e.ItemsOpened) -> None:
    seat = case.round(event.round).seats[event.place]
    statement = case.statement_by(p.ItemsOpen, case.claim.worker, seat=seat)
    root = bytes.fromhex(case.claim.items_root)
    for item in statement.items:
        path = [b64(step, HASH_BYTES) for step in item.path]
        verify_inclusion(b64(item.leaf, HASH_BYTES), item.index, case.task.items_count, path, root)
    actual = tuple((item.index, b64(item.leaf).hex()) for item in statement.items)
    expect("the opened items", actual, event.items)


def _committed(case: CaseHistory, event: e.VoteCommitted) -> None:
    seat = case.need(Seat, event.seat)
    if seat.commitment:
        raise DoesNotFollow(f"{seat.id} commits a second time")
    case.statement_by(p.VoteCommit, seat.agent, seat=seat.id, commitment=event.commitment)


def _revealed(case: CaseHistory, event: e.VoteRevealed) -> None:
    seat = case.need(Seat, event.seat)
    expect("the state before a reveal", SeatState.COMMITTED, seat.state)
    statement = case.statement_by(
        p.VoteReveal, seat.agent, seat=seat.id, verdict=event.verdict, salt=event.salt
    )
    made = votes.commitment(case.network, seat.id, seat.agent, statement)
    expect("the commitment of what is revealed", seat.commitment, made)
    bad = tuple(sorted(item.index for item in statement.items if not item.good))
    expect("the items called bad", bad, event.bad)


def _passed(case: CaseHistory, event: e.SeatPassed) -> None:
    if event.next is None:
        return
    seat = case.need(Seat, event.seat)
    waiting = case.round(seat.round).alternates
    places = [at for at, one in enumerate(waiting) if one.agent == event.next.agent]
    if not places or waiting[places[0] + 1 :] != event.alternates:
        raise DoesNotFollow(f"{event.next.agent} is not the next alternate")
    case.sitters.add(event.next.agent)


def _tallied(case: CaseHistory, event: e.RoundTallied) -> None:
    round_ = case.round(event.round)
    if round_.phase == Phase.OPENING:
        expect("the outcome of a panel that never voted", "", event.verdict)
        return
    seats = [case.need(Seat, name) for name in round_.seats]
    counted = [seat for seat in seats if seat.state == "revealed"]
    actual = (event.verdict, event.bad, event.disputed)
    expect("what the votes come to", votes.outcome(round_, counted, case.policy), actual)


def _challenged(case: CaseHistory, event: e.VerdictChallenged) -> None:
    claim, policy = case.claim, case.policy
    if claim.state not in (ClaimState.UNCHECKED, ClaimState.PASSING, ClaimState.FAILING, ClaimState.VOIDING):
        raise DoesNotFollow(f"a claim that is {claim.state} cannot be challenged")
    case.statement_by(p.VerdictChallenge, event.challenger, claim=claim.id)
    expect("the verdict that is attacked", disputes.standing(claim), event.against)
    expect("the round that is asked for", claim.round + 1, event.round)
    bond = policy.challenge_bond_units(case.task.price_units, event.round)
    terms = bond, policy.panel_fees_units(event.round)
    expect("bond and prepaid fees", terms, (event.bond_units, event.prepaid_units))


def _challenge_ended(case: CaseHistory, event: e.ChallengeEnded) -> None:
    challenge, claim = case.need(Challenge, event.challenge), case.claim
    if not claim.ended_ms or challenge.state != ChallengeState.OPEN:
        raise DoesNotFollow(f"{challenge.id} ends once, with its claim")
    final = {ClaimState.REJECTED: "fail", ClaimState.ACCEPTED: "pass"}.get(claim.state, claim.verdict)
    withheld = (
        claim.state == ClaimState.REJECTED
        and claim.verdict_round < claim.round
        and _was_withheld(case, claim)
    )
    expect("how the challenge ends", disputes.how_ended(challenge, claim, final, withheld), event.how)


def _verdict(case: CaseHistory, event: e.VerdictReached) -> None:
    statement = None if case.spoken is None else case.spoken.payload
    if isinstance(statement, p.CanaryOpen):
        expect("the verdict of a canary", case.claim.canary, event.verdict)
        return
    expect("the verdict of the tally", case.round(event.round).verdict, event.verdict)


def _canary(case: CaseHistory, event: e.CanaryOpened) -> None:
    statement = case.statement_by(p.CanaryOpen, case.need(Network, e.NETWORK).operator)
    shown = parse_canary(statement.preimage, case.network)
    actual = (event.number, event.task, event.worker, event.verdict)
    expect("the answer", (shown.number, shown.task, shown.worker, shown.verdict), actual)
    expect("the work of a canary", (case.claim.task, case.claim.worker), (event.task, event.worker))
    expect("who agreed to the canary", True, _both_signed(case))
    changed = {"canary": event.verdict, "measured": event.measures, "draw_round": 0}
    case.state.put(msgspec.structs.replace(case.claim, **changed))


def _both_signed(case: CaseHistory) -> bool:
    """Returns whether requester and worker signed the statement of this entry."""
    signers = () if case.spoken is None else case.spoken.signed.signers
    parties = (case.task.requester, case.claim.worker)
    return all(case.keys.get(did, did) in signers for did in parties)


def _stake_slashed(case: CaseHistory, event: e.StakeSlashed) -> None:
    shown = [each.payload for each in enclosed(case.spoken.payload)] if case.spoken else []
    outputs = [
        statement
        for statement in shown
        if isinstance(statement, p.OutputSubmit) and statement.claim == event.claim
    ]
    if len(outputs) != 2 or case.statement_of(p.EvidenceSubmit).type != "equivocation":
        raise DoesNotFollow("only two outputs for one claim take a stake while it is judged")


def _allocating(case: CaseHistory, event: e.TaskAllocating) -> None:
    """An allocation follows from the one task.allocate of the task's relay."""
    task = case.whole
    if case.find(Allocation, task.id) is not None or task.state != TaskState.OPEN:
        raise DoesNotFollow(f"{task.id} is allocated once, while it is open")
    statement = case.statement_of(p.TaskAllocate)
    expect("the relay of the task", (task.id, task.relay), (statement.task, statement.relay))
    signed_for(case, statement.relay)
    expect("the statement", None if case.spoken is None else case.spoken.id, event.statement)
    candidates = statement.candidates if statement.squad is None else event.candidates
    actual = event.size, event.exclusive_ms, event.candidates, event.squad
    asked = statement.shortlist, statement.exclusive_ms, candidates, statement.squad or ""
    expect("what is drawn", asked, actual)
    expect("the draw key", case.need(Network, e.NETWORK).draw_key, event.draw_key)


def begin_shortlist(case: CaseHistory, index: int, draw: Draw) -> None:
    """Proves the randomness of the task's draw."""
    allocation = case.need(Allocation, case.whole_id)
    expect("the allocation before its draw", AllocationState.AWAITED, allocation.state)
    seed = shortlist_seed(case.network, allocation.id, allocation.statement)
    beta = verified_beta(draw, shortlist_drawer(allocation, case.policy, seed, case.state.at_ms), seed)
    case.stream = Stream(beta, shortlist.LABEL)
    case.shortlist = Shortlist(index, beta.hex(), (), (), 0, 0, None)


def _allocated(case: CaseHistory, event: e.TaskAllocated) -> None:
    """A shortlist follows from its draw, in this very entry."""
    allocation, drawn = case.need(Allocation, event.task), case.shortlist
    if case.stream is None or drawn is None or drawn.index != case.state.size:
        raise DoesNotFollow(f"the shortlist of {event.task} is made by its own draw alone")
    window_ms = event.exclusive_until_ms - case.state.at_ms
    expect("the exclusive window", allocation.exclusive_ms, window_ms)
    passed = (
        _among_named(case, case.stream, event)
        if allocation.candidates
        else _among_all(case, case.stream, event)
    )
    case.shortlist = Shortlist(
        index=drawn.index,
        beta=drawn.beta,
        agents=tuple(place.agent for place in event.shortlist),
        probation=tuple(place.agent for place in event.shortlist if place.probation),
        eligible=event.eligible,
        owners=event.owners,
        passed=passed,
    )


def _among_named(case: CaseHistory, stream: Stream, event: e.TaskAllocated) -> tuple[str, ...]:
    allocation, agents = case.need(Allocation, event.task), [each.agent for each in event.among]
    newcomers = sum(each.newcomer for each in event.among)
    lane_ppm = shortlist.lane_share_ppm(case.policy.allocation.probation_ppm, newcomers, len(agents))
    expect(
        "the candidates that may claim", [each for each in allocation.candidates if each in agents], agents
    )
    expect("how many are eligible", len(agents), event.eligible)
    named = shortlist.Named(stream, event.among)
    expect("the shortlist", shortlist.drawn(stream, allocation.size, lane_ppm, named), event.shortlist)
    return tuple(each for each in allocation.candidates if each not in agents)


def _among_all(case: CaseHistory, stream: Stream, event: e.TaskAllocated) -> tuple[str, ...] | None:
    allocation = case.need(Allocation, event.task)
    sealed = case.sealed.get(allocation.pool)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {allocation.pool}")
    counted = max(sealed.members, len(event.shortlist)), sealed.owners
    expect("how many are eligible, of how many owners", counted, (event.eligible, event.owners))
    if not case.pool:
        return None
    pool, lane = _root(case, allocation.pool), _root(case, allocation.lane)
    newcomers = case.sealed[allocation.lane].members if allocation.lane in case.sealed else 0
    lane_ppm = shortlist.lane_share_ppm(case.policy.allocation.probation_ppm, newcomers, sealed.members)
    return shortlist.retrace(stream, allocation.size, lane_ppm, pool, lane, case.node, event.shortlist)


def _root(case: CaseHistory, id: str) -> Root:
    if not id:
        return EMPTY
    sealed = case.sealed.get(id)
    if sealed is None:
        raise DoesNotFollow(f"the bundle does not have the seal of {id}")
    return root_of(sealed)


def _check_route(case: CaseHistory, event: e.ClaimOpened) -> None:
    """Checks what praise counts by the way to the claim. Who stands behind a worker is not in the bundle, so that
    it is of one owner with its requester is believed."""
    if event.route in DRAWN_ROUTES:
        _check_shortlisted(case, event)
        return
    way: Route = "assigned" if case.whole.assignee == event.worker else "first-come"
    route: Route = "own" if event.route == "own" else way
    expect("the way to the claim", route, event.route)
    expect("what praise counts", allocations.delta(case.policy, route), event.delta_ppm)
    allocation = case.find(Allocation, case.whole_id)
    if case.state.at_ms < case.whole.exclusive_until_ms and not (allocation and allocation.squad):
        raise DoesNotFollow(f"only its shortlist may claim {event.task} yet")


def _check_shortlisted(case: CaseHistory, event: e.ClaimOpened) -> None:
    allocation = case.need(Allocation, case.whole_id)
    places = [place for place in allocation.shortlist if place.agent == event.worker]
    if not places or case.state.at_ms >= case.whole.exclusive_until_ms:
        raise DoesNotFollow(f"{event.worker} is not on the shortlist of {event.task}, or too late")
    route: Route = "probation" if places[0].probation else "allocated"
    expect("the lane of the claim", route, event.route)
    expect("what praise counts", allocations.drawn_delta(case.policy, route, allocation), event.delta_ppm)


NOT_FOLDED = (e.PartyRotated, e.PoolSealed, e.MoneyMoved, e.CanaryOpened)
"""What stands on records that the bundle does not have."""

CHECKS: dict[type[Event], Callable[[CaseHistory, Any], None]] = {
    e.NetworkCreated: _created,
    e.PartyRotated: _rotated,
    e.PolicyAnnounced: _policy_announced,
    e.RelayRegistered: _relay_registered,
    e.KeyAdopted: _key_adopted,
    e.PoolSealed: _pool_sealed,
    e.MoneyMoved: _moved,
    e.TaskPosted: _posted,
    e.SquadCalled: _squad_called,
    e.SquadAsked: _squad_asked,
    e.SquadFormed: _squad_formed,
    e.SquadClaimed: _squad_claimed,
    e.PartPosted: _part_posted,
    e.TaskAllocating: _allocating,
    e.TaskAllocated: _allocated,
    e.ClaimOpened: _opened,
    e.ClaimRenewed: _renewed,
    e.OutputSubmitted: _submitted,
    e.OutputAccepted: _accepted,
    e.ClaimEnded: _ended,
    e.HoldReleased: _nothing,
    e.CoinTossed: _tossed,
    e.RoundDue: _due,
    e.RoundOpened: _round_opened,
    e.OutputOpened: _output_opened,
    e.ItemsOpened: _items_opened,
    e.PhaseBegan: _nothing,
    e.VoteCommitted: _committed,
    e.SeatPassed: _passed,
    e.VoteRevealed: _revealed,
    e.SeatSilent: _nothing,
    e.RoundTallied: _tallied,
    e.VerdictReached: _verdict,
    e.SeatSettled: _nothing,
    e.VerdictChallenged: _challenged,
    e.ChallengeEnded: _challenge_ended,
    e.CanaryOpened: _canary,
    e.StakeSlashed: _stake_slashed,
}
