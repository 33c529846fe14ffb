"""`trust stake`: money in, money out, by hand. Only a treasurer books deposits and payouts (`trust treasury`)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust.cli.connection import SERVICE, Me, ReceiptFile, Service, Withdrawal, id_of
from trust.cli.failures import Usage
from trust.cli.terminal import say
from trust.cli.values import Amount, Count
from trust.core.payloads import StakeWithdraw
from trust.files import write_whole

app = App(name="stake")


@app.command
def deposit(
    account: str,
    amount: Amount,
    /,
    *,
    me: Me,
    reference: str,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Book money that came in. A reference counts once, however often this is run.

    Parameters
    ----------
    account
        An agent's DID or @handle, or operator/bond.
    amount
        In units.
    reference
        The payment's own reference, such as the number of its invoice or transfer.
    """
    from trust.client import Treasurer

    with service.client(me.key) as client:
        into = id_of(client, account)
        service.accepted(Treasurer(client, me.seed(), me.actor).deposit(into, amount, reference), receipt)


@app.command
def withdraw(
    amount: Amount,
    /,
    *,
    me: Me,
    bond: Annotated[bool, Parameter(negative=())] = False,
    reference: str | None = None,
    receipt: ReceiptFile = None,
    service: Service = SERVICE,
) -> None:
    """Start to unbond free money; the withdrawal's id (wdr_...) is in the answer.

    Parameters
    ----------
    amount
        In units.
    bond
        Take it from operator/bond; only the operator may, above the minimum.
    reference
        The payment that will pay it out, where you know it: under this alone it can be booked as paid. Without one, a
        payout needs your signature (trust stake agree).
    """
    from trust.client import Agent

    with service.acting(Agent, me) as agent:
        account = "operator/bond" if bond else None
        service.accepted(agent.withdraw(amount, account, reference), receipt)


@app.command(name="take-back")
def take_back(withdrawal: Withdrawal, /, *, me: Me, service: Service = SERVICE) -> None:
    """Take a withdrawal back that matured and was not paid out in time."""
    from trust.client import Agent

    with service.acting(Agent, me) as agent:
        service.accepted(agent.send(StakeWithdraw, cancel=withdrawal))


@app.command
def agree(
    withdrawal: Withdrawal,
    file: Path,
    /,
    *,
    me: Me,
    reference: str,
    treasurer: str,
    service: Service = SERVICE,
) -> None:
    """Sign that a withdrawal of yours was paid, for a treasurer to book within the hour. Give it against the payment.

    Parameters
    ----------
    file
        Where to write the signed statement.
    reference
        What the payment is booked under.
    treasurer
        The DID of who books it.
    """
    from trust.client import Agent

    with service.client() as client:
        write_whole(
            file, Agent(client, me.seed(), me.actor).agree_to_payout(withdrawal, reference, treasurer)
        )
    service.show({"agreed": str(file)})


@app.command
def payout(
    withdrawal: Withdrawal,
    /,
    *,
    me: Me,
    reference: str | None = None,
    agreed: Path | None = None,
    service: Service = SERVICE,
) -> None:
    """Book that a matured withdrawal was paid: under the reference that it named, or with its owner's signature.

    Parameters
    ----------
    reference
        What the payment is booked under, where the withdrawal named it.
    agreed
        What the owner signed (trust stake agree), where it did not.
    """
    from trust.client import Treasurer

    if (reference is None) == (agreed is None):
        raise Usage("give the --reference that the withdrawal named, or the file that its owner --agreed to")
    with service.client(me.key) as client:
        treasurer = Treasurer(client, me.seed(), me.actor)
        if agreed is not None:
            service.accepted(treasurer.pay_out_agreed(agreed.read_bytes()))
        else:
            service.accepted(treasurer.pay_out(withdrawal, str(reference)))


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
