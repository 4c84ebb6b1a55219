"""Units of operations beyond chat: tokens of images, images that were made, searches that were ranked."""

import sqlalchemy as sa
from alembic import op

revision = "l0004"
down_revision = "l0003"


def upgrade() -> None:
    # Not in a batch: that would copy the table.
    for name in ("input_image_tokens", "output_image_tokens", "images", "searches"):
        op.add_column("request_logs", sa.Column(name, sa.BigInteger()))
