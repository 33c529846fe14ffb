"""The values of the log as pages show them: times, amounts, shares, accounts and ids."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from markupsafe import Markup

from trust.core.rate import percent
from trust.core.words import short

MAX_SENTENCE = 400
SHOWN = 6
"""How much of a DID sentences show (`core/words.py`)."""
DID = re.compile(r"did:key:z[1-9A-HJ-NP-Za-km-z]{20,}")
_END = re.compile(r"(?<![A-Za-z0-9_.])\.\.([1-9A-HJ-NP-Za-km-z]{6})\b")
_LAST_MS = 253_402_300_799_999
_TIMED = re.compile(r"\b(until|by|at|from|after|before|is) (1[0-9]{12})\b")
_SPANS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms"))
_ID = re.compile(
    r"[a-z]{3,9}_[a-z2-7]{26}|did:key:z[1-9A-HJ-NP-Za-km-z]{20,}|sha256:[0-9a-f]{64}|[0-9a-f]{64}"
)


class Named(NamedTuple):
    """An account in words, the agent that it belongs to, and the page of whose it is; "" where there is none."""

    words: str
    agent: str = ""
    path: str = ""


class Names:
    """The handles of the agents on a page, with an @, by DID and by the end of a DID that sentences show.

    An end that two DIDs of the page share names nobody: keys can be made until they end alike. `handles` has those who
    are registered, "" for who has none; a DID that is not among them has no page.
    """

    def __init__(self, dids: Iterable[str], handles: Mapping[str, str]) -> None:
        self._handles = handles
        ends = Counter(did[-SHOWN:] for did in dids)
        self._by_end = {
            did[-SHOWN:]: f"@{handle}"
            for did, handle in handles.items()
            if handle and ends[did[-SHOWN:]] == 1
        }

    def __contains__(self, did: str) -> bool:
        return did in self._handles

    def __getitem__(self, did: str) -> str:
        handle = self._handles.get(did)
        return f"@{handle}" if handle else ""

    def with_handles(self, text: str) -> str:
        """A sentence with handles where it has the ends of DIDs."""
        return _END.sub(lambda match: self._by_end.get(match[1], match[0]), text)


def moment(at_ms: int) -> str:
    """A time in UTC, to the second; what no calendar holds, as the number."""
    if not 0 <= at_ms <= _LAST_MS:
        return f"{at_ms} ms"
    return datetime.fromtimestamp(at_ms // 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def time(at_ms: int, form: str = "") -> Markup:
    """A time as an element that the page's script adds the reader's own zone to; `form` is one of `strftime`, else it
    is told to the second."""
    if not 0 <= at_ms <= _LAST_MS:
        return Markup("{}").format(moment(at_ms))
    at = datetime.fromtimestamp(at_ms // 1_000, UTC)
    words = at.strftime(form) if form else moment(at_ms)
    return Markup('<time datetime="{}.{:03d}Z">{}</time>').format(
        at.strftime("%Y-%m-%dT%H:%M:%S"), at_ms % 1_000, words
    )


def units(amount: int) -> str:
    """An amount with its thousands apart."""
    return f"{amount:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def signed(amount: int) -> str:
    """Returns a change in units with its sign."""
    return units(amount).replace("-", "\N{MINUS SIGN}") if amount < 0 else f"+{units(amount)}"


def span(ms: int) -> str:
    """A duration in its two largest parts: 1 h 30 min."""
    parts = []
    for size, name in _SPANS:
        if ms >= size:
            parts.append(f"{ms // size} {name}")
            ms %= size
    return " ".join(parts[:2]) or "0 ms"


def brief(text: str) -> str:
    """An id, or a text with ids in it, shortened to what tells them apart."""
    if _ID.fullmatch(text):
        return f"{'' if text.startswith('did:') else text.partition('_')[0] + '_' if '_' in text else ''}..{text[-6:]}"
    return short(text)


def sentence(text: str, names: Names) -> str:
    """A sentence of the log with its times as times and its agents by their handles; a very long one is cut."""
    dated = names.with_handles(_TIMED.sub(lambda match: f"{match[1]} {moment(int(match[2]))}", text))
    return dated if len(dated) <= MAX_SENTENCE else f"{dated[:MAX_SENTENCE]} ..."


def account(name: str) -> Named:
    """An account of the ledger in words, with whose it is."""
    kind, _, rest = name.partition("/")
    owner, _, lock = rest.rpartition("/")
    if kind in ("agent", "verifier", "name") and owner:
        words = {"free": "free money", "unbonding": "on its way out"}.get(lock, f"{kind} {lock}")
        return Named(words, agent=owner)
    if kind in ("task", "claim") and owner:
        return Named(f"{kind} {brief(owner)}: {lock}", path=f"/{kind}s/{owner}")
    fixed = {
        "external": "outside of the network",
        "burn": "burnt",
        "pool/verification": "pool of fees",
        "operator/bond": "the operator's bond",
    }
    return Named(fixed.get(name, brief(name)))


def share(ppm: int) -> str:
    """Parts in a million as a percentage, which no line breaks before its sign."""
    return percent(ppm).replace(" ", "\N{NO-BREAK SPACE}")


FILTERS = {
    "moment": moment,
    "time": time,
    "units": units,
    "signed": signed,
    "span": span,
    "brief": brief,
    "sentence": sentence,
    "account": account,
    "percent": share,
}
