"""What the tertiary hospital's EMR sends: discharge summary (C0053) and discharge guidance (C0025) as CDA.

source  WS/T 500.53, WS/T 500.25
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree
from lxml.builder import ElementMaker

from gateway.demo.calendar import Calendar
from gateway.demo.his_messages import CLINIC, CLINIC_NAME, HOSPITAL, HOSPITAL_NAME, His
from gateway.demo.people import Person

_V3, _XSI = "urn:hl7-org:v3", "http://www.w3.org/2001/XMLSchema-instance"
E = ElementMaker(namespace=_V3, nsmap={None: _V3, "xsi": _XSI})
_OID = "2.16.156.10011"
_TEMPLATE = {"C0053": f"{_OID}.2.1.1.73", "C0025": f"{_OID}.2.1.1.45"}
_TITLE = {"C0053": "出院小结", "C0025": "出院评估与指导"}
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True)
class Emr:
    """Writes documents about patients of the hospital."""

    calendar: Calendar

    def summary(self, who: Person, orders: str) -> bytes:
        """C0053. orders: the discharge orders, as the doctor writes them."""
        left = self.calendar.discharged_at(who.number)
        code, name = who.condition
        return self._document(
            "C0053",
            who,
            left + timedelta(minutes=40),
            E.informationRecipient(
                E.intendedRecipient(E.receivedOrganization(_id(".1.5", CLINIC), E.name(CLINIC_NAME)))
            ),
            self._stay(who),
            _section("46241-6", _coded("DE05.01.024.00", "入院诊断-西医诊断编码", code, name, ".2.3.3.11.5")),
            _section(
                "11535-2",
                _coded("DE05.01.024.00", "出院诊断-西医诊断编码", code, name, ".2.3.3.11.5"),
                _said("DE06.00.193.00", "出院情况", "好转。"),
            ),
            _section(
                "8648-8",
                _said("DE06.00.296.00", "诊疗过程描述", f"入院后完善检查，按{name}规范治疗，病情平稳。"),
                _coded("DE05.10.113.00", "治疗结果代码", "2", "好转", ".2.3.1.148"),
            ),
            _section("46209-3", _said("DE06.00.287.00", "出院医嘱", orders)),
        )

    def guidance(self, who: Person, follow_up: str, medicine: str) -> bytes:
        """C0025. follow_up: 复诊指导; medicine: 用药指导."""
        left = self.calendar.discharged_at(who.number)
        code, name = who.condition
        return self._document(
            "C0025",
            who,
            left + timedelta(minutes=50),
            None,
            None,
            _section(
                "11535-2",
                _coded("DE05.01.024.00", "出院诊断编码", code, name, ".2.3.3.11"),
                _timed("DE06.00.017.00", "出院日期时间", left),
                _said("DE06.00.193.00", "出院情况", "好转"),
                _coded("DE06.00.223.00", "离院方式代码", "3", "医嘱转社区卫生服务机构/乡镇卫生院", ".2.3.1.265"),
                _said("DE08.10.013.00", "拟接收医疗机构名称", CLINIC_NAME),
            ),
            _section(
                "69730-0",
                _coded("DE06.00.291.00", "饮食指导代码", "04", "低盐低脂饮食", ".2.3.1.263"),
                _said("DE06.00.238.00", "生活方式指导", "每日步行锻炼30分钟"),
                _said("DE06.00.299.00", "复诊指导", follow_up),
                _said("DE06.00.136.00", "用药指导", medicine),
            ),
            _section("51848-0", _coded("DE05.10.122.00", "自理能力代码", "2", "部分自理", ".2.3.2.33")),
        )

    def _document(
        self,
        code: str,
        who: Person,
        at: datetime,
        recipient: etree._Element | None,
        stay: etree._Element | None,
        *sections: etree._Element,
    ) -> bytes:
        parts = [
            E.realmCode(code="CN"),
            E.typeId(root="2.16.840.1.113883.1.3", extension="POCD_MT000040"),
            E.templateId(root=_TEMPLATE[code]),
            _id(".1.1", f"{code}{at:%Y%m%d}{who.number:04d}"),
            E.code(code=code, codeSystem=f"{_OID}.2.4", codeSystemName="卫生信息共享文档规范编码体系"),
            E.title(_TITLE[code]),
            E.effectiveTime(value=f"{at:{_STAMP}}"),
            E.confidentialityCode(code="N", codeSystem="2.16.840.1.113883.5.25", displayName="正常访问保密级别"),
            E.languageCode(code="zh-CN"),
            self._patient(who),
            E.author(
                E.time(value=f"{at:{_STAMP}}"),
                E.assignedAuthor(_id(".1.7", "D0001"), E.assignedPerson(E.name("李建国"))),
                typeCode="AUT",
            ),
            E.custodian(
                E.assignedCustodian(E.representedCustodianOrganization(_id(".1.5", HOSPITAL), E.name(HOSPITAL_NAME))),
                typeCode="CST",
            ),
            recipient,
            stay,
            E.component(E.structuredBody(*(E.component(section) for section in sections))),
        ]
        root = E.ClinicalDocument(*(part for part in parts if part is not None))
        return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True))

    @staticmethod
    def _patient(who: Person) -> etree._Element:
        sex = {"1": "男性", "2": "女性"}[who.sex]
        return E.recordTarget(
            E.patientRole(
                _id(".2.5.1.4", His.number(who)),
                _id(".1.12", f"ZY{who.number:06d}"),
                E.telecom(value=who.telephone),
                E.patient(
                    _id(".1.3", who.resident_id),
                    E.name(who.name),
                    E.administrativeGenderCode(code=who.sex, codeSystem=f"{_OID}.2.3.3.4", displayName=sex),
                    E.birthTime(value=f"{who.born_on:%Y%m%d}"),
                ),
                E.providerOrganization(_id(".1.5", HOSPITAL), E.name(HOSPITAL_NAME)),
                classCode="PAT",
            ),
            typeCode="RCT",
        )

    def _stay(self, who: Person) -> etree._Element:
        start, end = self.calendar.admitted_at(who.number), self.calendar.discharged_at(who.number)
        return E.componentOf(
            E.encompassingEncounter(
                _id(".2.5.1.9", f"V{who.number:06d}"),
                E.effectiveTime(E.low(value=f"{start:{_STAMP}}"), E.high(value=f"{end:{_STAMP}}")),
            ),
            typeCode="COMP",
        )


def _id(root: str, extension: str) -> etree._Element:
    return E.id(root=_OID + root, extension=extension)


def _section(code: str, *observations: etree._Element) -> etree._Element:
    title = {
        "46241-6": "HOSPITAL ADMISSION DX",
        "11535-2": "Discharge Diagnosis",
        "8648-8": "Hospital Course",
        "46209-3": "Provider Orders",
        "69730-0": "Instructions",
        "51848-0": "Assessment note",
    }[code]
    coded = E.code(code=code, displayName=title, codeSystem="2.16.840.1.113883.6.1", codeSystemName="LOINC")
    return E.section(coded, E.text(), *(E.entry(one) for one in observations))


def _observation(code: str, name: str, value: etree._Element) -> etree._Element:
    coded = E.code(code=code, displayName=name, codeSystem=f"{_OID}.2.2.1", codeSystemName="卫生信息数据元目录")
    return E.observation(coded, value, classCode="OBS", moodCode="EVN")


def _coded(code: str, name: str, value: str, display: str, system: str) -> etree._Element:
    return _observation(code, name, _value("CD", code=value, displayName=display, codeSystem=_OID + system))


def _said(code: str, name: str, text: str) -> etree._Element:
    value = _value("ST")
    value.text = text
    return _observation(code, name, value)


def _timed(code: str, name: str, at: datetime) -> etree._Element:
    return _observation(code, name, _value("TS", value=f"{at:{_STAMP}}"))


def _value(kind: str, **attributes: str) -> etree._Element:
    return E.value({f"{{{_XSI}}}type": kind}, **attributes)
