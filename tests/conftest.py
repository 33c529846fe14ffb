"""What every test may ask for: databases of both kinds, one Hypothesis profile, and how a run is spread.

The whole suite runs on a few workers, the files that take longest first; a selection runs in this process, since
starting workers takes longer than a file.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import hypothesis
import pytest
from httpx._config import create_ssl_context
from httpx._transports import default

from tests.postgres import Postgres
from trust import clock

# Two shared cores: a deadline would measure the neighbours. Other examples come with each run: half of the usual number
# in the whole suite, and many where somebody asks for them with --hypothesis-profile=thorough.
hypothesis.settings.register_profile("trust", deadline=None, print_blob=True, max_examples=50)
hypothesis.settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=1_000)
hypothesis.settings.load_profile("trust")

# The suite starts hundreds of processes: compiled once, each of them starts in a third of the time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Tests make few cycles and many objects: as it comes the collector would walk all that is loaded again and again.
gc.disable()

# httpx reads the certificates of the machine for each client, and for each request without one: 30 ms each time.
_contexts = lru_cache(lambda _, verify, cert, trust_env: create_ssl_context(verify, cert, trust_env))
default.create_ssl_context = lambda verify=True, cert=None, trust_env=True: _contexts(  # type: ignore[attr-defined]
    os.environ.get("SSL_CERT_FILE"), verify, cert, trust_env
)

WORKERS = 4
"""More than the two cores that we count on: journeys wait for windows most of the time."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Returns the workers of a run: several for the whole suite, none where tests or files are selected."""
    whole = config.args_source is not pytest.Config.ArgsSource.ARGS
    selected = config.option.keyword or config.option.lf or config.option.failedfirst
    if whole and not selected:
        return WORKERS
    config.option.dist = "no"
    return 0


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Imports a worker's share of the test files before it collects all of them.

    In a fresh clone, rewriting asserts takes longer than all other parts of collecting. Workers that begin with
    different files rewrite each file once between them. What does not import is reported when it is collected.
    """
    worker = getattr(session.config, "workerinput", None)
    if worker is None:
        return
    files = sorted(Path(__file__).parent.rglob("test_*.py"))
    number = int(worker["workerid"].removeprefix("gw"))
    for file in files[number :: worker["workercount"]]:
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(file.relative_to(session.config.rootpath).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts journeys first: a worker that meets one last keeps the others waiting."""
    items.sort(key=lambda item: item.get_closest_marker("journey") is None)


def pytest_collection_finish() -> None:
    """Looks for cycles from here on, seldom, and not among what was imported and collected."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    gc.enable()


def pytest_sessionfinish() -> None:
    """Ends the server of forked processes, where there is one."""
    if "tests.forking" in sys.modules:
        sys.modules["tests.forking"].stop()


@pytest.fixture(autouse=True)
def new_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that has heard nothing: what a lying witness of another test said is forgotten."""
    monkeypatch.setattr(clock, "process", clock.Clock())


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The one PostgreSQL server of this run, started by the first test that needs it.

    Where it cannot start the test is skipped with the reason, or fails under TRUST_TEST_POSTGRES=required.
    """
    try:
        server = Postgres()
    except Exception as reason:
        if os.environ.get("TRUST_TEST_POSTGRES") == "required":
            raise
        pytest.skip(f"PostgreSQL does not start here: {reason!r}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def forked_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory with a `python` and a `trust` that start without imports (tests/interpreter.py)."""
    from tests.interpreter import interpreter  # late: a selection without processes starts sooner

    with interpreter(tmp_path_factory.mktemp("bin")) as folder:
        yield folder


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'trust.db'}"


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """A PostgreSQL database with all tables and no rows, of one test after another."""
    url = postgres.lend()
    yield url
    postgres.give_back(url)


DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database without a row; the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="module", params=DATABASES)
def shared_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that is empty for the first test of a module; its tests run once on each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('database') / 'trust.db'}"
        return
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.lend()
    yield url
    postgres.give_back(url)
