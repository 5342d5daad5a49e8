"""gateway convert: messages to Bundle, ledger and issues; no server, no database."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adapters.kit.translation import Translation
    from gateway.conversion import Result


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
    from gateway.conversion import Result, converted
    from gateway.fhir import failure
    from gateway.fhir.errors import GatewayError
    from gateway.settings import settings

    exchange = app.open_exchange(settings())
    # A source or format that there is not is told once, and not for each file.
    if source:
        exchange.source(source)
    elif format:
        exchange.base(format)
    complete = functools.partial(app.complete, exchange, settings())
    worst = 0
    with screen.progress() as bar:
        for name in bar.track(files, description=screen.said("翻译", "translating")):
            try:
                data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
                found = converted(exchange, complete, data, name, source, format, strict)
            except OSError as error:
                zh, en = failure.words(error)
                screen.note(f"{name}：读不出（{zh}）", f"{name}: cannot be read ({en})")
                worst = 2
                continue
            except GatewayError as error:
                found = [Result(None, error.issues)]
            for number, result in enumerate(found, 1):
                worst = max(worst, int(not result.is_clean))
                _deliver(result, name, number if len(found) > 1 else 0, out, json)
    raise typer.Exit(worst)


def as_json(result: Result) -> dict[str, Any]:
    """The one JSON object that is written for a message."""
    from gateway import exchange

    if result.translation is None:
        return {"bundle": None, "ledger": [], "issues": [exchange.issue_as_json(issue) for issue in result.issues]}
    return exchange.as_json(result.translation)


def _deliver(result: Result, name: str, number: int, out: Path | None, json: bool) -> None:
    """Write one result where it is wanted: a file, a line of JSON, or a table for a person."""
    from gateway import screen
    from gateway.fhir import document

    label = f"{name}#{number}" if number else name
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        stem = "stdin" if name == "-" else Path(name).stem
        target = out / (f"{stem}.{number}.json" if number else f"{stem}.json")
        target.write_bytes(document.write(as_json(result)))
    elif json:
        sys.stdout.buffer.write(document.write(as_json(result)) + b"\n")
    elif result.translation is not None:
        _show(label, result.translation)
    if not json:
        screen.complain(result.issues, label)


def _show(label: str, translation: Translation) -> None:
    from adapters.kit.ledger import coverage
    from gateway import screen
    from gateway.store.states import in_chinese

    screen.table(
        [("资源", "resource"), ("写入方式", "written by")],
        [
            (entry["resource"]["resourceType"], f"{entry['request']['method']} {entry['request']['url']}")
            for entry in translation.bundle.get("entry", ())
        ],
        title=(label, label),
    )
    found = coverage(translation.ledger)
    zh = "、".join(f"{in_chinese(state)} {count}" for state, count in found.items())
    en = "  ".join(f"{state} {count}" for state, count in found.items())
    screen.show(f"值的去向：{zh}。全部结果用 --json 或 --out", f"values: {en} (all of it: --json or --out)")
