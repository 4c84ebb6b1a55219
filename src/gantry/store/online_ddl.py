"""Changes of a large table's schema beside those who use it, for migrations on PostgreSQL.

Law: nobody who reads or writes waits for longer than a lock takes that is had at once. What scans a table, an index or
the validation of a constraint, runs in no transaction and beside writers; where it was interrupted it is done again.
Inside somebody's transaction, as on SQLite, the same is done plainly.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from alembic import op
from sqlalchemy import text

_PARTITIONS = text(
    "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = to_regclass(:name) ORDER BY c.relname"
)
_IS_PARTITIONED = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:name)")
_IS_BROKEN = text("SELECT NOT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")


@contextmanager
def apart() -> Iterator[bool]:
    """Leave the migration's transaction for the block, where it is the migration's own, and say whether it was left."""
    context = op.get_context()
    shares = context.config is not None and context.config.attributes.get("in_transaction")
    if op.get_bind().dialect.name == "postgresql" and not shares:
        with context.autocommit_block():
            yield True
    else:
        yield False


def create_index(name: str, table: str, columns: Sequence[str], *, where: str | None = None) -> None:
    """Create an index: on PostgreSQL concurrently, and of a table in partitions on one after the other."""
    rest = f"({', '.join(columns)})" + (f" WHERE {where}" if where else "")
    with apart() as concurrently:
        connection = op.get_bind()
        if not concurrently:
            connection.execute(text(f"CREATE INDEX {name} ON {table} {rest}"))
            return
        if not connection.scalar(_IS_PARTITIONED, {"name": table}):
            _create_concurrently(name, table, rest)
            return
        connection.execute(text(f"CREATE INDEX IF NOT EXISTS {name} ON ONLY {table} {rest}"))
        for part in connection.scalars(_PARTITIONS, {"name": table}).all():
            own = f"{name}_{part.removeprefix(table).strip('_')}"
            _create_concurrently(own, part, rest)
            connection.execute(text(f"ALTER INDEX {name} ATTACH PARTITION {own}"))


def _create_concurrently(name: str, table: str, rest: str) -> None:
    connection = op.get_bind()
    if connection.scalar(_IS_BROKEN, {"name": name}):
        connection.execute(text(f"DROP INDEX {name}"))
    connection.execute(text(f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON {table} {rest}"))
