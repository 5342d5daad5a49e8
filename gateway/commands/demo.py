"""gateway demo: an invented alliance plays the main job over real wires, and the tables show what came of it."""

from __future__ import annotations

from typing import Annotated

import typer


def demo(
    once: Annotated[bool, typer.Option("--once", help="演完即止，不继续服务 · end instead of serving")] = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="先删除演示的数据，从头开始 · delete the demo's data first")
    ] = False,
    day: Annotated[
        str,
        typer.Option(
            "--day", metavar="DATE", help="故事发生的日子，默认昨天 · the day of the story, yesterday by default"
        ),
    ] = "",
) -> None:
    """演示：三级医院、县医院、社区与卫健委，从出院到月报 · play the main job: hospitals, clinic, health commission"""
    import sys
    import time

    from gateway import log, screen
    from gateway.demo import alliance as alliances
    from gateway.demo import story
    from gateway.demo.calendar import Calendar
    from gateway.demo.clinic import Clinic
    from gateway.demo.summary import Closing, farewell
    from gateway.settings import settings

    began = time.monotonic()
    chosen = settings()
    if "log_level" not in chosen.model_fields_set:
        chosen = chosen.model_copy(update={"log_level": "error"})  # what the tables tell need not be told twice
    log.begin(chosen)
    with alliances.alone(chosen):
        if reset:
            alliances.reset(chosen)
        calendar = Calendar(alliances.the_day(chosen, day))
        with alliances.playing(chosen) as alliance:
            clinic = Clinic(alliance.fhir_url, chosen.base)
            acts = story.acts(alliance, calendar, clinic)
            with screen.progress() as bar:
                task = bar.add_task("", total=len(acts))
                for zh, en, deed in acts:
                    bar.update(task, description=screen.said(zh, en))
                    deed()
                    bar.advance(task)
            Closing(alliance, calendar, clinic).show()
            serving = not once and sys.stdin.isatty()
            for zh, en in farewell(alliance, calendar, serving, once):
                screen.show(zh, en)
            took_s = time.monotonic() - began
            screen.note(
                f"用时 {took_s:.1f} 秒。再运行一次，资源不会变，消息都记为重复。",
                f"{took_s:.1f} s. Run it again: no resource changes, the messages are counted as duplicates.",
            )
            if serving:
                screen.note("网关继续服务，Ctrl-C 结束。", "The gateway goes on serving; Ctrl-C ends it.")
                wait()


def wait() -> None:
    """Until Ctrl-C or SIGTERM."""
    import signal
    import threading

    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    while not ended.wait(3600):
        pass
