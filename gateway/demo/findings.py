"""The messages out of the ordinary, and what the gateway's own records say became of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx2
import msgspec

from gateway.demo import cast
from gateway.demo.alliance import EMR, HIS, Alliance
from gateway.demo.his_messages import HOSPITAL, His
from gateway.demo.people import Person, person
from gateway.fhir.canonical import RESIDENT_ID, code_system, sid
from gateway.inbox.ledger import Ledger
from gateway.store.contract import Message, MessageFilter
from gateway.store.reason import from_reason

Document = dict[str, Any]
Words = tuple[str, str]


class Finding(NamedTuple):
    """(zh, en) each."""

    sent: Words
    became: Words


def findings(alliance: Alliance, ledger: Ledger) -> Iterator[Finding]:
    """One row for each kind of trouble that the story plays."""
    ask = _Asked(alliance)
    duplicates = sum(one.duplicate for one in ledger.balances)
    yield Finding(
        ("同一消息再发一次", "the same message again"),
        (f"{duplicates} 条记为重复，未再处理", f"{duplicates} known as duplicates, nothing written"),
    )
    conflicts = ask.quarantined(HIS, "conflict")
    yield Finding(
        ("相同编号、不同内容", "the same id, other content"),
        (f"{conflicts} 条隔离", f"{conflicts} in quarantine"),
    )
    broken = ask.quarantined(EMR, "structure")
    yield Finding(
        ("残缺的 CDA", "a broken CDA"),
        (f"{broken} 条隔离，原文保留", f"{broken} in quarantine, with its bytes"),
    )
    states = ask.encounters(cast.OUT_OF_ORDER)
    yield Finding(
        ("出院（A03）先到，入院（A01）、更新（A08）后到", "A03 first, A01 and A08 after it"),
        (f"就诊仍为 {states}", f"the Encounter is {states}"),
    )
    yield Finding(
        ("取消入院（A11）、取消出院（A13）", "A11 cancels an admission, A13 a discharge"),
        (found := f"{ask.encounters(cast.CANCELLED_ADMISSION)}、{ask.encounters(cast.CANCELLED_DISCHARGE)}",
         found.replace("、", ", ")),
    )  # fmt: skip
    link = ask.survivor()
    yield Finding(
        ("合并（A40）：急诊无名氏即某患者", "A40: the unknown emergency patient is known now"),
        (f"旧号检索得到 {link}", f"the old number finds {link}"),
    )
    codes = ask.warned("code-invalid")
    yield Finding(
        ("字典外的代码", "a code that no table knows"),
        (f"保留原码，{codes} 条消息带提示", f"kept as sent, {codes} message with a warning"),
    )
    flagged = ask.flagged_identifier()
    yield Finding(
        ("身份证号校验位有误", "an ID number with a wrong check digit"),
        (f"保留并标记：{flagged}", f"kept and flagged: {flagged}"),
    )
    paths = sorted(path for one in ledger.coverage for path in one.unmapped if path.startswith("Z"))
    yield Finding(
        ("Z 段", "a Z segment"),
        (f"计入未映射：{', '.join(paths)}", f"in the ledger as unmapped: {', '.join(paths)}"),
    )
    name = ask.name(person(5))
    yield Finding(
        ("姓名的 GBK 尾字节为 |", "a name with | in its GBK bytes"),
        (f"完整：{name}", f"whole: {name}"),
    )
    pairs = ask.total("Task", code=f"{code_system('task-code', alliance.settings.base)}|identity-review")
    yield Finding(
        ("同一人在两院的身份证号不同", "one person, two ID numbers in two hospitals"),
        (f"{pairs} 对待人工核对", f"{pairs} pair for a person to review"),
    )


class _Asked:
    """The gateway's records: messages from its store, resources over FHIR."""

    def __init__(self, alliance: Alliance) -> None:
        self.store = alliance.gateway.store
        self.url, self.base = alliance.fhir_url, alliance.settings.base

    def quarantined(self, source: str, code: str) -> int:
        kept = self.store.messages(MessageFilter(source=source, state="quarantined"))
        return sum(code in {issue.code for issue in _issues(message)} for message in kept)

    def warned(self, code: str) -> int:
        return sum(code in {issue.code for issue in _issues(m)} for m in self.store.messages(MessageFilter(source=HIS)))

    def encounters(self, who: Person) -> str:
        number = f"{sid(HOSPITAL, 'visit', self.base)}|V{who.number:06d}"
        return ", ".join(sorted(one["status"] for one in self.search("Encounter", identifier=number)))

    def name(self, who: Person) -> str:
        found = self.search("Patient", identifier=f"{RESIDENT_ID}|{who.resident_id}")
        return "、".join(one["name"][0]["text"] for one in found)

    def survivor(self) -> str:
        old = f"{sid(HOSPITAL, 'patient', self.base)}|{His.number(cast.EMERGENCY)}"
        return "、".join(one["name"][0]["text"] for one in self.search("Patient", identifier=old))

    def flagged_identifier(self) -> str:
        own = f"{sid(HOSPITAL, 'patient', self.base)}|{His.number(cast.WRONG_DIGIT)}"
        numbers = [n for one in self.search("Patient", identifier=own) for n in one["identifier"]]
        return ", ".join(n["extension"][0]["url"].rpartition("/")[2] for n in numbers if n.get("extension"))

    def total(self, resource_type: str, **asked: str) -> int:
        return int(self._get(resource_type, {**asked, "_summary": "count"})["total"])

    def search(self, resource_type: str, **asked: str) -> list[Document]:
        return [entry["resource"] for entry in self._get(resource_type, asked).get("entry", ())]

    def _get(self, resource_type: str, asked: dict[str, str]) -> Document:
        answer = httpx2.get(f"{self.url}/{resource_type}", params=asked, trust_env=False).raise_for_status()
        found: Document = msgspec.json.decode(answer.content)
        return found


def _issues(message: Message) -> tuple[Any, ...]:
    return tuple(from_reason(message.reason)) if message.reason else ()
