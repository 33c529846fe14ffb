"""Settings come from where an operator expects, and keys from nowhere that others can read."""

from __future__ import annotations

from pathlib import Path

import pytest

from trust.settings import Settings, SettingsError, load, read_seed, shipped, write_seed

SEED = bytes(range(32))


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_text('port = 1\nhost = "file"\nreader_threads = 9\n')
    environ = {"TRUST_PORT": "2", "TRUST_HOST": "environment", "TRUST_DATA": str(tmp_path)}
    settings = load({"port": 3, "host": None}, environ)
    assert (settings.port, settings.host, settings.reader_threads) == (3, "environment", 9)
    assert settings.inbox_max_statements == Settings.inbox_max_statements


def test_the_file_is_read_from_the_directory_that_the_flag_names(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trust.toml").write_text(f'host = "{name}"')
    settings = load({"data": tmp_path / "a"}, {"TRUST_DATA": str(tmp_path / "b")})
    assert settings.host == "a"


def test_without_a_database_the_data_lie_in_sqlite_in_the_data_directory(tmp_path: Path) -> None:
    assert load({"data": tmp_path}, {}).database_url == f"sqlite:///{tmp_path}/trust.db"
    assert load({}, {"TRUST_DATABASE": "postgresql+psycopg://h/d"}).database_url == "postgresql+psycopg://h/d"


def test_witnesses_are_a_list_in_the_file_and_have_commas_in_the_environment(tmp_path: Path) -> None:
    (tmp_path / "trust.toml").write_text('witnesses = ["one", "two"]')
    assert load({"data": tmp_path}, {}).witnesses == ("one", "two")
    assert load({"data": tmp_path}, {"TRUST_WITNESSES": "three, four"}).witnesses == ("three", "four")


@pytest.mark.parametrize("port", ["", " 1", "-1", "65536", "1e3", "0x10", "٣", "many"])
def test_a_port_that_is_not_a_port_is_refused_with_where_it_came_from(port: str) -> None:
    with pytest.raises(SettingsError, match=r"--port: .* is not a whole number from 0 to 65535"):
        load({"port": port}, {})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prot = 1", "prot in .* no such setting"),
        ("port = true", "port in .* not a whole number"),
        ("port = 1.5", "port in .* not a whole number"),
        ("host = 7", "host in .* not a text"),
        ("witnesses = 7", "witnesses in .* not a list"),
        ("port = ", "trust.toml"),
        (f'log_key = "{SEED.hex()}"', "log_key can not stand here; use TRUST_LOG_KEY"),
        ('data = "elsewhere"', "data can not stand here"),
    ],
)
def test_a_line_of_the_file_that_means_nothing_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "trust.toml").write_text(text)
    with pytest.raises(SettingsError, match=complaint):
        load({"data": tmp_path}, {})


def test_a_key_comes_from_the_environment_before_a_file(tmp_path: Path) -> None:
    write_seed(tmp_path / "log.key", SEED)
    assert load({"data": tmp_path}, {}).log_key == SEED
    assert load({"data": tmp_path}, {"TRUST_LOG_KEY": "ff" * 32}).log_key == b"\xff" * 32
    assert load({"data": tmp_path}, {}).draw_key is None


def test_a_key_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    write_seed(tmp_path / "elsewhere.key", SEED)
    given = {"data": tmp_path, "draw_key_file": tmp_path / "elsewhere.key"}
    assert load(given, {}).draw_key == SEED
    (tmp_path / "elsewhere.key").unlink()
    with pytest.raises(SettingsError, match="no such key file"):
        load(given, {})


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_key_file_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "log.key"
    write_seed(path, SEED)
    assert read_seed(path) == SEED
    path.chmod(mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        read_seed(path)


def test_a_key_file_is_never_overwritten_and_never_wider_than_0600(tmp_path: Path) -> None:
    path = tmp_path / "log.key"
    write_seed(path, SEED)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_seed(path, SEED)


@pytest.mark.parametrize("text", ["", "00", "zz" * 32, "00" * 33])
def test_a_key_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load({}, {"TRUST_LOG_KEY": text or " "})
    assert str(refused.value) == "TRUST_LOG_KEY: a key is 64 hex digits"


def test_no_secret_shows_when_settings_are_printed(tmp_path: Path) -> None:
    printed = repr(
        load({"data": tmp_path, "database": "postgresql://u:hunter2@h/d"}, {"TRUST_LOG_KEY": "ab" * 32})
    )
    assert "hunter2" not in printed
    assert "abab" not in printed
    assert "xab" not in printed


def test_what_a_wheel_carries_is_found_in_a_checkout_too() -> None:
    assert shipped("policies") == Path(__file__).parents[1] / "policies"


def test_a_service_may_hold_several_keys_of_a_use(tmp_path: Path) -> None:
    write_seed(tmp_path / "draw.key", SEED)
    settings = load({"data": tmp_path}, {})
    assert settings.keys("draw") == (SEED,)
    assert settings.keys("log") == ()
    write_seed(tmp_path / "draw-later.key", b"\x01" * 32)
    assert settings.keys("draw") == (SEED, b"\x01" * 32)
    given = {"TRUST_DRAW_KEY": f"{'ff' * 32}, {'ee' * 32}"}
    assert load({"data": tmp_path}, given).keys("draw") == (b"\xff" * 32, b"\xee" * 32, b"\x01" * 32)
    (tmp_path / "draw-later.key").chmod(0o644)
    with pytest.raises(SettingsError, match="others can reach the key"):
        settings.keys("draw")


def test_several_keys_are_nowhere_to_be_read(tmp_path: Path) -> None:
    settings = load({"data": tmp_path}, {"TRUST_LOG_KEY": f"{'ff' * 32},{'ee' * 32}"})
    assert "ee" * 8 not in repr(settings)
    assert str(b"\xee" * 4)[2:-1] not in repr(settings)
