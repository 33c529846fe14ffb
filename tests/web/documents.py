"""Pages taken apart: their elements, links and text, and what is wrong with their markup."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})
LOADS = frozenset({"script", "link", "img"})


@dataclass
class Document(HTMLParser):
    """A page that was read; `wrong` has what no page of ours may have, `after` is where its list goes on."""

    path: str
    links: set[str] = field(default_factory=set)
    ids: list[str] = field(default_factory=list)
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""
    after: str = ""
    wrong: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if len(given) != len(attrs):
            self.wrong.append(f"<{tag}> says an attribute twice")
        self.wrong += [f"<{tag} {name}>" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.wrong.append(f"inline <{tag}>")
        if identifier := given.get("id"):
            self.ids.append(identifier)
        if given.get("rel") == "next":
            self.after = given.get("href") or ""
        for name in ("href", "src", "action"):
            if (value := given.get(name)) is not None:
                self._link(tag, value)
        if tag not in VOID:
            self._open.append(tag)

    def _link(self, tag: str, value: str) -> None:
        if not value.startswith(("/", "#")) or value.startswith("//"):
            self.wrong.append(f"<{tag}> leads away: {value[:60]}")
        self.links.add(urldefrag(urljoin(self.path, value)).url)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.wrong.append(f"</{tag}> closes {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        """How many elements of a kind there are."""
        return sum(each == tag for each, _ in self.elements)


def read(path: str, text: str) -> Document:
    """A page taken apart, to its end."""
    document = Document(path)
    document.feed(text)
    document.close()
    document.wrong += [f"<{tag}> is not closed" for tag in document._open]
    document.wrong += [f"id {each} twice" for each in set(document.ids) if document.ids.count(each) > 1]
    return document
