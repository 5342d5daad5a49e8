"""Composites, words, and how far the index has come: entries of before lack them until `gateway reindex`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

BYTEWISE = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "index_pair",
        sa.Column("parameter", sa.Integer(), nullable=False),
        sa.Column("code", BYTEWISE, nullable=False),
        sa.Column("system", BYTEWISE, nullable=False),
        sa.Column("value", BYTEWISE, nullable=False),
        sa.Column("low", sa.Double(), nullable=False),
        sa.Column("high", sa.Double(), nullable=False),
        sa.Column("qualifier", BYTEWISE, nullable=False),
        sa.Column("rid", sa.BigInteger(), nullable=False),
    )
    op.create_index("index_pair_rid", "index_pair", ["rid", "parameter"], unique=False)
    op.create_index(
        "index_pair_value", "index_pair", ["parameter", "code", "value", "low", "high", "rid"], unique=False
    )
    op.create_table(
        "progress",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # What is there already was indexed by the first extraction.
    op.execute("INSERT INTO progress (name, value) SELECT 'extraction', 1 WHERE EXISTS (SELECT 1 FROM resource)")
    if op.get_bind().dialect.name == "sqlite":
        op.execute("CREATE VIRTUAL TABLE index_content USING fts5 (narrative, content, columnsize=0, tokenize='ascii')")
    else:
        op.execute(
            "CREATE TABLE index_content (rid bigint PRIMARY KEY, narrative tsvector NOT NULL, content tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX index_content_narrative ON index_content USING gin (narrative)")
        op.execute("CREATE INDEX index_content_content ON index_content USING gin (content)")
