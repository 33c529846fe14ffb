"""`trust agent watch`: what is due of an agent, told to a person."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trust.cli.connection import SERVICE, Service
from trust.cli.failures import Usage
from trust.cli.terminal import say, show_line, warn
from trust.cli.values import duration_ms

if TYPE_CHECKING:
    from trust.programs.watching import Sink

EXEC_S = 60


def watch(
    agent: str,
    /,
    *,
    state: Path,
    soon: str = "10m",
    interval: str = "5s",
    command: Annotated[str, Parameter(name="--exec")] = "",
    webhook: str = "",
    secret: Path | None = None,
    loopback: Annotated[bool, Parameter(negative=())] = False,
    once: Annotated[bool, Parameter(negative=())] = False,
    service: Service = SERVICE,
) -> None:
    """Tell what is due of an agent, each thing once: a seat drawn, a window or lease about to end, an output to open,
    a verdict, a slash, money that can be paid out.

    Parameters
    ----------
    agent
        A DID, or @handle.
    state
        A file that keeps what was told.
    soon
        How long before its end a window or lease is told of.
    interval
        How long to wait between two looks.
    command
        A command that is run for each notice, which is its standard input as JSON.
    webhook
        An https address that each notice is posted to (Standard Webhooks).
    secret
        The file with the secret (whsec_...) that signs what is posted.
    loopback
        Let the address be on this machine.
    once
        Look once.
    """
    import time

    from trust.errors import TrustError
    from trust.programs.watching import Watch

    soon_ms, pause_s = duration_ms(soon), duration_ms(interval) / 1_000
    with service.client() as client:
        did = str(client.agent(agent)["agent"])
        sinks = _sinks(service.json, did, command, webhook, secret, loopback)
        watching = Watch(client, did, state, sinks, soon_ms, lambda why: warn(f"trust: {why}"))
        while not once:
            try:
                watching.look()
            except TrustError as error:
                warn(f"trust: {error}")
            time.sleep(pause_s)
        watching.look()


def _sinks(
    as_json: bool, did: str, command: str, webhook: str, secret: Path | None, loopback: bool
) -> dict[str, Sink]:
    """Who takes notices: the terminal, and what was named."""
    import shlex

    from trust.programs.command import Limits
    from trust.programs.watching import by_command, by_webhook
    from trust.programs.webhooks import Webhook, read_secret

    if bool(webhook) != bool(secret):
        raise Usage("a --webhook needs the --secret that signs what is posted")
    sinks: dict[str, Sink] = {"terminal": show_line if as_json else lambda notice: say(notice.words)}
    if command:
        sinks["exec"] = by_command(shlex.split(command), Limits(seconds=EXEC_S))
    if webhook and secret:
        sinks["webhook"] = by_webhook(Webhook(webhook, read_secret(secret), loopback), did)
    return sinks
