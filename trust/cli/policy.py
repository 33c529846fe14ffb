"""`trust policy`: the economic rules; a file is checked offline before anybody adopts it."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust import clock, settings
from trust.cli.connection import OUTPUT, SERVICE, Me, Output, Service
from trust.cli.failures import FALSE, GOOD, Usage
from trust.cli.values import Place, duration_ms

app = App(name="policy")


def read_policy(policy: str) -> str:
    """The TOML of a policy file, or of a policy that comes with this release."""
    path = Path(policy)
    shipped = settings.shipped("policies") / f"{policy}.toml"
    if path.suffix == ".toml" or path.exists():
        return path.read_text(encoding="utf-8")
    if shipped.exists():
        return shipped.read_text(encoding="utf-8")
    names = sorted(shipped_path.stem for shipped_path in settings.shipped("policies").glob("*.toml"))
    raise Usage(f"there is no policy {policy!r}: name a .toml file, or one of {', '.join(names)}")


@app.command
def check(policy: str, /, *, every: str | None = None, output: Output = OUTPUT) -> int:
    """Say whether a policy may be adopted, and what is unwise about it. Exit 1 where it may not.

    Parameters
    ----------
    policy
        A TOML file, or the name of a policy that comes with this release.
    every
        How often an agent will have a task, such as 3d: warns where records would fade in between.
    """
    from trust.core.policy import InvalidPolicy, dangers, parse, warnings
    from trust.errors import CODES

    needs: dict[str, int] = {}
    try:
        terms = parse(read_policy(policy))
    except InvalidPolicy as error:
        code, reasons, unwise = "invalid-policy", error.reasons, []
    else:
        reasons, unwise = dangers(terms), warnings(terms, duration_ms(every) if every else 0)
        code, panels = "dangerous-policy", terms.checks.panels
        needs = {"owners_for_a_panel": panels[0], "owners_for_an_appeal": sum(panels[:2])}
    refused = {"code": code, "hint": CODES[code].hint} if reasons else {}
    facts = {"policy": policy, "adoptable": not reasons, "dangers": reasons, "warnings": unwise}
    output.show(facts | needs | refused)
    return FALSE if reasons else GOOD


@app.command
def adopt(policy: str, /, *, me: Me, notice: str | None = None, service: Service = SERVICE) -> None:
    """Announce a policy; tasks that are posted after the notice go by it.

    Parameters
    ----------
    policy
        A TOML file, or the name of a policy that comes with this release.
    notice
        How long from now, such as 7d; default: what the policy in force asks, and a minute.
    """
    from trust.client import Agent
    from trust.core.payloads import PolicyAdopt

    toml = read_policy(policy)
    with service.client(me.key, notice or "as asked") as client:
        asked_ms = int(client.policy()["terms"]["windows"]["notice_ms"]) + 60_000
        effective_ms = clock.now_ms() + (duration_ms(notice) if notice else asked_ms)
        service.accepted(
            Agent(client, me.seed(), me.actor).send(PolicyAdopt, toml=toml, effective_ms=effective_ms)
        )


@app.command
def show(number: Place | None = None, /, *, service: Service = SERVICE) -> None:
    """Show the network's keys, rules and policy.

    Parameters
    ----------
    number
        Which policy; default: the one in force.
    """
    with service.client() as client:
        service.show(client.policy(number))
