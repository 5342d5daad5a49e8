"""The first tables: versions and their index, messages with their receipts, jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "index_exact",
        sa.Column("parameter", sa.Integer(), nullable=False),
        sa.Column("code", BYTEWISE, nullable=False),
        sa.Column("system", BYTEWISE, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_exact_rid", "index_exact", ["rid", "parameter"], unique=False)
    op.create_index("index_exact_value", "index_exact", ["parameter", "code", "system", "rid"], unique=False)
    op.create_table(
        "index_range",
        sa.Column("parameter", sa.Integer(), nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("unit", BYTEWISE, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_range_high", "index_range", ["parameter", "high", "low", "rid"], unique=False)
    op.create_index("index_range_low", "index_range", ["parameter", "low", "high", "rid"], unique=False)
    op.create_index("index_range_rid", "index_range", ["rid", "parameter"], unique=False)
    op.create_table(
        "index_text",
        sa.Column("parameter", sa.Integer(), nullable=False),
        sa.Column("folded", BYTEWISE, nullable=False),
        sa.Column("exact", BYTEWISE, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_text_folded", "index_text", ["parameter", "folded", "rid"], unique=False)
    op.create_index("index_text_rid", "index_text", ["rid", "parameter"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("focus", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_in_flight",
        "job",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("job_focus", "job", ["focus"], unique=False)
    op.create_index(
        "job_lane",
        "job",
        ["target", "lane", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'queued'"),
        postgresql_where=sa.text("state = 'queued'"),
    )
    op.create_index("job_target_state", "job", ["target", "state"], unique=False)
    op.create_table(
        "message",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False),
        sa.Column("control_id", sa.Text(), nullable=False),
        sa.Column("first_key", sa.Text(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.LargeBinary(), nullable=False),
        sa.Column("reply", sa.LargeBinary(), nullable=False),
        sa.Column("origin", sa.BigInteger(), nullable=True),
        sa.Column("ledger", sa.LargeBinary(), nullable=False),
        sa.Column("table", sa.Text(), nullable=False),
        sa.Column("worked_at", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("leased_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("message_control_id", "message", ["source", "control_id"], unique=False)
    op.create_index(
        "message_in_flight",
        "message",
        ["id"],
        unique=False,
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_index("message_first", "message", ["source", "first_key"], unique=True)
    op.create_index(
        "message_lane",
        "message",
        ["lane", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'received'"),
        postgresql_where=sa.text("state = 'received'"),
    )
    op.create_index("message_state", "message", ["source", "state"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("receipt_source", "receipt", ["source"], unique=False)
    op.create_table(
        "resource",
        sa.Column("rid", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("type", BYTEWISE, nullable=False),
        sa.Column("id", BYTEWISE, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("deleted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("rid"),
    )
    op.create_index("resource_type_id", "resource", ["type", "id"], unique=True)
    op.create_index("resource_type_rid", "resource", ["type", "rid"], unique=False)
    op.create_index("resource_type_updated_at", "resource", ["type", "updated_at"], unique=False)
    op.create_table(
        "version",
        sa.Column("rid", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("rid", "version"),
    )
