"""Secrets of a laptop are made once, whoever asks first."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gosend.lib import encryption, local_secrets


def test_secrets_are_made_once_and_read_afterwards(tmp_path: Path) -> None:
    made = local_secrets.load_or_create(tmp_path / "deep" / "var")
    again = local_secrets.load_or_create(tmp_path / "deep" / "var")
    elsewhere = local_secrets.load_or_create(tmp_path / "other")

    assert made == again
    assert sorted(made) == ["encryption_keys", "secret_key"]
    assert set(made.values()).isdisjoint(elsewhere.values())
    assert len(made["secret_key"]) >= 50
    assert encryption.parse_ring(made["encryption_keys"]).keys() == {"local"}


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    local_secrets.load_or_create(tmp_path)

    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]


def test_a_file_that_is_there_is_never_written(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"secret_key": "mine"}')

    assert local_secrets.load_or_create(tmp_path) == {"secret_key": "mine"}
    assert (tmp_path / "secrets.json").read_text() == '{"secret_key": "mine"}'


def test_of_many_at_once_all_read_the_secrets_of_the_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        loaded = list(pool.map(local_secrets.load_or_create, [tmp_path] * 64))

    assert all(one == loaded[0] for one in loaded)
    assert [path.name for path in tmp_path.iterdir()] == ["secrets.json"]
