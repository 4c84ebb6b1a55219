"""What was granted, as the publisher reads it: from whatever database there is, without making one."""

from pathlib import Path

import pytest
from sqlalchemy import text

from gantry.clerk.granted import GrantedCredits
from gantry.core.credits import EntryKind, NewEntry
from gantry.store.credits import add_entry
from gantry.store.database import StoreUnavailable
from gantry.store.logs import LogStore
from tests.postgresql import needs_sqlite
from tests.store.conftest import address, logs, postgres_server

__all__ = ["address", "logs", "postgres_server"]


def enter(store: LogStore, organization: str, amount: int) -> None:
    with store.writing() as connection:
        add_entry(connection, NewEntry(organization_id=organization, kind=EntryKind.GRANT, amount=amount, created_at=1))


def test_what_was_granted_is_read_and_read_anew(address: str | Path, logs: LogStore) -> None:
    granted = GrantedCredits(address)
    assert granted() == {}
    enter(logs, "o1", 5)
    enter(logs, "o2", 7)
    enter(logs, "o1", 1)
    assert granted() == {"o1": 6, "o2": 7}
    granted.close()


@needs_sqlite
def test_looking_makes_no_database(tmp_path: Path) -> None:
    granted = GrantedCredits(tmp_path / "logs.db")
    assert granted() == {}
    assert list(tmp_path.iterdir()) == []
    LogStore(tmp_path / "logs.db").close()
    assert granted() == {}
    granted.close()


@needs_sqlite
@pytest.mark.parametrize(("revision", "is_older"), [("l0005", True), ("l9999", False)])
def test_tables_of_another_version(tmp_path: Path, revision: str, is_older: bool) -> None:
    store = LogStore(tmp_path / "logs.db")
    enter(store, "o1", 5)
    with store.writing() as connection:
        connection.execute(text("UPDATE logs_revision SET version_num = :revision"), {"revision": revision})
    store.close()
    granted = GrantedCredits(tmp_path / "logs.db")
    if is_older:
        assert granted() == {}
    else:
        with pytest.raises(StoreUnavailable, match="the logs have revision l9999"):
            granted()
    granted.close()
