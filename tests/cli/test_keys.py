"""Keys that a passphrase encrypts, and keys that stay with a signer: on every command that takes `--key`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.processes import ROOT
from tests.cli.served import serving
from tests.client.services import Log
from tests.factories import derived_id, log_signer
from trust import passphrases, settings
from trust.cli import run
from trust.cli.connection import Me, ask_passphrase, read_key
from trust.cli.failures import GOOD, USAGE
from trust.client.statements import did_of_seed
from trust.settings import SettingsError, copy_key, read_seed, write_seed

VKEY = str(log_signer().verifier)
SEED = bytes(range(32))


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A guess costs nothing here, and nobody is at the terminal."""
    encrypt = passphrases.encrypt
    monkeypatch.setattr(passphrases, "encrypt", lambda seed, phrase: encrypt(seed, phrase, 1, 8_192))
    monkeypatch.delenv("TRUST_PASSPHRASE_FILE", raising=False)
    ask_passphrase.cache_clear()
    passphrases.decrypt.cache_clear()
    yield
    ask_passphrase.cache_clear()


def phrase(folder: Path, text: str = "correct horse", name: str = "phrase") -> Path:
    path = folder / name
    path.write_text(f"{text}\nsecond line\n")
    path.chmod(0o600)
    return path


def test_an_encrypted_key_is_made_shown_changed_and_opened_by_its_passphrase_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "a.key"
    monkeypatch.setenv("TRUST_PASSPHRASE_FILE", str(phrase(tmp_path)))
    assert run(["keys", "new", str(key), "--encrypt"]) == GOOD
    did = capsys.readouterr().out.strip()
    assert key.stat().st_mode & 0o777 == 0o600
    assert did_of_seed(read_seed(key)) == did
    assert read_seed(key).hex() not in key.read_text()
    before = key.read_text()
    assert run(["keys", "new", str(key), "--encrypt"]) == USAGE
    assert key.read_text() == before

    other = phrase(tmp_path, "another one", "other")
    assert run(["keys", "passphrase", str(key), "--to", str(other)]) == GOOD
    assert run(["keys", "show", str(key)]) == USAGE
    assert "another passphrase" in capsys.readouterr().err
    monkeypatch.setenv("TRUST_PASSPHRASE_FILE", str(other))
    assert run(["keys", "show", str(key)]) == GOOD
    assert capsys.readouterr().out.strip() == did
    assert run(["keys", "passphrase", str(key), "--plain"]) == GOOD
    monkeypatch.delenv("TRUST_PASSPHRASE_FILE")
    assert did_of_seed(read_seed(key)) == did
    assert key.stat().st_mode & 0o777 == 0o600


def test_without_a_terminal_nobody_waits_for_a_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "a.key"
    key.write_bytes(passphrases.encrypt(SEED, b"x"))
    key.chmod(0o600)
    with pytest.raises(SettingsError, match="TRUST_PASSPHRASE_FILE"):
        read_seed(key)
    command = [sys.executable, "-c", "from trust.cli import main; main()", "keys", "show", str(key)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, start_new_session=True, timeout=60, check=False
    )
    assert done.returncode == USAGE
    assert "TRUST_PASSPHRASE_FILE" in done.stderr
    wide = phrase(tmp_path)
    wide.chmod(0o644)
    monkeypatch.setenv("TRUST_PASSPHRASE_FILE", str(wide))
    with pytest.raises(SettingsError, match="others can reach the passphrase"):
        read_seed(key)


def test_at_a_terminal_it_is_asked_for_and_never_shown(tmp_path: Path) -> None:
    key = tmp_path / "a.key"
    key.write_bytes(passphrases.encrypt(SEED, b"correct horse"))
    key.chmod(0o600)
    child, terminal = pty.fork()
    if not child:  # pragma: no cover  the other process
        os.chdir(ROOT)
        command = "from trust.cli import main; main()"
        os.execv(sys.executable, [sys.executable, "-c", command, "keys", "show", str(key)])
    shown = _until(terminal, b"Passphrase of")
    os.write(terminal, b"correct horse\n")
    shown += _until(terminal, b"did:key:")
    assert os.waitpid(child, 0)[1] == 0
    assert b"correct horse" not in shown


def _until(terminal: int, end: bytes) -> bytes:
    shown = b""
    while end not in shown:
        shown += os.read(terminal, 4_096)
    return shown


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "{}",
        '{"format":"trust/key/v9","kdf":"argon2id"}',
        '{"format":"trust/key/v1","kdf":"argon2id","ops":1,"memory_bytes":1e99,"salt":"","box":""}',
        '{"format":"trust/key/v1","kdf":"argon2id","ops":99999,"memory_bytes":8192,"salt":"00","box":"00"}',
        '{"format":"trust/key/v1","kdf":"argon2id","ops":"1","memory_bytes":8192,"salt":"00","box":"00"}',
        '{"format":"trust/key/v1","kdf":"argon2id","ops":1,"memory_bytes":8192,"salt":"00","box":"00"}',
        "[" * 100_000,
    ],
)
def test_a_damaged_key_file_is_said_to_be_one(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "a.key"
    key.write_text(text)
    key.chmod(0o600)
    monkeypatch.setenv("TRUST_PASSPHRASE_FILE", str(phrase(tmp_path)))
    assert run(["keys", "show", str(key)]) == USAGE


def test_a_backup_keeps_an_encrypted_key_encrypted(tmp_path: Path) -> None:
    key = tmp_path / "a.key"
    key.write_bytes(passphrases.encrypt(SEED, b"x"))
    key.chmod(0o600)
    copy_key(key, tmp_path / "b.key")
    assert (tmp_path / "b.key").read_bytes() == key.read_bytes()
    (tmp_path / "c.key").write_text("no key")
    (tmp_path / "c.key").chmod(0o600)
    with pytest.raises(SettingsError, match="hex digits"):
        copy_key(tmp_path / "c.key", tmp_path / "d.key")


@pytest.fixture
def signer(tmp_path: Path) -> Iterator[str]:
    """The example's process."""
    write_seed(tmp_path / "kept.key", SEED)
    example = [sys.executable, str(ROOT / "docs/examples/signer.py"), str(tmp_path / "kept.key")]
    process = subprocess.Popen([*example, str(tmp_path / "s.sock")], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"listening")
        yield f"unix:{tmp_path / 's.sock'}"
    finally:
        process.kill()
        process.communicate()


def test_a_command_signs_by_a_signer_and_keeps_what_is_undecided_where_this_user_keeps_state(
    signer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    log: Any = Log()
    with serving(log.handle) as url:
        where = ("--url", url, "--vkey", VKEY, "--json")
        assert run(["claim", "renew", derived_id("clm_"), "--key", signer, *where]) == GOOD
    assert run(["keys", "show", signer]) == GOOD
    assert capsys.readouterr().out.splitlines()[-1] == did_of_seed(SEED)
    votes = Me(Path(signer)).beside(".votes")
    assert votes.is_relative_to(tmp_path / "state")
    assert votes != Me(Path("unix:/another/s.sock")).beside(".votes")
    assert Me(Path("a.key")).beside(".votes") == Path("a.votes")


def test_a_signer_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = f"unix:{tmp_path}/none.sock"
    assert run(["keys", "show", nowhere]) != GOOD
    told = capsys.readouterr().err
    assert "signer-failed" in told
    assert "none.sock" in told
    assert settings.state_dir({}).name.startswith("trust-")
    with pytest.raises(Exception, match="signer-failed"):
        read_key(Path(nowhere))
