"""`trust mcp`: the tools of a network for a model, with one agent's key in the process (docs/mcp.md)."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from cyclopts import App

from trust.cli.connection import SERVICE, Me, Service
from trust.cli.values import Port
from trust.cli.work import Relays
from trust.errors import Unusable

app = App(name="mcp")


@app.default
def mcp(
    *,
    me: Me,
    relay: Relays = (),
    rules: Path | None = None,
    state: Path | None = None,
    http: Port | None = None,
    service: Service = SERVICE,
) -> None:
    """Serve the Model Context Protocol for one agent, on stdin and stdout, or by HTTP on this machine.

    Parameters
    ----------
    relay
        The address of a coordinator (ws://...) through which claims go; several of one relay are tried in turn.
    rules
        A TOML file with what the owner allows: kinds, prices, stakes, a day's total. Without it nothing is spent.
    state
        The directory for what must outlast the process; default: beside the key.
    http
        A port of 127.0.0.1 for streamable HTTP at /mcp, behind the token in STATE/token.
    """
    import asyncio

    from trust.programs.owner import Allowance, read_rules

    server, hands = _parts()
    allowance, seed = read_rules(rules, Allowance), me.seed()
    folder, services, vkey = state or me.beside(".mcp"), service.addresses(), service.key()

    async def serve() -> None:
        votes = me.beside(".votes")
        async with hands.holding(services, vkey, seed, allowance, relay, folder, votes, me.actor) as hand:
            tools = server.build(hand, services, vkey)
            if http is None:
                await tools.run_stdio_async()
            else:
                await server.serve_http(tools, http, server.token_of(folder / "token"))

    asyncio.run(serve())


def _parts() -> tuple[ModuleType, ModuleType]:
    """The server and what holds the key; `Unusable` without the extra."""
    try:
        from trust.mcp import server
        from trust.programs import hand
    except ModuleNotFoundError as error:
        raise Unusable(
            f"trust mcp needs the extra mcp: {error}", "install it as agent-trust-log[mcp]"
        ) from None
    return server, hand
