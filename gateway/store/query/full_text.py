"""_text and _content: the words of resources in an index of the database's own kind (FTS5, tsvector), with their places.

Both find words that follow one another, so the same questions are answered alike on both (decision 0008).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.search.words import is_beginning, phrases

WORD_LIMIT = 200  # words of one question
_POSITIONS_MAX = 16_383

DELETE_SQLITE = "DELETE FROM index_content WHERE rowid = ?"
INSERT_SQLITE = "INSERT INTO index_content (rowid, narrative, content) VALUES (?, ?, ?)"
INSERT_POSTGRES = "INSERT INTO index_content (rid, narrative, content) VALUES (?, ?::tsvector, ?::tsvector)"


def matching(dialect: str, parameter: str, wanted: str) -> tuple[str, list[str]]:
    """A select of the rids of what holds every phrase of a question, and the values for its marks.

    dialect    sqlite or postgresql
    parameter  _text (the narrative) or _content (all of the resource)
    wanted     as asked: parts between blanks may stand anywhere, each part stands as it is written
    """
    found = phrases(wanted)
    if not found or sum(map(len, found)) > WORD_LIMIT:
        return "SELECT 0 AS rid WHERE 1 = 0", []
    parts = [_phrase(dialect, parameter, phrase) for phrase in found]
    return " INTERSECT ".join(text for text, _ in parts), [value for _, values in parts for value in values]


def _phrase(dialect: str, parameter: str, phrase: Sequence[str]) -> tuple[str, list[str]]:
    goes_on = is_beginning(phrase[-1])
    if dialect == "sqlite":
        scope = "{narrative} : " if parameter == "_text" else ""
        question = scope + '"' + " ".join(phrase) + '"' + (" *" if goes_on else "")
        return "SELECT rowid AS rid FROM index_content WHERE index_content MATCH ?", [question]
    question = " <-> ".join(_quoted(word) for word in phrase) + (":*" if goes_on else "")
    columns = ("narrative",) if parameter == "_text" else ("narrative", "content")
    matched = " OR ".join(f"{name} @@ CAST(? AS tsquery)" for name in columns)
    return f"SELECT rid FROM index_content WHERE {matched}", [question] * len(columns)


def vector(words: Iterable[str]) -> str:
    """A tsvector as PostgreSQL reads it: each word with its places."""
    places: dict[str, list[str]] = {}
    for place, word in enumerate(words, 1):
        if place > _POSITIONS_MAX:
            break
        places.setdefault(word, []).append(str(place))
    return " ".join(f"{_quoted(word)}:{','.join(at)}" for word, at in places.items())


def _quoted(word: str) -> str:
    return "'" + word.replace("\\", "\\\\").replace("'", "''") + "'"
