"""How the demo tells what happens: one line a step while it runs, and at the end what came of it, on one screen.

Where details are asked for, tables follow: ranks, slashes, ledgers, and how the lie was found out.

On a terminal in colours; elsewhere plain lines. With `--json` the steps go to stderr, so that stdout is the facts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trust.escaping import escaped
from trust.sandbox import cast

Facts = Mapping[str, Any]
COLOURS = {
    "claim": "cyan", "scope": "magenta", "lie": "red", "slash": "red", "silence": "yellow", "kill": "red bold",
    "audit": "green", "allot": "cyan", "verdict": "bold", "batch": "blue",
}  # fmt: skip
_ID = re.compile(r"([a-z]{3,4}_)[a-z2-7]{20}([a-z2-7]{6})")


class Narrator:
    """Tells one demo."""

    def __init__(self, as_json: bool, *, verbose: bool = False) -> None:
        self._out = Console(stderr=as_json, highlight=False, soft_wrap=True, emoji=False)
        self._verbose = verbose

    def begin(self, data: Path, url: str, vkey: str) -> None:
        """Tells what was made before anything happened."""
        self._out.print(
            f"[bold]A network from nothing[/]: {cast.TASK_KIND} by agents who do not trust each other"
        )
        self._out.print(f"  data {data}\n  service {url}\n  log key {vkey}\n", markup=False)

    def step(self, elapsed_ms: int, step: str, text: str) -> None:
        """One thing that happened."""
        colour = COLOURS.get(step, "default")
        self._out.print(f"[dim]{elapsed_ms / 1_000:5.1f} s[/]  [{colour}]{step:<8}[/]  ", end="")
        self._out.print(escaped(text), markup=False)

    def failed(self, reason: str, data: Path) -> None:
        """Why it did not come to an end."""
        self._out.print(f"\nthe demo failed: {reason}", markup=False)
        self._out.print(f"its logs are in {data / 'logs'}", markup=False)

    def stay(self, url: str, facts: Facts) -> None:
        """Where the network can be looked at."""
        self._out.print(f"\nThe network goes on, for you to look at it: {url}", markup=False)
        self._out.print(f"  the lie  {url}/claims/{facts['liar']['claim']}", markup=False)
        self._out.print("Ctrl-C ends it.", markup=False)

    def conclude(self, facts: Facts) -> None:
        """Tells what came of it, and where to look."""
        if self._verbose:
            self._ranking(facts["priorities"])
            self._slashes(facts["slashes"])
            for name, ledger in facts["ledgers"].items():
                self._ledger(name, ledger)
            self._timeline(facts)
        self._held(facts)
        self._next(facts)

    def _ranking(self, candidates: list[Facts]) -> None:
        table = Table(title="Who a relay should ask first (POST /v1/priorities)", title_justify="left")
        for column in (
            "rank",
            "agent",
            "priority ppm",
            "expected ppm",
            "liveness ppm",
            "stake units",
            "rank ppm",
        ):
            table.add_column(column, justify="left" if column == "agent" else "right")
        for each in candidates:
            style = "red" if each["handle"] == cast.LIAR else ""
            names = ("priority_ppm", "expected_ppm", "liveness_ppm", "stake_units", "rank_ppm")
            table.add_row(
                str(each["rank"]), f"@{each['handle']}", *(f"{each[name]:,}" for name in names), style=style
            )
        self._table(table)

    def _slashes(self, slashes: list[Facts]) -> None:
        table = Table(title="What was slashed: every posting sums to zero", title_justify="left")
        table.add_column("entry", justify="right")
        for column in ("from", "why", "postings"):
            table.add_column(column)
        for each in slashes:
            lines = "\n".join(
                f"{units:+5,} {_ID.sub(_short, account)}" for account, units in each["postings"]
            )
            holders = ", ".join(f"@{handle}" for handle in each["from"])
            table.add_row(str(each["index"]), holders, each["why"], lines)
        self._table(table)

    def _ledger(self, name: str, ledger: Facts) -> None:
        balances = ", ".join(
            f"{kind.removesuffix('_units')} {units:,}" for kind, units in ledger["balances"].items()
        )
        table = Table(title=f"The ledger of @{name}, newest first: {balances} units", title_justify="left")
        table.add_column("entry", justify="right")
        table.add_column("why")
        table.add_column("units", justify="right")
        for posting in ledger["postings"]:
            table.add_row(str(posting["index"]), str(posting.get("why", "")), f"{posting['change_units']:+,}")
        self._table(table)

    def _timeline(self, facts: Facts) -> None:
        claim = facts["liar"]["claim"]
        self._out.print(f"\n[italic]How the lie was found out[/] (trust explain {claim})")
        for entry in facts["timeline"]:
            for number, sentence in enumerate(entry["words"]):
                self._out.print(f"{'' if number else entry['index']:>6}  {escaped(sentence)}", markup=False)

    def _held(self, facts: Facts) -> None:
        claims = facts["held"]
        self._out.print()
        for claim, held in claims.items():
            if self._verbose or not held:
                self._out.print(f"  [green]held[/]  {claim}" if held else f"  [red bold]FALSE[/]  {claim}")
        first, last = facts["priorities"][0], facts["priorities"][-1]
        seconds, restarts = facts["elapsed_ms"] / 1_000, facts["service_restarts"]
        crashed = f", the service was started again {restarts} times" if restarts else ""
        self._out.print(
            f"{sum(claims.values())} of {len(claims)} things that the demo claims were looked at again and held.\n"
            f"A relay asks @{first['handle']} first now, @{last['handle']} last; "
            f"{facts['size']} entries in {seconds:.1f} s{crashed}."
        )

    def _next(self, facts: Facts) -> None:
        data, claim = facts["data"], facts["liar"]["claim"]
        lines = [
            f"Everything is left in {data}: trust.db, keys/ (one an agent), logs/, facts.json.",
            f"  trust serve --data {data}        and, beside it:",
            f"  trust explain {claim} --data {data}",
        ]
        if self._verbose:
            lines += [
                f"  trust audit {data} --key {facts['vkey']}",
                f"  trust agent reputation @{cast.LIAR} --data {data}",
                f"  trust stake show @{cast.SILENT} --data {data}",
            ]
        else:
            lines.append("Ranks, slashes, ledgers and how the lie was found out: --verbose.")
        for line in lines:
            self._out.print(line, markup=False)

    def _table(self, table: Table) -> None:
        self._out.print()
        self._out.print(table)


def _short(match: re.Match[str]) -> str:
    """An id by its end."""
    return f"{match[1]}..{match[2]}"
