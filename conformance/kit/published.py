"""Puts what the judges said between its marks in both READMEs, with the words that explain it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- conformance -->", "<!-- /conformance -->"

# What is said of a client goes into the Chinese text as it is, for it names calls; the rest is translated.
CHINESE = {
    "metadata": "能力声明",
    "create": "新建",
    "read": "读取",
    "update": "更新",
    "patch": "部分更新",
    "search": "检索",
    "paging": "翻页",
    "conditional create": "条件新建",
    "transaction": "事务",
    "history": "历史",
    "delete": "删除",
}
SENTENCES = (
    (r"- CapabilityStatement, (\w+): (.+) of (.+) claims hold \((.+) requests, (.+) s\)\.",
     r"- 能力声明，\1：\3 项声明中 \2 项属实（\4 个请求，\5 秒）。"),
    (r"- schemathesis, (\w+): (.+) requests of (.+) operations made from the OpenAPI, seed 1, no answer a 500\.",
     r"- schemathesis，\1：按 OpenAPI 的 \3 个操作生成 \2 个请求（种子 1），没有一个应答 500。"),
    (r"- schemathesis, (\w+): (.+) requests made from the OpenAPI, seed 1, no answer a 500\.",
     r"- schemathesis，\1：按 OpenAPI 生成 \2 个请求（种子 1），没有一个应答 500。"),
    (r"- schemathesis: not run.*", "- schemathesis：没有运行。"),
    (r"- official validation: (.+) tests passed\.", r"- 官方校验（HL7）：\1 项测试通过：映射表所产生的、演示所存入的全部资源，服务器的应答，以及自有 profile、示例、对照表，没有错误。"),
    (r"- official validation: not run, .*", "- 官方校验（HL7）：没有运行，因为这里没有官方校验工具或 JDK。"),
    (r"- official validation: not run .*", "- 官方校验（HL7）：没有运行（--quick）。"),
)  # fmt: skip


def publish(lines: list[str]) -> None:
    """Raises ValueError for a README without the marks."""
    for name, shown in (("README.md", lines), ("README.zh.md", [_chinese(line) for line in lines])):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise ValueError(f"{name} has no {BEGIN} … {END} to write between: add the two lines")
        before, rest = text.split(BEGIN)
        path.write_text(f"{before}{BEGIN}\n" + "\n".join(shown) + f"\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _chinese(line: str) -> str:
    if line.startswith("| |"):
        return "| |" + "".join(f" {CHINESE.get(cell.strip(), cell.strip())} |" for cell in line.split("|")[2:-1])
    for pattern, words in SENTENCES:
        if re.fullmatch(pattern, line):
            return re.sub(pattern, words, line)
    line = line.replace("no call of its own; ", "没有专门的调用，用 ")
    return re.sub(r"(: | · )(" + "|".join(CHINESE) + "): ", lambda found: f"{found[1]}{CHINESE[found[2]]} ", line)
