"""The home credential: which of an organization's credentials for a provider holds what lives there with an account.

And strict keys: a parameter that a provider does not take refuses their calls.
"""

import sqlalchemy as sa
from alembic import op

revision = "c0002"
down_revision = "c0001"


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("strict", sa.Boolean(), nullable=False, server_default=sa.false()))
    # Not in a batch: that would drop the table, and with it, by cascade, every secret.
    op.add_column("credentials", sa.Column("home", sa.Boolean(), nullable=False, server_default=sa.false()))
    credentials = sa.table(
        "credentials", *(sa.column(name) for name in ("id", "organization_id", "provider_id", "created_at", "home"))
    )
    older = credentials.alias("older")
    has_older = sa.exists().where(
        older.c.organization_id == credentials.c.organization_id,
        older.c.provider_id == credentials.c.provider_id,
        sa.or_(
            older.c.created_at < credentials.c.created_at,
            sa.and_(older.c.created_at == credentials.c.created_at, older.c.id < credentials.c.id),
        ),
    )
    op.execute(sa.update(credentials).where(~has_older).values(home=sa.true()))
    op.create_index(
        "uq_credentials_home",
        "credentials",
        ["organization_id", "provider_id"],
        unique=True,
        sqlite_where=sa.text("home"),
        postgresql_where=sa.text("home"),
    )
