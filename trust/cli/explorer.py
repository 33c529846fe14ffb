"""`trust explorer`: the page that verifies files from disk, as one file."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from trust.cli.connection import OUTPUT, Output
from trust.files import write_whole

app = App(name="explorer")


@app.default
def explorer(file: Path, /, *, output: Output = OUTPUT) -> None:
    """Write the page that verifies receipts, bundles and refusals in a browser, as one file that asks nobody.

    Parameters
    ----------
    file
        Where to write it; a file that is there is replaced.
    """
    from trust.web.offline import page

    write_whole(file, page().encode())
    output.show(
        {"file": str(file), "next": "open it in a browser, paste the log's key, and drop files on it"}
    )
