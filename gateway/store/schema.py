"""The tables, as the code sees them; what the database has is what migrations/ made of it (a test compares the two).

    resource ─ version            one row a resource, one row a version, versions never changed
       └─ index_exact, index_range, index_text     three comparisons carry all of search (decision 0003),
          index_pair, index_content                two of them in one element, and words (decision 0008; full_text.py)
    receipt ─ message             one receipt a message, so that the conservation law is a check and not a tautology
    job                           a promise written with the version that causes it

Row ids are given by the program, in order of time (row_id.py), so no table needs a sequence and any of them can be sharded:
resources by rid, messages and jobs by organisation.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, MetaData, Table, Text, text

# PostgreSQL compares text byte by byte only when told to: a prefix search needs it, and SQLite does it anyway.
Bytewise = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite's own 63-bit row id is "INTEGER PRIMARY KEY", spelled exactly so.
RowId = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

LONG_MS = 31 * 86_400_000
"""Intervals of dates beyond this length have an index of their own (window.py)."""

resource = Table(
    "resource",
    metadata,
    Column("rid", RowId, primary_key=True, autoincrement=False),
    Column("type", Bytewise, nullable=False),
    Column("id", Bytewise, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    Index("resource_type_id", "type", "id", unique=True),
    Index("resource_type_rid", "type", "rid"),
    Index("resource_type_updated_at", "type", "updated_at"),
)

version = Table(
    "version",
    metadata,
    Column("rid", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    # The history of a type and of the system is read newest first, from where the page before ended.
    Index("version_updated_at", "updated_at", "rid", "version"),
)

index_exact = Table(
    "index_exact",
    metadata,
    Column("parameter", Integer, nullable=False),
    Column("code", Bytewise, nullable=False),
    Column("system", Bytewise, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Index("index_exact_value", "parameter", "code", "system", "rid"),
    Index("index_exact_rid", "rid", "parameter"),
)

index_range = Table(
    "index_range",
    metadata,
    Column("parameter", Integer, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("unit", Bytewise, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Index("index_range_low", "parameter", "low", "high", "rid"),
    Index("index_range_high", "parameter", "high", "low", "rid"),
    Index("index_range_rid", "rid", "parameter"),
    Index(
        "index_range_long",
        "parameter",
        "low",
        "high",
        "rid",
        sqlite_where=text(f"high - low > {LONG_MS}"),
        postgresql_where=text(f"high - low > {LONG_MS}"),
    ),
)

index_text = Table(
    "index_text",
    metadata,
    Column("parameter", Integer, nullable=False),
    Column("folded", Bytewise, nullable=False),
    Column("exact", Bytewise, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Index("index_text_folded", "parameter", "folded", "rid"),
    Index("index_text_rid", "rid", "parameter"),
)

index_pair = Table(
    "index_pair",
    metadata,
    Column("parameter", Integer, nullable=False),
    Column("code", Bytewise, nullable=False),
    Column("system", Bytewise, nullable=False),
    Column("value", Bytewise, nullable=False),
    Column("low", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("qualifier", Bytewise, nullable=False),
    Column("rid", BigInteger, nullable=False),
    Index("index_pair_value", "parameter", "code", "value", "low", "high", "rid"),
    Index("index_pair_rid", "rid", "parameter"),
)

# How far something has come, by its name: which extraction the entries are of, where a reindex stands.
progress = Table(
    "progress",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# The order of a sorted search, for its further pages; rids as 8-byte numbers, the least first byte first.
page_list = Table(
    "page_list",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("rids", LargeBinary, nullable=False),
    Index("page_list_expires_at", "expires_at"),
)

# Keys that an installation makes for itself.
secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

receipt = Table(
    "receipt",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Index("receipt_source", "source"),
)

# first_key is control_id for the first message of a source that bears it, NULL for duplicates, conflicts and replays:
# NULLs are distinct, so one unique index decides between two senders at the same instant, in both databases.
message = Table(
    "message",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("source", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("first_key", Text),
    Column("body", LargeBinary, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("reply", LargeBinary, nullable=False),
    Column("origin", BigInteger),
    Column("ledger", LargeBinary, nullable=False),
    Column("table", Text, nullable=False),
    Column("worked_at", BigInteger, nullable=False),
    Column("worker", Text, nullable=False),
    Column("leased_until", BigInteger, nullable=False),
    Index("message_first", "source", "first_key", unique=True),
    Index("message_control_id", "source", "control_id"),
    Index("message_state", "source", "state"),
    # Only what is in flight is in these, so that a claim costs the same after ten years of settled messages.
    Index(
        "message_in_flight",
        "id",
        sqlite_where=text("state = 'received'"),
        postgresql_where=text("state = 'received'"),
    ),
    Index(
        "message_lane",
        "lane",
        "id",
        sqlite_where=text("state = 'received'"),
        postgresql_where=text("state = 'received'"),
    ),
)

job = Table(
    "job",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("focus", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("control_id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("reply", LargeBinary, nullable=False),
    Column("reason", LargeBinary, nullable=False),
    Column("worker", Text, nullable=False),
    Column("leased_until", BigInteger, nullable=False),
    Index("job_target_state", "target", "state"),
    Index("job_focus", "focus"),
    Index("job_in_flight", "id", sqlite_where=text("state = 'queued'"), postgresql_where=text("state = 'queued'")),
    Index(
        "job_lane",
        "target",
        "lane",
        "id",
        sqlite_where=text("state = 'queued'"),
        postgresql_where=text("state = 'queued'"),
    ),
)
