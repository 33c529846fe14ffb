"""`trust treasury`: a treasurer beside a payment system, with a key of its own, and what a bookkeeper reads."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from trust.cli.connection import OUTPUT, SERVICE, LogKey, Me, Output, Service, id_of, read_vkey, source_at
from trust.cli.failures import FALSE, GOOD, Usage
from trust.cli.terminal import give, progress
from trust.cli.values import Amount, Count, Port, duration_ms
from trust.settings import http_address

if TYPE_CHECKING:
    from trust.core.payloads import Payload
    from trust.programs.paying import Pay

app = App(name="treasury")
Spool = Annotated[Path, Parameter(name="--spool", env_var="TRUST_SPOOL")]
Secrets = Annotated[tuple[Path, ...], Parameter(name="--secret", negative_iterable=())]


def on_this_machine(_: type, host: str) -> None:
    """ValueError where an address is none that only this machine reaches."""
    if not ip_address(host).is_loopback:
        raise ValueError("only an address of this machine (127.0.0.1, ::1): put a proxy with TLS before it")


@app.command
def appoint(agent: str, /, *, me: Me, service: Service = SERVICE) -> None:
    """Give an agent the role of a treasurer, which books deposits and payouts. Only the operator can.

    Parameters
    ----------
    agent
        A DID, or @handle.
    """
    from trust.core.payloads import RoleGrant

    _change_role(RoleGrant, agent, me, service)


@app.command
def dismiss(agent: str, /, *, me: Me, service: Service = SERVICE) -> None:
    """Take the role of a treasurer from an agent.

    Parameters
    ----------
    agent
        A DID, or @handle.
    """
    from trust.core.payloads import RoleRevoke

    _change_role(RoleRevoke, agent, me, service)


def _change_role(kind: type[Payload], agent: str, me: Me, service: Service) -> None:
    from trust.client import Agent

    with service.client(me.key) as client:
        operator = Agent(client, me.seed(), me.actor)
        service.accepted(operator.send(kind, party=id_of(client, agent), role="treasurer"))


@app.command
def notice(account: str, amount: Amount, /, *, reference: str, spool: Spool, output: Output = OUTPUT) -> None:
    """Tell a treasury of a payment that came in: `trust treasury run` books it, once. For a payment system's hook.

    Parameters
    ----------
    account
        An agent's DID or @handle, or operator/bond.
    amount
        In units.
    reference
        The payment system's own; what is no name is booked under its SHA-256.
    spool
        The directory of the treasury.
    """
    import msgspec

    from trust.programs.treasury import Notice, Spool, booked_under, read_notice

    try:
        given = read_notice(msgspec.json.encode(Notice(reference, account, amount)))
    except ValueError as error:
        raise Usage(str(error)) from error
    output.show({"notice": str(Spool(spool).give(given)), "reference": booked_under(reference)})


@app.command
def listen(
    *,
    spool: Spool,
    secret: Secrets,
    port: Port = 8410,
    host: Annotated[str, Parameter(validator=on_this_machine)] = "127.0.0.1",
    output: Output = OUTPUT,
) -> None:
    """Take notices of payments by signed webhook, for `trust treasury run` to book, until SIGTERM or SIGINT.

    A notice is on the disk before it is answered with 200, and counts once by its reference. No key of a treasurer is
    needed here.

    Parameters
    ----------
    spool
        The directory of the treasury.
    secret
        The file with the secret (whsec_...) that signs notices; several while one takes over from another.
    port
        The port to listen on; 0 takes one that is free.
    host
        The address to listen on, of this machine alone: TLS and the world are a proxy's.
    """
    from trust.programs.door import Door
    from trust.programs.running import tell
    from trust.programs.treasury import Spool
    from trust.programs.webhooks import read_secret

    with Door(host, port, Spool(spool), [read_secret(each) for each in secret], tell) as door:
        door.stop_when_told()
        output.show({"listening": http_address(host, door.port)})
        door.serve_forever()


@app.command
def run(
    *,
    me: Me,
    spool: Spool,
    command: Annotated[str, Parameter(name="--exec")] = "",
    webhook: str = "",
    secret: Path | None = None,
    loopback: Annotated[bool, Parameter(negative=())] = False,
    seconds: Count = 60,
    interval: str = "1s",
    once: Annotated[bool, Parameter(negative=())] = False,
    service: Service = SERVICE,
) -> None:
    """Book the payments that came in, have matured withdrawals paid, and book those, until SIGTERM or SIGINT.

    Whatever it does is a line of JSON on stdout. Killed at any moment, the next start goes on. Without --exec or
    --webhook it only books what comes in.

    Parameters
    ----------
    spool
        The directory of the treasury: notices are read from its in/.
    command
        What pays one withdrawal (docs/operating.md 9.2).
    webhook
        An https address that is asked to pay instead.
    secret
        The file with the secret (whsec_...) that signs what is sent there.
    loopback
        Let the address be on this machine.
    seconds
        How long paying one withdrawal may take.
    interval
        How long to wait between two looks.
    once
        Look once.
    """
    import signal
    import sys
    import time

    from trust.client import Treasurer
    from trust.errors import TrustError
    from trust.programs.running import tell
    from trust.programs.treasury import Spool, Treasury, refuse_master

    pay, pause_s = _payer(command, webhook, secret, loopback, seconds), duration_ms(interval) / 1_000
    box = Spool(spool)
    with box.locked(), service.client() as client:
        treasurer = Treasurer(client, me.seed(), me.actor)
        refuse_master(client, treasurer.did)
        treasury = Treasury(client, treasurer, box, tell, pay, seconds * 1_000)
        if not once:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        while not once:
            try:
                treasury.look()
            except TrustError as error:
                tell("waits", why=str(error))
            time.sleep(pause_s)
        treasury.look()


def _payer(command: str, webhook: str, secret: Path | None, loopback: bool, seconds: int) -> Pay | None:
    """What pays; None where nothing was named. `Usage` where both were, or a webhook without its secret."""
    import shlex

    from trust.programs.command import Limits
    from trust.programs.paying import by_command, by_webhook
    from trust.programs.webhooks import Webhook, read_secret

    if (command and webhook) or bool(webhook) != bool(secret):
        raise Usage("give either --exec, or --webhook with the --secret that signs")
    if webhook and secret:
        return by_webhook(Webhook(webhook, read_secret(secret), loopback))
    return by_command(shlex.split(command), Limits(seconds=seconds)) if command else None


@app.command
def report(
    source: str,
    /,
    *,
    key: LogKey,
    since: Annotated[str, Parameter(name="--from")] = "0",
    until: Annotated[str, Parameter(name="--to")] = "",
    csv: Annotated[bool, Parameter(negative=())] = False,
    output: Output = OUTPUT,
) -> int:
    """Report the money of a period from the log alone, every entry of it decided again: balances, deposits and payouts
    by reference, fees, slashes, what was burned. Exit 1 where the log is not true.

    Parameters
    ----------
    source
        The address of a service, a directory of the log's files, or a data directory.
    since
        Where it begins: a size of the log, or a day (2026-11-01, UTC).
    until
        Where it ends, before this entry or day; default: at the end of the log.
    csv
        Print CSV: a line for each movement, whose units sum to the closing balance.
    """
    from trust.audit.books import Mark, lines_of, report_of
    from trust.audit.report import Finding

    try:
        begin, end = Mark.of(since), Mark.of(until) if until else None
    except ValueError as error:
        raise Usage(str(error)) from error
    with source_at(source) as opened, progress("deciding entries again") as told:
        found = report_of(opened, str(read_vkey(key)), begin, end, told)
    if isinstance(found, Finding):
        output.show({"good": False, "wrong": str(found)})
        return FALSE
    if csv:
        give(lines_of(found).encode())
    else:
        output.show(found)
    return GOOD
