"""`trust explorer`: the page that verifies files from disk, as one file."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust.cli.terminal import say
from trust.files import write_whole

app = App(name="explorer")


@app.default
def explorer(file: Path, /) -> None:
    """Write the page that verifies receipts, bundles and refusals in a browser, as one file that asks nobody.

    Parameters
    ----------
    file
        Where to write it; a file that is there is replaced.
    """
    from trust.web.offline import page

    write_whole(file, page().encode())
    say(f"{file} is written: open it in a browser, paste the log's verifier key, and drop files on it.")
