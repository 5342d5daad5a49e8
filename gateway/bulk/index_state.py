"""What makes `gateway reindex` needed, told alike by `gateway doctor` and by `gateway serve` when it starts."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import NamedTuple

from gateway.bulk.index_settings import Change, Under, changed
from gateway.bulk.reindex import is_behind, waiting
from gateway.store.contract import Store


class Want(NamedTuple):
    """Why, and the command that clears it."""

    zh: str
    en: str
    command: str


def wanted(store: Store, present: Under) -> list[Want]:
    """Nothing where the index finds all that is stored.

    present  the settings of now
    """
    found = []
    if is_behind(store):
        found.append(
            Want(
                "检索索引由旧版程序建立，有的检索会漏掉旧资源",
                "the search index was made by an earlier program: some searches miss what was stored then",
                "gateway reindex",
            )
        )
    changes = changed(store, present)
    found += [
        Want(
            f"检索索引是按 {one.variable} = {one.before or '另一值'} 建立的，现在是 {one.now}，有的检索会漏掉此前存入的资源；若未打算更改，请改回",
            f"the search index was made under {one.variable} = {one.before or 'another value'}, which is {one.now} now: some searches miss what "
            "was stored before; set it back where no change was meant",
            command(changes),
        )
        for one in changes
    ]
    found += [
        Want(
            f"自定义参数 {kind}.{code} 还找不到此前存入的资源",
            f"the custom parameter {kind}.{code} does not find what was stored before it",
            f"gateway reindex --type {kind} --parameter {code}",
        )
        for kind, code in waiting(store)
    ]
    return found


def command(changes: Sequence[Change]) -> str:
    """The command that makes the index under the settings of now, in whatever shell it is run: it brings them with it."""
    return " ".join([*(f"{one.variable}={shlex.quote(one.now)}" for one in changes), "gateway reindex"])
