"""Identifiers: numbers of persons, visits and documents ↔ FHIR Identifier, their systems, and ICD-10 codings."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import quote, unquote

from adapters.kit.conversion import Context, Conversion, Ignored
from gateway.fhir import canonical, check_digit

ICD10 = "http://hl7.org/fhir/sid/icd-10"
NATIONAL_ICD10 = "urn:oid:2.16.156.10011.2.3.3.11"
NATIONAL_SYSTEMS = {
    "id-card": (canonical.RESIDENT_ID, "NI"),
    "health-card": (canonical.HEALTH_CARD, "HC"),
    "health-record": (canonical.HEALTH_RECORD, "MR"),
    "organization": (canonical.ORGANISATION, "XX"),
    "passport": ("http://hl7.org/fhir/sid/passport-CHN", "PPN"),
}
LOCAL_TYPES = {"patient": "PI", "inpatient-no": "MR", "visit": "VN", "card": "PI", "order": "PLAC", "document": "RI"}
_TYPE_SYSTEM = "http://terminology.hl7.org/CodeSystem/v2-0203"
_NOTHING = frozenset({"", "无", "未知", "不详", "NULL", "NONE", "-", "--", "/", "待补", "未提供", "拒绝提供"})
_EDITION_OF = {"gl": "国家临床版2.0", "yb": "医保版2.0"}
_DIAGNOSIS = re.compile(r"([A-Z]\d\d)(?:\.?([0-9xX])?([0-9xX]{0,2})([xX]\d{3})?)?([+*†]?)")


def id_card_conversion(_argument: str) -> Conversion:
    """居民身份证号 → Identifier: one spelling, 15 digits as 18; a wrong check digit is flagged, the number kept."""

    def forward(text: str, context: Context) -> dict[str, Any] | Ignored:
        number = check_digit.resident_number(text)
        if is_placeholder(number):
            return Ignored("a placeholder, no identity number")
        identifier = _identifier(canonical.RESIDENT_ID, "NI", number)
        if not check_digit.is_resident_number(number):
            identifier = {"extension": [flag_invalid()]} | identifier
            context.report(
                "value",
                "身份证号校验位不符（GB 11643），已保留并标记；请核对证件后更正",
                "The identity number's check digit is wrong (GB 11643): kept and flagged; correct it from the card",
            )
        return identifier

    def inverse(value: dict[str, Any], _context: Context) -> str | None:
        return value.get("value") if value.get("system") == canonical.RESIDENT_ID else None

    return Conversion("id_card", forward, inverse, "Identifier")


def identifier_conversion(argument: str) -> Conversion:
    """identifier(kind): a national number (health-card, passport, …), the organisation's own, or a system URI."""

    def forward(text: str, context: Context) -> dict[str, Any] | Ignored:
        value = unicodedata.normalize("NFKC", text).strip()
        if is_placeholder(value):
            return Ignored("a placeholder, no number")
        system, kind = _system(argument, context)
        return _identifier(system, kind, value)

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return value.get("value") if value.get("system") == _system(argument, context)[0] else None

    return Conversion(f"identifier({argument})", forward, inverse, "Identifier")


def key_conversion(argument: str) -> Conversion:
    """key(kind): the business identifier by which a conditional update finds the resource again, without a type."""

    def forward(text: str, context: Context) -> dict[str, Any]:
        return {"system": _local(argument, context), "value": text.strip()}

    def inverse(value: dict[str, Any], context: Context) -> str | None:
        return value.get("value") if value.get("system") == _local(argument, context) else None

    return Conversion(f"key({argument})", forward, inverse, "Identifier")


def sid_conversion(argument: str) -> Conversion:
    """sid(kind): the system of the source's own numbers; sid: the text, by the code map, names the kind or a URI.

    sid(kind) is one-way; sid writes back the kind, by the code map.
    """
    if argument:
        return Conversion(f"sid({argument})", lambda _text, context: _system(argument, context)[0], None, "uri")

    def forward(text: str, context: Context) -> str | None:
        table = context.maps.named(context.codes) if context.codes else None
        target = table.translate(text) if table else None
        if table is not None and target is None:
            context.report(
                "code-invalid",
                f"号码类别不在对照表 {context.codes} 中，未能确定号码系统；请在该表中补一行",
                f"The kind of number is not in the map {context.codes}, its system is unknown; add a row to that map",
            )
            return None
        return _system(target.code if target else text.strip(), context)[0]

    def inverse(value: str, context: Context) -> str | None:
        kind = next((kind for kind, (system, _) in NATIONAL_SYSTEMS.items() if system == value), None)
        local = _local("", context)
        kind = kind or (value.removeprefix(local) if value.startswith(local) else value)
        table = context.maps.named(context.codes) if context.codes else None
        return (table.invert(kind) or table.invert(value)) if table else kind

    return Conversion("sid", forward, inverse, "uri")


def assigned_sid_conversion(_argument: str) -> Conversion:
    """assigned_sid: "kind-assigner" → a system that holds both, so that equal numbers of two assigners stay two numbers.

    The source's own assigners (its option assigners, and none) share the plain system of its organisation.
    """

    def forward(text: str, context: Context) -> str | None:
        kind, _, assigner = text.strip().partition("-")
        system: str | None = sid_conversion("").forward(kind, context)
        local = _local("", context)
        if (
            system is None
            or not assigner
            or not system.startswith(local)
            or assigner in context.option("assigners", ())
        ):
            return system
        return f"{system}/{quote(assigner, safe='')}"

    return Conversion("assigned_sid", forward, None, "uri")


# The names of table 0396 that senders use, and the systems they mean.
_CODING_SYSTEMS = {
    "LN": "http://loinc.org",
    "I10": ICD10,
    "ICD10": ICD10,
    "ICD-10": ICD10,
    "I10C": NATIONAL_ICD10,
    "UCUM": "http://unitsofmeasure.org",
    "SCT": "http://snomed.info/sct",
}


def coding_system_conversion(_argument: str) -> Conversion:
    """coding_system: a name of HL7 table 0396, or a URI, or a local name of the source's organisation ↔ the system's URI.

    source   HL7 v2.8.2 table 0396; v2-to-FHIR 1.0.0, CWE[CodeableConcept]
    """

    def forward(text: str, context: Context) -> str:
        name = text.strip()
        if name in _CODING_SYSTEMS:
            return _CODING_SYSTEMS[name]
        if name.startswith(("http://", "https://", "urn:")):
            return name
        if re.fullmatch(r"HL7\d{4}", name):
            return f"http://terminology.hl7.org/CodeSystem/v2-{name[3:]}"
        return f"{context.base}/CodeSystem/{context.source.organisation}/{quote(name, safe='')}"

    def inverse(value: str, context: Context) -> str | None:
        own = f"{context.base}/CodeSystem/{context.source.organisation}/"
        if value.startswith(own):
            return unquote(value.removeprefix(own))
        if value.startswith("http://terminology.hl7.org/CodeSystem/v2-"):
            return f"HL7{value[-4:]}"
        return next((name for name, system in _CODING_SYSTEMS.items() if system == value), value)

    return Conversion("coding_system", forward, inverse, "uri")


def diagnosis_conversion(argument: str) -> Conversion:
    """icd10 or icd10(edition): a national code → both codings: the full code (国临 or 医保 edition), and its WHO base.

    edition  gl or yb; without it the source's option icd10_edition
    source   ICD-10 国家临床版2.0, 医保版2.0: WHO code, then .x or digits, then x and three digits of extension
    """

    def forward(text: str, context: Context) -> dict[str, Any] | Ignored:
        codes = [code for code in re.split(r"(?<=[+†])", _spelt(text)) if code]
        if not codes:
            return Ignored("no code")
        edition = argument or str(context.option("icd10_edition", ""))
        national = {"system": NATIONAL_ICD10, "version": _EDITION_OF.get(edition, edition), "code": "".join(codes)}
        bases = list(dict.fromkeys(filter(None, map(who_base, codes))))
        if len(bases) < len(codes):
            context.report(
                "code-invalid",
                "诊断编码不符合 ICD-10 国家版的写法，原码已保留，未得出国际码；请核对编码库版本",
                "Not written as national ICD-10 codes are: kept without a WHO code; check the code set's edition",
            )
        codings = [{key: value for key, value in national.items() if value}]
        return {"coding": codings + [{"system": ICD10, "code": base} for base in bases]}

    def inverse(value: dict[str, Any], _context: Context) -> str | None:
        codings = value.get("coding", [])
        found = {coding.get("system"): coding.get("code") for coding in reversed(codings)}
        return found.get(NATIONAL_ICD10) or found.get(ICD10)

    return Conversion(f"icd10({argument})" if argument else "icd10", forward, inverse, "CodeableConcept")


def who_base(code: str) -> str | None:
    """The WHO code that a national code refines: I10.x00x002 → I10, E11.900 → E11.9; None when written otherwise."""
    found = _DIAGNOSIS.fullmatch(_spelt(code))
    if found is None:
        return None
    category, fourth = found[1], found[2] or ""
    return f"{category}.{fourth}" if fourth.isdigit() else category


def is_placeholder(text: str) -> bool:
    """无, 000000000000000000, 111111…, xxx: what is typed where a form demands a number that is not there."""
    plain = text.strip().upper()
    return plain in _NOTHING or (len(set(plain)) == 1 and (len(plain) >= 6 or not plain.isalnum() or plain[0] in "0X"))


def flag_invalid() -> dict[str, str]:
    return {"url": canonical.extension("check-digit"), "valueCode": "invalid"}


def _spelt(text: str) -> str:
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", text)).replace("†", "+")
    return plain[:1].upper() + plain[1:].replace("X", "x")


def _identifier(system: str, kind: str, value: str) -> dict[str, Any]:
    coded = {"type": {"coding": [{"system": _TYPE_SYSTEM, "code": kind}]}} if kind else {}
    return coded | {"system": system, "value": value}


def _system(kind: str, context: Context) -> tuple[str, str]:
    if kind in NATIONAL_SYSTEMS:
        return NATIONAL_SYSTEMS[kind]
    if ":" in kind:
        return kind, ""
    return _local(kind, context), LOCAL_TYPES.get(kind, "")


def _local(kind: str, context: Context) -> str:
    return canonical.sid(context.source.organisation, kind, context.base)
