"""The control store: every change raises the version in its own transaction."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gantry.store.control import (
    ControlStore,
    default_organization,
    put_setting,
    settings_by_organization,
)
from gantry.store.control_tables import organizations
from tests.postgresql import needs_sqlite


def test_the_first_opening_makes_a_default_organization_and_later_ones_find_it(address: str | Path) -> None:
    found = set()
    for _ in range(2):
        with ControlStore(address) as store, store.reading() as connection:
            found.add(default_organization(connection))
            assert connection.scalar(select(func.count()).select_from(organizations)) == 1
    assert len(found) == 1


def test_a_change_raises_the_version(control: ControlStore) -> None:
    before = control.version()
    with control.changing() as change:
        assert change.version == before + 1
    assert control.version() == before + 1


def test_a_change_that_fails_changes_nothing(control: ControlStore) -> None:
    before = control.version()
    with control.reading() as connection:
        organization_id = default_organization(connection)

    def fail() -> None:
        with control.changing() as change:
            put_setting(change, organization_id, "a", 1)
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        fail()
    assert control.version() == before
    with control.reading() as connection:
        assert settings_by_organization(connection) == {}


def test_a_reader_sees_one_state(control: ControlStore) -> None:
    with control.reading() as connection:
        organization_id = default_organization(connection)
        with control.changing() as change:
            put_setting(change, organization_id, "a", 1)
        assert settings_by_organization(connection) == {}
    with control.reading() as connection:
        assert settings_by_organization(connection) == {organization_id: {"a": 1}}


def test_settings_are_json(control: ControlStore) -> None:
    with control.reading() as connection:
        organization_id = default_organization(connection)
    for value in ({"deep": [1, "é", None]}, False):
        with control.changing() as change:
            put_setting(change, organization_id, "a", value)
        with control.reading() as connection:
            assert settings_by_organization(connection) == {organization_id: {"a": value}}


def test_versions_of_many_writers_are_all_different(control: ControlStore) -> None:
    versions: list[int] = []

    def change_often() -> None:
        for _ in range(10):
            with control.changing() as change:
                versions.append(change.version)

    threads = [threading.Thread(target=change_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(2, 42))
    assert control.version() == 41


def test_the_version_can_be_raised_but_not_lowered(control: ControlStore) -> None:
    assert control.raise_version(100) == 100
    assert control.raise_version(5) == 101
    assert control.version() == 101


_OTHER_PROCESS = """
import sys
from pathlib import Path
from gantry.store.control import ControlStore
with ControlStore(Path(sys.argv[1])) as control, control.changing() as change:
    print(change.version)
"""


@needs_sqlite
@pytest.mark.slow
def test_a_second_store_of_a_process_costs_the_first_none_of_its_locks(tmp_path: Path) -> None:
    """SQLite's locks are the process's: the first store must go on seeing what other processes write and leave."""
    path = tmp_path / "control.db"
    with ControlStore(path) as first, ControlStore(path) as second:
        for _ in range(2):
            done = subprocess.run((sys.executable, "-c", _OTHER_PROCESS, str(path)), stdout=subprocess.PIPE, check=True)
            assert first.version() == second.version() == int(done.stdout)
