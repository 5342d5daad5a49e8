"""What makes `gateway reindex` needed, told alike by `gateway doctor` and by `gateway serve` when it starts."""

from __future__ import annotations

from typing import NamedTuple

from gateway.bulk.index_settings import Under, changed
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
    found += [
        Want(
            f"检索索引建立之后 {variable} 改过，有的检索会漏掉此前存入的资源",
            f"{variable} changed after the search index was made: some searches miss what was stored before",
            "gateway reindex",
        )
        for variable in changed(store, present)
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
