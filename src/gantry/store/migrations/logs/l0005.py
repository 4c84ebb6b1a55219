"""The response cache: its entries, what hits saved in logs and sums."""

import sqlalchemy as sa
from alembic import op

revision = "l0005"
down_revision = "l0004"

_SUM = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")
_ROW_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    # Not in a batch: that would copy the table.
    op.add_column("request_logs", sa.Column("cache_key", sa.String()))
    op.add_column("request_logs", sa.Column("cache_savings", sa.BigInteger()))
    for table in ("rollups", "day_rollups"):
        for name in ("cache_hits", "cached_tokens", "cache_savings"):
            op.add_column(table, sa.Column(name, _SUM, nullable=False, server_default="0"))
    op.create_table(
        "cached_answers",
        sa.Column("id", _ROW_NUMBER, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("organization_id", "cache_key", "log_id")),
        sa.Column("model", sa.String()),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in ("kept_at", "updated_at", "expires_at", "hits")),
        *(sa.Column(name, _SUM, nullable=False) for name in ("saved_cost", "saved_tokens", "saved_time")),
        sa.UniqueConstraint("organization_id", "cache_key", name="uq_cached_answers_organization_id_cache_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cached_answers_cache_key", "cached_answers", ["cache_key"])
    op.create_index("ix_cached_answers_expires_at", "cached_answers", ["expires_at"])
