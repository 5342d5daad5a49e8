"""The program's log: one line an event on standard error, in the alliance's zone, for people and for journald alike."""

from __future__ import annotations

import logging
import sys
from datetime import datetime, tzinfo

from gateway.settings import Settings


def begin(settings: Settings) -> None:
    """Log from now on, at the level of the settings; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(settings.timezone))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # These tell at info what our own lines tell already.
    for name in ("httpx2", "httpcore2", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level.upper())))


class _Lines(logging.Formatter):
    """2026-11-22T08:00:00.123+08:00 WARNING gateway.inbox.work: text, the text of several lines folded into one."""

    def __init__(self, zone: tzinfo) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.zone = zone

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, self.zone).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        # A line break in a partner's text must not look like an event of its own.
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n" if not record.exc_info else "\n  ")
