"""The tables of the documentation that restate code, made from it."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields as options
from functools import cache
from typing import Any, get_args

import msgspec
from litestar import Litestar
from litestar.di import Provide

from tests.docs.parts import DOCS, ROOT
from trust import errors
from trust import settings as settings_module
from trust.api.application import ROUTES
from trust.api.documents import describe
from trust.api.telemetry import Telemetry
from trust.cli import GROUPS, build
from trust.core import lifecycle, payloads
from trust.core.events import BatchTerms, DrawnSeat, Events
from trust.core.overhead import DEFAULT
from trust.core.policy import Coordination, Policy
from trust.core.rate import RateInputs
from trust.core.records import Alternate, Challenge, Claim, Party, Round, Seat, Task, Withdrawal
from trust.core.rules import acts
from trust.core.sampling.shortlist import Candidate, Shortlisted

NAMED = {
    "did": payloads.Did, "network": payloads.Network, "name": payloads.Name, "handle": payloads.Handle,
    "hex32": payloads.Hex32, "text": payloads.ShortText, "uri": payloads.Uri, "account": payloads.Account,
    "id": payloads.Id, "base64": payloads.Base64, "count": payloads.Count, "amount": payloads.Amount,
    "ppm": payloads.Ppm,
}  # fmt: skip
"""Types that more than one field has, by their names in docs/protocol.md; `count` is that of ms and units too."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    cells = [list(map(str, row)) for row in (head, ["---"] * len(head), *rows)]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in cells)


def sentence(thing: object) -> str:
    """The first paragraph of a docstring on one line."""
    own = getattr(thing, "__doc__", None) or ""
    return " ".join(inspect.cleandoc(own).split("\n\n")[0].split())


def grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


# -- statements


def kinds() -> dict[str, type[payloads.Payload]]:
    """Each kind of statement by its name, in the order of the closed list."""
    return payloads.KINDS


def statement_kinds() -> str:
    rows = [(f"`{name}`", kind.signers.words, _sent_to(kind)) for name, kind in kinds().items()]
    return table(("kind", "signed by", "sent to"), rows)


def _sent_to(kind: type[payloads.Payload]) -> str:
    return f"`POST {kind.endpoint}`" if kind.endpoint else "nowhere: it is shown inside `evidence.submit`"


def statement_fields() -> str:
    common = {field.name for field in msgspec.structs.fields(payloads.Payload)}
    rows = []
    for kind, shape in kinds().items():
        own = [field for field in msgspec.structs.fields(shape) if field.name not in common]
        rows += [(f"`{kind}`", f"`{each.encode_name}`", bounds(each.type), presence(each)) for each in own]
    return table(("kind", "field", "type and bounds", "present"), rows)


def nested_fields() -> str:
    shapes = (payloads.Items, payloads.Reference, payloads.Artifact, payloads.OpenedItem, payloads.JudgedItem)
    rows = [
        (f"`{shape.__name__}`", f"`{each.encode_name}`", bounds(each.type), presence(each))
        for shape in shapes
        for each in msgspec.structs.fields(shape)
    ]
    return table(("object", "field", "type and bounds", "present"), rows)


def named_types() -> str:
    return table(("type", "is"), [(name, _described(kind)) for name, kind in NAMED.items()])


def presence(field: Any) -> str:
    """Whether a field must be there."""
    if field.default is msgspec.NODEFAULT:
        return "always"
    return "may be left out" if field.default in (None, ()) else f"may be left out: {field.default}"


def bounds(kind: Any) -> str:
    """A type in words, by its name where it has one."""
    optional = [each for each in get_args(kind) if each is not type(None)]
    if type(None) in get_args(kind) and len(optional) == 1:
        return bounds(optional[0])
    for name, known in NAMED.items():
        if kind == known:
            return name
    return _described(kind)


def _described(kind: Any) -> str:
    info: Any = msgspec.inspect.type_info(kind)
    match info:
        case msgspec.inspect.IntType():
            return f"integer {_span(info.ge, info.le)}"
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.LiteralType():
            return " or ".join(f"`{value}`" for value in info.values)
        case msgspec.inspect.StrType():
            return _text(info)
        case msgspec.inspect.StructType():
            return f"object `{info.cls.__name__}`"
        case msgspec.inspect.VarTupleType():
            return f"list of {_inner(kind)}{_lengths(info)}"
    raise TypeError(f"{kind} has no words yet")


def _inner(kind: Any) -> str:
    """What a list is of; annotations wrap it."""
    while get_args(kind) and (kind := get_args(kind)[0]) is not tuple and not get_args(kind):
        break
    return bounds(get_args(kind)[0] if getattr(kind, "__origin__", None) is tuple else kind)


def _span(least: int | None, most: int | None) -> str:
    if most == 2**53 - 1:
        return f"from {least}"
    return f"from {grouped(least or 0)} to {grouped(most or 0)}" if most is not None else f"from {least}"


def _text(info: Any) -> str:
    size = _lengths(info, "characters")
    pattern = (info.pattern or "").replace(r"$(?!\n)", "$")
    return f"text{size}" + (f", `{pattern}`" if pattern else "")


def _lengths(info: Any, of: str = "") -> str:
    least, most = info.min_length, info.max_length
    if least is None and most is None:
        return ""
    return f" ({least or 0} to {most}{' ' + of if of else ''})"


# -- events


def events() -> str:
    return table(("event", "fields", "meaning"), [_event(kind) for kind in get_args(Events)])


def _event(kind: Any) -> tuple[str, str, str]:
    tag = str(kind.__struct_config__.tag)
    return f"`{tag}`", _members(kind), kind.says or sentence(kind)


def _members(shape: type[msgspec.Struct]) -> str:
    """The members of an object in their order, with the defaults of those that are left out where they have them."""
    return ", ".join(
        f"`{field.encode_name}`"
        + ("" if field.default is msgspec.NODEFAULT else f" ({_default(field.default)})")
        for field in msgspec.structs.fields(shape)
    )


def _default(value: object) -> str:
    return "none" if value is None else '""' if value == "" else "[]" if value == () else str(value).lower()


def event_objects() -> str:
    shapes = (DrawnSeat, Alternate, Candidate, Shortlisted, BatchTerms, RateInputs)
    rows = [
        (
            f"`{shape.__name__}`",
            "list" if shape.__struct_config__.array_like else "object",
            _members(shape),
            _used_by(shape),
        )
        for shape in shapes
    ]
    return table(("object", "encoded as", "fields", "in"), rows)


def _used_by(shape: type[msgspec.Struct]) -> str:
    used = [
        f"`{kind.__struct_config__.tag}` `{field.encode_name}`"
        for kind in get_args(Events)
        for field in msgspec.structs.fields(kind)
        if re.search(rf"\b{shape.__name__}\b", str(field.type))
    ]
    return ", ".join(used)


def reasons_of_postings() -> str:
    """Every word that a rule pays with."""
    sources = sorted((ROOT / "trust" / "core").rglob("*.py"))
    found = {
        word for path in sources for word in re.findall(r"\bpay\(\s*\"([a-z.-]+)\"", path.read_text("utf-8"))
    }
    return ", ".join(f"`{word}`" for word in sorted(found)) + "\n"


def mermaid(life: lifecycle.Life) -> str:
    """The life as a Mermaid state diagram: one arrow for each pair of states, with the acts that lead along it.

    Acts that leave the state as it is are not drawn.
    """
    arrows: dict[tuple[str, str], list[str]] = {}
    for act, found in life.moves.items():
        for before, lefts in found.items():
            for after in sorted(lefts - {before}):
                arrows.setdefault((before, after), []).append(act)
    left = {before for before, _ in arrows}
    ends = dict.fromkeys(after for _, after in arrows if after not in left)
    lines = [
        f"    {before or '[*]'} --> {after}: {', '.join(acts)}" for (before, after), acts in arrows.items()
    ]
    lines += [f"    {end} --> [*]" for end in ends]
    return "\n".join(("stateDiagram-v2", *lines)) + "\n"


def diagram(name: str) -> Callable[[], str]:
    """The maker of a life as a Mermaid diagram."""
    return lambda: f"```mermaid\n{mermaid(lifecycle.LIVES[name])}```\n"


def due_items() -> str:
    rows = [(f"`{kind}`", sentence(act)) for kind, act in sorted(acts.DUE.items())]
    return table(("kind", "what happens"), rows)


def write_results() -> str:
    rows = [
        (f"`{kind.__struct_config__.tag}`", ", ".join(f"`{name}`" for name in kind.creates))
        for kind in get_args(Events)
        if kind.creates
    ]
    return table(("event", "members of `result`"), rows)


def shown_records() -> str:
    shown = (Party, Task, Claim, Round, Seat, Challenge, Withdrawal)
    rows = [
        (
            kind.__name__,
            ", ".join(f"`{field.name}`" for field in msgspec.structs.fields(kind)),
            sentence(kind),
        )
        for kind in shown
    ]
    return table(("record", "fields", "meaning"), rows)


# -- codes, numbers, paths, commands, settings, metrics


def error_codes() -> str:
    by_status = sorted(errors.CODES.items(), key=lambda pair: (pair[1].status, pair[0]))
    return table(
        ("status", "code", "what to do"), [(code.status, f"`{name}`", code.hint) for name, code in by_status]
    )


@cache
def numbers() -> dict[str, str]:
    """Every number of a policy as `section.name`, with its bounds."""
    found = {}
    for section in msgspec.structs.fields(Policy):
        if section.name != "name":
            kind = Coordination if section.name == "coordination" else section.type
            for field in msgspec.structs.fields(kind):
                found[f"{section.name}.{field.name}"] = _described(field.type)
    return found


def policy_numbers() -> str:
    profiles = [
        tomllib.loads((ROOT / "policies" / f"{name}.toml").read_text(encoding="utf-8"))
        for name in ("standard", "fast", "sandbox")
    ]
    used = rules_by_number()
    rows = []
    for number, limits in numbers().items():
        section, name = number.split(".")
        values = (
            [f"({_value(getattr(DEFAULT, name))})"] * 3
            if section == "coordination"
            else [_value(profile[section][name]) for profile in profiles]
        )
        rows.append((f"`{number}`", limits, *values, ", ".join(used.get(number, ()))))
    return table(("number", "type and bounds", "standard", "fast", "sandbox", "rules"), rows)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return grouped(value) if isinstance(value, int) else ", ".join(map(str, value)) or "none"  # type: ignore[call-overload]


def rules_by_number() -> dict[str, list[str]]:
    """Which rules of docs/rules.md and docs/reputation.md name a number of the policy."""
    found: dict[str, list[str]] = {}
    for page in ("rules.md", "reputation.md"):
        text = (DOCS / page).read_text(encoding="utf-8")
        for rule, body in re.findall(
            r"^- \*\*([RS]\d+\.\d+)\*\* (.*?)(?=^- \*\*|^#|^<!--|\Z)", text, re.MULTILINE | re.DOTALL
        ):
            for number in re.findall(r"`([a-z]+\.[a-z_]+)`", body):
                if number in numbers() and rule not in found.setdefault(number, []):
                    found[number].append(rule)
    return found


@cache
def api() -> dict[str, Any]:
    """The OpenAPI document of the service."""
    provided = {"service": Provide(lambda: None, sync_to_thread=False)}
    return describe(Litestar(route_handlers=ROUTES, dependencies=provided).openapi_schema.to_schema())


def endpoints() -> str:
    rows = []
    for path, operations in sorted(api()["paths"].items()):
        for method, operation in operations.items():
            if isinstance(operation, dict) and "responses" in operation:
                asked = [each["name"] for each in operation.get("parameters", []) if each["in"] == "query"]
                query = f"?{'&'.join(asked)}" if asked else ""
                rows.append((f"`{method.upper()} {path}{query}`", operation.get("summary", "")))
    return table(("path", "what it answers"), rows)


def commands() -> str:
    rows = []
    for name in GROUPS:
        app = build()[name]
        names = [each for each in app if not each.startswith("-")]
        rows += [(f"`trust {name} {each}`", _help(app[each])) for each in names] or [
            (f"`trust {name}`", GROUPS[name])
        ]
    return table(("command", "what it does"), rows)


def _help(app: Any) -> str:
    return sentence(app.default_command) if app.default_command else app.help


def settings() -> str:
    comments = _comments()
    rows = []
    for option in options(settings_module.Settings):
        if option.metadata:
            name = option.metadata["name"] or option.name
            default, about = _setting(option.default), comments[option.name]
            rows.append((f"`{name}`", f"`TRUST_{name.upper()}`", default, about))
    return table(("setting", "variable", "default", "notes"), rows)


def _comments() -> dict[str, str]:
    """The comment behind each setting in the source."""
    source = inspect.getsource(settings_module)
    lines = source.splitlines()
    [shape] = [
        node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.name == "Settings"
    ]
    return {
        node.target.id: lines[(node.end_lineno or 0) - 1].partition("  # ")[2]
        for node in shape.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _setting(value: object) -> str:
    if value in ("", (), None):
        return "none"
    return grouped(value) if isinstance(value, int) else f"`{value}`"


def metrics() -> str:
    telemetry = Telemetry()
    telemetry.answered({"method": "GET", "path_template": "/"}, 200, 1)
    text = telemetry.text().decode()
    kinds_of = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    found = dict(re.findall(r"^# HELP (\S+) (.*)$", text, re.MULTILINE))
    rows = [
        (f"`{name}`", kinds_of[name], about) for name, about in found.items() if not name.endswith("_created")
    ]
    return table(("metric", "type", "meaning"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "statement-kinds": statement_kinds,
    "statement-fields": statement_fields,
    "nested-fields": nested_fields,
    "named-types": named_types,
    "events": events,
    "event-objects": event_objects,
    "reasons-of-postings": reasons_of_postings,
    "write-results": write_results,
    "records": shown_records,
    "due-items": due_items,
    **{f"life-of-a-{name}": diagram(name) for name in ("claim", "task", "round", "seat", "squad")},
    "error-codes": error_codes,
    "policy-numbers": policy_numbers,
    "endpoints": endpoints,
    "commands": commands,
    "settings": settings,
    "metrics": metrics,
}
