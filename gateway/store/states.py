"""What the states of messages, jobs and values are called in Chinese; the code stands beside it, for filters are written with it."""

from __future__ import annotations

_WORDS = {
    "received": "已收到",
    "stored": "已入库",
    "duplicate": "重复",
    "superseded": "已被取代",
    "quarantined": "已隔离",
    "queued": "待发送",
    "sent": "已发出",
    "acknowledged": "已确认",
    "dead": "不再发送",
    "mapped": "已映射",
    "ignored": "有意不采用",
    "invalid": "无效",
    "unmapped": "未映射",
}


def in_chinese(state: str) -> str:
    """已隔离（quarantined）; a state without a word as it is."""
    return f"{_WORDS[state]}（{state}）" if state in _WORDS else state
