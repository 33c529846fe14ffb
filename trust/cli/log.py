"""`trust log`: what an operator does with the log in a database, beside the service, and anybody with a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from trust.cli.connection import (
    OUTPUT,
    SERVICE,
    LogKey,
    Output,
    Rotations,
    Service,
    existing,
    read_keys,
    read_witnesses,
    source_at,
)
from trust.cli.failures import FALSE, GOOD, Usage
from trust.cli.terminal import progress, say, show_line, warn
from trust.cli.values import Place, duration_ms
from trust.cli.wait_notice import waiting

if TYPE_CHECKING:
    from trust.audit.fetching import Source
    from trust.audit.monitor import Looked
    from trust.storage.engine import Database
    from trust.storage.reading import Reader

app = App(name="log")


@app.command
def check(folder: Path | None = None, /, *, service: Service = SERVICE) -> int:
    """Check what a data directory holds: every leaf, every tile, root, checkpoint, head file; then that every table is
    what the log leads to, every blob what its name says, and the database's own file. Exit 1 where something is not.

    Whether the decisions are right is for trust audit to say.

    Parameters
    ----------
    folder
        The data directory; default: --data.
    """
    if folder is not None:
        service = replace(service, data=folder)
    from trust.audit.log_check import check_log
    from trust.storage.reading import reading

    with _judged(service) as database:
        with progress("checking entries") as report:
            checked = check_log(database, str(service.key()), report)
        wrong = [str(finding) for finding in checked.findings]
        with reading(database) as reader:
            wrong = wrong or _head_lies(reader, service.settings().data_dir)
        wrong = wrong or _differences(database)
    service.show({"size": checked.size, "good": not wrong} | ({"wrong": wrong} if wrong else {}))
    return FALSE if wrong else GOOD


@app.command
def rebuild(*, service: Service = SERVICE) -> None:
    """Fold all tables of state again from the log's entries."""
    from trust.services.rebuilding import rebuild as refold

    with _database(service) as database, progress("folding entries") as report:
        size = refold(database, report)
    service.show({"entries": size})


@app.command
def graph(agent: str = "", /, *, size: Place | None = None, service: Service = SERVICE) -> None:
    """Make the graph pass from the log in a data directory, as of any size. What the service shows, anybody with a
    copy (trust log copy) can make.

    Parameters
    ----------
    agent
        A DID: what the pass says of its owner; default: the owners who are trusted most.
    size
        As of how many entries; default: all.
    """
    from trust.services.graph import graph_of, summary
    from trust.storage.reading import reading

    with _judged(service) as database, reading(database) as reader:
        last = reader.head().size
        asked = last if size is None else size
        if not 1 <= asked <= last:
            raise Usage(f"--size is to be from 1 to {last}, the entries there are")
        owner, made = graph_of(reader, agent, asked)
    service.show(made.of(owner) if owner else summary(made))


@app.command
def export(folder: Path, /, *, service: Service = SERVICE) -> None:
    """Write the log as static files for any web server (C2SP tlog-tiles); go on where an earlier export ended.

    The log comes from --url where it is given, else from the data directory.

    Parameters
    ----------
    folder
        The directory of the files; served as they are, it is a log that trust audit reads.
    """
    from trust.audit.export import export as copy

    key = service.key()
    place = service.url or existing(service.settings().database_url)
    with source_at(place) as source, progress("exporting entries") as report:
        service.show(msgspec.to_builtins(copy(source, key, folder, report)))


@app.command
def copy(place: str, /, *, service: Service = SERVICE) -> None:
    """Copy a log into the database of a data directory, and fold its state; go on where an earlier copy ended.

    With it anybody asks what only a database answers, such as trust log graph. Entries are held against the tree that
    is signed; whether the decisions in them are right is for trust audit to say.

    Parameters
    ----------
    place
        The address of a service, a directory of the log's files, or a data directory.
    """
    from trust.core.entry import InvalidEntry
    from trust.core.events.event import CannotFold
    from trust.storage.engine import file_of
    from trust.storage.migrations import upgrade
    from trust.verify.failures import NotProven

    url = service.settings().database_url
    try:
        with source_at(place) as source:
            if (path := file_of(url)) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            upgrade(url)
            service.show(_copied(source, service))
    except (InvalidEntry, CannotFold) as error:
        raise NotProven(f"the log is copied, but its entries cannot be folded: {error}") from error


def _copied(source: Source, service: Service) -> Any:
    from trust.audit.replica import copy as bring
    from trust.services.rebuilding import rebuild as refold

    with _database(service) as database:
        with progress("copying entries") as report:
            copied = bring(source, service.key(), database, report)
        with progress("folding entries") as report:
            refold(database, report)
    return msgspec.to_builtins(copied)


@app.command
def watch(
    url: str,
    /,
    *,
    state: Path,
    key: LogKey,
    interval: str = "30s",
    stale: str = "",
    patience: str = "10m",
    key_of: Annotated[tuple[str, ...], Parameter(negative_iterable=())] = (),
    rotation: Rotations = (),
    webhook: str = "",
    witnesses: Path | None = None,
    once: bool = False,
    output: Output = OUTPUT,
) -> int:
    """Look at a log again and again. Exit 1 on a fork, a rollback, or what else is alarming, 3 without an answer.

    Parameters
    ----------
    url
        The address of a service or of its exported files.
    state
        A file that keeps the last good checkpoint. Evidence is written beside it.
    interval
        How long to wait between two looks.
    stale
        How long the log may stay as it is; for ever unless given.
    patience
        How long the log may give no answer that can be checked, and go on without its witnesses.
    key_of
        A DID that should not sign anything any more; may be repeated.
    rotation
        The receipt of an entry by which the log changed its key since. A checkpoint by a key before is then an alarm.
    webhook
        An address that an alarm is posted to, as JSON.
    witnesses
        A file with the witnesses that you trust and their quorum (C2SP tlog-policy): without it, an alarm.
    once
        Look once.
    """
    from trust.audit import monitor
    from trust.audit.fetching import open_source
    from trust.audit.report import CannotCheck

    _check_watched(key_of, webhook)
    verifier = read_keys(key, rotation)
    pace = monitor.Pace(duration_ms(interval), duration_ms(patience), once)
    stale_ms = duration_ms(stale) if stale else 0
    quorum = read_witnesses(witnesses)
    try:
        with waiting() as hooks:
            watched = frozenset(key_of), stale_ms, quorum, pace.patience_ms
            watcher = monitor.Watcher(lambda: open_source(url, hooks), verifier, state, *watched)
            alarm = monitor.watch(watcher, pace, _teller(output))
    except CannotCheck as error:
        _call(webhook, {"kind": "no-answer", "origin": verifier.name, "reason": str(error)})
        raise
    if alarm is None:
        return GOOD
    warn(f"trust: ALARM {alarm.kind}: {alarm.origin}: {alarm.reason}")
    if alarm.unwritten:
        warn("trust: this is its evidence; keep it:", alarm.unwritten.strip())
    _call(webhook, msgspec.to_builtins(alarm))
    show_line(alarm) if output.json else output.show(msgspec.to_builtins(alarm))
    return FALSE


def _check_watched(keys: tuple[str, ...], webhook: str) -> None:
    from trust.core.identity import InvalidKey, key_of

    for did in keys:
        try:
            key_of(did)
        except InvalidKey as error:
            raise Usage(f"--key-of {did}: {error}") from error
    if webhook and not webhook.startswith(("http://", "https://")):
        raise Usage(f"--webhook {webhook}: not an http:// or https:// address")


def _teller(output: Output) -> Callable[[Looked], None]:
    """Prints a line whenever the log grew or a look said nothing."""
    shown = ""

    def tell(looked: Looked) -> None:
        nonlocal shown
        now = looked.problem or f"good: {looked.size} entries, root {looked.root}"
        if now != shown:
            shown = now
            show_line(looked) if output.json else say(now)

    return tell


def _call(webhook: str, message: dict[str, Any]) -> None:
    from trust.audit.monitor import post

    if webhook and (problem := post(webhook, message)):
        warn(f"trust: the webhook did not take it: {problem}")


def _judged(service: Service) -> AbstractContextManager[Database]:
    """The database of a data directory, to be looked at and not changed."""
    from trust.storage.readonly import read_only

    return read_only(existing(service.settings().database_url))


@contextmanager
def _database(service: Service) -> Iterator[Database]:
    from trust.storage.engine import Database
    from trust.storage.migrations import upgrade

    url = existing(service.settings().database_url)
    upgrade(url)
    database = Database(url, 1)
    try:
        yield database
    finally:
        database.close()


def _differences(database: Database) -> list[str]:
    """Returns what the database holds beside the log and is not so."""
    from sqlalchemy.exc import SQLAlchemyError

    from trust.services.database_check import differences

    lines: list[str] = []
    with progress("folding entries") as report:
        try:
            for each in differences(database, report):
                lines.append(each)  # noqa: PERF402  what was found before the database failed counts
        except SQLAlchemyError as error:
            lines.append(f"the database cannot be read: {str(error).splitlines()[0]}")
    return lines


def _head_lies(reader: Reader, data: Path) -> list[str]:
    """Returns what the head file knows better; nothing where it agrees, or there is none."""
    from trust.errors import TrustError
    from trust.services import headfile
    from trust.services.genesis import HEAD_FILE

    try:
        headfile.check(data / HEAD_FILE, reader)
    except TrustError as error:
        return [error.detail]
    return []
