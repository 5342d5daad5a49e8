"""What a command shows: sentences and tables in the person's language, JSON for scripts, issues on standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from gateway.fhir.errors import Issue

_WIDTH_OF_A_FILE = 160  # columns of a table that goes into a file or a pipe
_COLOURS = {"fatal": "red", "error": "red", "warning": "yellow", "information": "cyan"}


def language() -> str:
    """zh or en; asked for by the variable alone when the settings cannot be read."""
    from gateway.fhir.errors import Invalid
    from gateway.settings import settings

    try:
        return settings().language
    except Invalid:
        return "en" if os.environ.get("GATEWAY_LANGUAGE", "").lower() == "en" else "zh"


def said(zh: str, en: str) -> str:
    """The one of two sentences that the person reads."""
    return en if language() == "en" else zh


def console(file: IO[str] | None = None) -> Console:
    """A rich console: coloured and as wide as the terminal, plain and wide otherwise."""
    from rich.console import Console

    file = file or sys.stdout
    return Console(file=file, highlight=False, width=None if file.isatty() else _WIDTH_OF_A_FILE)


def show(zh: str, en: str) -> None:
    console().print(said(zh, en), markup=False)


def note(zh: str, en: str) -> None:
    """A sentence beside the result: on standard error, so that a pipe carries the result alone."""
    console(sys.stderr).print(said(zh, en), markup=False)


def read_from(database: str) -> None:
    """Name the database whose numbers are shown: another data folder is the first reason why they surprise."""
    # Never broken by us: a path is there to be copied.
    console(sys.stderr).print(said(f"数据来自 {database}", f"read from {database}"), markup=False, soft_wrap=True)


def table(
    columns: Sequence[tuple[str, str]],
    rows: Iterable[Sequence[str]],
    title: tuple[str, str] = ("", ""),
    whole: Collection[str] = (),
) -> None:
    """Print rows under headings; columns and title are (zh, en) pairs, cells are text already.

    whole  English headings of columns whose lines are never broken, as ids are to be copied; the others make room
    """
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=said(*title) or None, title_justify="left")
    for column in columns:
        shown.add_column(said(*column), overflow="fold", no_wrap=column[1] in whole)
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    console().print(shown)


def as_json(value: Any) -> None:
    """One JSON value on one line of standard output, for scripts."""
    print(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))


def issue_as_json(issue: Issue) -> dict[str, Any]:
    return {
        "severity": issue.severity,
        "code": issue.code,
        "zh": issue.zh,
        "en": issue.en,
        "expression": list(issue.expression),
    }


def complain(issues: Iterable[Issue], where: str = "") -> None:
    """Each issue on a line of standard error, with its place."""
    from rich.text import Text

    out = console(sys.stderr)
    for issue in issues:
        place = ":".join(part for part in dict.fromkeys((where, ", ".join(issue.expression))) if part)
        line = Text(f"{issue.severity} ", style=_COLOURS[issue.severity])
        out.print(line.append(f"{place + ': ' if place else ''}{said(issue.zh, issue.en)}", style=""), soft_wrap=True)


def progress() -> Progress:
    """A progress bar on standard error, shown on a terminal only: long work says how far it is."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console(sys.stderr),
        disable=not sys.stderr.isatty(),
        transient=True,
    )
