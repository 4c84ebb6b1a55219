"""The books: what calls are charged, the ledger of credits, customers, alerts; sums by minute and deployment."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from gantry.store.estimates import tell_planner

revision = "l0006"
down_revision = "l0005"

_SUM = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")
_UNITS = """
    charged markup_ppm customer_cost customer_markup_ppm
    cache_write_1h_tokens input_audio_tokens output_audio_tokens web_searches billed_tool_calls
""".split()
_CALLED = ("environment", "key_id", "model", "provider_id", "credential_id")
_SUMS = """
    requests errors input_tokens cached_input_tokens cache_write_tokens output_tokens reasoning_tokens total_tokens cost
    charged unpriced latency_sum latency_count time_to_first_token_sum time_to_first_token_count speed_sum speed_count
    cache_hits cached_tokens cache_savings
""".split()
_UNKNOWN = {"credential_id": "''", "status_code": "0"} | dict.fromkeys(
    ("cache_write_tokens", "reasoning_tokens", "charged"), "0"
)


def upgrade() -> None:
    # Not in a batch: that would copy the table.
    for name in _UNITS:
        op.add_column("request_logs", sa.Column(name, sa.BigInteger()))
    op.add_column("request_logs", sa.Column("limit_info", sa.Text()))
    op.add_column("request_logs", sa.Column("cached_audio_tokens", sa.BigInteger()))
    op.add_column("request_logs", sa.Column("input_video_tokens", sa.BigInteger()))
    _create_ledger()
    _create_customers()
    _create_alerts()
    _create_sums()
    tell_planner(op.get_bind())


def _create_ledger() -> None:
    op.create_table(
        "credit_entries",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("log_id", sa.String(), nullable=True),
        sa.Column("reference", sa.String(), nullable=True),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_credit_entries"),
        sqlite_with_rowid=False,
    )
    newest = ["organization_id", "created_at", "id"]
    op.create_index("ix_credit_entries_organization_id_created_at_id", "credit_entries", newest)
    _index_some("uq_credit_entries_reference", ["organization_id", "reference"], "reference IS NOT NULL", unique=True)
    granted = ["organization_id", "created_at", "amount"]
    _index_some("ix_credit_entries_granted", granted, "kind NOT IN ('usage', 'repricing')")


def _index_some(name: str, columns: list[str], condition: str, *, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, "credit_entries", columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _create_customers() -> None:
    op.create_table(
        "board_differences",
        sa.Column("board", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("board", "number", name="pk_board_differences"),
    )
    op.create_table(
        "customers",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("customer_identifier", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("group_identifier", sa.String(), nullable=True),
        sa.Column("metadata", sa.Text(), nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("active_days", sa.BigInteger(), nullable=False),
        sa.Column("requests", _SUM, nullable=False),
        sa.Column("errors", _SUM, nullable=False),
        sa.Column("input_tokens", _SUM, nullable=False),
        sa.Column("output_tokens", _SUM, nullable=False),
        sa.Column("total_tokens", _SUM, nullable=False),
        sa.Column("cost", _SUM, nullable=False),
        sa.Column("customer_cost", _SUM, nullable=False),
        sa.Column("latency_sum", _SUM, nullable=False),
        sa.Column("latency_count", _SUM, nullable=False),
        sa.Column("time_to_first_token_sum", _SUM, nullable=False),
        sa.Column("time_to_first_token_count", _SUM, nullable=False),
        sa.Column("period_budget", sa.BigInteger(), nullable=True),
        sa.Column("budget_duration", sa.String(), nullable=True),
        sa.Column("total_budget", sa.BigInteger(), nullable=True),
        sa.Column("rate_limit", sa.BigInteger(), nullable=True),
        sa.Column("markup_ppm", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("period_start", sa.BigInteger(), nullable=True),
        sa.Column("period_end", sa.BigInteger(), nullable=True),
        sa.Column("managed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "environment", "customer_identifier", name="pk_customers"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_customers_organization_id_first_seen", "customers", ["organization_id", "first_seen"])
    marked = sa.text("(markup_ppm <> 0 OR managed)")
    op.create_index(
        "ix_customers_marks",
        "customers",
        ["organization_id", "environment", "customer_identifier"],
        sqlite_where=marked,
        postgresql_where=marked,
    )
    op.create_table(
        "customer_days",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("environment", sa.String(), nullable=False),
        sa.Column("customer_identifier", sa.String(), nullable=False),
        sa.Column("requests", _SUM, nullable=False),
        sa.Column("errors", _SUM, nullable=False),
        sa.Column("input_tokens", _SUM, nullable=False),
        sa.Column("output_tokens", _SUM, nullable=False),
        sa.Column("total_tokens", _SUM, nullable=False),
        sa.Column("cost", _SUM, nullable=False),
        sa.Column("customer_cost", _SUM, nullable=False),
        sa.Column("unpriced", _SUM, nullable=False),
        sa.Column("latency_sum", _SUM, nullable=False),
        sa.Column("latency_count", _SUM, nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "day", "environment", "customer_identifier", name="pk_customer_days"
        ),
        sqlite_with_rowid=False,
    )


def _create_alerts() -> None:
    op.create_table(
        "alerts",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.UniqueConstraint("organization_id", "event", "subject", name="uq_alerts_organization_id_event_subject"),
        sa.PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_organization_id_raised_at", "alerts", ["organization_id", "raised_at"])
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("channel_id", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_organization_id_created_at", "deliveries", ["organization_id", "created_at"])
    op.create_index("ix_deliveries_state_channel_id_next_at", "deliveries", ["state", "channel_id", "next_at"])


def _create_sums() -> None:
    for span in ("minute", "hour", "day"):
        op.create_table(
            f"{span}_sums",
            *_buckets_of(span),
            sa.Column("outcome", sa.String(), nullable=False),
            sa.Column("status_code", sa.BigInteger(), nullable=False),
            *(sa.Column(name, _SUM, nullable=False) for name in _SUMS),
            sa.PrimaryKeyConstraint(
                "organization_id", span, *_CALLED, "outcome", "status_code", name=f"pk_{span}_sums"
            ),
            sqlite_with_rowid=False,
        )
    for span in ("hour", "day"):
        op.create_table(
            f"{span}_sketches",
            *_buckets_of(span),
            *(sa.Column(name, sa.LargeBinary()) for name in ("latency", "time_to_first_token", "speed")),
            sa.PrimaryKeyConstraint("organization_id", span, *_CALLED, name=f"pk_{span}_sketches"),
            sqlite_with_rowid=False,
        )
    for span, before in (("hour", "rollups"), ("day", "day_rollups")):
        columns = ("organization_id", span, *_CALLED, "outcome", "status_code", *_SUMS)
        known = ", ".join(_UNKNOWN.get(name, name) for name in columns)
        op.execute(f"INSERT INTO {span}_sums ({', '.join(columns)}) SELECT {known} FROM {before}")  # noqa: S608
        op.drop_table(before)


def _buckets_of(span: str) -> list[sa.Column[Any]]:
    return [
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column(span, sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _CALLED),
    ]
