"""Limits, alert channels, credentials of the platform's, and what a key may be called by."""

import sqlalchemy as sa
from alembic import op

revision = "c0006"
down_revision = "c0005"


def upgrade() -> None:
    # Not in a batch: that would drop the table, and with it, by cascade, every secret.
    op.add_column("credentials", sa.Column("platform", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_keys", sa.Column("surfaces", sa.Text(), nullable=False, server_default="[]"))
    op.add_column("api_keys", sa.Column("temporary", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("api_keys", sa.Column("created_by", sa.String()))
    op.add_column("api_keys", sa.Column("bound_by", sa.Text(), nullable=False, server_default="[]"))
    op.create_table(
        "limits",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("period", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("alerts", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("managed_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_limits_organization_id"),
        sa.PrimaryKeyConstraint("id", name="pk_limits"),
    )
    op.create_index("ix_limits_organization_id_created_at", "limits", ["organization_id", "created_at"])
    op.create_table(
        "alert_channels",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("events", sa.Text(), nullable=False),
        sa.Column("environment", sa.String(), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("managed_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_alert_channels_organization_id"),
        sa.UniqueConstraint("organization_id", "name", name="uq_alert_channels_organization_id_name"),
        sa.PrimaryKeyConstraint("id", name="pk_alert_channels"),
    )
