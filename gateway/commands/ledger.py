"""gateway ledger: the conservation law and the coverage of every source; one message's ledger by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gateway.usage import ID_MAX

if TYPE_CHECKING:
    from gateway.store.contract import Message, Store


def ledger(
    message: Annotated[
        int, typer.Argument(metavar="[ID]", max=ID_MAX, help="一条消息的账 · the ledger of one message")
    ] = 0,
    quarantine: Annotated[
        bool, typer.Option("--quarantine", help="列出隔离的消息与原因 · what is in quarantine, and why")
    ] = False,
    remarks: Annotated[
        bool, typer.Option("--remarks", help="列出已入库但有提示的消息 · what was stored with remarks, and which")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="输出 JSON · print JSON")] = False,
) -> None:
    """收到 + 重放 = 入库 + 重复 + 取代 + 隔离 + 处理中；每个值的去向 · the conservation law, and what became of every value"""
    from gateway import screen
    from gateway.access.policy import restrict
    from gateway.settings import settings
    from gateway.store.sql import open_store

    chosen = settings()
    store = open_store(chosen.database_url, restrict)
    screen.read_from(chosen.database_name)
    try:
        if message:
            _one(store, message, json)
        elif quarantine:
            _quarantine(store, json)
        elif remarks:
            _remarks(store, json)
        else:
            _all(store, json)
    finally:
        store.close()


def _all(store: Store, json: bool) -> None:
    from gateway import screen
    from gateway.inbox.ledger import ledger as balance

    found = balance(store)
    if json:
        screen.as_json(
            {
                "holds": found.holds,
                "balances": [
                    {name: getattr(one, name) for name in one.__slots__} | {"holds": one.holds}
                    for one in found.balances
                ],
                "coverage": [
                    {
                        "source": one.source,
                        "messages": one.messages,
                        "values": one.values,
                        **one.counts,
                        "remarked": one.remarked,
                        "paths": one.unmapped,
                    }
                    for one in found.coverage
                ],
            }
        )
    else:
        screen.table(
            [("来源", "source"), ("收到", "received"), ("重放", "replayed"), ("入库", "stored"), ("重复", "duplicate"), ("取代", "superseded"),
             ("隔离", "quarantined"), ("处理中", "in flight"), ("守恒", "holds")],
            [
                (one.source, *(str(getattr(one, name)) for name in
                 ("received", "replayed", "stored", "duplicate", "superseded", "quarantined", "in_flight")), "✓" if one.holds else "✗")
                for one in found.balances
            ],
            title=("消息：收到 + 重放 = 其后各列之和", "messages: received + replayed = the sum of the columns after them"),
        )  # fmt: skip
        screen.table(
            [("来源", "source"), ("值", "values"), ("已映射", "mapped"), ("有意不采用", "ignored"), ("未映射", "unmapped"),
             ("无效", "invalid"), ("有着落", "accounted for"), ("提示", "remarks")],
            [
                (one.source, str(one.values), *(str(one.counts[name]) for name in ("mapped", "ignored", "unmapped", "invalid")),
                 f"{one.accounted:.1%}", str(one.remarked))
                for one in found.coverage
            ],
            title=("每个值的去向", "what became of every value"),
        )  # fmt: skip
        if any(one.remarked for one in found.coverage):
            screen.note(
                "“提示”是已入库但有提示的消息数，逐条见 gateway ledger --remarks",
                "remarks counts messages that were stored with remarks: gateway ledger --remarks lists them",
            )
        for one in found.coverage:
            for path, count in sorted(one.unmapped.items(), key=lambda item: -item[1])[:10]:
                screen.note(
                    f"{one.source} 未映射：{path}（{count} 次）", f"{one.source} unmapped: {path} ({count} times)"
                )
    if not found.holds:
        raise typer.Exit(1)


def _quarantine(store: Store, json: bool) -> None:
    from gateway import screen
    from gateway.store.contract import MessageFilter

    found = store.messages(MessageFilter(state="quarantined"))
    if json:
        screen.as_json([{"id": m.id, "source": m.source, "kind": m.kind, "control_id": m.control_id,
                         "issues": _issues(m)} for m in found])  # fmt: skip
    else:
        screen.table(
            [("消息号", "id"), ("来源", "source"), ("类别", "kind"), ("原因", "reason")],
            [(str(m.id), m.source, m.kind or "?", _reason(m)) for m in found],
        )
        if found:
            screen.note("改正后用 gateway replay 消息号 重放", "once mended: gateway replay ID")
    if found:
        raise typer.Exit(1)


def _remarks(store: Store, json: bool) -> None:
    from gateway import screen
    from gateway.inbox.ledger import remarked
    from gateway.store.reason import from_reason

    found = list(remarked(store))
    if json:
        screen.as_json([{"id": m.id, "source": m.source, "kind": m.kind, "control_id": m.control_id,
                         "issues": _issues(m)} for m in found])  # fmt: skip
    else:
        screen.table(
            [("消息号", "id"), ("来源", "source"), ("类别", "kind"), ("提示", "remark"), ("位置", "place")],
            [(str(m.id), m.source, m.kind or "?", screen.said(issue.zh, issue.en), ", ".join(issue.expression))
             for m in found for issue in from_reason(m.reason)],
        )  # fmt: skip
    if found:
        raise typer.Exit(1)


def _one(store: Store, message_id: int, json: bool) -> None:
    import msgspec

    from gateway import screen
    from gateway.fhir.errors import NotFound
    from gateway.store.contract import MessageFilter
    from gateway.store.states import in_chinese

    found = store.messages(MessageFilter((message_id,)))
    if not found:
        raise NotFound(zh=f"没有消息 {message_id}。", en=f"there is no message {message_id}.")
    message = found[0]
    entries = msgspec.json.decode(message.ledger) if message.ledger else []
    if json:
        screen.as_json({"id": message.id, "source": message.source, "kind": message.kind, "state": message.state,
                        "table": message.table, "origin": message.origin, "issues": _issues(message),
                        "ledger": entries})  # fmt: skip
        return
    named = f"{message.source} {message.kind or '?'}"
    screen.table(
        [("位置", "path"), ("值", "value"), ("去向", "state"), ("元素或理由", "element or reason")],
        [
            (
                e["path"],
                e["value"],
                screen.said(in_chinese(e["state"]), e["state"]),
                "; ".join(e.get("elements", e.get("reason", ()))),
            )
            for e in entries
        ],
        title=(f"{named} {in_chinese(message.state)}", f"{named} {message.state}"),
    )
    screen.note(_reason(message), _reason(message))


def _issues(message: Message) -> list[dict[str, object]]:
    from gateway import screen
    from gateway.store.reason import from_reason

    return [screen.issue_as_json(issue) for issue in from_reason(message.reason)] if message.reason else []


def _reason(message: Message) -> str:
    from gateway import screen
    from gateway.store.reason import from_reason

    issues = from_reason(message.reason) if message.reason else ()
    return "\n".join(
        screen.said(i.zh, i.en) + (f"（{', '.join(i.expression)}）" if i.expression else "") for i in issues
    )
