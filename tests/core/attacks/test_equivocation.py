"""Attacks with two outputs for one claim: one for the log, another for whoever is shown it."""

from __future__ import annotations

import pytest

from tests.core.flows import Scene, scene
from tests.core.network import Who
from tests.core.proofs import OTHER, evidence, whole
from trust.core import payloads as p
from trust.core.commands import Spoken


@pytest.fixture
def town() -> Scene:
    return scene()


def convicts(town: Scene, first: Spoken, other: Spoken) -> None:
    town.net.do(evidence(town, town.rival, "equivocation", first, other))
    assert town.party(town.worker).left == "tombstoned"
    whole(town)


def rotated(town: Scene) -> Who:
    new = Who("new key")
    town.net.say(p.AgentRotate, town.worker, new, new_key=new.did)
    return new


def test_two_outputs_of_which_one_is_backdated(town: Scene) -> None:
    """Under rules 1 the second was `not-after` and convicted nobody, although both were good at the same time."""
    claim = town.claimed()
    first = town.output(claim)
    town.net.do(first)
    convicts(town, first, town.output(claim, artifacts=(OTHER,), issued_ms=first.payload.issued_ms - 500))


def test_two_outputs_of_which_one_is_by_the_key_after_a_rotation(town: Scene) -> None:
    """Under rules 1 the second was by `other-keys`, and convicted nobody."""
    claim = town.claimed()
    first = town.output(claim)
    town.net.do(first)
    new = rotated(town)
    said = {"claim": claim, "artifacts": (OTHER,)}
    convicts(town, first, town.net.statement(p.OutputSubmit, town.worker, signers=[new], **said))


def test_two_outputs_of_which_the_logged_one_is_by_the_key_after_a_rotation(town: Scene) -> None:
    claim = town.claimed()
    other = town.output(claim, artifacts=(OTHER,))
    said = town.output(claim).payload
    assert isinstance(said, p.OutputSubmit)
    town.net.tick(1)
    first = town.net.statement(
        p.OutputSubmit,
        town.worker,
        signers=[rotated(town)],
        claim=claim,
        artifacts=said.artifacts,
        issued_ms=said.issued_ms,
    )
    town.net.do(first)
    convicts(town, first, other)


def test_a_thief_of_an_old_key_convicts_nobody_of_what_was_delivered_since(town: Scene) -> None:
    """It can date its output as it likes: what an old key signs was over when the key was."""
    claim = town.claimed()
    town.net.tick(5)
    before_ms = town.net.now_ms
    new = rotated(town)
    first = town.net.statement(
        p.OutputSubmit, town.worker, signers=[new], claim=claim, artifacts=(OTHER, OTHER)
    )
    town.net.do(first)
    stolen = town.net.statement(
        p.OutputSubmit, town.worker, claim=claim, artifacts=town_artifact(), issued_ms=before_ms
    )
    town.net.refused("not-at-once", evidence(town, town.rival, "equivocation", first, stolen))


def town_artifact() -> tuple[p.Artifact, ...]:
    return (p.Artifact(name="stolen.json", sha256="3" * 64, size_bytes=3),)


def test_an_output_that_had_expired_before_the_other_was_signed_convicts_nobody(town: Scene) -> None:
    """A worker whose first output never arrived signs another once that one is over."""
    claim = town.claimed()
    lost = town.output(claim, artifacts=(OTHER,), expires_ms=town.net.now_ms + 100)
    town.net.tick(100)
    first = town.output(claim)
    town.net.do(first)
    town.net.refused("not-at-once", evidence(town, town.rival, "equivocation", first, lost))
