"""The first logs tables."""

import sqlalchemy as sa
from alembic import op

revision = "l0001"
down_revision = None

_SUM = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")


def upgrade() -> None:
    op.create_table(
        "journal_checkpoints",
        sa.Column("incarnation", sa.String(), nullable=False),
        sa.Column("segment", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("incarnation", name="pk_journal_checkpoints"),
    )
    op.create_table(
        "open_calls",
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("incarnation", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", name="pk_open_calls"),
    )
    op.create_index("ix_open_calls_incarnation", "open_calls", ["incarnation"], unique=False)
    op.create_table(
        "open_parts",
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("incarnation", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "seq", "direction", name="pk_open_parts"),
    )
    op.create_index("ix_open_parts_incarnation", "open_parts", ["incarnation"], unique=False)
    op.create_table(
        "request_log_bodies",
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log_id", "organization_id", name="pk_request_log_bodies"),
    )
    op.create_table(
        "request_logs",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("log_id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("log_method", sa.String(), nullable=False),
        sa.Column("log_type", sa.String(), nullable=False),
        sa.Column("operation", sa.String(), nullable=False),
        sa.Column("dialect", sa.String(), nullable=False),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("requested_model", sa.String(), nullable=True),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("credential_id", sa.String(), nullable=True),
        sa.Column("deployment_name", sa.String(), nullable=True),
        sa.Column("tier", sa.String(), nullable=True),
        sa.Column("attempts", sa.Text(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("status_code", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("latency", sa.BigInteger(), nullable=True),
        sa.Column("time_to_first_token", sa.BigInteger(), nullable=True),
        sa.Column("routing_time", sa.BigInteger(), nullable=True),
        sa.Column("stream", sa.Boolean(), nullable=False),
        sa.Column("input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_tokens", sa.BigInteger(), nullable=True),
        sa.Column("output_tokens", sa.BigInteger(), nullable=True),
        sa.Column("reasoning_tokens", sa.BigInteger(), nullable=True),
        sa.Column("total_tokens", sa.BigInteger(), nullable=True),
        sa.Column("usage_estimated", sa.Boolean(), nullable=False),
        sa.Column("usage_raw", sa.Text(), nullable=True),
        sa.Column("cost", sa.BigInteger(), nullable=True),
        sa.Column("price_missing", sa.Boolean(), nullable=False),
        sa.Column("price_source", sa.String(), nullable=True),
        sa.Column("price_version", sa.String(), nullable=True),
        sa.Column("finish_reason", sa.String(), nullable=True),
        sa.Column("response_id", sa.String(), nullable=True),
        sa.Column("upstream_request_id", sa.String(), nullable=True),
        sa.Column("request_bytes", sa.BigInteger(), nullable=False),
        sa.Column("response_bytes", sa.BigInteger(), nullable=False),
        sa.Column("content_truncated", sa.Boolean(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("snapshot_version", sa.BigInteger(), nullable=False),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("warnings", sa.Text(), nullable=True),
        sa.Column("cache_write_tokens", sa.BigInteger(), nullable=True),
        sa.Column("input_audio", sa.BigInteger(), nullable=True),
        sa.Column("characters", sa.BigInteger(), nullable=True),
        sa.Column("pages", sa.BigInteger(), nullable=True),
        sa.Column("annotated_pages", sa.BigInteger(), nullable=True),
        sa.Column("customer_identifier", sa.String(), nullable=True),
        sa.Column("customer_name", sa.String(), nullable=True),
        sa.Column("customer_email", sa.String(), nullable=True),
        sa.Column("thread_identifier", sa.String(), nullable=True),
        sa.Column("custom_identifier", sa.String(), nullable=True),
        sa.Column("group_identifier", sa.String(), nullable=True),
        sa.Column("trace_unique_id", sa.String(), nullable=True),
        sa.Column("span_unique_id", sa.String(), nullable=True),
        sa.Column("span_parent_id", sa.String(), nullable=True),
        sa.Column("span_name", sa.String(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("properties", sa.Text(), nullable=True),
        sa.Column("extra", sa.Text(), nullable=True),
        sa.Column("tool_calls", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name="pk_request_logs"),
        sa.UniqueConstraint("log_id", "organization_id", name="uq_request_logs_log_id_organization_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_request_logs_customer",
        "request_logs",
        ["organization_id", "customer_identifier", "started_at"],
        unique=False,
        sqlite_where=sa.text("customer_identifier IS NOT NULL"),
        postgresql_where=sa.text("customer_identifier IS NOT NULL"),
    )
    op.create_index("ix_request_logs_key", "request_logs", ["organization_id", "key_id", "started_at"], unique=False)
    op.create_index("ix_request_logs_model", "request_logs", ["organization_id", "model", "started_at"], unique=False)
    op.create_index(
        "ix_request_logs_newest", "request_logs", ["organization_id", "started_at", "environment"], unique=False
    )
    op.create_index(
        "ix_request_logs_test",
        "request_logs",
        ["organization_id", "started_at"],
        unique=False,
        sqlite_where=sa.text("environment = 'test'"),
        postgresql_where=sa.text("environment = 'test'"),
    )
    op.create_table(
        "rollups",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("requests", _SUM, nullable=False),
        sa.Column("errors", _SUM, nullable=False),
        sa.Column("input_tokens", _SUM, nullable=False),
        sa.Column("cached_input_tokens", _SUM, nullable=False),
        sa.Column("output_tokens", _SUM, nullable=False),
        sa.Column("total_tokens", _SUM, nullable=False),
        sa.Column("cost", _SUM, nullable=False),
        sa.Column("unpriced", _SUM, nullable=False),
        sa.Column("latency_sum", _SUM, nullable=False),
        sa.Column("latency_count", _SUM, nullable=False),
        sa.Column("time_to_first_token_sum", _SUM, nullable=False),
        sa.Column("time_to_first_token_count", _SUM, nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "hour", "environment", "key_id", "model", "provider_id", "outcome", name="pk_rollups"
        ),
    )
