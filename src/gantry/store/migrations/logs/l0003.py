"""Sums by day, for long time ranges; and on SQLite an index of what filters, sorts and sums look at."""

import sqlalchemy as sa
from alembic import op

from gantry.store.estimates import tell_planner

revision = "l0003"
down_revision = "l0002"

_SUM = sa.BigInteger().with_variant(sa.Numeric(38, 0), "postgresql")
_KEY = ("organization_id", "day", "environment", "key_id", "model", "provider_id", "outcome")
_SUMS = """
    requests errors input_tokens cached_input_tokens output_tokens total_tokens cost unpriced latency_sum latency_count
    time_to_first_token_sum time_to_first_token_count speed_sum speed_count
""".split()
_FACTS = """
    organization_id started_at environment ended_at outcome status_code latency time_to_first_token routing_time stream
    input_tokens output_tokens total_tokens cost price_missing model provider_id finish_reason
    temperature max_tokens cached_input_tokens reasoning_tokens customer_identifier metadata thread_identifier
    custom_identifier tool_calls error_message group_identifier trace_unique_id span_unique_id span_parent_id
    span_name is_pinned positive_feedback
""".split()


def upgrade() -> None:
    op.create_table(
        "day_rollups",
        *(sa.Column(name, sa.BigInteger() if name == "day" else sa.String(), nullable=False) for name in _KEY),
        *(
            sa.Column(name, _SUM, nullable=False, server_default="0" if name.startswith("speed_") else None)
            for name in _SUMS
        ),
        sa.PrimaryKeyConstraint(*_KEY, name="pk_day_rollups"),
    )
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute(_add_one_by_one() if is_sqlite else _add_up())
    if is_sqlite:
        op.create_index("ix_request_logs_facts", "request_logs", _FACTS)
        tell_planner(op.get_bind())


def _add_up() -> str:
    hours = ", ".join("hour / 24" if name == "day" else name for name in _KEY)
    sums = ", ".join(f"sum({name})" for name in _SUMS)
    return (
        f"INSERT INTO day_rollups ({', '.join((*_KEY, *_SUMS))}) SELECT {hours}, {sums} FROM rollups GROUP BY {hours}"  # noqa: S608
    )


def _add_one_by_one() -> str:
    """As the clerk does: SQLite's sum() fails where numbers of 64 bits have a sum that no integer holds, + does not."""
    hours = ", ".join("hour / 24" if name == "day" else name for name in (*_KEY, *_SUMS))
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    return (
        f"INSERT INTO day_rollups ({', '.join((*_KEY, *_SUMS))}) SELECT {hours} FROM rollups WHERE true "  # noqa: S608
        f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET {added}"
    )
