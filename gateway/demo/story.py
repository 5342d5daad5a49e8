"""What happens, in its order: each act over real wires, each waiting until the one before has come to rest.

Played again, the same bytes are sent and the clinic finds nothing left to do: the gateway knows every message.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from gateway.demo import cast, residents
from gateway.demo.alliance import CENTRE, COUNTY, EMR, Alliance
from gateway.demo.calendar import Calendar
from gateway.demo.clinic import Clinic
from gateway.demo.county_messages import COUNTY as COUNTY_CODE
from gateway.demo.county_messages import County
from gateway.demo.desk import Desk
from gateway.demo.emr_documents import Emr
from gateway.demo.his_messages import CLINIC, HOSPITAL, His
from gateway.demo.indicators import deliver
from gateway.demo.people import OUTSIDE, Person
from gateway.demo.wires import Http, Mllp, drop
from gateway.fhir.canonical import sid
from gateway.fhir.errors import Unavailable

ORDERS = (
    "1. 低盐低脂饮食；2. 规律服药；3. 不适随诊。",
    "1. 每周一、四测血压；2. 1个月后门诊复查；3. 不适随诊。",
    "1. 每3天换药，共12天；2. 1个月后门诊复诊；3. 伤口红肿渗液随时就诊。",
)
FOLLOW_UP = (
    "出院后7天内电话随访；2周后门诊复诊",
    "10天后电话随访；出院后3、6个月复查肝功能",
    "72小时内电话回访；每周随访1次，共4周",
)
MEDICINES = (
    "阿司匹林肠溶片 100mg 口服 每日1次",
    "二甲双胍片 0.5g 口服 每日2次",
    "利伐沙班片 10mg 口服 每日1次，共35天",
)
Act = tuple[str, str, Callable[[], None]]


def acts(alliance: Alliance, calendar: Calendar, clinic: Clinic) -> list[Act]:
    """(zh, en, deed) of every act."""
    play = Play(alliance, calendar, clinic)
    return [
        ("社区：居民档案入文件夹", "centre: residents into the watched folder", play.residents),
        ("医院 HIS：入院", "hospital HIS: admissions", play.admissions),
        ("县医院：建档与入院", "county: registrations and admissions", play.county_admissions),
        ("医院 HIS：更新、出院、更正", "hospital HIS: updates, discharges, corrections", play.discharges),
        ("医院电子病历：出院小结与指导", "hospital EMR: discharge summaries and guidance", play.documents),
        ("县医院：出院", "county: discharges", play.county_discharges),
        ("社区：接收出院计划，完成随访", "clinic: takes plans up, does follow-ups", play.plans),
        ("社区：上转；医院：答复", "clinic refers up, the hospital answers", play.referrals_up),
        ("县医院、医院：下转；社区：答复", "hospitals refer down, the clinic answers", play.referrals_down),
        ("卫健委：月报", "health commission: the month's report", play.month),
    ]


@dataclass
class Play:
    """The systems that act, each knowing its own wire alone."""

    alliance: Alliance
    calendar: Calendar
    clinic: Clinic

    def __post_init__(self) -> None:
        base = self.alliance.settings.base
        self.his, self.emr, self.county = His(self.calendar, base), Emr(self.calendar), County(self.calendar)
        self.clinic_referrals, self.hospital_referrals = sid(CLINIC, "referral", base), sid(HOSPITAL, "referral", base)
        self.county_referrals = sid(COUNTY_CODE, "referral", base)

    # ── acts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def residents(self) -> None:
        name = f"residents-{self.calendar.month}.csv"
        drop(self.alliance.folder, name, residents.listed(cast.RESIDENTS, self.calendar))
        until = time.monotonic() + 30
        while (self.alliance.folder / name).exists():
            if time.monotonic() > until:
                raise Unavailable(
                    zh=f"文件夹 {CENTRE} 中的文件没有被取走。", en=f"nobody takes the file from the folder of {CENTRE}."
                )
            time.sleep(0.05)
        self.alliance.settle()

    def admissions(self) -> None:
        with self._his_wire() as send:
            for who in cast.TERTIARY:
                if who not in (cast.OUT_OF_ORDER, cast.WRONG_DIGIT):
                    send(self.his.admit(who))
            send(self._wrong_digit())
            send(self.his.admit(cast.DUPLICATE))  # a sender that missed our answer
            send(self.his.admit(cast.CONFLICT, bed="99"))  # the same control id, other bytes
            at = self.calendar.admitted_at(cast.EMERGENCY.number)
            unknown = self.his.patient(cast.EMERGENCY, resident_id="")
            send(self.his.adt("A01", cast.EMERGENCY, at, self.his.stay(cast.EMERGENCY), patient=unknown))
            send(self.his.admit(cast.CANCELLED_ADMISSION, event="A11"))
            self.alliance.settle()  # hours later they know who the emergency patient is
            send(self.his.merge(cast.MERGED, self.his.number(cast.EMERGENCY)))
        self.alliance.settle()

    def county_admissions(self) -> None:
        with self._http(COUNTY) as send:
            for who in (*cast.COUNTY, cast.IN_BOTH_HOSPITALS):
                send(self.county.register(who))
            send(self.county.register(cast.TWO_NUMBERS, resident_id=cast.other_resident_id()))
            for who in cast.COUNTY:
                send(self.county.admit(who))
        self.alliance.settle()

    def discharges(self) -> None:
        with self._his_wire() as send:
            for who in cast.UPDATED:
                send(self.his.admit(who, event="A08", bed=f"{who.number + 40}"))
            at = self.calendar.admitted_at(cast.Z_SEGMENT.number)
            z_segment = "ZPI|1|东区医保|异地备案"
            send(self.his.adt("A08", cast.Z_SEGMENT, at, self.his.stay(cast.Z_SEGMENT), z_segment))
            for who in cast.TO_COMMUNITY:
                send(self.his.discharge(who))
            for who in (*cast.WENT_HOME, cast.CANCELLED_DISCHARGE):
                send(self.his.discharge(who, disposition="1"))
            send(self.his.discharge(cast.UNKNOWN_CODE, disposition="7"))
            send(self.his.admit(cast.CANCELLED_DISCHARGE, event="A13"))
            send(self.his.discharge(cast.OUT_OF_ORDER, disposition="1"))
            send(self.his.admit(cast.OUT_OF_ORDER))  # it left before the discharge, and comes after it
            send(self.his.admit(cast.OUT_OF_ORDER, event="A08"))
        self.alliance.settle()

    def documents(self) -> None:
        with self._http(EMR) as send:
            for who in cast.TO_COMMUNITY:
                number = who.number % 3
                send(self.emr.summary(who, ORDERS[number]))
                send(self.emr.guidance(who, FOLLOW_UP[number], MEDICINES[number]))
            whole = self.emr.summary(cast.TO_COMMUNITY[0], ORDERS[0])
            send(whole[: len(whole) // 2])  # the network broke off in the middle
        self.alliance.settle()

    def county_discharges(self) -> None:
        with self._http(COUNTY) as send:
            for who in cast.COUNTY_DISCHARGED:
                send(self.county.discharge(who, "2周后门诊复诊；每日测血压；不适随诊"))
        self.alliance.settle()

    def plans(self) -> None:
        self.clinic.take_up(outside={OUTSIDE})
        for who in cast.FOLLOWED_UP:
            self.clinic.do_first_activity(who)
        self.alliance.settle()

    def referrals_up(self) -> None:
        refusals = {self._number("SZ", cast.NO_BED): "BED^暂无床位，建议转县医院"}
        wire = Mllp("127.0.0.1", self.alliance.mllp_port)
        desk = Desk(self.his, wire, self.calendar.at(0, 15), refusals)
        self.alliance.his.heard = desk.heard
        try:
            for who in cast.REFERRED_UP:
                at = self.calendar.at(0, 14, who.number % 60)
                self.clinic.refer_up(who, self._number("SZ", who), f"{who.condition[1]}，血压控制不佳", at)
            self.alliance.settle()
            for who in cast.CLOSED_UP:
                number = self._number("SZ", who)
                desk.say(number, self.clinic_referrals, "AR")
                desk.say(number, self.clinic_referrals, "CO", note="调整用药后血压平稳，转回社区随访")
            self.alliance.settle()
            for who in cast.CLOSED_UP:
                for state in ("acked", "closed"):
                    self.clinic.answer(self._number("SZ", who), self.clinic_referrals, state)
            self.alliance.settle()
        finally:
            wire.close()

    def referrals_down(self) -> None:
        closed, accepted, rejected, _waiting = (self._number("XZ", who) for who in cast.REFERRED_DOWN_BY_COUNTY)
        with self._http(COUNTY) as send:
            for who in cast.REFERRED_DOWN_BY_COUNTY:
                send(self.county.refer_down(who, self._number("XZ", who)))
        with self._his_wire() as send:
            for who in cast.REFERRED_DOWN_BY_HOSPITAL:
                send(self.his.refer_down(who, self._number("XZ", who), "康复随访"))
        self.alliance.settle()
        for number in (closed, accepted):
            self.clinic.answer(number, self.county_referrals, "accepted")
        self.clinic.answer(rejected, self.county_referrals, "rejected", statusReason={"text": "患者已迁往外地"})
        self.clinic.answer(closed, self.county_referrals, "arrived")
        report = {"type": {"text": "首次随访记录"}, "valueString": "已建立随访，血压平稳"}
        self.clinic.answer(closed, self.county_referrals, "outcome", output=[report])
        arrived = self._number("XZ", cast.REFERRED_DOWN_BY_HOSPITAL[0])
        for state in ("accepted", "arrived"):
            self.clinic.answer(arrived, self.hospital_referrals, state)
        self.alliance.settle()
        with self._http(COUNTY) as send:
            send(self.county.state(closed, "acked", "已阅", self.calendar.at(0, 17)))
            send(self.county.state(closed, "closed", "结案", self.calendar.at(0, 17, 5)))
        self.alliance.settle()

    def month(self) -> None:
        deliver(self.alliance, self.calendar.month)

    # ── what they share ──────────────────────────────────────────────────────────────────────────────────────────────

    def _number(self, kind: str, who: Person) -> str:
        return f"{kind}{self.calendar.day:%Y%m%d}{who.number:03d}"

    def _wrong_digit(self) -> bytes:
        who = cast.WRONG_DIGIT
        wrong = who.resident_id[:17] + ("0" if who.resident_id[17] != "0" else "1")
        segment = self.his.patient(who, resident_id=wrong)
        return self.his.adt("A01", who, self.calendar.admitted_at(who.number), self.his.stay(who), patient=segment)

    @contextlib.contextmanager
    def _his_wire(self) -> Iterator[Callable[[bytes], bytes]]:
        wire = Mllp("127.0.0.1", self.alliance.mllp_port)
        try:
            yield wire.send
        finally:
            wire.close()

    @contextlib.contextmanager
    def _http(self, source: str) -> Iterator[Callable[[bytes], int]]:
        wire = Http(f"{self.alliance.url}/inbox/{source}")
        try:
            yield wire.send
        finally:
            wire.close()
