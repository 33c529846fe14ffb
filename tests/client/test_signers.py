"""A key that is in another process signs the same bytes as its seed would, and nothing is sent where it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.statements import ORIGIN, Party
from trust.client import ClientError, key_at, remote_key
from trust.client.statements import Speaker, cosign
from trust.core.payloads import AgentRotate, ClaimRenew
from trust.core.uploads import Upload, upload
from trust.log import ed25519
from trust.log.ed25519 import RemoteKey
from trust.relay.messages import hello_bytes

EXAMPLE = Path(__file__).resolve().parents[2] / "docs/examples/signer.py"
SEED = Party("somebody").seed
CLAIM = "clm_" + "a" * 26


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteKey]:
    """The key of the example's process."""
    folder = tmp_path_factory.mktemp("signer")
    (folder / "key").write_text(SEED.hex() + "\n")
    at = folder / "s"
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), str(folder / "key"), str(at)], stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening")
        assert at.stat().st_mode & 0o077 == 0
        key = key_at(at)
        yield key
    finally:
        process.kill()
        process.communicate()


def test_statements_uploads_and_greetings_are_the_same_bytes_as_by_the_seed(elsewhere: RemoteKey) -> None:
    here, there = Speaker(ORIGIN, SEED), Speaker(ORIGIN, elsewhere)
    assert there.actor == here.actor
    said = there.say(ClaimRenew, 1_000, claim=CLAIM)
    assert said == here.say(ClaimRenew, 1_000, claim=CLAIM)
    others = Party("another").seed
    assert cosign(said, others) == cosign(here.say(ClaimRenew, 1_000, claim=CLAIM), others)
    rotated = Speaker(ORIGIN, others).say(AgentRotate, 1_000, cosigners=[elsewhere], new_key=here.actor)
    assert rotated == Speaker(ORIGIN, others).say(AgentRotate, 1_000, cosigners=[SEED], new_key=here.actor)
    shown = Upload.parse(upload(ORIGIN, there.actor, elsewhere, "0" * 64, 5))
    assert shown is not None
    assert shown.is_signed(ORIGIN, "0" * 64, here.actor)
    hello = hello_bytes(ORIGIN, "rly_x", here.actor, "nonce")
    assert ed25519.sign(elsewhere, hello) == ed25519.sign(SEED, hello)


def test_the_example_signs_nothing_but_a_networks_messages(elsewhere: RemoteKey) -> None:
    with pytest.raises(ClientError, match="signer-failed"):
        ed25519.sign(elsewhere, b"pay mallory")
    assert ed25519.sign(elsewhere, hello_bytes(ORIGIN, "rly_x", "did", "nonce"))


def test_a_signer_that_fails_or_lies_is_an_error_before_anything_is_sent() -> None:
    def fails(_: bytes) -> bytes:
        raise OSError("the token was pulled out")

    for sign in (fails, lambda _: b"x" * 64, lambda message: ed25519.sign(Party("another").seed, message)):
        speaker = Speaker(ORIGIN, remote_key(ed25519.public_key(SEED), sign))
        with pytest.raises(ClientError, match="signer-failed") as told:
            speaker.say(ClaimRenew, 1_000, claim=CLAIM)
        assert "nothing was sent" in told.value.hint
    with pytest.raises(ClientError, match="invalid-key"):
        remote_key(b"\0" * 32, fails)


def test_a_key_that_is_elsewhere_does_not_show_itself(elsewhere: RemoteKey) -> None:
    assert "sign" not in repr(elsewhere)
    assert "seed" not in repr(Speaker(ORIGIN, elsewhere))
