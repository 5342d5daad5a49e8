"""What R4 binds, as the terminology service tells it: against the codes that another program took from the same definitions."""

from __future__ import annotations

import random

import msgspec
import pytest

from gateway.fhir import elements
from gateway.fhir.errors import GatewayError
from gateway.terminology import shelf
from gateway.terminology.service import LocalTerminology

SERVICE = LocalTerminology((shelf.Published(),))
REQUIRED = sorted(elements._codes())
EVERY = sorted(shelf._published()["ValueSet"])
VALUE_SET = "http://hl7.org/fhir/ValueSet/"
UNSUPPORTED_SYSTEM = "http://other.example/system"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_required_value_set_holds_the_codes_that_the_validator_knows(name: str) -> None:
    url = next((url for url in (VALUE_SET + name, f"http://terminology.hl7.org/ValueSet/{name}") if url in EVERY), "")
    if not url:
        pytest.skip("a binding by another name than its value set's")
    known = elements.codes(name)
    found = set(SERVICE.members(url))
    if any("|" in code for code in known):
        assert {f"{system}|{code}" for system, code in found} == known
    else:
        assert {code for _, code in found} == known


def test_what_a_value_set_lists_it_holds_and_nothing_else() -> None:
    chance = random.Random(4)
    every = [(url, concept) for url in EVERY for concept in _members(url)]
    assert len(every) > 5000
    for url, (system, code) in chance.sample(every, 2000):
        assert SERVICE.contains(url, system, code) is True, (url, system, code)
    of = {url: set(_members(url)) for url in EVERY}
    for _ in range(4000):
        url, concept = chance.choice(EVERY), chance.choice(every)[1]
        if of[url]:
            assert (SERVICE.contains(url, *concept) is True) == (concept in of[url]), (url, concept)


def test_a_value_set_that_cannot_be_listed_says_why() -> None:
    refused, told = [], []
    for url in EVERY:
        try:
            list(SERVICE.members(url))
        except GatewayError as error:
            refused.append(url)
            told.append(bool(error.issues[0].zh and error.issues[0].en))
    # SNOMED CT, LOINC, UCUM, languages, media types: everything else is here.
    assert VALUE_SET + "mimetypes" in refused
    assert len(refused) < len(EVERY) / 3
    assert all(told)


def test_what_is_no_list_is_told_by_its_form() -> None:
    for value_set, good, bad in (
        ("mimetypes", "application/fhir+json", "not a type"),
        ("all-languages", "zh-Hans-CN", "zh_CN"),
        ("ucum-units", "mmol/L", "mmol//L"),
    ):
        url = VALUE_SET + value_set
        assert SERVICE.contains(url, None, good) is True, url
        assert SERVICE.contains(url, None, bad) is False, url


def test_what_this_server_has_not_is_neither_held_nor_not() -> None:
    assert SERVICE.contains("http://other.example/vs", "http://a.example", "x") is None
    assert SERVICE.contains(VALUE_SET + "condition-code", "http://snomed.info/sct", "404684003") is None
    assert SERVICE.contains(VALUE_SET + "condition-code", UNSUPPORTED_SYSTEM, "404684003") is False


def test_versions_are_kept_apart() -> None:
    url = VALUE_SET + "administrative-gender"
    assert SERVICE.contains(f"{url}|4.0.1", None, "male") is True
    assert SERVICE.contains(f"{url}|3.0.1", None, "male") is None


def test_nothing_is_read_before_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = (
        "from gateway.terminology import shelf, service;"
        "made = service.LocalTerminology((shelf.Published(), shelf.Folders(())));"
        "assert shelf._published.cache_info().currsize == 0;"
        "assert made.contains('http://hl7.org/fhir/ValueSet/administrative-gender', None, 'male');"
        "assert shelf._published.cache_info().currsize == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_code_system_names_the_value_set_of_all_its_codes() -> None:
    by_system = {msgspec.json.decode(raw)["url"] for raw in shelf._published()["CodeSystem"].values()}
    assert "http://terminology.hl7.org/CodeSystem/v3-ActCode" in by_system
    [found] = [url for url in shelf._implicit() if url.endswith("/v3-ActCode")]
    assert SERVICE.contains(found, "http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB") is True


def _members(url: str) -> list[tuple[str, str]]:
    try:
        return list(SERVICE.members(url))
    except GatewayError:
        return []
