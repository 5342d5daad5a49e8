"""gateway reindex: make the search index anew while the gateway serves."""

from __future__ import annotations

from typing import Annotated

import typer


def reindex(
    type: Annotated[str, typer.Option("--type", help="只此资源类型 · this resource type only")] = "",
    parameter: Annotated[
        str, typer.Option("--parameter", help="只此检索参数，与 --type 同用 · this parameter only, with --type")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="不接续，从头开始 · from the first, do not go on")] = False,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """重建检索索引，可在服务运行时进行 · make the search index anew, while it serves"""
    import time

    from gateway import app, screen, server
    from gateway.bulk.index_settings import of_door, refuse_unmeant
    from gateway.bulk.reindex import refuse_unknown
    from gateway.bulk.reindex import reindex as run
    from gateway.settings import settings
    from gateway.store.standing import refuse_absent

    chosen = settings()
    refuse_unknown(type)
    refuse_absent(chosen.database_url, chosen.database_name)
    with server.building(lambda: app.build(chosen, workers=False)) as gateway, screen.progress() as progress:
        if not type:  # a part of the index leaves it under the settings that it is under
            refuse_unmeant(gateway.store, of_door(gateway.door), chosen.model_fields_set)
        task = progress.add_task(screen.said("重建索引", "reindexing"), total=None)
        began = time.monotonic()
        done = run(
            gateway.door,
            type,
            parameter,
            lambda total, before: progress.update(task, total=total, completed=before),
            lambda count: progress.advance(task, count),
            again,
        )
        seconds = max(time.monotonic() - began, 1e-6)
    if json:
        screen.as_json({"resources": done.resources, "before": done.standing, "seconds": round(seconds, 3)})
        return
    if done.standing:
        screen.note(f"接续：此前已完成 {done.standing} 个", f"went on: {done.standing} were done before")
    rate = round(done.resources / seconds)
    screen.show(
        f"重建了 {done.resources} 个资源的索引，每秒 {rate} 个",
        f"reindexed {done.resources} resources, {rate} a second",
    )
