"""What the demo shows at its end: everything asked of the running gateway and of the partners, nothing remembered by the demo."""

from __future__ import annotations

import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import screen
from gateway.demo.alliance import Alliance
from gateway.demo.calendar import Calendar
from gateway.demo.clinic import Clinic
from gateway.demo.findings import findings
from gateway.demo.indicators import indicators, report_file
from gateway.demo.plans import plans
from gateway.demo.referrals import referrals
from gateway.fhir.canonical import code_system
from gateway.fhir.principal import GATEWAY
from gateway.inbox.ledger import Ledger, ledger
from gateway.store.contract import Message, MessageFilter
from gateway.store.reason import from_reason
from gateway.store.states import in_chinese

Document = dict[str, Any]
_TYPES_IN_A_ROW = 4


@dataclass(frozen=True, slots=True)
class Closing:
    """The closing tables of one demo."""

    alliance: Alliance
    calendar: Calendar
    clinic: Clinic

    def show(self) -> None:
        found = ledger(self.alliance.gateway.store)
        self._messages(found)
        self._coverage(found)
        self._resources()
        self._findings(found)
        self._quarantine()
        self._plans()
        self._referrals()
        self._sent()
        self._reviews()
        self._indicators()

    def _messages(self, found: Ledger) -> None:
        sources = self.alliance.gateway.exchange.sources
        names = ("received", "replayed", "stored", "duplicate", "superseded", "quarantined", "in_flight")
        rows = [
            (
                one.source,
                sources[one.source].title
                if one.source in sources
                else screen.said("已不再接入", "no longer connected"),
                *(str(getattr(one, name)) for name in names),
                "✓" if one.holds else "✗",
            )
            for one in found.balances
        ]
        totals = [str(sum(getattr(one, name) for one in found.balances)) for name in names]
        rows.append((screen.said("合计", "all"), "", *totals, "✓" if found.holds else "✗"))
        screen.table(
            [("来源", "source"), ("系统", "system"), ("收到", "received"), ("重放", "replayed"), ("入库", "stored"),
             ("重复", "duplicate"), ("取代", "superseded"), ("隔离", "quarantined"), ("处理中", "in flight"), ("守恒", "holds")],
            rows,
            title=("来源与消息", "sources and messages"),
        )  # fmt: skip

    @staticmethod
    def _coverage(found: Ledger) -> None:
        screen.table(
            [("来源", "source"), ("值", "values"), ("已映射", "mapped"), ("有意不采用", "ignored"), ("未映射", "unmapped"),
             ("无效", "invalid"), ("有着落", "accounted for"), ("未映射在", "unmapped at")],
            [
                (one.source, str(one.values), *(str(n) for n in one.counts.values()), f"{one.accounted:.2%}",
                 ", ".join(sorted(one.unmapped)))
                for one in found.coverage
            ],
            title=("每个值的去向", "what became of every value"),
        )  # fmt: skip

    def _resources(self) -> None:
        counts = self.alliance.gateway.store.counts(GATEWAY)
        cells = [f"{name} {count}" for name, count in sorted(counts.items())]
        cells += [""] * (-len(cells) % _TYPES_IN_A_ROW)
        rows = [cells[at : at + _TYPES_IN_A_ROW] for at in range(0, len(cells), _TYPES_IN_A_ROW)]
        screen.table(
            [("类型与数量", "type and count"), *[("", "")] * (_TYPES_IN_A_ROW - 1)], rows, ("资源", "resources")
        )

    def _findings(self, found: Ledger) -> None:
        screen.table(
            [("不寻常的消息", "out of the ordinary"), ("结果", "what became of it")],
            [(screen.said(*one.sent), screen.said(*one.became)) for one in findings(self.alliance, found)],
            title=("不寻常的消息", "out of the ordinary"),
        )

    def _quarantine(self) -> None:
        kept = self.alliance.gateway.store.messages(MessageFilter(state="quarantined"))
        screen.table(
            [("消息号", "id"), ("来源", "source"), ("类别", "kind"), ("原因", "reason")],
            [(str(message.id), message.source, message.kind or "?", reason(message)) for message in kept],
            title=("隔离区", "quarantine"),
        )

    def _plans(self) -> None:
        screen.table(
            [("患者", "patient"), ("来自", "from"), ("接收", "taken up"), ("已完成", "done"), ("待完成", "to do"),
             ("接下来", "next")],
            [
                (one.patient, one.hospital, screen.said(*one.state), str(one.done), str(one.open), "\n".join(one.following))
                for one in plans(self.clinic)
            ],
            title=("社区的出院计划与后续日期", "discharge plans on the clinic's list, with what is next"),
        )  # fmt: skip

    def _referrals(self) -> None:
        screen.table(
            [("单号", "number"), ("方向", "direction"), ("患者", "patient"), ("医院检索所见", "the hospital's search"),
             ("社区检索所见", "the clinic's search"), ("医院系统最后收到", "last received by the hospital's own system")],
            [
                (one.number, screen.said(*one.direction), one.patient, screen.said(*one.hospital),
                 screen.said(*one.clinic), one.partner)
                for one in referrals(self.alliance, self.clinic)
            ],
            title=("转诊：双方所见", "referrals, as each side sees them"),
        )  # fmt: skip

    def _sent(self) -> None:
        sources = self.alliance.gateway.exchange.sources
        jobs = Counter((job.target, job.event, job.state) for job in self.alliance.gateway.store.jobs())
        screen.table(
            [("发给", "to"), ("事件", "event"), ("消息", "message"), ("状态", "state"), ("条数", "count")],
            [
                (
                    target,
                    event,
                    sources[target].events.get(event, ""),
                    screen.said(in_chinese(state), state),
                    str(count),
                )
                for (target, event, state), count in sorted(jobs.items())
                if target in sources  # neither a system of a person's own that has gone, nor an asynchronous request
            ],
            title=("送回各系统的消息", "messages back to the partners"),
        )

    def _reviews(self) -> None:
        code = f"{code_system('task-code', self.clinic.base)}|identity-review"
        rows = []
        for task in self.clinic.client.resources("Task").search(code=code).limit(200).fetch_all():
            given = {one["type"]["coding"][0]["code"]: one for one in task["input"]}
            evidence = given["evidence"]["valueString"]
            pair = (task["focus"]["reference"], given["candidate"]["valueReference"]["reference"])
            rows.append((*(self._told(reference) for reference in pair), screen.said(_in_words(evidence), evidence)))
        screen.table(
            [("患者", "patient"), ("可能同一人", "may be the same"), ("依据", "evidence")],
            rows,
            title=("身份待核对", "identities to review"),
        )

    def _told(self, reference: str) -> str:
        patient = self.clinic.client.reference(reference=reference).to_resource()
        numbers = [number["value"] for number in patient["identifier"] if str(number["value"]).startswith("99")]
        return f"{patient['name'][0]['text']} {numbers[0] if numbers else ''}"

    def _indicators(self) -> None:
        month = self.calendar.month
        screen.table(
            [("指标", "indicator"), ("计数", "count"), ("值", "value")],
            [(screen.said(*one.title), one.counts, one.score) for one in indicators(self.alliance, month)],
            title=(
                f"{month} 月报（上报卫健委，不含患者）",
                f"report of {month} to the health commission, without patients",
            ),
        )


def reason(message: Message) -> str:
    issues = from_reason(message.reason) if message.reason else ()
    return "\n".join(screen.said(issue.zh, issue.en) for issue in issues)


_COMPARED = {
    "resident-number": "身份证号",
    "health-card": "健康卡号",
    "health-record": "健康档案号",
    "social-card": "社保卡号",
    "passport": "护照号",
    "name": "姓名",
    "birth-date": "出生日期",
    "gender": "性别",
    "telecom": "电话",
    "equal": "相同",
    "different": "不同",
    "absent": "缺少",
}


def _in_words(evidence: str) -> str:
    """What led to a pair, in Chinese: name=equal; telecom=absent → 姓名相同；电话缺少."""
    parts = (part.split("=") for part in evidence.split("; "))
    return "；".join("".join(_COMPARED.get(word, word) for word in part) for part in parts)


def farewell(alliance: Alliance, calendar: Calendar, serving: bool, once: bool) -> Sequence[tuple[str, str]]:
    """Where it is, and what to try next: (zh, en) lines, each command as it can be typed here.

    serving  whether the gateway goes on, so that its URLs lead somewhere
    once     whether it was asked to end; else it ends because nobody could end it by Ctrl-C
    """
    task = f"{alliance.fhir_url}/Task?code=plan-take-up&_include=Task:focus"
    data, month = alliance.settings.data_dir, calendar.month
    case = alliance.settings.mappings / "cda" / "cases" / "C0053.full.xml"
    gateway = shlex.quote(sys.argv[0])
    urls = [
        (f"FHIR   {alliance.fhir_url}/metadata", f"FHIR   {alliance.fhir_url}/metadata"),
        (f"计划   {task}", f"plans  {task}"),
        (f"收件   POST {alliance.url}/inbox/demo-emr · MLLP 127.0.0.1:{alliance.mllp_port} · 文件夹 {alliance.folder}",
         f"inbox  POST {alliance.url}/inbox/demo-emr · MLLP 127.0.0.1:{alliance.mllp_port} · folder {alliance.folder}"),
    ]  # fmt: skip
    ended = ("演示已结束；要打开以上网址，请去掉 --once（或 ONCE=1）再运行。",
             "it has ended: run it without --once (or ONCE=1) to open these URLs.") if once else (
             "演示已结束，因为这里不是终端；要打开以上网址，请在终端中运行。",
             "it has ended, for this is no terminal: run it in one to open these URLs.")  # fmt: skip
    return [
        *urls,
        *([] if serving else [ended]),
        (f"月报   {report_file(alliance, month)}", f"report {report_file(alliance, month)}"),
        ("下一步，用您自己的文件（不写入数据库）：", "next, with a file of your own (nothing is written):"),
        (f"  {gateway} convert {shlex.quote(str(case))}",) * 2,
        ("看演示的数据：", "look at the demo's data:"),
        *((f"  GATEWAY_DATA_DIR={shlex.quote(str(data))} {gateway} {command}",) * 2
          for command in ("ledger", "outbox", f"report {month} --explain")),
    ]  # fmt: skip
