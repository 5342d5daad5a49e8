"""gateway replay: work messages again from their bytes, with the tables of today."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.usage import ID_MAX

if TYPE_CHECKING:
    from gateway.app import Gateway
    from gateway.store.contract import Message, MessageFilter

_PAGE = 500
_ADVICE = {
    "superseded": ("已有更新的一次处理，请重放最新的那个消息号", "there is a later attempt: replay that one"),
    "duplicate": ("与先到的消息相同，请重放先到的那个消息号", "the same bytes came before: replay the first one"),
    "received": ("正在处理，请等它处理完", "it is being worked: wait for its end"),
}


def replay(
    ids: Annotated[list[int] | None, typer.Argument(metavar="[ID…]", max=ID_MAX, help="消息号 · message ids")] = None,
    source: Annotated[str, typer.Option("--source", help="某来源的 · of this source")] = "",
    state: Annotated[str, typer.Option("--state", help="quarantined 或 stored · quarantined or stored")] = "",
    kind: Annotated[str, typer.Option("--kind", help="某类消息，如 ADT^A03 · of this kind")] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="就地处理完再返回 · work them here and now")] = True,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """重新处理消息：按号或按条件 · work messages again: by id or by a filter"""
    from gateway import app, screen, server, usage
    from gateway.fhir.errors import Invalid
    from gateway.inbox.replay import replay as again
    from gateway.settings import settings
    from gateway.store.contract import MessageFilter
    from gateway.store.states import in_chinese

    if not (ids or source or state or kind):
        raise Invalid(
            "required",
            zh="请写消息号，或 --source、--state、--kind；消息号见 gateway ledger。",
            en="name message ids, or --source, --state, --kind; gateway ledger shows the ids.",
        )
    usage.one_of("--state", state, ("quarantined", "stored"))
    with server.building(lambda: app.build(settings())) as gateway:
        where = MessageFilter(tuple(ids or ()), source, state, kind)
        _known(gateway, where)
        done = again(gateway.store, where)
        if wait:
            gateway.drain()
        after = _as_they_are_now(gateway, [message.id for message in done.attempts])
    missing = sorted(set(ids or ()) - {m.origin for m in done.attempts} - {found for found, _ in done.passed_over})
    if json:
        screen.as_json(
            {
                "attempts": [{"id": m.id, "replays": m.origin, "state": m.state} for m in after],
                "passed_over": [{"id": found, "state": state} for found, state in done.passed_over],
                "conflicts": list(done.conflicts),
                "unknown": missing,
            }
        )
    else:
        if after:
            screen.table(
                [("新消息号", "new id"), ("重放自", "replays"), ("类别", "kind"), ("状态", "state")],
                [
                    (str(m.id), str(m.origin or "-"), m.kind or "?", screen.said(in_chinese(m.state), m.state))
                    for m in after
                ],
            )
        for found, why in done.passed_over:
            zh, en = _ADVICE[why]
            screen.note(f"{found} 未重放：{in_chinese(why)}；{zh}", f"{found} was not replayed ({why}): {en}")
        if done.conflicts:
            first = done.conflicts[0]
            screen.note(
                f"{len(done.conflicts)} 条未重放：消息编号与先到的消息相同而内容不同，须人工核对"
                f"（gateway ledger --quarantine）；确认采用某条后写明其消息号：gateway replay {first}",
                f"{len(done.conflicts)} not replayed: other content under a control id that was used before. Compare them"
                f" (gateway ledger --quarantine), and take one by its id: gateway replay {first}",
            )
        for found in missing:
            screen.note(f"没有消息 {found}", f"there is no message {found}")
        if not (done.attempts or done.passed_over or done.conflicts or missing):
            screen.note(
                "没有符合条件的消息，未重放任何消息；gateway ledger --quarantine 列出隔离的消息",
                "no message fits: nothing was replayed. gateway ledger --quarantine lists what is in quarantine",
            )
    if missing or any(m.state == "quarantined" for m in after):
        raise typer.Exit(1)


def _known(gateway: Gateway, where: MessageFilter) -> None:
    """Refuse a source or kind that neither the messages that came nor the tables know."""
    from dataclasses import replace

    from gateway import usage

    store, exchange = gateway.store, gateway.exchange
    usage.one_of("--source", where.source, {*exchange.sources, *(one.source for one in store.balance())})
    if where.kind and not store.messages(replace(where, ids=(), source="", state="", limit=1)):
        tables = (exchange.tables(source)[0] for source in exchange.sources.values() if source.format)
        names = {name for read in tables for name, table in read.by_name.items() if table.is_message}
        usage.one_of("--kind", where.kind, {name.removesuffix("[Bundle]").replace("_", "^", 1) for name in names})


def _as_they_are_now(gateway: Gateway, ids: list[int]) -> list[Message]:
    from gateway.store.contract import MessageFilter

    pages = (tuple(ids[start : start + _PAGE]) for start in range(0, len(ids), _PAGE))
    return [message for page in pages for message in gateway.store.messages(MessageFilter(page))]
