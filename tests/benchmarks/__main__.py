"""Speed and memory in one table of ratios: `python -m tests.benchmarks [names...] [--quick]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.benchmarks import (
    audit,
    claims,
    draw,
    footprint,
    graph,
    lists,
    log,
    outputs,
    pages,
    reads,
    relay,
    reputation,
    scores,
    startup,
)
from tests.benchmarks.table import Row, at_least, show

TIMES_PYMERKLE = 10


def _log(size: int) -> list[Row]:
    rows = []
    for what, ratio, note in log.run(size):
        ours, _, theirs = note.partition(" against ")
        rows.append(at_least(what, ours, theirs, ratio, TIMES_PYMERKLE))
    return rows


BENCHMARKS: dict[str, Callable[[bool], list[Row]]] = {
    "outputs": outputs.on_sqlite,
    "postgres": outputs.on_postgres,
    "claims": claims.run,
    "relay": relay.run,
    "growth": claims.grown,
    "log": lambda quick: _log(20_000 if quick else 100_000),
    "reads": reads.run,
    "lists": lists.run,
    "pages": pages.run,
    "audit": lambda quick: audit.run(50_000 if quick else 1_000_000),
    "reputation": reputation.run,
    "scores": scores.run,
    "graph": graph.run,
    "draw": draw.run,
    "footprint": footprint.run,
    "help": startup.run,
}


def main() -> int:
    """Exit code 1 where a goal was missed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
    options.add_argument("--quick", action="store_true", help="shorter logs: minutes in all, coarser figures")
    options.add_argument(
        "--database", default="", help="an empty PostgreSQL, for `pages`; SQLite unless given"
    )
    chosen = options.parse_args()
    if unknown := set(chosen.names) - BENCHMARKS.keys():
        options.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in chosen.names or BENCHMARKS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows += (
            pages.run(chosen.quick, chosen.database) if name == "pages" else BENCHMARKS[name](chosen.quick)
        )
    show(rows)
    return 1 if any(row.met is False for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
