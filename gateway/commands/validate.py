"""gateway validate: whether FHIR files hold to R4, every issue at its file, line and element."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from gateway import screen

if TYPE_CHECKING:
    from gateway.fhir.errors import Issue
    from gateway.validation import Checked


def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="JSON 或 NDJSON；- 为标准输入 · - is standard input")
    ],
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", metavar="URL", help="另按此 profile 校验，可重复 · against this profile too, repeatable"
        ),
    ] = None,
    remarks: Annotated[
        bool, typer.Option("--remarks", help="也显示好做法的建议 · show advice on best practice too")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="每个文件一行 JSON · one line of JSON a file")] = False,
) -> None:
    """按 R4 与 profile 检查 FHIR 文件，指出每一处 · check FHIR files against R4 and profiles, showing every place"""
    from gateway import validation
    from gateway.profiles.definition import Definitions
    from gateway.profiles.validator import Validator
    from gateway.settings import Settings
    from gateway.terminology.service import LocalTerminology
    from gateway.terminology.shelf import Folders

    settings = Settings()
    validator = Validator(
        Definitions.of(settings.profiles),
        LocalTerminology((Folders((settings.profiles.parent / "valuesets",)),)),
        unknown_extensions="warn",
        time_limit_s=settings.validate_time_limit_s,
    )
    wanted = tuple(profile or ())

    def judge(document: dict[str, Any]) -> list[Issue]:
        found = validator.validate(document, wanted)
        return [issue for issue in found if remarks or issue.severity != "information"]

    documents_count = errors_count = unread_count = 0
    with screen.progress() as bar:
        for name in bar.track(files, description=screen.said("检查", "checking")):
            found: list[tuple[int, Issue]] = []
            columns: list[int] = []
            count = 0
            with ExitStack() as stack:
                try:
                    stream = _open(name, stack)
                except OSError as error:
                    unread_count += 1
                    found.append((0, _unread(error)))
                    columns.append(0)
                else:
                    for checked in validation.check_stream(
                        stream,
                        lines=name.endswith((".ndjson", ".jsonl")),
                        judge=judge,
                    ):
                        count += 1
                        if json:
                            found += checked.issues
                            columns += checked.columns or [0] * len(checked.issues)
                        else:
                            _print(name, checked)
                        errors_count += not checked.valid
            documents_count += count
            if json:
                screen.as_json(
                    {
                        "file": name,
                        "documents": count,
                        "issues": [
                            {"line": line, **({"column": column} if column else {}), **screen.issue_as_json(issue)}
                            for ((line, issue), column) in zip(found, columns, strict=True)
                        ],
                    }
                )
            else:
                screen.complain((issue for _, issue in found), name)
    if not json:
        screen.note(
            f"{len(files)} 个文件，{documents_count} 份文档，其中 {errors_count} 份有错。",
            f"{len(files)} files, {documents_count} documents, {errors_count} of them with errors.",
        )
    if unread_count or errors_count:
        raise typer.Exit(2 if unread_count else 1)


def _open(name: str, stack: ExitStack) -> BinaryIO:
    return sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))


def _print(name: str, checked: Checked) -> None:
    for line, issue in checked.issues:
        place = ":".join((name, str(line), *issue.expression[:1]))
        print(f"{place}: {issue.severity}: {screen.said(issue.zh, issue.en)}")


def _unread(error: OSError) -> Issue:
    from gateway.fhir import failure
    from gateway.fhir.errors import Issue

    zh, en = failure.words(error)
    return Issue(
        "not-found",
        f"文件不能读（{zh}）。请检查路径与权限。",
        f"The file cannot be read ({en}). Look at its path and permissions.",
    )
