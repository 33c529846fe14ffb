"""The SDK shows itself: real signatures, help that says what is to be given, results that fit on a line."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from typing import Any

import trust.client as sdk
from tests.client.services import Log, Script
from tests.factories import log_signer, seed, statement
from trust.client import AsyncTrustClient, TrustClient, Worker
from trust.client.clients import Client, conversation
from trust.client.exchanges import Exchanges

KEY = log_signer().verifier
ROLES = (sdk.Agent, sdk.Operator, sdk.Relay, sdk.Requester, sdk.Treasurer, sdk.Verifier, sdk.Worker, Client)


def _methods() -> Iterator[tuple[type, str, Any]]:
    for role in ROLES:
        for name in dir(role):
            if isinstance(found := inspect.getattr_static(role, name), conversation):
                yield role, name, found


def test_every_method_has_its_own_signature_and_words() -> None:
    methods = list(_methods())
    assert methods
    for role, name, method in methods:
        shown, own = inspect.signature(getattr(role, name)), inspect.signature(method.talk)
        assert list(shown.parameters) == list(own.parameters), (role, name)
        assert "args" not in shown.parameters, (role, name)
        assert "Exchange" not in str(shown.return_annotation), (role, name)
        assert (getattr(role, name).__name__, getattr(role, name).__doc__) == (name, method.talk.__doc__)
        assert method.talk.__doc__, (role, name)


def test_a_bound_method_takes_what_a_caller_gives() -> None:
    with TrustClient("http://127.0.0.1:9", KEY) as client:
        worker = Worker(client, seed(0))
        assert (
            str(inspect.signature(worker.request))
            == "(task: 'str', relay: 'str', stake_units: 'int') -> 'bytes'"
        )
        assert "request(task: " in pydoc.plain(pydoc.render_doc(worker.request))
        assert "A signed `claim.request`" in pydoc.plain(pydoc.render_doc(worker.request))
    waiting = Worker(AsyncTrustClient("http://127.0.0.1:9", KEY), seed(0))
    assert inspect.signature(waiting.request).return_annotation == "Coroutine[Any, Any, bytes]"


def test_the_help_of_a_role_lists_its_methods_with_what_they_take() -> None:
    shown = pydoc.plain(pydoc.render_doc(Worker))
    assert "request(self, task: " in shown
    assert "lambda" not in shown


def test_what_was_accepted_prints_one_line() -> None:
    log = Log()
    log.events = lambda spoken: [{"kind": "claim.opened", "claim": "clm_x"}]
    accepted = Script(log.handle).run(Exchanges(KEY).send(statement("claim.request")))
    assert accepted.created == {"claim": "clm_x"}
    for shown in (repr(accepted), repr(sdk.Granted(accepted, b"x" * 1_000))):
        assert len(shown) < 250
        assert "clm_x" in shown
    assert len(repr(accepted.entry)) < 500


def test_what_a_judge_needs_is_in_the_package() -> None:
    assert {"Judge", "Judgement", "Case", "Outbox"} <= set(sdk.__all__)
    assert all(hasattr(sdk, name) for name in sdk.__all__)
