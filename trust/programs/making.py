"""The work of one claim: a function that makes its product, or an owner's command (docs/protocol.md 9.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from trust.core import strict
from trust.core.payloads import MAX_INPUTS, Source
from trust.errors import ClientError
from trust.programs.command import MAX_WORDS, Limits, Outcome, run
from trust.programs.products import Product

MAX_SAID_BYTES = 65_536
ITEMS = "items"
"""The file in `output/` whose lines are a batch's items."""

Facts = dict[str, Any]
Make = Callable[[Facts, bytes], Product]
"""Returns the product of a claim, as the service shows it, and its specification. It may take its time: it runs on a
thread. A claim for which it raises is given up."""


class NoProduct(ClientError):
    """A command made nothing that can be delivered; `detail` says why."""

    def __init__(self, why: str) -> None:
        super().__init__("no-result", why[:MAX_WORDS])


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON that a command may print beside its files: the sources that the output was made from."""

    inputs: tuple[Source, ...] = ()


def by_command(command: Sequence[str], limits: Limits) -> Make:
    """Returns what makes a product by running a command on a claim."""

    def make(claim: Facts, spec: bytes) -> Product:
        task = claim["task"]
        named = ("task", "task_kind", "spec_sha256", "price_units", "deadline_ms", "items_count")
        case = {"claim": claim["claim"], **{name: task[name] for name in named}}
        outcome = run(command, case, {task["spec_sha256"]: spec}, limits)
        return product_of(outcome, bool(task["items_count"]))

    return make


def product_of(outcome: Outcome, is_batch: bool) -> Product:
    """Returns what a command left in `output/` and printed. `NoProduct` where it failed, or left nothing."""
    if outcome.failure:
        raise NoProduct(outcome.failure)
    files = dict(outcome.files)
    items = tuple(files.pop(ITEMS, b"").splitlines()) if is_batch else ()
    if not files or (is_batch and not items):
        raise NoProduct(f"the command left nothing in output/{ITEMS if files else ''}")
    try:
        report = strict.parse(outcome.stdout.strip() or b"{}", Said, max_bytes=MAX_SAID_BYTES)
    except strict.Malformed as error:
        raise NoProduct(f"what the command printed is not as it should be: {error}") from None
    if len(report.inputs) > MAX_INPUTS:
        raise NoProduct(
            f"the output is made from {len(report.inputs)} inputs; at most {MAX_INPUTS} can be named"
        )
    return Product(files, items, report.inputs)
