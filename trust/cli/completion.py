"""`trust completion`: what a shell completes after `trust`."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from trust.cli.connection import OUTPUT, Output
from trust.cli.terminal import give

app = App(name="completion")


@app.default
def completion(shell: Literal["bash", "zsh", "fish"], /, *, output: Output = OUTPUT) -> None:
    """Print a shell's completions: source <(trust completion bash), trust completion fish | source.

    Parameters
    ----------
    shell
        Which shell.
    """
    from trust.cli import build

    script = build().generate_completion(prog_name="trust", shell=shell)
    if output.json or output.field:
        output.show({"shell": shell, "script": script})
    else:
        give(script.encode())
