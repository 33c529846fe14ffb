"""A beacon: makes the draws that a service withholds, once its turn has come (docs/rules.md 6.2).

It follows the log as an auditor does: every entry is verified and decided again, and only over what follows from that
does the key draw. So nobody can have it draw over another input, or learn before its turn what it would draw.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from trust import clock
from trust.audit.auditing import audit
from trust.audit.report import CannotCheck
from trust.audit.scratch import scratch
from trust.client import TrustClient
from trust.client.statements import did_of_seed
from trust.core.rules import turns
from trust.core.rules.turns import Awaited
from trust.errors import TrustError

LOOKED_AT = 1_000


class Made(msgspec.Struct, frozen=True, rename={"of": "for"}):
    """One draw that was brought: what it is for, and its entry (-1), or why the service refused it."""

    at_ms: int
    of: str
    index: int = -1
    problem: str = ""


def awaited_of(key: str, folder: Path, at_ms: int) -> list[Awaited]:
    """The draws whose turn is this key's at `at_ms`, as far as the log is audited in `folder`."""
    with scratch(folder) as own:
        awaited = [
            turns.of_shortlist(own.view, each, at_ms) for each in own.reader.awaiting_shortlist(LOOKED_AT)
        ]
        awaited += [turns.of_round(own.view, each, at_ms) for each in own.reader.awaiting_draw(LOOKED_AT)]
    return [each for each in awaited if each.key == key]


def look(url: str, vkey: str, seed: bytes, folder: Path) -> Iterator[Made]:
    """Audits what is new, and brings each draw whose turn is this key's. CannotCheck where the log does not hold."""
    report = audit(url, vkey, folder, sample=0)
    if not report.ok:
        raise CannotCheck(f"the log does not hold, nothing is drawn over it: {report.findings[0].reason}")
    key = did_of_seed(seed)
    with TrustClient(url, vkey) as client:
        for each in awaited_of(key, folder, clock.now_ms()):
            proof = turns.beacon(key, seed, each.alpha)
            try:
                index = client.bring_draw(each.of, key, proof.pi)["index"]
            except TrustError as error:
                yield Made(clock.now_ms(), each.of, problem=f"{error.code}: {error}")
            else:
                yield Made(clock.now_ms(), each.of, index=index)


def serve(
    url: str,
    vkey: str,
    seed: bytes,
    folder: Path,
    interval_ms: int,
    tell: Callable[[Made], None],
    *,
    once: bool = False,
) -> None:
    """Looks again and again. What cannot be read now is looked at again; a log that does not hold ends it."""
    while True:
        try:
            for made in look(url, vkey, seed, folder):
                tell(made)
        except TrustError as error:
            tell(Made(clock.now_ms(), "", problem=str(error)))
        if once:
            return
        time.sleep(interval_ms / 1_000)
