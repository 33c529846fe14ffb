"""Ed25519 at its edges, by the cases that others published: CCTV, ed25519-speccheck and Wycheproof."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.shared import VECTORS, need
from trust.log import ed25519

FOLDER = VECTORS / "ed25519"


def cases(path: Path) -> Any:
    return json.loads(need(path).read_text())


def test_of_cctv_only_the_honest_signature_is_accepted() -> None:
    found = cases(FOLDER / "cctv-ed25519vectors.json")
    accepted = [
        case
        for case in found
        if ed25519.verify(bytes.fromhex(case["key"]), case["msg"].encode(), bytes.fromhex(case["sig"]))
    ]
    assert len(found) == 914
    assert len(accepted) == 1
    assert not accepted[0]["flags"]


def test_of_speccheck_no_case_is_accepted() -> None:
    found = cases(FOLDER / "ed25519-speccheck-cases.json")
    assert len(found) == 12
    for case in found:
        key, message, signature = (bytes.fromhex(case[name]) for name in ("pub_key", "message", "signature"))
        assert not ed25519.verify(key, message, signature)


def test_every_wycheproof_case_has_its_published_result() -> None:
    found = cases(FOLDER / "wycheproof-ed25519_test.json")
    results = [
        ed25519.verify(bytes.fromhex(key), bytes.fromhex(test["msg"]), bytes.fromhex(test["sig"]))
        == (test["result"] == "valid")
        for group in found["testGroups"]
        for key in [group["publicKey"]["pk"]]
        for test in group["tests"]
    ]
    assert len(results) == found["numberOfTests"] == 151
    assert all(results)
