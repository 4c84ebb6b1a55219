"""Custom providers are an organization's own: two of them may name different servers alike.

And they have parameters: what calls to them have unless they say otherwise.
"""

import sqlalchemy as sa
from alembic import op

revision = "c0004"
down_revision = "c0003"


def upgrade() -> None:
    op.create_table(
        "custom_providers",
        sa.Column("organization_id", sa.String(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("base_url", sa.String(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("managed_by", sa.String(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="fk_custom_providers_organization_id"),
        sa.PrimaryKeyConstraint("organization_id", "id", name="pk_custom_providers"),
    )
    op.execute(
        "INSERT INTO custom_providers "
        "SELECT organization_id, id, name, base_url, '{}', managed_by, created_at, created_at FROM providers"
    )
    op.drop_table("providers")
