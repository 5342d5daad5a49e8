"""gateway encode: the way back: resources to a message of a partner's format."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def encode(
    bundle: Annotated[
        str, typer.Argument(metavar="BUNDLE", help="Bundle 的 JSON 文件；- 为标准输入 · - is standard input")
    ],
    to: Annotated[str, typer.Option("--to", help="消息类型，如 ADT^A08、REF^I12、ReferralRt · the kind of message")],
    source: Annotated[str, typer.Option("--source", help="写给哪个来源 · the source that will receive it")] = "",
    format: Annotated[
        str, typer.Option("--format", help="没有来源时的格式 · the format, where no source is named")
    ] = "",
    original: Annotated[
        Path | None,
        typer.Option(
            "--original", help="原始消息：没改过的逐字节写回 · the original: what nobody changed stays byte for byte"
        ),
    ] = None,
    control_id: Annotated[str, typer.Option("--control-id", help="新消息的控制号 · control id of a new message")] = "1",
    out: Annotated[Path | None, typer.Option("--out", help="写到此文件 · write to this file")] = None,
) -> None:
    """把 FHIR 资源写成对方的消息 · write FHIR resources as a partner's message"""
    from gateway import app, screen
    from gateway.fhir import document, failure
    from gateway.fhir.errors import Invalid
    from gateway.settings import settings

    exchange = app.open_exchange(settings())
    try:
        data = sys.stdin.buffer.read() if bundle == "-" else Path(bundle).read_bytes()
        before = original.read_bytes() if original else b""
    except OSError as error:
        zh, en = failure.words(error)
        screen.note(f"{error.filename}：读不出（{zh}）", f"{error.filename}: cannot be read ({en})")
        raise typer.Exit(2) from None
    found = document.read(data)
    found = found["bundle"] if "resourceType" not in found and isinstance(found.get("bundle"), dict) else found
    _refuse_misbuilt(found)
    entries = found.get("entry", []) if found.get("resourceType") == "Bundle" else [{"resource": found}]
    resources = [(_name(entry), entry["resource"]) for entry in entries if "resource" in entry]
    if not resources:
        raise Invalid(
            "required",
            zh="Bundle 里没有资源，无可写出。",
            en="the Bundle holds no resource: nothing to write.",
            at="Bundle.entry",
        )
    source = source or _sender(resources)
    if source in exchange.sources or (source and source not in exchange.adapters):
        receiver = exchange.source(source)
    elif before:
        receiver = exchange.guess(before, format)
    else:
        receiver = exchange.receiver(to, format)
    data, issues = exchange.write(resources, to, receiver, control_id, before)
    if out is None:
        sys.stdout.buffer.write(data)
    else:
        out.write_bytes(data)
    screen.complain(issues)
    raise typer.Exit(int(bool(issues)))


def _refuse_misbuilt(resource: dict[str, Any]) -> None:
    """What is not built as R4 says cannot be looked through; a wrong value can, and the receiver's table judges it."""
    from gateway.fhir.check import check
    from gateway.fhir.errors import Invalid

    issues = [issue for issue in check(resource) if issue.code == "structure" and issue.severity in ("error", "fatal")]
    if issues:
        raise Invalid(*issues)


def _sender(resources: list[tuple[str, dict[str, Any]]]) -> str:
    """The source that the resources came from, as meta.source names it: what goes back, goes back there."""
    from gateway.fhir.canonical import source_uri

    found = {str(resource.get("meta", {}).get("source", "")) for _, resource in resources}
    names = {uri.removeprefix(source_uri("")) for uri in found if uri.startswith(source_uri(""))}
    return names.pop() if len(names) == 1 else ""


def _name(entry: dict[str, Any]) -> str:
    """The name by which other resources of the Bundle refer to this one."""
    resource = entry["resource"]
    return str(entry.get("fullUrl") or f"{resource['resourceType']}/{resource.get('id', '')}")
