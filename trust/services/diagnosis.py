"""Looks a service and its machine over, and says what is wrong and what to do (`trust doctor`). Nothing is written.

It works beside a running service and without one: SQLite is read as `storage.readonly` does, PostgreSQL in a
transaction that only reads.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from trust import clock, journal
from trust.core import policy
from trust.core.events import NETWORK
from trust.core.identity import did_of
from trust.core.records import Network
from trust.errors import TrustError, Unusable
from trust.log import ed25519
from trust.log.checkpoint import Checkpoint, CheckpointError
from trust.log.note import NoteError, Verifier, parse_note
from trust.log.quorum import parse_quorum
from trust.services.disk_space import WARN_TIMES, free_bytes
from trust.services.genesis import HEAD_FILE
from trust.services.sequencing import MAX_SKEW_MS
from trust.services.startup_checks import MARK_FILE
from trust.settings import Settings, SettingsError, http_address
from trust.storage.cosigned import policy_in_force
from trust.storage.engine import Database, NotDurable, file_of
from trust.storage.holdings import clock_skew_ms
from trust.storage.migrations import Age, age, check_kind, revisions
from trust.storage.reading import Reader, reading
from trust.storage.readonly import read_only

OK, WARN, FAIL = "ok", "warn", "fail"
TIMEOUT_S = 3.0
LEAST_POSTGRES = 140_000
_MIB = 1024 * 1024


class Finding(msgspec.Struct, frozen=True):
    """One subject, how it stands (`ok`, `warn` or `fail`), in words, and what to do."""

    subject: str
    level: str
    detail: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Returns what was found, at least one finding for each subject that could be looked at."""
    if not settings.data_dir.is_dir():
        missing = f"there is no directory {settings.data_dir}"
        return [Finding("data directory", FAIL, missing, "trust init makes one; or give --data")]
    findings = [*_directory(settings), *_second_place(settings), *_disk(settings)]
    findings += _guarded("database", lambda: _database(settings))
    findings += _guarded("service", lambda: _service(settings))
    return findings


def unreadable(error: SettingsError | OSError) -> Finding:
    """Returns the finding that settings or keys cannot be read, so that nothing else could be looked at."""
    return Finding(
        "settings", FAIL, str(error), "docs/protocol.md 6.3 has every setting and key; mend what it names"
    )


def _guarded(subject: str, look: Callable[[], list[Finding]]) -> list[Finding]:
    """Returns the findings of a check; a check that raises is a finding too."""
    try:
        return look()
    except NotDurable as error:
        advice = "switch it on in the server's configuration: the service does not start without it"
        return [Finding(subject, FAIL, str(error), advice)]
    except Unusable as error:
        return [Finding(subject, FAIL, str(error), error.hint)]
    except TrustError as error:
        return [Finding(subject, FAIL, error.detail or error.code, error.hint)]
    except (OSError, SQLAlchemyError) as error:
        detail = journal.plain(error).splitlines()[0]
        return [Finding(subject, FAIL, detail, "check that it is there, and that this user may read it")]


def _directory(settings: Settings) -> Iterator[Finding]:
    data = settings.data_dir
    mode = stat.S_IMODE(data.stat().st_mode)
    if mode & 0o077:
        yield Finding(
            "data directory", WARN, f"{data} has mode {mode:04o}: others can reach it", f"chmod 700 {data}"
        )
    elif not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding("data directory", FAIL, f"this user may not write {data}", "run as its owner")
    else:
        yield Finding("data directory", OK, str(data))
    if (data / MARK_FILE).exists():
        yield Finding(
            "data directory", FAIL, "it is a copy", "docs/operating.md 3 says how to go on with one"
        )
    if (data / "operator.key").exists():
        yield Finding(
            "keys", WARN, "operator.key lies beside the service, which does not need it", "keep it elsewhere"
        )


def _second_place(settings: Settings) -> Iterator[Finding]:
    if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.proxies:
        advice = "behind a proxy list its address in `proxies`, or all callers look like one"
        yield Finding("settings", WARN, f"it listens on {settings.host} and no proxy is named", advice)
    else:
        yield Finding("settings", OK, f"they can be read; {http_address(settings.host, settings.port)}")


def _disk(settings: Settings) -> Iterator[Finding]:
    file = file_of(settings.database_url)
    places = [settings.data_dir, *([file.parent] if file is not None and file.parent.is_dir() else [])]
    free, reserve = min(map(free_bytes, places)), settings.disk_reserve_bytes
    detail = f"{free // _MIB} MiB are free, {reserve // _MIB} are reserved"
    if free < reserve:
        yield Finding("disk", FAIL, detail, "make room: nothing more is taken from callers")
    elif free < WARN_TIMES * reserve:
        yield Finding("disk", WARN, detail, "make room soon")
    else:
        yield Finding("disk", OK, detail)


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    """The database as it stands; a PostgreSQL of another revision is opened all the same, to say so."""
    if file_of(url) is not None:
        with read_only(url) as database:
            yield database
        return
    database = Database(url, 1)
    try:
        yield database
    finally:
        database.close()


def _database(settings: Settings) -> list[Finding]:
    path = file_of(settings.database_url)
    if path is not None:
        check_kind(path)
    with _opened(settings.database_url) as database:
        with database.snapshot() as connection:
            findings = [_version(connection), *_clock(connection)]
            whose = age(connection)
        findings.append(_schema(whose))
        if whose is not Age.SAME:
            return findings
        with reading(database) as reader:
            return [*findings, *_log(settings, reader)]


def _version(connection: Connection) -> Finding:
    if connection.dialect.name == "sqlite":
        version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
        return Finding("database", OK, f"SQLite {version}; the service commits with synchronous=FULL")
    number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one())
    detail = (
        f"PostgreSQL {number // 10_000}.{number % 10_000}; fsync, full_page_writes, synchronous_commit are on"
    )
    if number < LEAST_POSTGRES:
        return Finding("database", WARN, detail, "use PostgreSQL 14 or newer")
    return Finding("database", OK, detail)


def _clock(connection: Connection) -> Iterator[Finding]:
    skew_ms = clock_skew_ms(connection, clock.now_ms())
    if abs(skew_ms) > MAX_SKEW_MS:
        detail = f"this machine's clock is {skew_ms} ms ahead of the database's"
        yield Finding("clock", FAIL, detail, "synchronise both by NTP")
    else:
        yield Finding("clock", OK, f"{abs(skew_ms)} ms off the database's")


def _schema(whose: Age) -> Finding:
    if whose is Age.SAME:
        return Finding("schema", OK, f"revision {revisions()[-1]}")
    if whose is Age.OLDER:
        return Finding("schema", WARN, "an older release's", "the next start migrates it: back up first")
    if whose is Age.NEWER:
        return Finding("schema", FAIL, "a newer release's", "install that release")
    return Finding("schema", FAIL, "there is no log in this database", "trust init makes one")


def _log(settings: Settings, reader: Reader) -> Iterator[Finding]:
    network = reader.record(Network, NETWORK)
    if network is None:
        yield Finding("log", FAIL, "the database holds no log", "trust init makes one")
        return
    yield from _keys(settings, network)
    yield _head(settings, reader)
    yield from _policy(settings, reader)
    ahead_ms = reader.head().at_ms - clock.now_ms()
    if ahead_ms > MAX_SKEW_MS:
        detail = f"the last entry lies {ahead_ms // 1_000} s in the future of this machine's clock"
        yield Finding("clock", FAIL, detail, "set the clock right")


def _keys(settings: Settings, network: Network) -> Iterator[Finding]:
    for use, wanted in (("log", network.log_key), ("draw", network.draw_key)):
        try:
            held = [did_of(ed25519.public_key(seed)) for seed in settings.keys(use)]
        except SettingsError as error:
            yield Finding("keys", FAIL, str(error), "bring the key back")
            continue
        if wanted in held:
            yield Finding("keys", OK, f"the {use} key is there")
        else:
            detail = f"the {use} key that the log names is not here"
            yield Finding("keys", FAIL, detail, f"bring {use}.key back, or the database that belongs to it")


def _head(settings: Settings, reader: Reader) -> Finding:
    path, size = settings.data_dir / HEAD_FILE, reader.head().size
    try:
        known = Checkpoint.parse(parse_note(path.read_bytes())[0])
    except FileNotFoundError:
        return Finding(
            "head file", FAIL, "it is not there", "docs/operating.md 3: the log is not written without it"
        )
    except (NoteError, CheckpointError, UnicodeDecodeError) as error:
        return Finding(
            "head file", FAIL, f"it is no checkpoint: {error}", "docs/operating.md 3 says what to do"
        )
    if known.size > size:
        detail = f"it names {known.size} entries and the database has {size}"
        return Finding("head file", FAIL, detail, "bring the missing entries: docs/operating.md 3")
    return Finding("head file", OK, f"{known.size} entries were signed, the database has {size}")


def _policy(settings: Settings, reader: Reader) -> Iterator[Finding]:
    adopted = policy_in_force(reader)
    if adopted is None:
        return
    dangers, unwise = policy.dangers(adopted.terms), policy.warnings(adopted.terms, 0)
    advice = "edit the policy, trust policy check, trust policy adopt"
    yield from (Finding("policy", FAIL, detail, advice) for detail in dangers)
    yield from (Finding("policy", WARN, detail, advice) for detail in unwise)
    if not dangers and not unwise:
        yield Finding("policy", OK, f"{adopted.terms.name}: no dangers, no warnings")
    yield from _witnesses(settings, adopted.terms)


def _witnesses(settings: Settings, terms: policy.Policy) -> Iterator[Finding]:
    places = settings.witnesses or _addresses(terms)
    if not places and not settings.head_copy:
        detail = "the head is kept in one place only: a restored snapshot would fork the log unseen"
        yield Finding("witnesses", WARN, detail, "name witnesses, or set head_copy to a second place")
    for place in places:
        try:
            httpx.get(place, timeout=TIMEOUT_S)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            detail = f"{place} does not answer: {journal.plain(error)}"
            yield Finding(
                "witnesses", WARN, detail, "draws wait where the quorum is missing: ask whoever runs it"
            )
        else:
            yield Finding("witnesses", OK, f"{place} answers")


def _addresses(terms: policy.Policy) -> tuple[str, ...]:
    if not terms.witnesses.quorum:
        return ()
    return tuple(each.url for each in parse_quorum(terms.witnesses.quorum).witnesses if each.url)


def _service(settings: Settings) -> list[Finding]:
    address = http_address(settings.host, settings.port)
    start = "trust serve starts it; journalctl -u trust says why it ended"
    try:
        with httpx.Client(base_url=address, timeout=TIMEOUT_S) as client:
            version, ready = client.get("/version"), client.get("/health/ready")
        vkey, shown = version.json()["vkey"], ready.json()
    except httpx.HTTPError as error:
        return [Finding("service", WARN, f"{address} does not answer: {journal.plain(error)}", start)]
    except (ValueError, KeyError, TypeError):
        detail = f"what answers at {address} is no service of this kind"
        return [Finding("service", FAIL, detail, "choose another port, or stop it")]
    findings = [_same_key(settings, str(vkey), address)]
    if ready.status_code != httpx.codes.OK:
        findings.append(
            Finding("service", FAIL, str(shown.get("detail", "not ready")), str(shown.get("hint", "")))
        )
    warned = shown.get("warnings", ())
    findings += [Finding("service", WARN, str(detail), "docs/operating.md 6.1") for detail in warned]
    return findings


def _same_key(settings: Settings, vkey: str, address: str) -> Finding:
    try:
        named = did_of(Verifier.parse(vkey).public_key)
        held = [did_of(ed25519.public_key(seed)) for seed in settings.keys("log")]
    except (NoteError, SettingsError) as error:
        return Finding("service", FAIL, str(error), "check the keys")
    if named in held:
        return Finding("service", OK, f"{address} answers, and its key is ours")
    detail = f"{address} signs with another key than this directory's"
    return Finding("service", FAIL, detail, "another service listens there: check host and port")
