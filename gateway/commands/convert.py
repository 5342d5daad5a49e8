"""gateway convert: messages to Bundle, ledger and issues; no server, no database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.kit.contract import Source
    from adapters.kit.translation import Translation
    from gateway.exchange import Exchange
    from gateway.fhir.errors import Issue
    from gateway.settings import Settings


def convert(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="消息文件；- 为标准输入 · - is standard input")],
    source: Annotated[str, typer.Option("--source", help="按此来源的映射表 · with the tables of this source")] = "",
    format: Annotated[
        str,
        typer.Option("--format", help="格式：hl7v2 cda webservice tabular，缺省按内容判断 · by content when not given"),
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="每条消息一行 JSON · one line of JSON a message")] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="再按格式的标准结构检查（慢） · also by the format's published structures (slow)"
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="每条消息写一个文件到此文件夹 · a file a message in this folder")
    ] = None,
) -> None:
    """把消息译成 FHIR Bundle，并说明每个值的去向 · translate messages, and account for every value"""
    from gateway import app, screen
    from gateway.fhir.errors import GatewayError
    from gateway.settings import settings

    exchange = app.open_exchange(settings())
    # A source or format that there is not is told once, and not for each file.
    if source:
        exchange.source(source)
    elif format:
        exchange.base(format)
    worst = 0
    with screen.progress() as bar:
        for name in bar.track(files, description=screen.said("翻译", "translating")):
            try:
                data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
                found = [
                    _translated(exchange, settings(), part, sender, strict)
                    for part, sender in _messages(exchange, data, name, source, format)
                ]
            except OSError as error:
                screen.note(f"{name}：读不出（{error.strerror}）", f"{name}: cannot be read ({error.strerror})")
                worst = 2
                continue
            except GatewayError as error:
                found = [Result(None, error.issues)]
            for number, result in enumerate(found, 1):
                worst = max(worst, int(result.refused))
                _deliver(result, name, number if len(found) > 1 else 0, out, json)
    raise typer.Exit(worst)


class Result(NamedTuple):
    """What became of one message. translation is None when nothing could be made of it."""

    translation: Translation | None
    issues: tuple[Issue, ...]

    @property
    def refused(self) -> bool:
        return self.translation is None or any(issue.severity in ("error", "fatal") for issue in self.issues)

    @property
    def as_json(self) -> dict[str, Any]:
        from gateway.exchange import as_json, issue_as_json

        if self.translation is None:
            return {"bundle": None, "ledger": [], "issues": [issue_as_json(issue) for issue in self.issues]}
        return as_json(self.translation)


def _deliver(result: Result, name: str, number: int, out: Path | None, json: bool) -> None:
    """Write one result where it is wanted: a file, a line of JSON, or a table for a person."""
    from gateway import screen
    from gateway.fhir import document

    label = f"{name}#{number}" if number else name
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        stem = "stdin" if name == "-" else Path(name).stem
        target = out / (f"{stem}.{number}.json" if number else f"{stem}.json")
        target.write_bytes(document.write(result.as_json))
    elif json:
        sys.stdout.buffer.write(document.write(result.as_json) + b"\n")
    elif result.translation is not None:
        _show(label, result.translation)
    if not json:
        screen.complain(result.issues, label)


def _messages(exchange: Exchange, data: bytes, name: str, source: str, format: str) -> Iterator[tuple[bytes, Source]]:
    """Each message of a delivery with the source that it is read as."""
    sender = exchange.source(source) if source else exchange.guess(data, format, name)
    for part in exchange.adapter(sender).split(data, sender):
        yield part, sender


def _translated(exchange: Exchange, chosen: Settings, part: bytes, sender: Source, strict: bool) -> Result:
    from gateway import app
    from gateway.fhir.check import check
    from gateway.fhir.errors import GatewayError

    try:
        translation = app.complete(exchange, chosen, part, sender)
    except GatewayError as error:
        return Result(None, error.issues)
    translation.issues = [*translation.issues, *check(translation.bundle)]
    judge = exchange.adapter(sender).strict if strict else None
    if judge is not None:
        translation.issues += judge(part, sender)
    return Result(translation, tuple(translation.issues))


def _show(label: str, translation: Translation) -> None:
    from adapters.kit.ledger import coverage
    from gateway import screen

    screen.table(
        [("资源", "resource"), ("写入方式", "written by")],
        [
            (entry["resource"]["resourceType"], f"{entry['request']['method']} {entry['request']['url']}")
            for entry in translation.bundle.get("entry", ())
        ],
        title=(label, label),
    )
    counted = "  ".join(f"{state} {count}" for state, count in coverage(translation.ledger).items())
    screen.show(f"值的去向：{counted}（全部结果用 --json 或 --out）", f"values: {counted} (all of it: --json or --out)")
