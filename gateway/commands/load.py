"""gateway load: import Bundles, single resources and NDJSON, from files and folders, fast and again where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from gateway.bulk.load import Refusal

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
            loader = Loader(gateway.door, GATEWAY, lambda refusal: _write(file, refusal) if file else None)
            report = loader.load(paths, lambda count: progress.advance(task, count), again)
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
                "refused": [_as_json(one) for one in report.refused],
                "dangling": report.dangling,
            }
        )
    else:
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
        for one in report.refused[:_SHOWN]:
            entry = f" entry[{one.entry}]" if one.entry >= 0 else ""
            screen.complain(one.issues[:5], f"{one.file}{f':{one.line}' if one.line else ''}{entry}")
        if report.refused_count > _SHOWN:
            rest = report.refused_count - _SHOWN
            screen.note(
                f"另有 {rest} 个拒绝；--refused FILE 写出全部",
                f"{rest} more refused; --refused FILE writes all of them",
            )
        for target, place in list(report.dangling.items())[:_SHOWN]:
            screen.note(f"{place} 引用的 {target} 不存在", f"{place} refers to {target}, which is not there")
        if len(report.dangling) > _SHOWN:
            screen.note(
                f"另有 {len(report.dangling) - _SHOWN} 个悬空引用，见 --json",
                f"{len(report.dangling) - _SHOWN} more dangling references, see --json",
            )
    if report.refused or report.dangling:
        raise typer.Exit(1)


def _as_json(refusal: Refusal) -> dict[str, Any]:
    from gateway import screen

    return {
        "file": refusal.file,
        "line": refusal.line or None,
        "entry": refusal.entry if refusal.entry >= 0 else None,
        "issues": [screen.issue_as_json(issue) for issue in refusal.issues],
    }


def _write(file: IO[str], refusal: Refusal) -> None:
    import json

    file.write(json.dumps(_as_json(refusal), ensure_ascii=False) + "\n")
