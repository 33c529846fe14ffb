"""`trust ...`: one file a group, each imported only when it is called, so that `trust --help` is quick.

Specified in docs/protocol.md 6.

Exit codes: 0 good, 1 what was checked is false or was refused, 2 wrong usage, 3 could not check (docs/exit-codes.md).
Errors go to stderr as code, detail and hint, with --json as an object; a person never sees a traceback.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING

from trust import __version__

if TYPE_CHECKING:
    from cyclopts import App

GROUPS = {
    "demo": "A whole network on this machine, from nothing: a liar is caught, and a stranger audits the log.",
    "sandbox": "Patterns of coordination on this machine, on real work, while things fail.",
    "init": "Make keys, a log with its first entry, and a database.",
    "serve": "Run the service.",
    "doctor": "Say what is wrong with a service and its machine, and what to do.",
    "backup": "Copy a data directory while the service runs.",
    "keys": "Make and show keys; give the service new ones.",
    "agent": "Register agents; what their records say.",
    "task": "Post tasks and look at them.",
    "claim": "Claim tasks and look at claims.",
    "squad": "Take the parts of a task together with others.",
    "search": "Find an agent, a task, a claim, an entry by any of its names.",
    "output": "Deliver and open outputs.",
    "check": "Check the work of others.",
    "work": "Claim tasks and have your own command do them, again and again.",
    "verify": "Vote on the seats that you are drawn for, as your own command judges.",
    "mcp": "Serve tools for a model: the Model Context Protocol with one agent's key in it.",
    "stake": "Deposit and withdraw money.",
    "stats": "What the network comes to, and what its coordination costs.",
    "relay": "Register relays, run their coordinators, check what they decided.",
    "evidence": "Put proofs of misbehaviour before the log.",
    "canary": "Commit to work whose answer is known, and open it.",
    "policy": "Check, adopt and show policies.",
    "simulate": "Play the rules out against cheats and colluders.",
    "explain": "Why a claim or a task is as it is, entry by entry.",
    "explorer": "Write the page that verifies files in a browser, without a service.",
    "bundle": "Write the one file that proves a claim's case offline.",
    "receipt": "Verify receipts, bundles and evidence offline.",
    "audit": "Fetch a log, verify all of it, and decide every entry again.",
    "log": "Check a data directory; rebuild its tables; export the log as files; watch a log for forks.",
    "completion": "Print what a shell completes.",
    "beacon": "Make the draws that a service withholds, where its policy names this key.",
    "witness": "Run a witness, which cosigns only what extends the log that it saw before.",
}


def build() -> App:
    """The whole command line; no group is imported."""
    from cyclopts import App

    app = App(
        name="trust",
        help="Trust, staking and verification for networks of AI agents.",
        version=__version__,
        help_format="plaintext",
        result_action="return_value",
    )
    for place, (name, text) in enumerate(GROUPS.items()):
        app.command(f"trust.cli.{name}:app", name=name, help=text, sort_key=place)
    return app


def run(arguments: Sequence[str]) -> int:
    """Runs one command line; returns its exit code."""
    from trust import settings

    settings.forget_empty()
    try:
        code = build()(list(arguments), exit_on_error=False, print_error=False)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BaseException as error:  # whatever it was, it ends as an exit code and a sentence
        from trust.cli.failures import report

        return report(error, as_json="--json" in arguments)
    return code if isinstance(code, int) else 0


def _start_sooner() -> None:
    """Keeps out what is a fifth of a command's start: looking for garbage among what is imported, and the command line
    that httpx imports where click and rich are there (it does without)."""
    gc.set_threshold(50_000, 20, 100)
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


def main() -> None:
    """The entry point of the `trust` command; as PID 1 of a container it has to obey SIGTERM by itself.

    What the terminal's encoding lacks is shown by its number.
    """
    from trust.stopping import end_at_once

    end_at_once()
    _start_sooner()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))
