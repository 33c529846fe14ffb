"""`trust squad`: several workers that take the parts of a task together. Their keys may be on one machine, or their
envelopes passed round by the SDK (`Worker.form_squad`, `join_squad`)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust import clock
from trust.cli.connection import SERVICE, Coordinators, Me, ReceiptFile, RelayId, Service, read_keys_of
from trust.cli.failures import Usage
from trust.cli.lists import gathered, state_of, tell_list
from trust.cli.statements import statement
from trust.cli.values import Count, Units, duration_ms, whole
from trust.core.payloads import SquadAsk, SquadCall, SquadDissolve

if TYPE_CHECKING:
    from trust.core.payloads import Member
    from trust.log.ed25519 import PrivateKey

app = App(name="squad")
SquadId = Annotated[str, Parameter(help="The squad's id (sqd_...).")]
Members = Annotated[tuple[str, ...], Parameter(name="--member", negative_iterable=())]


@app.command
def form(
    task: str,
    /,
    *,
    me: Me,
    stake: Units,
    member: Members,
    items: Count | None = None,
    surety: Units | None = None,
    until: str = "10m",
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Form a squad for a task that may be split; nothing locks until it claims.

    Parameters
    ----------
    task
        The task's id.
    stake
        What the founder locks for the first part, in units.
    member
        The key file of the next member and its stake, such as bob.key=200, of a batch with its items, bob.key=200:30;
        then what it answers with for the others, bob.key=200:30:50 or bob.key=200::50.
    items
        How many items of a batch the founder takes, the first ones.
    surety
        What the founder answers with for the others' parts, in units at most; default: nothing.
    until
        For how long the squad may claim, such as 10m.
    """
    from trust.client import Worker
    from trust.core.payloads import Member

    if not member:
        raise Usage("a squad has members beside its founder: give --member")
    joined = [_member(each) for each in member]
    with service.acting(Worker, me, until) as founder:
        everyone = [Member(founder.did, stake, items, surety), *(each for _, each in joined)]
        formed = founder.form_squad(task, everyone, clock.now_ms() + duration_ms(until))
        with service.client(me.key) as client:
            for seed, each in joined:
                formed = Worker(client, seed).join_squad(formed, each.stake_units, each.surety_units or 0)
            service.accepted(client.send(formed), receipt)


def _member(text: str) -> tuple[PrivateKey, Member]:
    """The seed in a member's key file, and what it takes: of `bob.key=200`, `bob.key=200:30` or `bob.key=200:30:50`."""
    from trust.client.statements import did_of_seed
    from trust.core.payloads import Member

    file, equals, taken = text.rpartition("=")
    if not equals:
        raise Usage(
            f"--member is KEYFILE=STAKE, KEYFILE=STAKE:ITEMS or KEYFILE=STAKE:ITEMS:SURETY, not {text!r}"
        )
    stake, items, surety = (*taken.split(":", 2), "", "")[:3]
    [seed] = read_keys_of([Path(file)])
    stake_units = whole(stake, "amount of units", 0, where="--member: ")
    count = whole(items, "count", 1, where="--member: ") if items else None
    surety_units = whole(surety, "amount of units", 0, where="--member: ") if surety else None
    return seed, Member(did_of_seed(seed), stake_units, count, surety_units)


@app.command
def claim(
    squad: SquadId,
    /,
    *,
    me: Me,
    relay: RelayId,
    coordinator: Coordinators,
    receipt: ReceiptFile = None,
    confirm: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Claim the task for the squad, as its founder and as relay: each member has a claim on its part afterwards.

    Parameters
    ----------
    coordinator
        A coordinator's key file; as many as the relay's threshold.
    confirm
        Where to keep the relay's signed confirmation.
    """
    from trust.client import Relay, Worker

    if not coordinator:
        raise Usage("a claim needs the relay's signatures: give --coordinator")
    with service.client(me.key) as client:
        request = Worker(client, me.seed(), me.actor).claim_for_squad(squad, relay)
        service.granted(Relay(client, relay, read_keys_of(coordinator)).grant(request), receipt, confirm)


statement(
    app,
    "call",
    SquadCall,
    "Call for a squad as its founder: a draw decides who of those that ask joins it.",
    {
        "task": "The task's id.",
        "stake_units": "What you lock for the first part, in units.",
        "asks_until_ms": "How long workers may ask to join, such as 10m.",
        "until_ms": "For how long, from now, the squad may claim, such as 1h.",
        "surety_units": "What you answer with for the others' parts, in units at most.",
    },
)
statement(
    app,
    "ask",
    SquadAsk,
    "Ask to join a squad that is called for.",
    {
        "squad": "Its id (sqd_...).",
        "stake_units": "What you lock for whichever part you are drawn for, in units.",
        "surety_units": "What you answer with for the others' parts, in units at most.",
    },
)
statement(
    app, "dissolve", SquadDissolve, "End a squad that has claimed nothing.", {"squad": "Its id (sqd_...)."}
)


@app.command(name="list")
def list_squads(
    *, task: str | None = None, state: str = "all", most: Count = 100, service: Service = SERVICE
) -> None:
    """List squads by id.

    Parameters
    ----------
    task
        The task that they are formed for; default: any.
    state
        A state of squads such as formed or claimed, or all.
    most
        How many at most.
    """
    with service.client() as client:
        found = gathered("squads", most, lambda after: client.squads(task, state_of(state), after=after))
    tell_list(service, "squads", found, _line, "no squad is like that")


def _line(squad: dict[str, Any]) -> str:
    workers = ", ".join(member["worker"] for member in squad["members"])
    return f"{squad['squad']}  {squad['task']}, {squad['state']}: {workers}"


@app.command
def show(squad: SquadId, /, *, service: Service = SERVICE) -> None:
    """Show a squad: who takes what, and the claims on the parts."""
    with service.client() as client:
        service.show(client.squad(squad))
