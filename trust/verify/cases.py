"""The facts of a claim that a bundle proves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeatTaken:
    """A verifier's place: `state` as in `records.Seat`, `verdict` "" where it revealed none."""

    seat: str
    agent: str
    state: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Panel:
    """A round: the draw's entry and beta (hex), its seats, its verdict ("" for none).

    `passed` are the agents that the draw came upon and the panel passed over, None where the seats are not traced to
    the draw.
    """

    round: int
    index: int
    beta: str
    seats: tuple[SeatTaken, ...]
    verdict: str
    passed: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Challenged:
    """A challenge: its entry, who made it, what it attacked, the round that it opened, and how it ended (open: not)."""

    challenge: str
    index: int
    challenger: str
    against: str
    round: int
    state: str


@dataclass(frozen=True, slots=True)
class Shortlist:
    """The draw that the worker was on the shortlist of: its entry and beta (hex), and who else was.

    `probation` are those of them from that lane; `passed` are the agents that the draw came upon and passed over, None
    where the shortlist is not traced to the draw.
    """

    index: int
    beta: str
    agents: tuple[str, ...]
    probation: tuple[str, ...]
    eligible: int
    owners: int
    passed: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Case:
    """The case that a bundle proved: of whom, in which entries, and how the claim stands after the last of them.

    `route` is how the worker came to the task, `delta_ppm` what praise counts for that; `shortlist` is None unless a
    draw led there.

    `checked` is the coin, None before it; `relay_signers` are the coordinators that signed the claim, None where the
    relay's group is not in the bundle; `postings` (index, why, changes in units) name an account of the case.
    """

    network: str
    size: int
    root: str
    entries: tuple[int, ...]
    claim: str
    task: str
    requester: str
    worker: str
    relay: str
    relay_signers: tuple[str, ...] | None
    price_units: int
    stake_units: int
    route: str
    delta_ppm: int
    shortlist: Shortlist | None
    rate_ppm: int
    output: str
    checked: bool | None
    panels: tuple[Panel, ...]
    verdict: str
    state: str
    slashed_units: int
    postings: tuple[tuple[int, str, tuple[tuple[str, int], ...]], ...]
    challenges: tuple[Challenged, ...]
