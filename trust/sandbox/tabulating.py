"""The tables of `trust sandbox speculate` and `trust sandbox learn` in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trust.sandbox.learning import Learned
from trust.sandbox.speculating import Row, Speculation


def speculation(measured: Speculation) -> Iterator[str]:
    """Both tables, and from where on it pays."""
    terms = measured.terms
    yield f"a worker, {terms.work_ms} ms of work, {terms.wait_ms} ms to the decision, {terms.attempts} attempts a row"
    yield ""
    yield from _rows("chance to win", measured.worker)
    yield ""
    pays = "at no chance" if measured.worker_pays_from is None else f"from {measured.worker_pays_from:.0%} on"
    yield f"it pays {pays}; by the closed form from {measured.worker_pays_from_formula:.0%} on"
    yield ""
    yield (
        f"a consumer, {terms.build_ms} ms of work, {terms.check_ms} ms to a verdict, a window of {terms.window_ms} ms, "
        f"{terms.bad:.0%} of outputs bad"
    )
    yield ""
    yield from _rows("check rate", measured.consumer)
    yield ""
    limit = measured.consumer_pays_to_bad
    upto = "at no share of bad outputs" if limit is None else f"up to {limit:.0%} bad outputs"
    yield (
        f"where everything is checked it pays {upto} (tried in steps of 10 %); by the closed form up to "
        f"{measured.consumer_pays_to_bad_formula:.0%}"
    )


def _rows(name: str, rows: Sequence[Row]) -> Iterator[str]:
    yield f"| {name} | saved, ms | closed form | thrown away, ms | closed form | pays |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        yield (
            f"| {row.chance:.0%} | {row.saved_ms:.1f} | {row.saved_formula_ms:.1f} | {row.thrown_ms:.1f} | "
            f"{row.thrown_formula_ms:.1f} | {'yes' if row.pays else 'no'} |"
        )


def learned(results: Sequence[Learned], rounds: int, seeds: int) -> Iterator[str]:
    """The table: ms by which a task lived longer than under the best fixed choice."""
    yield f"{rounds} rounds of 40 tasks, {seeds} seeds; regret is in ms of a task's life beyond that of the best choice"
    yield ""
    heads = (
        "work",
        "best fixed choice",
        "a task lives",
        "bandit chose last",
        "regret",
        "over seeds",
        "last quarter",
    )
    yield "| " + " | ".join((*heads, "by chance", "default")) + " |"
    yield "|" + "---|" * (len(heads) + 2)
    for each in results:
        cells = (
            each.kind,
            each.best,
            f"{each.best_ms} ms",
            each.chosen,
            each.regret_ms,
            f"{each.regret_least_ms} to {each.regret_most_ms}",
            each.regret_last_ms,
            each.chance_ms,
            each.default_ms,
        )
        yield "| " + " | ".join(map(str, cells)) + " |"
