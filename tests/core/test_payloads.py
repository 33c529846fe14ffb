"""Every statement kind says where it is posted and who signs it, and the rulebook holds it to that."""

from __future__ import annotations

from typing import get_args

import pytest

from tests.core.flows import Scene, scene
from trust.core import payloads as p
from trust.core.payloads import KINDS, RelayConfirm, SignedBy
from trust.core.rules import acts


@pytest.fixture
def town() -> Scene:
    return scene()


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_kind_says_where_it_is_posted_and_who_signs_it(kind: str) -> None:
    payload = KINDS[kind]
    assert payload.signers.words
    assert payload.endpoint.startswith("/v1/") or payload is RelayConfirm


def test_the_rulebook_decides_every_kind_that_is_posted_and_no_other() -> None:
    assert set(acts.ACTS) == {payload for payload in KINDS.values() if payload.endpoint}


def test_every_rule_of_signing_is_that_of_some_kind() -> None:
    assert {payload.signers.by for payload in KINDS.values()} == set(get_args(SignedBy))


def test_nothing_is_decided_by_an_act_that_asked_nobody_who_signed(
    town: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(p.TaskPost, "signers", p.Signers("nobody"))
    size = town.net.draft.size
    with pytest.raises(AssertionError, match=r"nobody asked who signed a task\.post"):
        town.post()
    assert town.net.draft.size == size


def test_what_a_relay_attests_has_a_rule_for_its_own_signers() -> None:
    with pytest.raises(ValueError, match="nobody checks who signed a KeyAdopt that a relay attests"):
        acts.act(p.KeyAdopt, is_attestable=True)


def test_a_kind_and_a_due_date_have_one_act_each() -> None:
    with pytest.raises(ValueError, match="TaskPost has an act already"):
        acts.act(p.TaskPost)(lambda d, said: None)
    with pytest.raises(ValueError, match="deadline timers have an act already"):
        acts.due("deadline")(lambda d, id: None)
