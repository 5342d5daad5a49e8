"""The program's log: one line an event on standard error, in the alliance's zone, for people and for journald alike.

Code logs in English; in Chinese, where the settings say so, a line is told by log_words.
"""

from __future__ import annotations

import copy
import logging
import sys
from datetime import datetime, tzinfo

from gateway.fhir.errors import GatewayError, Issue
from gateway.log_words import CHINESE
from gateway.settings import Settings


def begin(settings: Settings) -> None:
    """Log from now on, at the level of the settings; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(settings.timezone, settings.language))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    # These tell at info what our own lines tell already.
    for name in ("httpx2", "httpcore2", "uvicorn.access", "alembic"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(settings.log_level.upper())))


class _Lines(logging.Formatter):
    """2026-11-22T08:00:00.123+08:00 WARNING gateway.inbox.work: text, the text of several lines folded into one."""

    def __init__(self, zone: tzinfo, language: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self.zone = zone
        self.language = language

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, self.zone).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        record = self._worded(record)
        # A line break in a partner's text must not look like an event of its own.
        return super().format(record).replace("\r", "\\r").replace("\n", "\\n" if not record.exc_info else "\n  ")

    def _worded(self, record: logging.LogRecord) -> logging.LogRecord:
        """The line in the person's language: its text, and what is told inside it (an Issue, an error of ours)."""
        zh = self.language == "zh"
        if not record.args and not (zh and record.msg in CHINESE):
            return record
        told = copy.copy(record)
        told.msg = CHINESE.get(record.msg, record.msg) if zh else record.msg
        if isinstance(record.args, tuple):
            told.args = tuple(_said(one, zh) for one in record.args)
        return told


def _said(value: object, zh: bool) -> object:
    if isinstance(value, GatewayError):
        return ("；" if zh else "; ").join(issue.zh if zh else issue.en for issue in value.issues)
    if isinstance(value, Issue):
        return value.zh if zh else value.en
    return value
