"""Commands that sign one statement and send it, made from the statement's payload type."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any, get_args

import msgspec
from cyclopts import App

from trust import clock
from trust.cli.connection import SERVICE, Me, Service
from trust.cli.values import Count, Units, duration_ms
from trust.core.payloads import Payload


def statement(app: App, name: str, kind: type[Payload], text: str, words: Mapping[str, str]) -> None:
    """Adds the command `name`, which signs and sends a statement of this kind; `text` is its help.

    `words` name the fields that it takes, with their help. One that a statement must have is an argument, any other an
    option without its unit; a time is typed as how long from now, such as 2h. The types bound the values.
    """
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    taken = {field.removesuffix("_ms").removesuffix("_units"): field for field in words}

    def command(*arguments: Any, me: Me, service: Service = SERVICE, **options: Any) -> None:
        from trust.client import Agent

        given = dict(zip(taken, arguments, strict=False)) | options
        values = {taken[name]: value for name, value in given.items() if value is not None}
        typed = {field: value for field, value in values.items() if field.endswith("_ms")}
        begun_ms = clock.now_ms() if typed else 0
        times = {field: begun_ms + duration_ms(value) for field, value in typed.items()}
        with service.acting(Agent, me, " ".join(typed.values())) as agent:
            service.accepted(agent.send(kind, **(values | times)))

    parameters = [_parameter(name, fields[field]) for name, field in taken.items()]
    parameters += [
        Parameter("me", Parameter.KEYWORD_ONLY, annotation=Me),
        Parameter("service", Parameter.KEYWORD_ONLY, annotation=Service, default=SERVICE),
    ]
    described = "".join(f"{name}\n    {words[field]}\n" for name, field in taken.items())
    command.__doc__ = f"{text}\n\nParameters\n----------\n{described}" if words else text
    command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    app.command(command, name=name)


def _parameter(name: str, field: msgspec.structs.FieldInfo) -> Parameter:
    """Returns the parameter of a command for a field of a statement."""
    scalar: Any = str if field.name.endswith("_ms") else _scalar(field.type)
    if scalar is int:
        scalar = Units if field.name.endswith("_units") else Count
    if field.required:
        return Parameter(name, Parameter.POSITIONAL_ONLY, annotation=scalar)
    return Parameter(name, Parameter.KEYWORD_ONLY, annotation=scalar | None, default=None)


def _scalar(kind: Any) -> type:
    """Returns `str` or `int`: what a field's type is without its bounds."""
    if kind in (str, int):
        return kind  # type: ignore[no-any-return]
    return next(_scalar(each) for each in get_args(kind) if each is not type(None))
