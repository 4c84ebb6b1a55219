"""Routing rules, with their history; and what a credential does not serve."""

import sqlalchemy as sa
from alembic import op

revision = "c0005"
down_revision = "c0004"


def upgrade() -> None:
    op.create_table(
        "routing_rules",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("managed_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_routing_rules_organization_id"),
        sa.PrimaryKeyConstraint("organization_id", "version", name="pk_routing_rules"),
    )
    # Not in a batch: that would drop the table, and with it, by cascade, every secret.
    op.add_column("credentials", sa.Column("excluded_models", sa.Text(), nullable=False, server_default="[]"))
