"""The strict reader against a slow one that is obviously right, and cases that other readers get wrong."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trust.core import strict
from trust.core.envelope import Envelope
from trust.core.payloads import Statement
from trust.core.strict import Malformed

LIMIT = 1 << 20


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    a: int
    note: str | None = None


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    inner: tuple[Inner, ...] = ()
    extra: dict[str, int] = {}


def reference(data: bytes) -> Any:
    """What the reader must do, by the standard library alone; an exception where it must refuse."""
    value = json.loads(
        data.decode("utf-8"),
        object_pairs_hook=_pairs,
        parse_int=_integer,
        parse_float=_refuse,
        parse_constant=_refuse,
    )
    _walk(value, 0)
    return value


def _refuse(text: str) -> Any:
    raise ValueError(text)


def _integer(text: str) -> int:
    if len(text) > 20 or abs(int(text)) > 2**53 - 1:
        raise ValueError(text)
    return int(text)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate")
    return dict(pairs)


def _walk(value: Any, depth: int) -> None:
    if isinstance(value, str):
        value.encode("utf-8")
    elif isinstance(value, dict | list):
        if depth == 16:
            raise ValueError("depth")
        for part in [*value, *value.values()] if isinstance(value, dict) else value:
            _walk(part, depth + 1)


def outcome(data: bytes, shape: Any = Any) -> tuple[bool, Any]:
    try:
        return True, strict.parse(data, shape, max_bytes=LIMIT)
    except Malformed:
        return False, None


def expected(data: bytes) -> tuple[bool, Any]:
    try:
        return True, reference(data)
    except (ValueError, RecursionError):
        return False, None


keys = st.sampled_from(["a", "b", "", "é", '"', "a:", "\\", "x" * 20])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**54), 2**54),
    st.sampled_from([2**53 - 1, 2**53, -(2**53), 10**17, 2**64, 10**400]),
    st.text(max_size=8),
    st.sampled_from([1.5, 1e300, "\ud800", 'a":{}', "1.5", "[[[["]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def texts(draw: st.DrawFn) -> bytes:
    """JSON of every spacing and escaping, often damaged in one place."""
    value = draw(values)
    compact, ascii_only = draw(st.booleans()), draw(st.booleans())
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":") if compact else (" , ", "\n: "))
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.booleans()):
        at = draw(st.integers(0, len(data)))
        piece = draw(st.sampled_from([*b'"\\{}[],:1.-\xff\x00 \n', b"e5", b"null"]))
        data = (
            data[:at]
            + (bytes([piece]) if isinstance(piece, int) else piece)
            + data[at + draw(st.integers(0, 2)) :]
        )
    return data


@settings(max_examples=200, deadline=None)
@given(texts())
@example(b'{"a":1,"\\u0061":2}')
@example(b'{"a":{"b":1,"b":2}}')
@example(b'[{"a\\"":1,"a\\"":1}]')
@example(b"[-0]")
@example(b"[1E5]")
@example(b'{"k":"1.5","l":"9999999999999999999"}')
def test_it_accepts_and_reads_exactly_what_the_slow_reference_does(data: bytes) -> None:
    assert outcome(data) == expected(data)


@settings(max_examples=500, deadline=None)
@given(st.text(alphabet='{}[]":,\\ua1.e-+0 tn\n', max_size=24))
def test_near_json_is_judged_as_by_the_slow_reference(text: str) -> None:
    assert outcome(text.encode()) == expected(text.encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40))
def test_no_bytes_whatever_raise_anything_but_malformed(data: bytes) -> None:
    outcome(data)
    outcome(data, Outer)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":['])
@pytest.mark.parametrize("times", [20, 900, 20_000])
def test_deep_nesting_is_malformed_however_deep(opening: str, times: int) -> None:
    with pytest.raises(Malformed):
        strict.parse((opening * times).encode(), Any, max_bytes=LIMIT)


def test_sixteen_levels_are_read_and_seventeen_are_not() -> None:
    assert outcome(b"[" * 16 + b"]" * 16)[0]
    with pytest.raises(Malformed, match="deeper"):
        strict.parse(b"[" * 17 + b"]" * 17, Any, max_bytes=LIMIT)


def test_width_is_not_depth() -> None:
    assert outcome(b"[" + b",".join([b"[]"] * 100) + b"]")[0]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'\xef\xbb\xbf{"name":"x"}', "byte order mark"),
        (b'{"name":"\xff"}', "UTF-8"),
        (b'{"name":"\xed\xa0\x80"}', "UTF-8"),
        (b'{"name":"\\ud800"}', "."),
        (b'{"name":"x","name":"x"}', "'name' more than once"),
        (b'{"name":"x","inner":[{"a":1,"a":1}]}', "'a' more than once"),
        (b'{"name":"x","extra":{"k":1,"k":1}}', "'k' more than once"),
        (b'{"name":"x","n\\u0061me":"y"}', "'name' more than once"),
        (b'{"name":"x","other":1}', "other"),
        (b'{"name":1}', "str"),
        (b'{"name":"x"} {}', "trailing"),
        (b'{"name":"x","inner":[{"a":1.0}]}', "float"),
        (b'{"name":"x","inner":[{"a":1e2}]}', "float"),
        (b'{"name":"x","inner":[{"a":NaN}]}', "."),
        (b'{"name":"x","inner":[{"a":9007199254740992}]}', "2\\^53-1"),
        (b'{"name":"x","inner":[{"a":-9007199254740992}]}', "2\\^53-1"),
        (b'{"name":"x","inner":[{"a":' + b"9" * 5000 + b"}]}", "."),
        (b"", "."),
    ],
)
def test_each_ambiguity_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=reason) as refused:
        strict.parse(data, Outer, max_bytes=LIMIT)
    assert refused.value.code == "malformed"
    assert str(refused.value)


def test_a_fraction_is_refused_where_the_type_would_take_it() -> None:
    for number in (b"1.0", b"1e2", b"-0.5"):
        with pytest.raises(Malformed, match="fraction or an exponent"):
            strict.parse(number, float, max_bytes=LIMIT)


def test_other_spacing_order_and_explicit_defaults_are_read_alike() -> None:
    loose = b'{ "inner" : [ {"note":null, "a":9007199254740991} ], "name" : "\\u0078" }'
    assert strict.parse(loose, Outer, max_bytes=LIMIT) == Outer("x", (Inner(2**53 - 1),))


def test_one_byte_over_the_limit_is_too_large() -> None:
    assert strict.parse(b'"abc"', str, max_bytes=5) == "abc"
    with pytest.raises(Malformed) as refused:
        strict.parse(b'"abc"', str, max_bytes=4)
    assert refused.value.code == "too-large"


def test_a_type_that_keeps_raw_json_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(TypeError):
        strict.parse(b"[{}]", list[msgspec.Raw], max_bytes=LIMIT)


def test_an_unterminated_string_of_escapes_takes_linear_time() -> None:
    assert not outcome(b'"' + b'\\"' * 200_000)[0]


@given(st.binary(max_size=70))
def test_base64_reads_back_what_it_wrote(data: bytes) -> None:
    assert strict.b64(strict.base64_of(data), len(data)) == data


@pytest.mark.parametrize(
    "text", ["AB==", "AA=", "AA", "AA==\n", " AA==", "A-__", "AA==AA==", "=", "é", "AAA=="]
)
def test_base64_that_is_not_canonical_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        strict.b64(text)


def test_base64_of_another_length_is_refused() -> None:
    with pytest.raises(Malformed, match="expected 2"):
        strict.b64("AA==", 2)


def test_hex_is_64_lower_case_digits() -> None:
    assert strict.hex32("0f" * 32) == b"\x0f" * 32
    for text in ("0F" * 32, "0f" * 31, "0f" * 33, "0f" * 31 + " 0f", "\u0660" * 64, "0f" * 32 + "\n"):
        with pytest.raises(Malformed):
            strict.hex32(text)


class Nested(msgspec.Struct, forbid_unknown_fields=True):
    inner: Nested | None = None


@pytest.mark.parametrize("shape", [Any, int, float, list[float], dict[str, Any], Nested])
def test_a_shape_that_leaves_something_open_is_looked_at_twice(shape: Any) -> None:
    assert not strict._is_closed(shape)


@pytest.mark.parametrize("shape", [Envelope, Statement, list[str]])
def test_a_shape_that_leaves_nothing_open_is_looked_at_once(shape: Any) -> None:
    assert strict._is_closed(shape)
