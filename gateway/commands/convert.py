"""gateway convert: messages to Bundle, ledger and issues; no server, no database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapters.kit.contract import Source
    from gateway.exchange import Exchange


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
    from adapters.kit import ledger as accounts
    from gateway import app, screen
    from gateway.fhir import document
    from gateway.fhir.errors import GatewayError
    from gateway.settings import settings

    exchange = app.open_exchange(settings())
    worst = 0
    with screen.progress() as bar:
        for name in bar.track(files, description=screen.said("翻译", "translating")):
            try:
                data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
                parts = list(_messages(exchange, data, name, source, format))
            except OSError as error:
                screen.note(f"{name}：读不出（{error.strerror}）", f"{name}: cannot be read ({error.strerror})")
                worst = 2
                continue
            except GatewayError as error:
                screen.complain(error.issues, name)
                worst = max(worst, 1)
                continue
            for number, (part, sender) in enumerate(parts, 1):
                label = name if len(parts) == 1 else f"{name}#{number}"
                result, issues, entries = _translated(exchange, settings(), part, sender, strict)
                worst = max(worst, int(result is None or any(issue.severity in ("error", "fatal") for issue in issues)))
                if result is None:
                    result = {"bundle": None, "ledger": [], "issues": as_json_issues(issues)}
                if out is not None:
                    out.mkdir(parents=True, exist_ok=True)
                    stem = Path(name).stem if name != "-" else "stdin"
                    target = out / (f"{stem}.json" if len(parts) == 1 else f"{stem}.{number}.json")
                    target.write_bytes(document.write(result))
                elif json or not sys.stdout.isatty():
                    sys.stdout.buffer.write(document.write(result) + b"\n")
                else:
                    _show(label, result, accounts.coverage(entries))
                if not json:
                    screen.complain(issues, label)
    raise typer.Exit(worst)


def _messages(exchange: Exchange, data: bytes, name: str, source: str, format: str) -> Iterator[tuple[bytes, Source]]:
    """Each message of a delivery with the source that it is read as."""
    sender = exchange.source(source) if source else exchange.guess(data, format, name)
    for part in exchange.adapter(sender).split(data, sender):
        yield part, sender


def _translated(
    exchange: Exchange, chosen: Any, part: bytes, sender: Source, strict: bool
) -> tuple[Any, tuple[Any, ...], list[Any]]:
    from gateway import app
    from gateway.exchange import as_json
    from gateway.fhir.check import check
    from gateway.fhir.errors import GatewayError

    try:
        translation = app.complete(exchange, chosen, part, sender)
    except GatewayError as error:
        return None, error.issues, []
    translation.issues = [*translation.issues, *check(translation.bundle)]
    judge = exchange.adapter(sender).strict if strict else None
    if judge is not None:
        translation.issues += judge(part, sender)
    return as_json(translation), tuple(translation.issues), translation.ledger


def as_json_issues(issues: tuple[Any, ...]) -> list[dict[str, Any]]:
    from gateway.exchange import issue_as_json

    return [issue_as_json(issue) for issue in issues]


def _show(label: str, result: dict[str, Any], coverage: dict[str, int]) -> None:
    from gateway import screen

    screen.table(
        [("资源", "resource"), ("写入方式", "written by")],
        [
            (entry["resource"]["resourceType"], f"{entry['request']['method']} {entry['request']['url']}")
            for entry in result["bundle"].get("entry", ())
        ],
        title=(label, label),
    )
    counted = "  ".join(f"{state} {count}" for state, count in coverage.items())
    screen.show(f"值的去向：{counted}（全部结果用 --json 或 --out）", f"values: {counted} (all of it: --json or --out)")
