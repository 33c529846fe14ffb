"""`trust init`: keys, tables, and the log's first entry, which fixes what no later entry can change."""

from __future__ import annotations

import json
import re
import secrets
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from trust import settings
from trust.cli.connection import OUTPUT, VKEY_FILE, Output, read_witnesses
from trust.cli.failures import Usage
from trust.cli.policy import read_policy
from trust.files import PRIVATE, write_whole

app = App(name="init")
OPERATOR_KEY, LOG_KEY, DRAW_KEY = "operator.key", "log.key", "draw.key"
_ORIGIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]+)?(/[a-zA-Z0-9._-]+)*")
MAX_ORIGIN = 120


@app.default
def init(
    *,
    network: str,
    data: Annotated[Path | None, Parameter(env_var="TRUST_DATA")] = None,
    database: Annotated[str | None, Parameter(env_var="TRUST_DATABASE")] = None,
    policy: str = "standard",
    witnesses: Path | None = None,
    output: Output = OUTPUT,
) -> None:
    """Make a network: keys (log.key, draw.key, operator.key), database, and entry 0. Prints the log's verifier key.

    Parameters
    ----------
    network
        The log's name for ever, a URL without https://, such as trust.example.org/main.
    data
        The directory for keys and database; default: trust-data.
    database
        A PostgreSQL URL; default: SQLite in the directory.
    policy
        A TOML file, or a policy that comes with this release: sandbox, fast or standard.
    witnesses
        A file with the network's witnesses and their quorum (C2SP tlog-policy), for the policy: draws wait for it.
    """
    if not _ORIGIN.fullmatch(network) or len(network) > MAX_ORIGIN:
        raise Usage(f"{network!r} is no name of a log: a host and a path, such as trust.example.org/main")
    toml, lines = _adoptable(policy), _cosigners(witnesses)
    chosen = settings.load({"data": data, "database": database})
    chosen.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    log_seed = chosen.log_key or _key(chosen.log_key_file or chosen.data_dir / LOG_KEY)
    draw_seed = chosen.draw_key or _key(chosen.draw_key_file or chosen.data_dir / DRAW_KEY)
    operator = _key(chosen.data_dir / OPERATOR_KEY)

    held = replace(chosen, log_key=log_seed, draw_key=draw_seed)
    vkey = _founded(held, network, toml, operator, lines)
    written = [_kept_settings(chosen, database), chosen.data_dir / VKEY_FILE]
    write_whole(written[-1], (vkey + "\n").encode())  # the last of all: what has it is whole
    facts = {"network": network, "data": str(chosen.data_dir), "vkey": vkey, "vkey_file": str(written[-1])}
    output.show(facts | {"operator_key": str(chosen.data_dir / OPERATOR_KEY), "settings": str(written[0])})


def _founded(held: settings.Settings, network: str, toml: str, operator: bytes, lines: list[str]) -> str:
    """The verifier key of the new log. What an earlier init of these keys began is brought to its end."""
    from trust.core.policy import InvalidPolicy
    from trust.errors import TrustError
    from trust.services.genesis import found, resume

    try:
        return found(held, network, toml, operator, witnesses=lines)
    except InvalidPolicy as error:
        raise Usage(f"--witnesses: {error}") from error
    except TrustError as error:
        is_begun = error.code in ("already-done", "log-frozen") and not (held.data_dir / VKEY_FILE).exists()
        vkey = resume(held, network, operator) if is_begun else ""
        if not vkey:
            raise
        return vkey


def _kept_settings(chosen: settings.Settings, database: str | None) -> Path:
    """Where the database is, so that no later command takes another one; a file that is there stays as it is."""
    path = chosen.data_dir / settings.CONFIG_NAME
    if not path.exists():
        lines = [
            "# What trust serve and the other commands take when neither a flag nor TRUST_* says otherwise."
        ]
        lines.append(f"database = {json.dumps(database)}" if database else '# database = "postgresql://..."')
        lines += [f'# host = "{chosen.host}"', f"# port = {chosen.port}"]
        write_whole(path, "".join(f"{line}\n" for line in lines).encode(), PRIVATE)
    return path


def _key(path: Path) -> bytes:
    """The seed in a key file, which is made where there is none."""
    with suppress(FileExistsError):
        settings.write_seed(path, secrets.token_bytes(settings.SEED_BYTES))
    return settings.read_seed(path)


def _cosigners(file: Path | None) -> list[str]:
    """The lines of a file of witnesses; `Usage` where it is none."""
    if file is None or read_witnesses(file) is None:
        return []
    from trust.log.quorum import lines_of

    return lines_of(file.read_text(encoding="utf-8"))


def _adoptable(policy: str) -> str:
    from trust.core.policy import InvalidPolicy, dangers, parse

    toml = read_policy(policy)
    try:
        reasons = dangers(parse(toml))
    except InvalidPolicy as error:
        reasons = error.reasons
    if reasons:
        raise Usage(f"the policy {policy} may not be adopted: {'; '.join(reasons)}")
    return toml
