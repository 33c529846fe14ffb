"""Every statement kind says where it is posted and who signs it."""

from __future__ import annotations

import pytest

from trust.core import rulebook
from trust.core.payloads import KINDS, RelayConfirm


@pytest.mark.parametrize("kind", KINDS)
def test_a_statement_kind_says_where_it_is_posted_and_who_signs_it(kind: str) -> None:
    payload = KINDS[kind]
    assert payload.signers
    assert payload.endpoint.startswith("/v1/") or payload is RelayConfirm


def test_the_rulebook_decides_every_kind_that_is_posted_and_no_other() -> None:
    assert set(rulebook.ACTS) == {payload for payload in KINDS.values() if payload.endpoint}
