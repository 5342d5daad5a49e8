"""What the county hospital's platform sends: Request/Body XML in the 东华 shape, its own numbers 2…, V3…, ZY3…."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

from gateway.demo.calendar import Calendar
from gateway.demo.people import Person

COUNTY, COUNTY_NAME = "990200002", "示范县人民医院"
CLINIC, CLINIC_NAME = "990300003", "示范社区卫生服务中心"
Pairs = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class County:
    """Writes requests about people as the county hospital knows them."""

    calendar: Calendar

    def register(self, who: Person, *, resident_id: str = "") -> bytes:
        """resident_id: another one than the person's own."""
        return _request(
            "PatientRegistryRt",
            f"C1{who.number:04d}",
            [
                *self._patient(who, resident_id),
                ("PATMaritalStatusCode", "20"),
                ("PATNationCode", "01"),
                ("PATHealthCardID", f"JKK{who.number:07d}"),
                *self._updated(self.calendar.admitted_at(who.number)),
            ],
        )

    def admit(self, who: Person, *, resident_id: str = "") -> bytes:
        at = self.calendar.admitted_at(who.number)
        return _request(
            "InpatientEncounterStartedRt",
            f"C2{who.number:04d}",
            [
                *self._patient(who, resident_id),
                *self._visit(who),
                ("PAAdmTypeCode", "I"),
                ("PAADMAdmitDocCode", "D2001"),
                ("PAADMAdmitDocDesc", "温如玉"),
                ("PAADMStartDate", f"{at:%Y-%m-%d}"),
                ("PAADMStartTime", f"{at:%H:%M:%S}"),
                ("PAADMAdmDeptCode", "0201"),
                ("PAADMAdmDeptDesc", "内科"),
                ("PAADMAdmWardCode", "W2"),
                ("PAADMAdmWardDesc", "二病区"),
                ("PAADMCurBedNo", f"{who.number:02d}"),
                *self._updated(at),
            ],
            PAADMDiagnoseList=("PAADMDiagnose", self._diagnosis(who, "入院诊断")),
        )

    def discharge(self, who: Person, advice: str) -> bytes:
        start, end = self.calendar.admitted_at(who.number), self.calendar.discharged_at(who.number)
        return _request(
            "InpatientDischargeRt",
            f"C3{who.number:04d}",
            [
                ("PATPatientID", self.number(who)),
                ("PATPatientName", who.name),
                *self._visit(who),
                ("PAADMStartDate", f"{start:%Y-%m-%d}"),
                ("PAADMStartTime", f"{start:%H:%M:%S}"),
                ("PAADMEndDate", f"{end:%Y-%m-%d}"),
                ("PAADMEndTime", f"{end:%H:%M:%S}"),
                ("PAADMDischargeWayCode", "3"),
                ("PAADMTransferHospitalCode", CLINIC),
                ("PAADMTransferHospitalDesc", CLINIC_NAME),
                ("PAADMDischargeAdvice", advice),
                *self._updated(end),
            ],
            PAADMDiagnoseList=("PAADMDiagnose", self._diagnosis(who, "出院诊断")),
        )

    def refer_down(self, who: Person, number: str) -> bytes:
        at = self.calendar.at(0, 11, who.number % 60)
        code, name = who.condition
        return _request(
            "ReferralRt",
            f"C4{who.number:04d}",
            [
                ("ReferralNo", number),
                ("ReferralTypeCode", "2"),
                ("ReferralTypeDesc", "下转"),
                ("ReferralPriorityCode", "R"),
                ("ReferralDate", f"{at:%Y-%m-%d}"),
                ("ReferralTime", f"{at:%H:%M:%S}"),
                *self._patient(who, ""),
                ("PAADMVisitNumber", f"V3{who.number:05d}"),
                ("FromHospitalCode", COUNTY),
                ("FromHospitalDesc", COUNTY_NAME),
                ("FromDeptDesc", "内科"),
                ("FromDocCode", "D2002"),
                ("FromDocDesc", "严守正"),
                ("ToHospitalCode", CLINIC),
                ("ToHospitalDesc", CLINIC_NAME),
                ("ToDeptDesc", "全科"),
                ("ReferralReason", f"{name}病情稳定，转社区康复随访"),
                ("TreatmentCourse", "对症治疗，恢复良好"),
                ("NextPlan", "每2周测血压，3个月复查"),
                ("ConsentFlag", "1"),
            ],
            DiagnosisList=("Diagnosis", [("PADDiagCode", code), ("PADDiagDesc", name)]),
        )

    def state(self, number: str, code: str, text: str, at: datetime) -> bytes:
        """What the county hospital, as the one who referred, says of its referral: read, closed."""
        return _request(
            "ReferralStateRt",
            f"C5{number}{code}",
            [
                ("ReferralNo", number),
                ("ReferralStatusCode", code),
                ("ReferralStatusDesc", text),
                ("UpdateDateTime", f"{at:%Y-%m-%d %H:%M:%S}"),
            ],
        )

    @staticmethod
    def number(who: Person) -> str:
        return f"{200000 + who.number}"

    def _patient(self, who: Person, resident_id: str) -> Pairs:
        return [
            ("PATPatientID", self.number(who)),
            ("PATPatientName", who.name),
            ("PATDob", who.born_on.isoformat()),
            ("PATSexCode", who.sex),
            ("PATSexDesc", "男" if who.sex == "1" else "女"),
            ("PATIdTypeCode", "01"),
            ("PATIdentityNum", resident_id or who.resident_id),
            ("PATTelephone", who.telephone),
            ("PATPatientAddress", who.address),
        ]

    @staticmethod
    def _visit(who: Person) -> Pairs:
        return [("PAADMVisitNumber", f"V3{who.number:05d}"), ("PAADMHosVisitNumber", f"ZY3{who.number:05d}")]

    @staticmethod
    def _diagnosis(who: Person, kind: str) -> Pairs:
        code, name = who.condition
        return [("PADDiagCode", code), ("PADDiagDesc", name), ("PADDiagType", kind), ("PADDiagCategory", "1")]

    @staticmethod
    def _updated(at: datetime) -> Pairs:
        return [("UpdateDate", f"{at:%Y-%m-%d}"), ("UpdateTime", f"{at:%H:%M:%S}")]


def _request(service: str, message_id: str, pairs: Pairs, **lists: tuple[str, Pairs]) -> bytes:
    """lists  name of a list → the name of its one item, and what that holds"""
    root = etree.Element("Request")
    header = etree.SubElement(root, "Header")
    _put(header, [("SourceSystem", "COUNTY"), ("MessageID", message_id)])
    top = etree.SubElement(etree.SubElement(root, "Body"), service)
    _put(top, pairs)
    for name, (item, held) in lists.items():
        _put(etree.SubElement(etree.SubElement(top, name), item), held)
    return bytes(etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True))


def _put(parent: etree._Element, pairs: Pairs) -> None:
    for name, text in pairs:
        etree.SubElement(parent, name).text = text
