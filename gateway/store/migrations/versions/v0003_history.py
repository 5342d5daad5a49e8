"""An index on the time of every version: the history of a type and of the system."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("version_updated_at", "version", ["updated_at", "rid", "version"], unique=False)
