"""gateway load: import Bundles, single resources and NDJSON, from files and folders, fast and again where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gateway.bulk.load import Report
    from gateway.bulk.refusals import Refusal

_SHOWN = 20  # refusals on the screen


def load(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="文件或文件夹 · files or folders")],
    again: Annotated[
        bool, typer.Option("--again", help="已载入过的文件也重新载入 · load files again that were loaded before")
    ] = False,
    refused: Annotated[
        Path | None,
        typer.Option(
            "--refused",
            metavar="FILE",
            help="把每条拒绝写入此文件（NDJSON） · write each refusal to this file (NDJSON)",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """批量载入 FHIR 资源：Bundle、NDJSON、文件夹、.gz · import FHIR resources in bulk"""
    import contextlib
    import gc
    import time

    from gateway import app, screen, server
    from gateway.bulk.files import files
    from gateway.bulk.load import Loader
    from gateway.fhir.principal import GATEWAY
    from gateway.settings import settings

    size = sum(path.stat().st_size for path in files(paths))
    with server.building(lambda: app.build(settings(), workers=False)) as gateway, screen.progress() as progress:
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)  # as in app.running: documents are trees, freed by their counts
        task = progress.add_task(screen.said("载入", "loading"), total=size)
        began = time.monotonic()
        with refused.open("w", encoding="utf-8") if refused else contextlib.nullcontext() as file:
            lists = settings().data_dir / "refused"
            loader = Loader(gateway.door, GATEWAY, lambda refusal: _write(file, refusal) if file else None, lists)
            report = loader.load(paths, lambda count: progress.advance(task, count), again)
            for listed in (one.list for one in report.earlier if one.list):
                if file:
                    file.write(listed.read_text("utf-8"))
        seconds = max(time.monotonic() - began, 1e-6)
    if json:
        screen.as_json(
            {
                "files": report.files,
                "skipped": report.skipped,
                "resources": report.resources,
                "written": report.written,
                "unchanged": report.unchanged,
                "seconds": round(seconds, 3),
                "refused_count": report.refused_count,
                "refused": [one.as_document() for one in report.refused],
                "lists": [str(path) for path in report.lists],
                "dangling": report.dangling,
                "earlier": [
                    {"file": one.file, "refused": one.refused, "dangling": one.dangling,
                     "list": str(one.list) if one.list else None}
                    for one in report.earlier
                ],
            }
        )  # fmt: skip
    else:
        _show(report, seconds)
    if report.refused or report.dangling or report.earlier:
        raise typer.Exit(1)


def _show(report: Report, seconds: float) -> None:
    from gateway import screen

    rate = round(report.resources / seconds)
    screen.show(
        f"{report.files} 个文件，{report.resources} 个资源：写入 {report.written}，未变 {report.unchanged}，"
        f"拒绝 {report.refused_count}；每秒 {rate} 个",
        f"{report.files} files, {report.resources} resources: {report.written} written, {report.unchanged} unchanged, "
        f"{report.refused_count} refused; {rate} a second",
    )
    if report.skipped:
        screen.note(
            f"{report.skipped} 个文件此前已载入，跳过；--again 重新载入",
            f"{report.skipped} files were loaded before and are passed over; --again loads them again",
        )
    for earlier in report.earlier:
        if earlier.refused:
            zh, en = (f"，逐条见 {earlier.list}", f", see {earlier.list}") if earlier.list else ("", "")
            screen.note(
                f"{earlier.file}：此前载入时有 {earlier.refused} 处被拒绝{zh}；改好文件再载入，或 --again 重新逐条检查",
                f"{earlier.file}: when it was loaded, {earlier.refused} were refused{en}; load it once mended, or --again",
            )
        if earlier.dangling:
            screen.note(
                f"{earlier.file}：此前载入时有 {earlier.dangling} 个引用没有对应资源；--again 重新检查",
                f"{earlier.file}: when it was loaded, {earlier.dangling} references led nowhere; --again looks anew",
            )
    for one in report.refused[:_SHOWN]:
        entry = f" entry[{one.entry}]" if one.entry >= 0 else ""
        whole = ("（整个事务）", " (the whole transaction)") if one.resources > 1 else ("", "")
        place = f"{one.file}{f':{one.line}' if one.line else ''}{entry}"
        screen.complain(one.issues[:5], f"{place}{screen.said(*whole)}")
    if len(report.refused) > _SHOWN:
        screen.note(f"以上只是前 {_SHOWN} 处", f"these are the first {_SHOWN} only")
    for path in report.lists:
        screen.note(f"被拒绝的逐条见 {path}", f"each refusal stands in {path}")
    for target, place in list(report.dangling.items())[:_SHOWN]:
        screen.note(f"{place} 引用的 {target} 不存在", f"{place} refers to {target}, which is not there")
    if len(report.dangling) > _SHOWN:
        screen.note(
            f"另有 {len(report.dangling) - _SHOWN} 个悬空引用，见 --json",
            f"{len(report.dangling) - _SHOWN} more dangling references, see --json",
        )


def _write(file: IO[str], refusal: Refusal) -> None:
    import json

    file.write(json.dumps(refusal.as_document(), ensure_ascii=False) + "\n")
