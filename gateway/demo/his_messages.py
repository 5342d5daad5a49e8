"""What the tertiary hospital's HIS sends: HL7 v2.5.1, GB18030, local numbers P…, ZY…, V….

source  WS/T 846 and HL7 v2.5.1 chapters 3 (ADT) and 11 (referral)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.demo.calendar import Calendar
from gateway.demo.people import Person
from gateway.fhir.canonical import sid

HOSPITAL, CLINIC = "990100001", "990300003"
HOSPITAL_NAME, CLINIC_NAME = "示范市第一人民医院", "示范社区卫生服务中心"
ENCODING = "gb18030"
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True)
class His:
    """Writes messages about people as the HIS knows them. base: of the alliance's identifiers."""

    calendar: Calendar
    base: str

    def admit(self, who: Person, *, event: str = "A01", control_id: str = "", bed: str = "") -> bytes:
        """A01 by default; an A08, A11 or A13 says the same of a stay that is going on."""
        at = self.calendar.admitted_at(who.number)
        if event == "A13":  # it takes back what was said later
            at = self.calendar.discharged_at(who.number).replace(hour=12)
        return self.adt(event, who, at, self.stay(who, bed), *self.diagnoses(who, "A"), control_id=control_id)

    def discharge(self, who: Person, *, disposition: str = "3", further: tuple[str, ...] = ()) -> bytes:
        at = self.calendar.discharged_at(who.number)
        stay = self.stay(who, end=at, disposition=disposition, destination=CLINIC if disposition == "3" else "")
        return self.adt("A03", who, at, stay, *self.diagnoses(who, "A"), *self.diagnoses(who, "F"), *further)

    def adt(
        self, event: str, who: Person, at: datetime, *segments: str, control_id: str = "", patient: str = ""
    ) -> bytes:
        control_id = control_id or f"{event}{at:%m%d%H%M}{who.number:04d}"
        first = (self._msh(f"ADT^{event}", control_id, at), f"EVN|{event}|{at:{_STAMP}}", patient or self.patient(who))
        return "\r".join((*first, *segments, "")).encode(ENCODING)

    def patient(self, who: Person, *, resident_id: str | None = None, number: str = "") -> str:
        """resident_id: another one than the person's own, "" for none."""
        shown = who.resident_id if resident_id is None else resident_id
        numbers = [f"{number or self.number(who)}^^^{HOSPITAL}^PI"] + ([f"{shown}^^^^NI"] if shown else [])
        fields = [""] * 23
        fields[0], fields[2], fields[4] = "1", "~".join(numbers), who.name
        fields[6], fields[7] = f"{who.born_on:%Y%m%d}", "FM"[int(who.sex == "1")]
        fields[10], fields[12] = f"{who.address}^^^^{who.district}^CN^H", who.telephone
        fields[15], fields[17], fields[21] = "M", f"ZY{who.number:06d}", "01"
        return "PID|" + "|".join(fields).rstrip("|")

    def stay(
        self, who: Person, bed: str = "", *, end: datetime | None = None, disposition: str = "", destination: str = ""
    ) -> str:
        fields = [""] * 45
        fields[0], fields[1], fields[2] = "1", "I", f"心内科^{300 + who.number % 20}^{bed or f'{who.number:02d}'}"
        fields[6] = fields[16] = "D0001^李建国"
        fields[9], fields[13], fields[18] = "心血管内科", "1", f"V{who.number:06d}"
        fields[35], fields[36] = disposition, destination
        fields[43] = f"{self.calendar.admitted_at(who.number):{_STAMP}}"
        fields[44] = f"{end:{_STAMP}}" if end else ""
        return "PV1|" + "|".join(fields).rstrip("|")

    def diagnoses(self, who: Person, kind: str) -> list[str]:
        code, name = who.condition
        return [f"DG1|1||{code}^{name}||{self.calendar.admitted_at(who.number):%Y%m%d}|{kind}|||||||||1"]

    def merge(self, survivor: Person, obsolete_number: str) -> bytes:
        at = self.calendar.at(-1, 14, survivor.number % 60)
        return self.adt("A40", survivor, at, f"MRG|{obsolete_number}^^^{HOSPITAL}^PI")

    def refer_down(self, who: Person, number: str, reason: str) -> bytes:
        at = self.calendar.at(0, 11, who.number % 60)
        code, name = who.condition
        segments = (
            self._msh("REF^I12^REF_I12", f"REF{number}", at),
            f"RF1|P|R|DOWN^下转|||{number}^^{sid(HOSPITAL, 'referral', self.base)}^URI|{at:{_STAMP}}|||{code}^{reason}",
            f"PRD|RP|李建国||||||||{HOSPITAL_NAME}^^^^^^^^^{HOSPITAL}",
            f"PRD|RT|||全科||||||{CLINIC_NAME}^^^^^^^^^{CLINIC}",
            self.patient(who),
            f"DG1|1||{code}^{name}",
            "NTE|1||病情稳定，转社区康复随访",
        )
        return "\r".join((*segments, "")).encode(ENCODING)

    def answer(self, number: str, system: str, code: str, at: datetime, *, reason: str = "", note: str = "") -> bytes:
        """RRI^I12: what the hospital says to a referral. code: of RF1-1 (A accepted, R rejected, AR arrived, CO outcome)."""
        expected = f"{at:%Y%m%d}" if code == "A" else ""
        segments = [
            self._msh("RRI^I12^RRI_I12", f"RRI{number}{code}", at),
            f"MSA|AA|{number}",
            f"RF1|{code}|||||{number}^^{system}^URI|{expected}|||{reason}".rstrip("|"),
        ]
        if note:
            segments.append(f"NTE|1||{note}")
        return "\r".join((*segments, "")).encode(ENCODING)

    @staticmethod
    def number(who: Person) -> str:
        return f"P{100000 + who.number}"

    @staticmethod
    def _msh(kind: str, control_id: str, at: datetime) -> str:
        parts = kind.split("^")
        kind = kind if len(parts) == 3 else f"{kind}^{parts[0]}_{parts[1]}"
        return (
            f"MSH|^~\\&|HIS|{HOSPITAL}|GATEWAY|ALLIANCE|{at:{_STAMP}}||{kind}|{control_id}|P|2.5.1||||||GB 18030-2000"
        )
