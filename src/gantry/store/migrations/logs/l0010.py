"""The ids of logs whose rows are in ClickHouse: see `gantry.store.clickhouse`."""

import sqlalchemy as sa
from alembic import op

revision = "l0010"
down_revision = "l0009"


def upgrade() -> None:
    op.create_table(
        "log_ids",
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "organization_id", name="pk_log_ids"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_log_ids_day", "log_ids", ["day"])
