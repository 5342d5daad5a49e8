"""What is wrong with a command line, in the person's language, and where to look: what typer says, and what we say of values."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from typing import Any

from gateway.fhir.errors import Invalid

ID_MAX = 2**63 - 1  # what a database keeps as an id

# typer's own sentences, and what they say in Chinese; what it may say beyond these is shown as it is.
_SENTENCES = (
    (r"No such option: (\S+)(?: \(?Did you mean (?P<near>.+?)\?\)?)?", "没有选项 {0}"),
    (r"No such option: (\S+)\s+(?:\(?Possible options: (?P<near>.+?)\)?)", "没有选项 {0}"),
    (r"No such command '(.+?)'\.(?: Did you mean (?P<near>.+?)\?)?", "没有命令 {0}"),
    (r"Missing argument '(.+?)'\.", "缺少参数 {0}"),
    (r"Missing option '(.+?)'\.", "缺少选项 {0}"),
    (r"Missing parameter: (.+)", "缺少参数 {0}"),
    (r"Missing command\.", "缺少命令"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)", "多出的参数：{0}"),
    (r"Option '(.+?)' requires an argument\.", "选项 {0} 后面需要一个值"),
    (r"Option '(.+?)' does not take a value\.", "选项 {0} 不带值"),
    (r"Invalid value for '?(.+?)'?: .*integer.*", "{0} 应为整数"),
    (r"Invalid value for '?(.+?)'?: .*(?:less|greater) than or equal.*", "{0} 超出范围"),
    (r"Invalid value for '?(.+?)'?: .*", "{0} 的值不对"),
)


def sentences(error: Any) -> tuple[str, str]:
    """zh and en of a usage error, each with the help to ask for.

    error  what typer raises: format_message() is its sentence, ctx the command that it was said to
    """
    said = str(error.format_message()).strip()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "gateway"
    zh, en = chinese(said), said.rstrip(".")
    return (
        f"{zh}{'' if zh.endswith('？') else '；'}用法见 {path} --help",
        f"{en}{'' if en.endswith('?') else ';'} see {path} --help",
    )


def chinese(said: str) -> str:
    """One sentence of typer's in Chinese; followed by its own words where it is none that we know."""
    for pattern, words in _SENTENCES:
        match = re.fullmatch(pattern, said, re.DOTALL)
        if match:
            near = match.groupdict().get("near")
            return words.format(*match.groups()) + (f"；是否想写 {near.strip(chr(39))}？" if near else "")
    return f"用法有误：{said}"


def one_of(option: str, value: str, known: Collection[str]) -> None:
    """Let pass nothing, and what is known; a wrong word would quietly mean nothing at all.

    raises  Invalid, with the nearest known word, or all of them where none is near
    """
    if not value or value in known:
        return
    near = next(iter(difflib.get_close_matches(value[:64], list(known), 1, 0.6)), "")
    zh, en = ("、".join(sorted(known)) or "（无）"), (", ".join(sorted(known)) or "(none)")
    raise Invalid(
        "value",
        zh=f"{option} 没有 {value[:64]}；" + (f"是否想写 {near}？可用：{zh}。" if near else f"可用：{zh}。"),
        en=f"{option} knows no {value[:64]}"
        + (f": did you mean {near}? There are {en}." if near else f": there are {en}."),
    )
