"""gateway load: import Bundles, single resources and NDJSON, from files and folders, fast and again where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SHOWN = 20  # refusals on the screen; --json has them all


def load(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH…", help="文件或文件夹 · files or folders")],
    again: Annotated[
        bool, typer.Option("--again", help="已载入过的文件也重新载入 · load files again that were loaded before")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """批量载入 FHIR 资源：Bundle、NDJSON、文件夹、.gz · import FHIR resources in bulk"""
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
        report = Loader(gateway.door, GATEWAY).load(paths, lambda count: progress.advance(task, count), again)
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
                "refused": [
                    {
                        "file": one.file,
                        "line": one.line or None,
                        "entry": one.entry if one.entry >= 0 else None,
                        "issues": [screen.issue_as_json(issue) for issue in one.issues],
                    }
                    for one in report.refused
                ],
                "dangling": report.dangling,
            }
        )
    else:
        rate = round(report.resources / seconds)
        screen.show(
            f"{report.files} 个文件，{report.resources} 个资源：写入 {report.written}，未变 {report.unchanged}，"
            f"拒绝 {len(report.refused)}；每秒 {rate} 个",
            f"{report.files} files, {report.resources} resources: {report.written} written, {report.unchanged} unchanged, "
            f"{len(report.refused)} refused; {rate} a second",
        )
        if report.skipped:
            screen.note(
                f"{report.skipped} 个文件此前已载入，跳过；--again 重新载入",
                f"{report.skipped} files were loaded before and are passed over; --again loads them again",
            )
        for one in report.refused[:_SHOWN]:
            entry = f" entry[{one.entry}]" if one.entry >= 0 else ""
            screen.complain(one.issues[:5], f"{one.file}{f':{one.line}' if one.line else ''}{entry}")
        if len(report.refused) > _SHOWN:
            screen.note(
                f"另有 {len(report.refused) - _SHOWN} 个拒绝，见 --json",
                f"{len(report.refused) - _SHOWN} more refused, see --json",
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
