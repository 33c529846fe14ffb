"""Marking of others' texts for a model: marked as data, bounded, and with nothing invisible in it (docs/mcp.md 3).

A text of others is an object with `"untrusted": true`. It is JSON, so that no text can end it and go on as an answer of
this program; whatever is in it is something to judge, never something to obey.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from codecs import getincrementaldecoder
from collections.abc import Mapping, Sequence
from typing import Any

from trust.client.problems import ServiceError
from trust.errors import CODES, TrustError
from trust.escaping import escaped

MAX_SHOWN = 32_000
MAX_DETAIL = 500
MAX_DEPTH = 32
OF_OTHERS = frozenset(
    {"handle", "name", "reason", "references", "reasons", "matched", "title", "description"}
)
"""Members whose texts are others' own choice, however short they are."""
PLAIN = re.compile(r"[A-Za-z0-9._:/+=@-]{0,200}")
"""An id, a digest, a kind: no sentence."""
_CODE = re.compile(r"[a-z0-9-]{1,64}")

Facts = dict[str, Any]


def quoted(text: str, by: str = "", **more: Any) -> Facts:
    """Returns a text of others as an object; `by` is its author, where known. Only line ends and tabs stay; other
    control characters are made visible."""
    shown = "\n".join("\t".join(map(escaped, line.split("\t"))) for line in text[:MAX_SHOWN].split("\n"))
    cut = {"characters": len(text), "shown": MAX_SHOWN} if len(text) > MAX_SHOWN else {}
    return {"untrusted": True, **({"written_by": by} if by else {}), **more, **cut, "text": shown}


def quoted_bytes(data: bytes, by: str = "", offset: int = 0, **more: Any) -> Facts:
    """Returns bytes of others from an offset on, as text where they are UTF-8, else as base64."""
    part = data[offset : offset + MAX_SHOWN]
    is_last = offset + len(part) >= len(data)
    try:
        text = getincrementaldecoder("utf-8")().decode(part, final=is_last)
        shown, size = quoted(text, by), len(text.encode())
    except UnicodeDecodeError:
        shown, size = {**quoted("", by), "text": None, "base64": b64encode(part).decode()}, len(part)
    rest = {} if is_last else {"next_offset": offset + size}
    return {**shown, **more, "bytes": len(data), "offset": offset, **rest}


def marked(facts: Any, depth: int = 0) -> Any:
    """Returns an answer of the service or a relay in which every text that is more than a plain name is marked."""
    if depth > MAX_DEPTH:
        return quoted("nested too deep")
    if isinstance(facts, Mapping):
        return {
            escaped(str(name))[:200]: _others(value) if name in OF_OTHERS else marked(value, depth + 1)
            for name, value in facts.items()
        }
    if isinstance(facts, str):
        return facts if PLAIN.fullmatch(facts) else quoted(facts)
    if isinstance(facts, Sequence) and not isinstance(facts, bytes):
        return [marked(each, depth + 1) for each in facts]
    return facts


def _others(value: Any) -> Any:
    if value is None:
        return None
    return quoted(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def error_facts(error: TrustError) -> Facts:
    """Returns a refusal as `code`, `detail`, `hint`. Texts of the service or a relay are marked as others' words."""
    is_others = isinstance(error, ServiceError)
    known = CODES[error.code].hint if error.code in CODES else ""
    code = error.code if _CODE.fullmatch(error.code) else "refused"
    facts: Facts = {
        "code": code,
        "hint": known or (quoted(error.hint[:MAX_DETAIL]) if is_others else error.hint),
    }
    detail = error.detail[:MAX_DETAIL]
    facts["detail"] = quoted(detail) if is_others else escaped(detail)
    if error.reasons:
        facts["reasons"] = [quoted(each[:MAX_DETAIL]) for each in error.reasons[:10]]
    for name in ("stake_units", "winner"):
        if name in error.extra:
            facts[name] = marked(error.extra[name])
    return facts
