"""Which database the settings name."""

from pathlib import Path

import pytest

from worker.config import Config, ConfigError
from worker.store.session import Database


def test_the_default_is_a_file_in_the_data_folder(tmp_path: Path) -> None:
    database = Database.connect(Config(data_dir=tmp_path / "data"))

    assert (database.dialect, database.engine.url.database) == ("sqlite", str(tmp_path / "data" / "penstock.sqlite3"))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_postgresql_is_spoken_to_by_psycopg_3_whatever_the_url_says(scheme: str) -> None:
    database = Database.connect(Config(database_url=f"{scheme}://ada:secret@db.example:5433/runs?sslmode=require"))

    assert (database.dialect, database.engine.driver) == ("postgresql", "psycopg")
    assert database.engine.url.query == {"sslmode": "require"}


@pytest.mark.parametrize("url", ["mysql://ada:secret@db.example/runs", "no url: secret", "postgresql://h:port-secret/"])
def test_other_urls_are_refused_without_telling_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="must be a PostgreSQL or SQLite URL") as caught:
        Database.connect(Config(database_url=url))

    assert "secret" not in str(caught.value)
