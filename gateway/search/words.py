"""Words of a text for _text and _content: pairs of neighbouring han characters, and whole words of other scripts.

Han text has no blanks between its words, so each pair of neighbours is a word, and the last character of a run one more:
高血压 is 高血, 血压, 压. What is searched for is then a row of such words without a gap, and finds exactly the texts in
which the characters stand beside each other, whatever the words of the language are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

from gateway.search.fold import HAN, fold

TEXT_LIMIT = (
    16_000  # characters of the narrative, and of the rest, that are kept: PostgreSQL counts 16,383 words of one text
)

WORD_LENGTH = 128  # of a word in another script: what is longer is no word, and PostgreSQL takes 2,046 bytes

_run = re.compile(rf"(?P<han>[{HAN}]+)|(?P<other>[^\W_{HAN}]+)").finditer
_inline = re.compile(r"</?(?:a|abbr|b|em|font|i|q|s|small|span|strong|sub|sup|u)\b[^<>]*>", re.IGNORECASE)
_tag = re.compile(r"<[^<>]*>")
_END = "|"  # stands where a text ends: no phrase goes on behind it

# Texts that no reader reads: addresses, ids and instants of the document, encoded data; the narrative has a place of its own.
# What has parts under such a name (MessageHeader.source, Consent.provision.data) is read.
_MACHINE = frozenset(
    [
        "resourceType",
        "id",
        "div",
        "system",
        "url",
        "uri",
        "reference",
        "fullUrl",
        "versionId",
        "lastUpdated",
        "profile",
        "source",
        "data",
        "hash",
        "contentType",
        "valueBase64Binary",
        "valueUri",
        "valueUrl",
        "valueCanonical",
        "valueOid",
        "valueUuid",
    ]
)
_RESOURCES = frozenset(["contained", "resource", "outcome"])  # hold resources, each with a narrative of its own


def words(text: str) -> list[str]:
    """The words of a text, in its order."""
    found = []
    folded = fold.__wrapped__(
        text
    )  # a whole narrative: nobody folds it again, and thousands of them kept are gigabytes
    for match in _run(folded):
        run = match[0]
        if match.lastgroup == "han":
            found += [run[place : place + 2] for place in range(len(run))]
        else:
            found.append(run[:WORD_LENGTH])
    return found


def phrases(text: str) -> list[tuple[str, ...]]:
    """What is searched for: a phrase for each part between blanks, each the words that must follow one another.

    A last word of one han character stands for every word that begins with it.
    """
    found = []
    for part in text.split():
        told = words(part)
        if len(told) > 1 and len(told[-1]) == 1 and len(told[-2]) == 2 and told[-2][1] == told[-1]:
            told.pop()  # the run may go on in the text
        if told:
            found.append(tuple(told))
    return found


def is_beginning(word: str) -> bool:
    """Whether a last word stands for what begins with it."""
    return len(word) == 1 and re.match(f"[{HAN}]", word) is not None


def narrative(document: dict[str, Any]) -> list[str]:
    """The words that _text finds: those of the narrative, and of the sections of a Composition, which are its text as well."""
    told = _END.join(_read_aloud(div) for div in _narratives(document))
    return words(told[:TEXT_LIMIT]) if told else []


def content(document: dict[str, Any]) -> list[str]:
    """The words that _content finds beside those of the narrative: every text a reader would read, what is contained as well."""
    parts: list[str] = []
    left = TEXT_LIMIT
    for text in _texts(document, is_own=True):
        parts.append(text[:left])
        left -= len(text) + 1
        if left <= 0:
            break
    return words(_END.join(parts))


def _narratives(node: dict[str, Any]) -> Iterator[str]:
    text = node.get("text")
    if type(text) is dict and (div := text.get("div")):
        yield div
    for section in node.get("section", ()):
        yield from _narratives(section)


def _read_aloud(div: str) -> str:
    return unescape(_tag.sub(_END, _inline.sub("", div)))


def _texts(node: Any, is_own: bool) -> Iterator[str]:
    """is_own: whether narratives found here are the resource's own, not those of one inside it."""
    if type(node) is dict:
        for key, value in node.items():
            if type(value) is str:
                if key not in _MACHINE:
                    yield value
                elif key == "div" and not is_own:
                    yield _read_aloud(value)
            elif type(value) is list and value and type(value[0]) is str and key in _MACHINE:
                continue
            elif type(value) in (dict, list):
                yield from _texts(value, is_own and key not in _RESOURCES)
    elif type(node) is list:
        for value in node:
            if type(value) is str:
                yield value
            else:
                yield from _texts(value, is_own)
