"""An index of the long intervals, so that a stretch of time is found by where the others begin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_index(
        "index_range_long",
        "index_range",
        ["parameter", "low", "high", "rid"],
        unique=False,
        sqlite_where=sa.text("high - low > 2678400000"),
        postgresql_where=sa.text("high - low > 2678400000"),
    )
