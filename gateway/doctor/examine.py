"""The checks of `gateway doctor`, as data: what each looks at, what it found, and what to do about it.

A check returns findings and changes nothing that stays. One that raises counts as failed, with the error's own words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gateway.doctor import alliance, database, index, machine
from gateway.doctor.finding import Check, Finding, Ground
from gateway.fhir import failure
from gateway.fhir.errors import GatewayError
from gateway.settings import Settings


def examine(chosen: Settings) -> Iterator[tuple[Check, Finding]]:
    """Every check in order, each with what it found."""
    with contextlib.closing(Ground(chosen)) as ground:
        yield from _found(ground)


def _found(ground: Ground) -> Iterator[tuple[Check, Finding]]:
    for check in CHECKS:
        try:
            for finding in check.look(ground):
                yield check, finding
        except GatewayError as error:
            for issue in error.issues:
                yield check, Finding("fail", issue.zh, issue.en, "按所说处理", "as it says")
        except OSError as error:
            # A file that disappears or cannot be read while it is looked at.
            at, (zh, en) = error.filename or "", failure.words(error)
            yield check, Finding("fail", f"{at} {zh}", f"{at} {en}", "检查权限", "look at permissions")


CHECKS = (
    Check("运行环境", "runtime", machine.python),
    Check("设置", "settings", machine.variables),
    Check("监听范围", "listening", machine.listening),
    Check("数据文件夹", "data folder", machine.folder),
    Check("磁盘", "disk", machine.disk),
    Check("数据库", "database", database.database),
    Check("检索索引", "search index", index.index),
    Check("端口", "ports", machine.ports),
    Check("接入点", "sites", alliance.sites),
    Check("映射表", "mappings", alliance.mappings),
    Check("FHIR 定义", "FHIR definitions", machine.definitions),
    Check("时钟", "clock", machine.clock),
)
