"""How a run of the sandbox is told: a line a step on stderr, a table at the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from trust.escaping import escaped

Facts = dict[str, Any]


def teller(as_json: bool) -> Callable[[str, str], None]:
    """Tells the steps as they happen."""
    out = sys.stderr if as_json else sys.stdout

    def tell(step: str, text: str) -> None:
        out.write(f"{step:<20} {escaped(text)}\n")
        out.flush()

    return tell


def failed(reason: str, data: Path) -> None:
    """Why it did not come to an end."""
    sys.stderr.write(f"trust: the run failed: {escaped(reason)}\nits logs are in {data / 'logs'}\n")


def conclude(facts: Facts, as_json: bool) -> None:
    """The table and what held, or all facts as JSON."""
    if as_json:
        print(json.dumps(facts, indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(_table(facts))
    for promise, is_held in facts["held"].items():
        console.print(f"  {'held' if is_held else 'BROKEN':<6}  {promise}")


def _table(facts: Facts) -> Table:
    table = Table(
        title=f"{facts['pattern']}, {facts['agents']} agents, seed {facts['seed']}", show_header=False
    )
    for name, value in rows(facts):
        table.add_row(name, value)
    return table


def rows(facts: Facts) -> list[tuple[str, str]]:
    """The table's lines."""
    totals = facts["figures"]
    traffic = facts["relay"]["traffic"]
    messages = traffic.get("sent", 0) + traffic.get("received", 0)
    size = traffic.get("sent_bytes", 0) + traffic.get("received_bytes", 0)
    tasks = max(1, totals["tasks"])
    lines = [
        ("tasks", f"{totals['tasks']}: {_counts(totals['states'])}, {totals['open']} not at their end"),
        ("claims", _counts(totals["claims"])),
        ("stake stuck", f"{sum(totals['stuck'].values())} units"),
        ("slashed", f"{totals['slashed_units']} units"),
        ("audit differences", str(len(facts["audit"].get("findings") or []))),
        ("throughput", f"{totals['tasks_per_s']} tasks/s over {totals['elapsed_ms'] / 1_000:.1f} s"),
        ("post to claim", _times(totals["post_to_claim"])),
        ("claim to output", _times(totals["claim_to_output"])),
        ("output to settlement", _times(totals["output_to_end"])),
        ("coordination", _coordination(facts["overhead"]["network"]["total"])),
        ("at the relay, a task", f"{messages / tasks:.1f} messages, {size / tasks / 1_000:.1f} kB"),
    ]
    lines += [(name.replace("_", " "), str(value)) for name, value in facts["pattern_says"].items()]
    return lines + [(name.replace("_", " "), str(value)) for name, value in facts["faults"].items()]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def _coordination(total: Facts) -> str:
    waiting = total["waiting_milli"] / 1_000
    return f"{total['coordination_ppm'] / 10_000:.1f} % of tasks' lives, {waiting:.1f} tasks open at a time"


def _times(times: Facts) -> str:
    return f"{times['p50_ms']} ms, p99 {times['p99_ms']} ms"
