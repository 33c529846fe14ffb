"""Which service a command talks to, under which key, and who speaks.

The address: `--url`, `TRUST_URL`, else host and port of `DIR/trust.toml`. The log's key: `--vkey`, `TRUST_VKEY`,
else the file `log.vkey` that `trust init` left in the data directory - never the service itself.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import Parameter

from trust import settings
from trust.cli.failures import Usage
from trust.cli.terminal import show, warn
from trust.cli.wait_notice import waiting
from trust.errors import Unusable
from trust.files import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trust.audit.fetching import Source
    from trust.client import Accepted, Granted, TrustClient
    from trust.core.receipt import Receipt
    from trust.log.ed25519 import PrivateKey
    from trust.log.note import Verifier
    from trust.log.quorum import Quorum
    from trust.log.succession import Succession

R = TypeVar("R")
VKEY_FILE = "log.vkey"
VKEY_LOOKS = "trust.example.org/main+5a1644ad+AQd7... (name, 8 hex digits, base64; trust init prints it)"
Rotations = Annotated[tuple[Path, ...], Parameter(name="--rotation", negative_iterable=())]
Coordinators = Annotated[tuple[Path, ...], Parameter(name="--coordinator", negative_iterable=())]
ReceiptFile = Annotated[Path | None, Parameter(help="Where to keep the receipt.")]
RelayId = Annotated[str, Parameter(help="The relay's id (rly_...).")]
ClaimId = Annotated[str, Parameter(help="The claim's id (clm_...).")]
Withdrawal = Annotated[str, Parameter(help="Its id (wdr_...).")]
LogKey = Annotated[
    str,
    Parameter(
        env_var="TRUST_VKEY", help="The log's verifier key, or a file with it: from somewhere you trust."
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Me:
    """The party that signs."""

    key: Annotated[Path, Parameter(env_var="TRUST_KEY")]
    "The key file of whoever speaks, or unix:SOCKET of a signer."

    actor: Annotated[str, Parameter(env_var="TRUST_ACTOR")] = ""
    "Its id, where this key is not its first."

    def seed(self) -> PrivateKey:
        """The key's seed, or the key of the signer."""
        return read_key(self.key)

    def beside(self, suffix: str) -> Path:
        """Where what must outlast a program lies: beside the key file, of a signer where this user keeps state."""
        if signer_of(self.key) is None:
            return self.key.with_suffix(suffix)
        return settings.state_dir() / f"{_digest(self.key)}-{self.key.stem}{suffix}"


@Parameter(name="*")
@dataclass(frozen=True)
class Output:
    """How a command answers."""

    json: Annotated[bool, Parameter(negative=())] = False
    "Print JSON."

    field: str = ""
    "Print only this field, for scripts."

    def show(self, facts: Any) -> None:
        """Prints facts, or the one that was asked for."""
        if not self.field:
            show(facts, self.json)
        elif isinstance(facts, dict) and self.field in facts:
            show(facts[self.field], self.json)
        else:
            raise Usage(f"there is no {self.field!r} in the answer, there are {', '.join(facts)}")


@Parameter(name="*")
@dataclass(frozen=True)
class Service(Output):
    """The service that a command talks to."""

    url: Annotated[str | None, Parameter(env_var="TRUST_URL")] = None
    "Address of the service, several with commas between them; default: host and port of DIR/trust.toml."

    vkey: Annotated[str | None, Parameter(env_var="TRUST_VKEY")] = None
    "The log's verifier key, or a file with it; default: DIR/log.vkey."

    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None
    "The data directory, where it is on this machine; default: trust-data."

    def settings(self) -> settings.Settings:
        """The settings of the data directory."""
        return settings.load({"data": self.data})

    def addresses(self) -> list[str]:
        """The service's URLs, the one to ask first in front."""
        if self.url:
            return [each.strip() for each in self.url.split(",") if each.strip()]
        chosen = self.settings()
        return [settings.http_address(chosen.host, chosen.port)]

    def key(self) -> Verifier:
        """The log's key; `Usage` where nobody gave it."""
        if self.vkey:
            return read_vkey(self.vkey)
        path = (self.data or settings.Settings.data_dir) / VKEY_FILE
        if not path.exists():
            raise Usage(f"no key to verify with: give --vkey or TRUST_VKEY ({path} is not there either)")
        return read_vkey(str(path))

    @contextmanager
    def client(self, key: Path | None = None, within: str = "") -> Iterator[TrustClient]:
        """A client of the service. What a command says with a key file is kept beside it until it is decided and told;
        `within` are the durations that were typed, where a statement holds times that follow from them."""
        from trust.client import Outbox, TrustClient

        if key is not None:
            read_key(key)  # what is no key file has no statements beside it
        outbox = Outbox(_unanswered(key), within) if key is not None else None
        with (
            waiting() as hooks,
            TrustClient(self.addresses(), self.key(), outbox=outbox, event_hooks=hooks) as client,
        ):
            is_good = False
            try:
                with _readable():
                    if outbox is None:
                        client.check_log()
                    yield client
                is_good = True
            finally:
                if outbox is not None:
                    outbox.settle(is_good=is_good)
                    if outbox.resent:
                        warn("trust: this was sent before, without an answer: the same bytes were sent again")

    @contextmanager
    def acting(
        self, role: Callable[[TrustClient, PrivateKey, str], R], me: Me, within: str = ""
    ) -> Iterator[R]:
        """A role of the SDK, such as `Worker`, that speaks for `me` through a client of the service."""
        with self.client(me.key, within) as client:
            yield role(client, me.seed(), me.actor)

    def granted(self, won: Granted, receipt: Path | None, confirm: Path | None) -> None:
        """Shows a claim that was won, and keeps the relay's confirmation of it where a file is named."""
        if confirm is not None:
            write_whole(confirm, won.confirmation)
        self.accepted(won.accepted, receipt)

    def accepted(self, done: Accepted, receipt: Path | None = None) -> None:
        """Prints what a statement came to, and keeps its receipt."""
        if receipt is not None:
            write_whole(receipt, done.receipt.encode())
        facts = {"statement": done.statement, "entry": done.index, "repeated": done.repeated, **done.created}
        kept = {"receipt": str(receipt)} if receipt is not None else {}
        self.show(facts | kept)


@contextmanager
def _readable() -> Iterator[None]:
    """Says of members that are of another type than this release reads that they are, which proves nothing."""
    try:
        yield
    except (TypeError, AttributeError, LookupError, ValueError) as error:
        if isinstance(error, UnicodeError | settings.SettingsError) or sys.flags.dev_mode:
            raise
        raise Unusable(
            f"an answer of the service is not what this release reads: {type(error).__name__}: {error}",
            "it may be of another release: see /version there, and trust --version; PYTHONDEVMODE=1 shows where",
        ) from error


def id_of(client: TrustClient, party: str) -> str:
    """The DID behind an @handle; anything else as it is."""
    return str(client.agent(party)["agent"]) if party.startswith("@") else party


def _unanswered(key: Path) -> Path:
    """Where statements lie that a key signed and nobody has decided: beside it, or where this user keeps state."""
    name = f"{key.name}.unanswered"
    if signer_of(key) is None and os.access(key.parent, os.W_OK):
        return key.with_name(name)
    return settings.state_dir() / f"{_digest(key)}-{name}"


def _digest(key: Path) -> str:
    named = signer_of(key) or key
    return sha256(str(named.resolve()).encode()).hexdigest()[:12]


def signer_of(key: Path) -> Path | None:
    """The socket of a signer, where a key is named as unix:SOCKET."""
    text = str(key)
    return Path(text.removeprefix("unix:")) if text.startswith("unix:") else None


def existing(url: str) -> str:
    """The URL of a database that is there; SQLite would make an empty one."""
    from trust.storage.engine import file_of

    path = file_of(url)
    if path is not None and not path.exists():
        raise Unusable(
            f"there is no database at {path}",
            "trust init makes one; or give --database, where it is elsewhere",
        )
    return url


@contextmanager
def source_at(place: str) -> Iterator[Source]:
    """A log's bytes at an address, in a directory or in a database, waited for aloud."""
    from trust.audit.fetching import open_source

    with waiting() as hooks:
        source = open_source(place, hooks)
        try:
            yield source
        finally:
            source.close()


def read_vkey(text: str) -> Verifier:
    """A verifier key from its text, or from the file of this name."""
    from trust.log.note import NoteError, Verifier

    try:
        return Verifier.parse(_named(text).strip())
    except NoteError as error:
        raise Usage(f"{text!r} is no verifier key: {error}; one looks like {VKEY_LOOKS}") from error


def _named(text: str) -> str:
    """Returns the content of the file of this name; the text itself where there is none and it may be a key."""
    try:
        return Path(text).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError, OSError) as error:
        if "+" in text:
            return text
        if isinstance(error, FileNotFoundError):
            raise Usage(
                f"{text!r} is no verifier key, and no file of this name is there; one looks like {VKEY_LOOKS}"
            ) from error
        raise


def read_key(file: Path) -> PrivateKey:
    """The seed in a key file, or the key of the signer at unix:SOCKET; `Usage` where there is none."""
    socket = signer_of(file)
    if socket is None:
        return read_seed(file)
    from trust.client import key_at

    return key_at(socket)


def read_seed(file: Path) -> bytes:
    """The seed in a key file, its passphrase asked for where it has one; `Usage` where there is no such file."""
    try:
        return settings.read_seed(file, ask_passphrase)
    except FileNotFoundError as error:
        raise Usage(
            f"there is no key file {file}: trust keys new {file} makes one (a private key: 64 hex digits in a file)"
        ) from error


def read_witnesses(file: Path | None) -> Quorum | None:
    """The caller's witnesses and their quorum from a file in the lines of C2SP tlog-policy; None without one."""
    if file is None:
        return None
    from trust.log.quorum import PolicyError
    from trust.verify.quorum import read_quorum

    try:
        return read_quorum(file)
    except PolicyError as error:
        raise Usage(f"{file}: {error}") from error


def read_keys(vkey: str, rotations: Iterable[Path]) -> Succession:
    """The log's keys from the caller's own on, as the receipts of its rotations lead from each to the next."""
    from trust.core import strict
    from trust.core.receipt import Receipt
    from trust.verify.failures import NotProven
    from trust.verify.receipts import MAX_RECEIPT_BYTES
    from trust.verify.rotations import follow

    try:
        receipts = [
            strict.parse(file.read_bytes(), Receipt, max_bytes=MAX_RECEIPT_BYTES) for file in rotations
        ]
    except strict.Malformed as error:
        raise NotProven(f"a rotation: {error}") from error
    return follow(read_vkey(vkey), receipts)


def read_receipt(file: Path) -> Receipt:
    """The receipt in a file; `Usage` where it is none."""
    from trust.core import strict
    from trust.core.receipt import Receipt
    from trust.verify.receipts import MAX_RECEIPT_BYTES

    try:
        return strict.parse(file.read_bytes(), Receipt, max_bytes=MAX_RECEIPT_BYTES)
    except strict.Malformed as error:
        raise Usage(f"{file} is no receipt: {error}") from error


def read_statement(file: Path) -> bytes:
    """The signed statement in a file; `Usage` where it is none."""
    from trust.client.statements import opened
    from trust.errors import ClientError

    data = file.read_bytes()
    try:
        opened(data)
    except ClientError as error:
        raise Usage(f"{file} is no signed statement: {error.detail}") from error
    return data


@cache
def ask_passphrase(what: Path | str) -> bytes:
    """The passphrase that a person types at the terminal, once a process; `Usage` where there is none."""
    from getpass import getpass

    try:
        with Path("/dev/tty").open("rb"):
            pass
    except OSError:
        raise Usage(
            f"{what} needs a passphrase, and no terminal is there: name a file with it in TRUST_PASSPHRASE_FILE"
        ) from None
    typed = getpass(f"Passphrase of {what}: ").encode("utf-8", "surrogateescape")
    if not typed:
        raise Usage("a passphrase is not empty")
    return typed


def new_passphrase(file: Path) -> bytes:
    """A passphrase that a person types twice."""
    chosen = ask_passphrase(f"{file}, from now on")
    if ask_passphrase(f"{file}, once more") != chosen:
        raise Usage("these are two passphrases; nothing was written")
    return chosen


def read_keys_of(files: Iterable[Path]) -> list[PrivateKey]:
    """The keys of several parties."""
    return [read_key(path) for path in files]


SERVICE, OUTPUT = Service(), Output()
"""The defaults of a command without these options."""
