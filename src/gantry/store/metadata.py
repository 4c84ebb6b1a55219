"""What both trees of tables have in common: their names, their types, and how a tree is told.

Law: SQL and its words live in this package only. Every row belongs to an organization. Times are integer nanoseconds
since the epoch, durations integer nanoseconds, money integer nano-dollars; NULL means unknown.

Two trees for two databases on SQLite and one on PostgreSQL: `control_tables` is small and precious, who may call, by
which credentials and for how much; `log_tables` is large and prunable: what was called, and the clerk's own place in
the journals, which moves in the same transaction as the rows it stands for.
"""

from msgspec import Struct
from sqlalchemy import BigInteger, Column, Integer, MetaData, Numeric, PrimaryKeyConstraint, String, Table

_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

control = MetaData(naming_convention=_NAMES)
logs = MetaData(naming_convention=_NAMES)

# A sum of many 64-bit numbers that callers post: PostgreSQL would refuse the row that passes 2^63.
Sum = BigInteger().with_variant(Numeric(38, 0), "postgresql")
PARTITIONED_BY = "partitioned by"  # of a table's info: on PostgreSQL
RowNumber = BigInteger().with_variant(Integer, "sqlite")  # only INTEGER aliases SQLite's rowid


def speak_postgresql(metadata: MetaData) -> None:
    """Tell the tables what PostgreSQL is to know of them, before it creates them: how they are partitioned, and that an
    index has there the condition that it has on SQLite.

    As `postgresql_where` and the like in the tables, it would load that dialect into each process that knows them.
    """
    for table in metadata.tables.values():
        if PARTITIONED_BY in table.info:
            table.dialect_options["postgresql"]["partition_by"] = table.info[PARTITIONED_BY]
        for index in table.indexes:
            index.dialect_options["postgresql"]["where"] = index.dialect_options["sqlite"]["where"]


class Tree(Struct, frozen=True):
    """A set of tables that migrates as one, and the table that holds its revision."""

    name: str
    metadata: MetaData
    head: str
    revision: Table


def revision_table(name: str) -> Table:
    """Return the table in which Alembic keeps the revision, as Alembic itself declares it."""
    version = Column("version_num", String(32), nullable=False)
    return Table(name, MetaData(), version, PrimaryKeyConstraint("version_num", name=f"{name}_pkc"))
