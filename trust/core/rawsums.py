"""A record's raw sums: six sums of observations, decaying forward (docs/reputation.md 2).

An event at t adds w*G(t), a reading at t divides by G(t), G doubles every half-life (decay.py). Sums are exact
integers of any size, so order, sharding and snapshots cannot change a score.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Literal, Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from trust.core.decay import HalfLives, growth

FAILURE_HALF_LIVES = 4

Kind = Literal["good", "bad", "failure"]
R = TypeVar("R", bound=msgspec.Struct)


class Observation(Protocol):
    """Final weights of one event, in milli-units."""

    @property
    def good_milli(self) -> int: ...
    @property
    def bad_milli(self) -> int: ...
    @property
    def failure_milli(self) -> int: ...


class Sums(msgspec.Struct, frozen=True):
    """The raw sums of one record: weight in milli-units times G of the event's time."""

    good_slow: int = 0
    bad_slow: int = 0
    failure_slow: int = 0
    good_fast: int = 0
    bad_fast: int = 0
    failure_fast: int = 0


class Reading(msgspec.Struct, frozen=True):
    """Decayed observations at one moment in milli-units; failures are among the bad ones."""

    good_slow: int
    bad_slow: int
    good_fast: int
    bad_fast: int


def add(sums: Sums, decay: HalfLives, kind: Kind, weight_milli: int, t_ms: int) -> Sums:
    """The sums after one observation at t."""
    lives = FAILURE_HALF_LIVES if kind == "failure" else 1
    slow = weight_milli * growth(t_ms, decay.t0_ms, decay.slow_half_life_ms * lives)
    fast = weight_milli * growth(t_ms, decay.t0_ms, decay.fast_half_life_ms * lives)
    if kind == "good":
        return replace(sums, good_slow=sums.good_slow + slow, good_fast=sums.good_fast + fast)
    if kind == "bad":
        return replace(sums, bad_slow=sums.bad_slow + slow, bad_fast=sums.bad_fast + fast)
    return replace(sums, failure_slow=sums.failure_slow + slow, failure_fast=sums.failure_fast + fast)


def read(sums: Sums, decay: HalfLives, t_ms: int) -> Reading:
    """The decayed observations at t."""
    lives = decay.slow_half_life_ms, decay.fast_half_life_ms
    slow, fast, failed_slow, failed_fast = _growths(t_ms, decay.t0_ms, *lives)
    return Reading(
        good_slow=sums.good_slow // slow,
        bad_slow=sums.bad_slow // slow + sums.failure_slow // failed_slow,
        good_fast=sums.good_fast // fast,
        bad_fast=sums.bad_fast // fast + sums.failure_fast // failed_fast,
    )


@lru_cache(maxsize=16)
def _growths(t_ms: int, t0_ms: int, slow_ms: int, fast_ms: int) -> tuple[int, ...]:
    """G at one time, at which many records are read: slow, fast, and both for failures."""
    lives = slow_ms, fast_ms, FAILURE_HALF_LIVES * slow_ms, FAILURE_HALF_LIVES * fast_ms
    return tuple(growth(t_ms, t0_ms, half_life_ms) for half_life_ms in lives)


# -- as bytes


def pack(total: int) -> bytes:
    """A raw sum as the fewest bytes, big-endian; none for zero."""
    return total.to_bytes((total.bit_length() + 7) // 8)


unpack: Callable[[bytes], int] = int.from_bytes
"""The raw sum of `pack`. Whoever reads another's bytes holds them against their encoding, as `decode` does."""


def encode(sums: Sums) -> bytes:
    """All six sums, each after its length in two bytes."""
    packed = [pack(total) for total in _fields(sums)]
    return b"".join(len(part).to_bytes(2) + part for part in packed)


def decode(data: bytes) -> Sums:
    """The sums of `encode`; ValueError where the bytes are not exactly that."""
    totals, at = [], 0
    for _ in Sums.__struct_fields__:
        end = at + 2 + int.from_bytes(data[at : at + 2])
        totals.append(unpack(data[at + 2 : end]))
        at = end
    sums = Sums(*totals)
    if encode(sums) != data:
        raise ValueError("not the encoding of six raw sums")
    return sums


def scaled(before: bytes, weight_milli: int, t_ms: int, t0_ms: int, half_life_ms: int) -> bytes:
    """A packed sum after an event of this weight at t."""
    return pack(unpack(before) + weight_milli * growth(t_ms, t0_ms, half_life_ms))


def stored(record: msgspec.Struct) -> Sums:
    """The sums of a record that holds each of them packed, under the same name."""
    return Sums(*map(unpack, packed(record)))


packed: Callable[[msgspec.Struct], tuple[bytes, ...]] = attrgetter(*Sums.__struct_fields__)
"""The sums of such a record as they are stored."""


def accumulate(record: R, observation: Observation, t_ms: int, decay: HalfLives) -> R:
    """Such a record after one event at t."""
    changed: dict[str, bytes] = {}
    for kind, weight_milli in weights(observation):
        if weight_milli:
            lives = FAILURE_HALF_LIVES if kind == "failure" else 1
            for pace, half_life_ms in (("slow", decay.slow_half_life_ms), ("fast", decay.fast_half_life_ms)):
                name = f"{kind}_{pace}"
                before: bytes = getattr(record, name)
                changed[name] = scaled(before, weight_milli, t_ms, decay.t0_ms, half_life_ms * lives)
    return replace(record, **changed)


def without(sums: Sums, observation: Observation, t_ms: int, decay: HalfLives) -> Sums:
    """The sums before one event at t that is in them: exact, like the sums."""
    for kind, weight_milli in weights(observation):
        sums = add(sums, decay, kind, -weight_milli, t_ms)
    return sums


def weights(observation: Observation) -> tuple[tuple[Kind, int], ...]:
    """Each kind with its weight in milli-units."""
    return (
        ("good", observation.good_milli),
        ("bad", observation.bad_milli),
        ("failure", observation.failure_milli),
    )


def _fields(sums: Sums) -> tuple[int, ...]:
    return msgspec.structs.astuple(sums)
