"""Receipts of what was erased for a customer, indexes by which threads and traces are found, marks of followers."""

import sqlalchemy as sa
from alembic import op

from gantry.store.estimates import tell_planner

revision = "l0007"
down_revision = "l0006"


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("subject_digest", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("oldest_at", sa.BigInteger(), nullable=True),
        sa.Column("newest_at", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_organization_id_erased_at", "erasures", ["organization_id", "erased_at"])
    for name in ("thread_identifier", "trace_unique_id"):
        belongs = sa.text(f"{name} IS NOT NULL")
        for suffix, columns in (
            ("", ["organization_id", name, "started_at"]),
            ("_newest", ["organization_id", "started_at", name, "environment"]),
        ):
            op.create_index(
                f"ix_request_logs_{name}{suffix}",
                "request_logs",
                columns,
                sqlite_where=belongs,
                postgresql_where=belongs,
            )
    op.create_table(
        "followers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("held_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_followers"),
    )
    tell_planner(op.get_bind())
