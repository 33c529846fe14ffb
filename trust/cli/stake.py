"""`trust stake`: money in, money out. Only a treasurer books deposits and payouts; the operator is the first."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Me, Service
from trust.cli.terminal import say
from trust.cli.values import Amount, Count

if TYPE_CHECKING:
    from trust.client import TrustClient

app = App(name="stake")


@app.command
def deposit(
    account: str,
    amount: Amount,
    /,
    *,
    me: Me,
    reference: str | None = None,
    receipt: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Book money that came in.

    Parameters
    ----------
    account
        An agent's DID or @handle, or operator/bond.
    amount
        In units.
    reference
        What the payment is booked under, once and for all; default: a random one.
    receipt
        Where to keep the receipt.
    """
    from trust.client import Treasurer

    with service.client(me.key) as client:
        into = _account(client, account)
        booked = reference or _reference(client, "deposit", account=into, amount_units=amount)
        done = Treasurer(client, me.seed(), me.actor).deposit(into, amount, booked)
        service.accepted(done, receipt)


def _reference(client: TrustClient, act: str, **fields: Any) -> str:
    """A reference for a payment: the one of an earlier run that got no answer, else a random one."""
    outbox = client.exchanges.outbox
    before = outbox.said_before(f"stake.{act}", **fields).get("reference", "") if outbox else ""
    return before if before.startswith(f"{act}-") else f"{act}-{secrets.token_hex(8)}"


def _account(client: TrustClient, account: str) -> str:
    return str(client.agent(account)["agent"]) if account.startswith("@") else account


@app.command
def withdraw(
    amount: Amount,
    /,
    *,
    me: Me,
    bond: Annotated[bool, Parameter(negative=())] = False,
    receipt: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Start to unbond free money; the withdrawal's id (wdr_...) is in the answer.

    Parameters
    ----------
    amount
        In units.
    bond
        Take it from operator/bond; only the operator may, above the minimum.
    receipt
        Where to keep the receipt.
    """
    from trust.client import Agent

    with service.client(me.key) as client:
        account = "operator/bond" if bond else None
        service.accepted(Agent(client, me.seed(), me.actor).withdraw(amount, account), receipt)


@app.command(name="take-back")
def take_back(withdrawal: str, /, *, me: Me, service: Service = SERVICE) -> None:
    """Take a withdrawal back that matured and was not paid out in time.

    Parameters
    ----------
    withdrawal
        Its id (wdr_...).
    """
    from trust.client import Agent

    with service.client(me.key) as client:
        service.accepted(Agent(client, me.seed(), me.actor).take_back(withdrawal))


@app.command
def payout(withdrawal: str, /, *, me: Me, reference: str | None = None, service: Service = SERVICE) -> None:
    """Book that a matured withdrawal was paid.

    Parameters
    ----------
    withdrawal
        Its id (wdr_...).
    reference
        What the payment is booked under; default: a random one.
    """
    from trust.client import Treasurer

    with service.client(me.key) as client:
        booked = reference or _reference(client, "payout", withdrawal=withdrawal)
        service.accepted(Treasurer(client, me.seed(), me.actor).pay_out(withdrawal, booked))


@app.command
def show(agent: str, /, *, limit: Count = 20, service: Service = SERVICE) -> None:
    """Show an agent's balances, withdrawals and newest postings.

    Parameters
    ----------
    agent
        A DID, or @handle.
    limit
        How many postings.
    """
    with service.client() as client:
        facts = client.ledger(agent, limit=limit)
    if service.json:
        service.show(facts)
        return
    service.show({name: facts[name] for name in ("agent", "balances", "withdrawals")})
    for posting in facts["postings"]:
        say(
            f"  entry {posting['index']:>6}  {posting['change_units']:>+12}  {posting['account']}  {posting['why']}"
        )
