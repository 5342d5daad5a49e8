"""The names under which the alliance publishes its own identifiers, codes and extensions, and nowhere else.

Every function takes the base as its last argument, so that an alliance with a domain of its own can put it there.
"""

from __future__ import annotations

BASE = "http://alliance.example/gateway"

RESIDENT_ID = "urn:oid:2.16.156.10011.1.3"  # 居民身份证号
HEALTH_CARD = "urn:oid:2.16.156.10011.1.19"  # 健康卡号
HEALTH_RECORD = "urn:oid:2.16.156.10011.1.2"  # 城乡居民健康档案编号
ORGANISATION = "urn:oid:2.16.156.10011.1.5"  # 医疗机构组织机构代码


def sid(organisation: str, kind: str, base: str = BASE) -> str:
    """The system of an organisation's local numbers.

    organisation  code in ORGANISATION
    kind          patient, inpatient-no, visit, card, referral, order, document, …
    """
    return f"{base}/sid/{organisation}/{kind}"


def code_system(name: str, base: str = BASE) -> str:
    """The url of one of our own CodeSystems: task-code, referral-state, service-category, …"""
    return f"{base}/CodeSystem/{name}"


def extension(name: str, base: str = BASE) -> str:
    """The url of one of our own extensions or profiles."""
    return f"{base}/StructureDefinition/{name}"


def source_uri(name: str, base: str = BASE) -> str:
    """What meta.source holds for resources made from a source's messages."""
    return f"{base}/source/{name}"
