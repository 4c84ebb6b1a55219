"""Days on PostgreSQL: what is stored of calls lies in a partition for each day of arrival.

A table that is there becomes the oldest partition as it is, under the numbers it has: nothing is copied, and it goes
when all in it is over. What takes long, to see that its numbers are small, is done beside those who read and write; the
exchange takes milliseconds under a lock that is not waited for long. A clerk of the version before goes on meanwhile:
the numbers that it gives out are small, and belong to that partition.
"""

from typing import Final

from alembic import op
from sqlalchemy import text

from gantry.store.log_days import AHEAD, BEFORE, COUNTER, ROWS, SAID, make_days, today
from gantry.store.online_ddl import apart, create_index

revision = "l0009"
down_revision = "l0007"

_SMALL: Final = "has_small_numbers"
_INDEXES: Final = text(
    "SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisprimary, i.indisunique FROM pg_index i "
    "JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass(:name) ORDER BY c.relname"
)


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    create_index("ix_request_logs_pinned", ROWS, ["organization_id"], where="is_pinned")
    with apart():
        for table in (ROWS, *SAID):
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {_SMALL}")
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {_SMALL} CHECK (seq <= {COUNTER}) NOT VALID")
            op.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {_SMALL}")
    op.execute(f"LOCK TABLE {', '.join((ROWS, *SAID))} IN ACCESS EXCLUSIVE MODE")
    for table in (ROWS, *SAID):
        _become_a_partition(table)
    op.execute(f"ALTER SEQUENCE request_logs_seq_seq OWNED BY {ROWS}.seq")
    connection = op.get_bind()
    now = today(connection)
    make_days(connection, range(now, now + AHEAD))


def _become_a_partition(table: str) -> None:
    """Put a table in partitions in the place of one, and that into it, with its indexes."""
    connection, before = op.get_bind(), f"{table}_{BEFORE}"
    if table == SAID[0]:  # an index in parts cannot be altered, but is made as this one is
        for name in ("input", "output"):
            op.execute(f"ALTER INDEX ix_{table}_{name} SET (gin_pending_list_limit = 16384)")
    indexes = connection.execute(_INDEXES, {"name": table}).all()
    for name, *_ in indexes:
        op.execute(f"ALTER INDEX {name} RENAME TO {name}_{BEFORE}")
    op.execute(f"ALTER TABLE {table} RENAME TO {before}")
    op.execute(
        f"CREATE TABLE {table} (LIKE {before} INCLUDING DEFAULTS INCLUDING STORAGE INCLUDING COMPRESSION) "
        "PARTITION BY RANGE (seq)"
    )
    for name, definition, is_primary, is_unique in indexes:
        if is_primary:
            op.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} PRIMARY KEY (seq)")
        elif not is_unique:  # the ids: unique within each partition
            op.execute(text(definition))
    op.execute(f"ALTER TABLE {table} ATTACH PARTITION {before} FOR VALUES FROM (MINVALUE) TO ({COUNTER + 1})")
    op.execute(f"ALTER TABLE {before} DROP CONSTRAINT {_SMALL}")
