"""_text and _content: the words of resources in an index of the database's own kind (FTS5, tsvector), with their places.

Both find words that follow one another, so the same questions are answered alike on both (decision 0008).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, column, intersect, literal_column, or_, select, table, text

from gateway.search.words import is_beginning, phrases

WORD_LIMIT = 200  # words of one question
_POSITIONS_MAX = 16_383

_PG = table("index_content", column("rid"), column("narrative"), column("content"))

DELETE_SQLITE = "DELETE FROM index_content WHERE rowid = ?"
INSERT_SQLITE = "INSERT INTO index_content (rowid, narrative, content) VALUES (?, ?, ?)"
INSERT_POSTGRES = "INSERT INTO index_content (rid, narrative, content) VALUES (?, ?::tsvector, ?::tsvector)"


def matching(dialect: str, parameter: str, wanted: str) -> Any:
    """A select of the rids of what holds every phrase of a question.

    dialect    sqlite or postgresql
    parameter  _text (the narrative) or _content (all of the resource)
    wanted     as asked: parts between blanks may stand anywhere, each part stands as it is written
    """
    found = phrases(wanted)
    if not found or sum(map(len, found)) > WORD_LIMIT:
        return select(literal_column("0").label("rid")).where(text("1 = 0"))
    parts = [_phrase(dialect, parameter, phrase) for phrase in found]
    return parts[0] if len(parts) == 1 else select(intersect(*parts).subquery().c.rid)


def _phrase(dialect: str, parameter: str, phrase: Sequence[str]) -> Any:
    if dialect == "sqlite":
        scope = "{narrative} : " if parameter == "_text" else ""
        star = " *" if is_beginning(phrase[-1]) else ""
        question = scope + '"' + " ".join(phrase) + '"' + star
        return (
            select(literal_column("rowid").label("rid"))
            .select_from(text("index_content"))
            .where(text("index_content MATCH :phrase").bindparams(bindparam("phrase", question, unique=True)))
        )
    star = ":*" if is_beginning(phrase[-1]) else ""
    question = " <-> ".join(_quoted(word) for word in phrase) + star
    matched = [
        text(f"index_content.{name} @@ CAST(:phrase AS tsquery)").bindparams(bindparam("phrase", question, unique=True))
        for name in (("narrative",) if parameter == "_text" else ("narrative", "content"))
    ]
    return select(_PG.c.rid).where(or_(*matched))


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
