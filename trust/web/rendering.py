"""Pages out of templates, as answers with the headers that keep what agents wrote from doing anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Response

from trust.api.service import answer
from trust.core.records import Party
from trust.storage.reading import Reader
from trust.web.words import DID, FILTERS, Names

HTML = "text/html"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SAFELY = {
    "content_security_policy": POLICY,
    "referrer_policy": "no-referrer",
    "cache_control": "no-cache",
}
_NOT_PERMANENT = "min_size"
MAX_NAMES = 1_000


@dataclass(frozen=True)
class Page:
    """A page that is not filled in yet: its template, its title, where the same is read as JSON, and what it shows.

    `live` is the query of the event stream whose entries change the page; None where none does. `proves` are the
    entries that it can be verified by, the newest one where there are none.
    """

    template: str
    title: str
    json: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    live: str | None = None
    proves: Sequence[int] = ()


def asked(path: str, **query: Any) -> str:
    """A path with the parameters that are set."""
    given = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(given)}" if given else path


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("trust.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    return made


_PAGES = _environment()


def whole(page: Page, reader: Reader, path: str, query: str) -> bytes:
    """A page of one snapshot, filled in; its permalink asks for a log that is at least as long."""
    head = reader.head()
    kept = [(name, value) for name, value in parse_qsl(query) if name != _NOT_PERMANENT]
    permalink = f"{path}?{urlencode([*kept, (_NOT_PERMANENT, head.size)])}"
    about = {"size": head.size, "at_ms": head.at_ms, "permalink": permalink}
    proves = page.proves or [head.size - 1]
    return _filled(
        page, **about, proves=proves, network=reader.network().origin, names=names_on(reader, page.data)
    )


def names_on(reader: Reader, data: Mapping[str, Any]) -> Names:
    """The handles of the agents that a page names, all read at once."""
    dids = list(dict.fromkeys(DID.findall(msgspec.json.encode(data).decode())))[:MAX_NAMES]
    handles = {party.id: party.handle for party in reader.records(Party, dids)} if dids else {}
    return Names(dids, handles)


def alone(page: Page) -> bytes:
    """A page that shows nothing of the log."""
    return _filled(page, size=None, at_ms=0, permalink="", proves=(), network="", names=Names((), {}))


def _filled(page: Page, **about: Any) -> bytes:
    filled = _PAGES.get_template(page.template).render(page=page, **about, **page.data)
    return filled.encode("utf-8", "replace")


def html(body: bytes, status: int = 200, **headers: str) -> Response[bytes]:
    """A filled page as an answer."""
    return answer(body, status, HTML, **SAFELY, **headers)
