"""`trust check`: the seats of a verifier, its votes, and challenges to verdicts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from trust import clock
from trust.cli.connection import SERVICE, ClaimId, Me, ReceiptFile, Service, read_key
from trust.cli.failures import FALSE, GOOD, Usage
from trust.cli.statements import statement
from trust.cli.terminal import say
from trust.cli.values import Count, Place
from trust.core.payloads import VerifierLeave

if TYPE_CHECKING:
    from trust.client import Case
    from trust.client.verifier import Judge, Judgement

app = App(name="check")
Kinds = Annotated[tuple[str, ...], Parameter(name="--kind", negative_iterable=())]
LOOK_S = 0.5


@app.command
def enroll(*, me: Me, kind: Kinds = (), stake: Count = 0, service: Service = SERVICE) -> None:
    """Offer to check work of some kinds.

    Parameters
    ----------
    kind
        A task kind; may be given several times. Without any, --stake adds to what is staked.
    stake
        The units to lock for what the votes answer for.
    """
    from trust.client import Agent

    with service.acting(Agent, me) as agent:
        service.accepted(agent.enroll(kind, stake))


statement(
    app, "leave", VerifierLeave, "Check work no longer; the stake comes back after the unbonding time.", {}
)


@app.command(name="list")
def list_seats(agent: str = "", /, *, key: Path | None = None, service: Service = SERVICE) -> None:
    """List the seats that wait for a verifier.

    Parameters
    ----------
    agent
        A DID, or @handle.
    """
    from trust.client.statements import did_of_seed

    if bool(agent) == bool(key):
        raise Usage("name a verifier, or give its --key")
    with service.client() as client:
        seats = client.seats(agent or did_of_seed(read_key(key or Path())))
    if service.json:
        service.show(seats)
        return
    for seat in seats["seats"]:
        say(_line(seat))
    if not seats["seats"]:
        say("no seat waits")


def _line(seat: dict[str, Any]) -> str:
    items = f", {len(seat['items'])} items" if seat["items"] else ""
    left_s = max(0, seat["until_ms"] - clock.now_ms()) // 1_000
    return f"{seat['seat']}  {seat['state']}, {seat['phase']} window, {left_s} s left  {seat['claim']}{items}"


@app.command
def vote(
    seat: str,
    /,
    *,
    me: Me,
    verdict: Literal["pass", "fail", "void"] | None = None,
    bad: Annotated[tuple[Place, ...], Parameter(negative_iterable=())] = (),
    votes: Path | None = None,
    wait: bool = True,
    service: Service = SERVICE,
) -> int:
    """Vote on a seat: commit now, reveal when reveals are open.

    The vote is kept in a file before it is sent. Called again, the same vote goes on, never another.

    Parameters
    ----------
    seat
        The seat's id (seat_...).
    verdict
        Of a single output. Of a batch it follows from --bad. void: the specification cannot be met, read or judged.
    bad
        The index of an item that is bad; all others of the seat are called good. May be given several times.
    votes
        The file of votes; default: beside the key.
    wait
        Wait until reveals are open.
    """
    from trust.client import Verifier

    with service.client(me.key) as client:
        memory = votes or me.beside(".votes")
        verifier = Verifier(client, me.seed(), memory, _judge(verdict, bad), me.actor)
        while True:
            duty = next((duty for duty in verifier.duties() if duty["seat"] == seat), None)
            if duty is None:
                return _nothing_waits(service, seat)
            act = verifier.act(duty)
            if act is not None and act.error is not None:
                raise act.error
            if act is not None and act.accepted is not None:
                service.show({"seat": seat, "did": act.did, "entry": act.accepted.index})
            if not wait or (act is not None and act.did == "reveal"):
                return GOOD
            time.sleep(LOOK_S)


@app.command
def challenge(
    claim: ClaimId,
    /,
    *,
    me: Me,
    reason: str,
    report: Path | None = None,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Challenge the verdict on a claim, or its output that was not checked. It locks a bond and the next panel's fees.

    Parameters
    ----------
    reason
        Why, in a sentence.
    report
        A file that says more; it is stored as a blob.
    """
    from trust.client import Agent

    with service.acting(Agent, me) as agent:
        grounds = report.read_bytes() if report is not None else None
        accepted = agent.challenge(claim, reason, grounds)
        service.accepted(accepted, receipt)


def _nothing_waits(service: Service, seat: str) -> int:
    service.show({"seat": seat, "did": "nothing: the seat waits for no vote of this verifier"})
    return FALSE


def _judge(verdict: str | None, bad: tuple[int, ...]) -> Judge:
    def judge(case: Case) -> Judgement:
        if verdict == "void" and not bad:
            return None
        if not case.items:
            if verdict is None or bad:
                raise Usage("this seat judges one output: give --verdict, and no --bad")
            return verdict == "pass"
        unknown = set(bad) - set(case.items)
        if unknown or verdict is not None:
            raise Usage(
                f"this seat judges the items {sorted(case.items)}: name the bad ones with --bad, no --verdict"
            )
        return {index: index not in bad for index in case.items}

    return judge
