"""Where the vectors and data sets that others wrote lie: beside the project, never inside it."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"
VECTORS = SHARED / "vectors"
DATA = SHARED / "data"


def need(path: Path) -> Path:
    """The path, or a skip that says what is missing."""
    if not path.exists():
        pytest.skip(f"{path.name} is not here: it lies in the shared folder beside the project")
    return path
