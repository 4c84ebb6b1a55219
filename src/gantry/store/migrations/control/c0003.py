"""Custom models: an organization's own names for models, with prices and facts of their own."""

import sqlalchemy as sa
from alembic import op

revision = "c0003"
down_revision = "c0002"


def upgrade() -> None:
    op.create_table(
        "custom_models",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("base", sa.String(), nullable=True),
        sa.Column("provider_id", sa.String(), nullable=True),
        sa.Column("called_by_name", sa.Boolean(), nullable=False),
        sa.Column("display_name", sa.String(), nullable=False),
        sa.Column("input_price", sa.BigInteger(), nullable=True),
        sa.Column("output_price", sa.BigInteger(), nullable=True),
        sa.Column("cached_input_price", sa.BigInteger(), nullable=True),
        sa.Column("cache_write_price", sa.BigInteger(), nullable=True),
        sa.Column("context_window", sa.BigInteger(), nullable=True),
        sa.Column("streaming", sa.Boolean(), nullable=True),
        sa.Column("tools", sa.Boolean(), nullable=True),
        sa.Column("vision", sa.Boolean(), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("managed_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_custom_models_organization_id"),
        sa.PrimaryKeyConstraint("organization_id", "name", name="pk_custom_models"),
    )
