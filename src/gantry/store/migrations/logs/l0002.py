"""What the log API needs: more to filter by, costs by unit, what people add, indexes that count alone, full text."""

import sqlalchemy as sa
from alembic import op

from gantry.store.full_text import create_full_text, index_again

revision = "l0002"
down_revision = "l0001"

_SUM = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")
_NEW_COLUMNS = (
    ("cost_by_unit", sa.Text()),
    ("temperature", sa.Float()),
    ("max_tokens", sa.BigInteger()),
    ("connector_tokens", sa.BigInteger()),
    ("connector_calls", sa.BigInteger()),
    ("tools", sa.Text()),
    ("changes", sa.Text()),
    ("is_pinned", sa.Boolean()),
    ("positive_feedback", sa.Boolean()),
    ("note", sa.Text()),
)


def upgrade() -> None:
    # Not in a batch: that would copy the table. Each of these is a change of the schema alone.
    for name, kind in _NEW_COLUMNS:
        op.add_column("request_logs", sa.Column(name, kind))
    for name in ("speed_sum", "speed_count"):
        op.add_column("rollups", sa.Column(name, _SUM, nullable=False, server_default="0"))
    for old, column in (("key", "key_id"), ("model", "model")):
        op.drop_index(f"ix_request_logs_{old}", "request_logs")
        op.create_index(
            f"ix_request_logs_{old}_newest", "request_logs", ["organization_id", column, "started_at", "environment"]
        )
    _index_some("customer", ["organization_id", "customer_identifier"], sa.text("customer_identifier IS NOT NULL"))
    _index_some("test", ["organization_id"], sa.text("environment = 'test'"))
    op.create_table(
        "counted_results",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("response_id", sa.String(), nullable=False),
        sa.Column("log_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "response_id", name="pk_counted_results"),
    )
    _number_bodies()
    create_full_text(op.get_bind(), by_days=False)
    index_again(op.get_bind())


def _number_bodies() -> None:
    """Keep what was said by the number of its row, and no longer by the ids in it."""
    op.rename_table("request_log_bodies", "request_log_bodies_before")
    if op.get_bind().dialect.name == "postgresql":  # where an index has a name of its own
        op.execute("ALTER INDEX pk_request_log_bodies RENAME TO pk_request_log_bodies_before")
    op.create_table(
        "request_log_bodies",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_request_log_bodies"),
    )
    op.execute(
        "INSERT INTO request_log_bodies (seq, content) SELECT seq, content FROM request_logs "
        "JOIN request_log_bodies_before USING (log_id, organization_id) ORDER BY seq"
    )
    op.drop_table("request_log_bodies_before")


def _index_some(name: str, columns: list[str], condition: sa.TextClause) -> None:
    op.drop_index(f"ix_request_logs_{name}", "request_logs")
    op.create_index(
        f"ix_request_logs_{name}_newest",
        "request_logs",
        [*columns, "started_at", "environment"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
