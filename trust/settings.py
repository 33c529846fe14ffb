"""The only reader of the environment: what an operator chooses for one process.

Each setting is taken from the first that has it (docs/protocol.md 6): the flag, `TRUST_<NAME>`, `DIR/trust.toml`, the
default. Nothing in here may influence a decision: what does stands in the policy, on the log.

Private keys come from `TRUST_LOG_KEY` and `TRUST_DRAW_KEY` or from files of mode 0600, never from a flag
(others see the process list) and never from trust.toml (it gets copied around). There may be several of each.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, fields, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from trust import passphrases
from trust.files import PRIVATE, write_once

SEED_BYTES = 32
CONFIG_NAME = "trust.toml"
_LINK = re.compile(r"(tcp|udp|sctp)://")


class SettingsError(ValueError):
    """A setting that cannot be used; the message names where it came from and what would be right."""


def shipped(name: str) -> Path:
    """Where `alembic`, `policies` or the rules lie: inside the package of a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parent
    carried = package / "_data" / name
    return carried if carried.exists() else package.parent / name


def http_address(host: str, port: int) -> str:
    """The URL at which somebody on this machine finds a service that listens on `host`; IPv6 stands in brackets."""
    reached = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite database in a file, whatever the file is called."""
    return "sqlite:///" + str(path).replace("%", "%25").replace("?", "%3F")


def forget_empty(environ: MutableMapping[str, str] = os.environ) -> None:
    """Takes TRUST_* variables that are set to nothing as not set: container files leave them so."""
    for name in [name for name, value in environ.items() if name.startswith("TRUST_") and not value.strip()]:
        del environ[name]


def state_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """Where this user's programs keep state (XDG base directories); the directory of temporary files without a home."""
    named = environ.get("XDG_STATE_HOME", "")
    home = environ.get("HOME", "")
    if named.startswith("/"):
        return Path(named) / "trust"
    if home.startswith("/") and os.access(home, os.W_OK):
        return Path(home) / ".local" / "state" / "trust"
    return Path(tempfile.gettempdir()) / f"trust-{os.getuid()}"


def read_seed(path: Path, ask: Callable[[Path], bytes] | None = None) -> bytes:
    """The 32-byte seed in a key file: 64 hex digits, mode 0600 and nothing wider.

    Where it is encrypted, the passphrase is in the file that TRUST_PASSPHRASE_FILE names, else what `ask` returns.
    """
    text = _private(path).strip()
    if not passphrases.is_encrypted(text):
        return _seed(text, str(path))
    passphrase = given_passphrase()
    if passphrase is None:
        if ask is None:
            raise SettingsError(
                f"{path} is encrypted: name a file with its passphrase in TRUST_PASSPHRASE_FILE"
            )
        passphrase = ask(path)
    try:
        return _seed(passphrases.decrypt(text, passphrase).hex(), str(path))
    except passphrases.NotOpened as error:
        raise SettingsError(f"{path}: {error}") from None


def given_passphrase(environ: Mapping[str, str] = os.environ) -> bytes | None:
    """Returns the passphrase in the file that TRUST_PASSPHRASE_FILE names; None where it names none."""
    name = environ.get("TRUST_PASSPHRASE_FILE")
    return read_passphrase(Path(name)) if name else None


def read_passphrase(path: Path) -> bytes:
    """Returns the first line of a file that only its owner can read."""
    passphrase = _private(path, "the passphrase").partition("\n")[0].removesuffix("\r").encode()
    if not passphrase:
        raise SettingsError(f"{path}: its first line is the passphrase, and it is empty")
    return passphrase


def write_seed(path: Path, seed: bytes) -> None:
    """Creates a key file of mode 0600. FileExistsError where there is one: no key is ever overwritten."""
    write_once(path, seed.hex().encode() + b"\n", PRIVATE)


def copy_key(path: Path, target: Path) -> None:
    """Copies a key file as it is, encrypted where it was, once it was seen to be one."""
    text = _private(path)
    if not passphrases.is_encrypted(text):
        _seed(text.strip(), str(path))
    write_once(target, text.encode(), PRIVATE)


def _private(path: Path, what: str = "the key") -> str:
    with path.open(encoding="utf-8", errors="replace") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise SettingsError(f"{path} has mode {mode:04o}, others can reach {what}: chmod 600 {path}")
        return file.read()


def _seed(text: str, source: str) -> bytes:
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:  # the text itself is never shown: it may be most of a key
        raise SettingsError(f"{source}: a key is {SEED_BYTES * 2} hex digits")
    return seed


def _integer(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit()
        number = int(str(value)) if digits else value
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return number

    return parse


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _database(value: object) -> str:
    """The URL of a database for SQLAlchemy, from the forms that hosts give."""
    url = _text(value).strip()
    scheme, separator, rest = url.partition("://")
    if scheme in (
        "postgres",
        "postgresql",
        "postgresql+psycopg2",
        "postgresql+asyncpg",
        "postgresql+psycopg",
    ):
        return f"postgresql+psycopg://{rest}"
    if scheme not in ("sqlite", "sqlite+pysqlite") or not separator:
        raise ValueError("postgresql://USER:PASSWORD@HOST/NAME, or sqlite:///FILE")
    return url


def _path(value: object) -> Path:
    return value if isinstance(value, Path) else Path(_text(value))


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, list | tuple):
        raise ValueError("a list of texts, or one text with commas")
    return tuple(map(_text, value))


def _networks(value: object) -> tuple[str, ...]:
    listed = _texts(value)
    for each in listed:
        try:
            ip_network(each)
        except ValueError as wrong:
            raise ValueError(f"a list of addresses or networks: {wrong}") from None
    return listed


def _option(
    default: Any, parse: Callable[[object], object], name: str | None = None, *, secret: bool = False
) -> Any:
    return field(default=default, repr=not secret, metadata={"parse": parse, "name": name})


@dataclass(frozen=True)
class Settings:
    """One process's settings. Options are named as their fields, but `data` and `database` as the flags."""

    data_dir: Path = _option(Path("trust-data"), _path, "data")
    database_url: str = _option("", _database, "database", secret=True)  # empty: SQLite in data_dir
    host: str = _option("127.0.0.1", _text)
    port: int = _option(8400, _integer(0, 65_535))
    recognises: tuple[str, ...] = _option((), _texts)  # vkeys of other networks whose scores are shown
    witnesses: tuple[str, ...] = _option(
        (), _texts
    )  # URLs to ask for cosignatures; none: those in the policy
    witness_interval_ms: int = _option(1_000, _integer(50, 600_000))  # between two rounds of asking them
    witness_refresh_ms: int = _option(30_000, _integer(1_000, 86_400_000))  # a quiet log is cosigned anew
    head_copy: str = _option("", _text)  # a second place for the last head: a path on another disk, or a URL
    otlp: str = _option(
        "", _text
    )  # where spans go: the address of a collector of OpenTelemetry (OTLP over HTTP)
    disk_reserve_bytes: int = _option(
        64 * 1024 * 1024, _integer(0, 2**40)
    )  # left free on the disk of data and database
    log_key_file: Path | None = _option(None, _path)  # none: log.key in data_dir
    draw_key_file: Path | None = _option(None, _path)  # none: draw.key in data_dir
    body_max_bytes: int = _option(4 * 1024 * 1024, _integer(64 * 1024, 64 * 1024 * 1024))
    blob_max_bytes: int = _option(64 * 1024 * 1024, _integer(1, 2**40))  # at most; the policy may say less
    blob_unnamed_bytes: int = _option(
        64 * 1024 * 1024, _integer(0, 2**40)
    )  # of a party, named by no statement
    blob_unnamed_max_bytes: int = _option(1024 * 1024 * 1024, _integer(0, 2**50))  # the same of all parties
    blob_unnamed_ms: int = _option(1_800_000, _integer(1_000, 86_400_000))  # for so long they are kept
    blob_party_bytes: int = _option(4096 * 1024 * 1024, _integer(0, 2**50))  # of a party in all
    inbox_max_statements: int = _option(4_096, _integer(1, 1_000_000))
    batch_max_statements: int = _option(512, _integer(1, 10_000))
    reader_threads: int = _option(4, _integer(1, 64))
    requests_per_s: int = _option(500, _integer(0, 1_000_000))  # of one caller; 0: no limit
    proxies: tuple[str, ...] = _option((), _networks)  # whose X-Forwarded-For is believed
    connections_max: int = _option(2_048, _integer(16, 1_000_000))
    connections_per_caller: int = _option(512, _integer(1, 1_000_000))
    streams_max: int = _option(1_000, _integer(0, 1_000_000))  # of events; 0: no limit
    streams_per_caller: int = _option(64, _integer(0, 1_000_000))
    drain_ms: int = _option(4_000, _integer(0, 600_000))  # for callers to have their answers, at a stop
    log_key: bytes | None = field(default=None, repr=False)
    draw_key: bytes | None = field(default=None, repr=False)
    more_keys: Mapping[str, tuple[bytes, ...]] = field(
        default_factory=dict, repr=False
    )  # by use, beside these

    def keys(self, use: str) -> tuple[bytes, ...]:
        """Every key of a use (log, draw) that this process holds; key files are looked for anew.

        A network changes its keys, and the ones before are needed for what began under them: files USE-*.key lie
        beside the first, TRUST_USE_KEY holds several with commas.
        """
        first = self.log_key if use == "log" else self.draw_key
        named = self.log_key_file if use == "log" else self.draw_key_file
        folder = named.parent if named is not None else self.data_dir
        files = [read_seed(path) for path in sorted(folder.glob(f"{use}-*.key"))]
        given = [*((first,) if first else ()), *self.more_keys.get(use, ()), *files]
        return tuple(dict.fromkeys(given))

    def __post_init__(self) -> None:
        if not self.database_url:
            object.__setattr__(self, "database_url", sqlite_url(self.data_dir / "trust.db"))


_OPTIONS = {f.metadata["name"] or f.name: f for f in fields(Settings) if f.metadata}


def load(flags: Mapping[str, object] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process. `flags` go by option name; one that is None was not given."""
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    chosen = _from_environment(environ, given) | _parsed(given, lambda name: f"--{name.replace('_', '-')}")
    config = chosen.get("data_dir", Settings.data_dir) / CONFIG_NAME
    chosen = _from_file(config) | chosen
    settings = Settings(**chosen)
    log = _keys(environ, "log", settings.log_key_file, settings.data_dir)
    draw = _keys(environ, "draw", settings.draw_key_file, settings.data_dir)
    return replace(
        settings,
        log_key=log[0] if log else None,
        draw_key=draw[0] if draw else None,
        more_keys={"log": log[1:], "draw": draw[1:]},
    )


def _parsed(given: Mapping[str, object], source: Callable[[str], str]) -> dict[str, Any]:
    """Values by field name; `source` says how a person wrote the option."""
    values = {}
    for name, value in given.items():
        option = _OPTIONS.get(name)
        if option is None:
            raise SettingsError(f"{source(name)}: there is no such setting; there are {', '.join(_OPTIONS)}")
        try:
            values[option.name] = option.metadata["parse"](value)
        except ValueError as wrong:
            shown = repr(value) if option.repr else "what is given"
            raise SettingsError(f"{source(name)}: {shown} is not {wrong}") from None
    return values


def _from_environment(environ: Mapping[str, str], flags: Mapping[str, object]) -> dict[str, Any]:
    """Returns the settings of the environment that no flag gives. A container platform with a service called "trust"
    sets TRUST_PORT to a link such as tcp://10.0.0.1:8400, which is no choice of anybody's."""
    given = {name: environ[_variable(name)] for name in _OPTIONS if environ.get(_variable(name))}
    if _LINK.match(given.get("port", "")):
        del given["port"]
    return _parsed({name: text for name, text in given.items() if name not in flags}, _variable)


def _variable(name: str) -> str:
    return f"TRUST_{name.upper()}"


def _from_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise SettingsError(f"{path}: {wrong}") from None
    for name in {"data", "log_key", "draw_key"} & given.keys():
        raise SettingsError(f"{path}: {name} can not stand here; use {_variable(name)}")
    return _parsed(given, lambda name: f"{name} in {path}")


def _keys(environ: Mapping[str, str], name: str, file: Path | None, data_dir: Path) -> tuple[bytes, ...]:
    variable = _variable(f"{name}_key")
    if environ.get(variable):
        return tuple(_seed(text.strip(), variable) for text in environ[variable].split(","))
    path = file or data_dir / f"{name}.key"
    if path.exists():
        return (read_seed(path),)
    if file is not None:
        raise SettingsError(f"{path}: there is no such key file")
    return ()
