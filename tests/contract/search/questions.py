"""Questions of every type, modifier and prefix, made up at random, each with its naive filter."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.contract.search.naive_filter import (
    CODES,
    DAYS,
    IN_GRAMS,
    NUMBERS,
    PREFIXES,
    SYSTEMS,
    UNITS,
    URLS,
    WORDS,
    Document,
    Filter,
    Question,
    compares,
    dates,
    escaped,
    folded,
    instants,
    tokens,
    walk,
)  # fmt: skip

World = dict[str, Document]  # by Type/id
Made = Callable[[random.Random, World], Question]

TOKENS = {
    "Patient": {"identifier": tokens("identifier"), "gender": tokens("gender"), "active": tokens("active"), "_tag": tokens("meta", "tag")},
    "Observation": {"code": tokens("code"), "status": tokens("status"), "value-concept": tokens("valueCodeableConcept")},
    "Organization": {"identifier": tokens("identifier")},
    "Practitioner": {"active": tokens("active")},
}  # fmt: skip
WITHOUT_SYSTEM = {"gender", "active", "status"}
STRINGS = {
    "Patient": {"name": [("name", "family"), ("name", "given")], "family": [("name", "family")], "given": [("name", "given")]},
    "Organization": {"name": [("name",)]},
    "Observation": {"value-string": [("valueString",), ("valueCodeableConcept", "text")]},
    "Practitioner": {"family": [("name", "family")]},
}  # fmt: skip
DATES = {
    "Patient": {"birthdate": dates("birthDate")},
    "Observation": {"date": dates("effectiveDateTime", "effectivePeriod")},
}
LINKS = {
    "Patient": {"organization": (("managingOrganization",), ("Organization",)), "general-practitioner": (("generalPractitioner",), ("Organization", "Practitioner"))},
    "Observation": {"subject": (("subject",), ("Patient",)), "patient": (("subject",), ("Patient",)), "performer": (("performer",), ("Organization",))},
    "Organization": {"partof": (("partOf",), ("Organization",))},
    "RiskAssessment": {"subject": (("subject",), ("Patient",))},
}  # fmt: skip


def any_of(values: list[Any], fits: Callable[[Any], bool]) -> bool:
    return any(fits(value) for value in values)


def token(chance: random.Random, kind: str) -> Question:
    name, read = chance.choice(list(TOKENS[kind].items()))
    modifier = chance.choice(("", "", ":not", ":text", ":missing", ":of-type", ":in", ":not-in"))
    if modifier == ":missing":
        wanted = chance.choice(("true", "false"))
        return Question(f"{name}:missing", wanted, lambda one: (not read(one)) == (wanted == "true"))
    if modifier == ":text" and name not in WITHOUT_SYSTEM:
        word = folded(chance.choice((*WORDS, "Record Number")))[: chance.randint(2, 9)]
        return Question(
            f"{name}:text",
            word,
            lambda one: any_of(read(one), lambda it: any(folded(text).startswith(word) for text in it[2])),
        )
    if modifier == ":of-type" and name == "identifier":
        code = chance.choice(CODES)
        return Question("identifier:of-type", f"urn:types|MR|{escaped(code)}", lambda one: any(
            each["value"] == code and "type" in each for each in walk(one, ("identifier",))))  # fmt: skip
    if modifier in (":in", ":not-in") and name not in WITHOUT_SYSTEM:
        members = {("urn:a", "1"), ("urn:b", "2"), ("http://loinc.org", "x-3")}
        inside: Filter = lambda one: any_of(read(one), lambda it: it[:2] in members)
        return Question(name + modifier, "urn:some-codes", inside if modifier == ":in" else lambda one: not inside(one))
    alternatives: list[Callable[[tuple[str, str, list[str]]], bool]] = []
    texts = []
    for _ in range(chance.randint(1, 3)):
        code = chance.choice(("male", "final", "true", *CODES) if name in WITHOUT_SYSTEM else CODES)
        form = chance.choice(("code", "both", "none", "system")) if name not in WITHOUT_SYSTEM else "code"
        system = chance.choice(SYSTEMS)
        texts.append(
            {
                "code": escaped(code),
                "both": f"{system}|{escaped(code)}",
                "none": f"|{escaped(code)}",
                "system": f"{system}|",
            }[form]
        )
        alternatives.append({
            "code": lambda it, code=code: it[1] == code,
            "both": lambda it, code=code, system=system: it[:2] == (system, code),
            "none": lambda it, code=code: it[:2] == ("", code),
            "system": lambda it, system=system: it[0] == system,
        }[form])  # fmt: skip
    fits: Filter = lambda one: any_of(read(one), lambda it: any(each(it) for each in alternatives))
    negated = modifier == ":not"
    return Question(name + (":not" if negated else ""), ",".join(texts), lambda one: fits(one) != negated)


def string(chance: random.Random, kind: str) -> Question:
    name, paths = chance.choice(list(STRINGS[kind].items()))
    word = chance.choice(WORDS)
    modifier = chance.choice(("", ":exact", ":contains", ":missing"))

    def values(one: Document) -> list[str]:
        return [value for path in paths for value in walk(one, path)]

    if modifier == ":missing":
        return Question(f"{name}:missing", "true", lambda one: not values(one))
    if modifier == ":exact":
        return Question(f"{name}:exact", word, lambda one: word in values(one))
    if modifier == ":contains" and (name, kind) != ("name", "Patient"):
        part = folded(word[chance.randrange(len(word) - 1) :]).strip()
        return Question(f"{name}:contains", part, lambda one: any_of(values(one), lambda text: part in folded(text)))
    start = folded(word[: chance.randint(2, 6)]).strip()
    # A person's name is found by family and given name joined as well.
    spelled = _spellings if (name, kind) == ("name", "Patient") else values
    return Question(name, start, lambda one: any_of(spelled(one), lambda text: folded(text).startswith(start)))


def _spellings(one: Document) -> list[str]:
    found = []
    for name in one.get("name", ()):
        given = " ".join(name["given"])
        found += [name["family"], *name["given"], f"{given} {name['family']}", f"{name['family']} {given}",
                  f"{name['family']}{''.join(name['given'])}"]  # fmt: skip
    return found


def date(chance: random.Random, kind: str) -> Question:
    name, read = chance.choice(list(DATES[kind].items()))
    day, prefix = chance.choice(DAYS), chance.choice(PREFIXES)
    low, high = instants(day)
    return Question(
        name,
        ("" if prefix == "eq" else prefix) + day,
        lambda one: any_of(read(one), lambda it: compares(prefix, it, low, high)),
    )


def number(chance: random.Random, _kind: str = "RiskAssessment") -> Question:
    text, prefix = chance.choice(NUMBERS), chance.choice(PREFIXES)
    low, high = _covered(text) if prefix in ("eq", "ne") else (Decimal(text), Decimal(text))
    return Question("probability", prefix + text, lambda one: any_of(
        walk(one, ("prediction", "probabilityDecimal")), lambda it: _in_half_open(prefix, (it, it), low, high)))  # fmt: skip


def quantity(chance: random.Random, _kind: str = "Observation") -> Question:
    text, prefix = chance.choice(NUMBERS), chance.choice(PREFIXES)
    system, code = chance.choice(UNITS)
    form = chance.choice(("number", "unit", "coded"))
    written = {"number": text, "unit": f"{text}||{code}", "coded": f"{text}|{system}|{code}"}[form]
    return Question(
        "value-quantity",
        prefix + written,
        lambda one: _measures(one.get("valueQuantity"), prefix, text, form, system, code),
    )


def _measures(value: Document | None, prefix: str, text: str, form: str, system: str, code: str) -> bool:
    if value is None:
        return False
    low, high = _covered(text) if prefix in ("eq", "ne") else (Decimal(text), Decimal(text))
    factor = Decimal(1)
    if form == "unit" and code not in (value.get("code"), value.get("unit")):
        return False
    if form == "coded":
        if "code" not in value:
            return False
        if system == value["system"] == "http://unitsofmeasure.org" and code in IN_GRAMS and value["code"] in IN_GRAMS:
            low, high, factor = low * IN_GRAMS[code], high * IN_GRAMS[code], IN_GRAMS[value["code"]]
        elif (system, code) != (value["system"], value["code"]):
            return False
    amount = value["value"] * factor
    begins = Decimal("-Infinity") if value.get("comparator") == "<" else amount
    ends = Decimal("Infinity") if value.get("comparator") == ">" else amount
    return _in_half_open(prefix, (begins, ends), low, high)


def _covered(text: str) -> tuple[Decimal, Decimal]:
    exponent = Decimal(text).as_tuple().exponent
    assert isinstance(exponent, int)
    half = Decimal((0, (5,), exponent - 1))
    return Decimal(text) - half, Decimal(text) + half


def _in_half_open(prefix: str, stored: tuple[Decimal, Decimal], low: Decimal, high: Decimal) -> bool:
    """eq and ne: the upper end of what digits cover belongs to the next number."""
    if prefix in ("eq", "ne"):
        return (stored[0] >= low and stored[1] < high) == (prefix == "eq")
    return compares(prefix, stored, low, high)


def uri(chance: random.Random, _kind: str = "ValueSet") -> Question:
    url, modifier = chance.choice(URLS), chance.choice(("", ":below", ":above", ":missing"))
    if modifier == ":missing":
        return Question("url:missing", "false", lambda one: "url" in one)
    if modifier and url.startswith("urn:"):
        modifier = ""
    fits: dict[str, Callable[[str], bool]] = {
        "": lambda its: its == url,
        ":below": lambda its: its == url or its.startswith(url + "/"),
        ":above": lambda its: its == url or url.startswith(its + "/"),
    }
    return Question("url" + modifier, url, lambda one: "url" in one and fits[modifier](one["url"]))


def reference(chance: random.Random, kind: str) -> Question:
    name, (path, types) = chance.choice(list(LINKS[kind].items()))
    target = chance.choice(types)
    id = f"{ {'Patient': 'p', 'Organization': 'o', 'Practitioner': 'd'}[target] }{chance.randrange(4)}"
    form = chance.choice(("typed", "modifier", "bare", "identifier", "missing", "both"))
    if form == "identifier":
        code = chance.choice(CODES)
        return Question(f"{name}:identifier", escaped(code), lambda one: any(
            "identifier" in each and each["identifier"]["value"] == code for each in walk(one, path)))  # fmt: skip
    if form == "missing":
        return Question(f"{name}:missing", "true", lambda one: not walk(one, path))
    wanted = {f"{target}/{id}"} if form != "bare" else {f"{each}/{id}" for each in types}
    text = {"typed": f"{target}/{id}", "modifier": id, "bare": id, "both": f"{target}/{id},{target}/nobody"}[form]
    label = f"{name}:{target}" if form == "modifier" else name
    return Question(label, text, lambda one: any(each.get("reference") in wanted for each in walk(one, path)))


def composite(chance: random.Random, _kind: str = "Observation") -> Question:
    code, system = chance.choice(CODES), chance.choice(SYSTEMS)

    def coded(one: Document) -> bool:
        return any(it[:2] == (system, code) for it in tokens("code")(one))

    second = chance.choice(("quantity", "string", "concept"))
    first = f"{system}|{escaped(code)}$"
    if second == "string":
        word = chance.choice(WORDS)
        return Question(
            "code-value-string",
            first + word,
            lambda one: coded(one) and folded(one.get("valueString", "")).startswith(folded(word)),
        )
    if second == "concept":
        value = chance.choice(CODES)
        return Question("code-value-concept", first + escaped(value), lambda one: coded(one) and any(
            it[1] == value for it in tokens("valueCodeableConcept")(one)))  # fmt: skip
    asked = quantity(chance)
    return Question("code-value-quantity", first + asked.text, lambda one: coded(one) and asked.finds(one))


SIMPLE: dict[str, tuple[Callable[[random.Random, str], Question], ...]] = {
    "Patient": (token, string, date, reference),
    "Observation": (token, string, date, reference, quantity, composite),
    "Organization": (token, string, reference),
    "Practitioner": (token, string),
    "RiskAssessment": (number, reference),
    "ValueSet": (uri,),
}


def simple(chance: random.Random, kind: str) -> Question:
    if chance.random() < 0.05:
        ids = chance.sample(["p1", "p3", "o1", "v2", "v3", "d0"], 2)
        return Question("_id", ",".join(ids), lambda one: one["id"] in ids)
    return chance.choice(SIMPLE[kind])(chance, kind)


def question(chance: random.Random, kind: str, world: World, depth: int = 3) -> Question:
    """A parameter, or a chain or reverse chain that ends in one."""
    way = chance.random()
    if depth and way < 0.25 and kind in LINKS:
        name, (path, types) = chance.choice(list(LINKS[kind].items()))
        target = chance.choice(types)
        inner = question(chance, target, world, depth - 1)
        typed = f"{name}:{target}" if len(types) > 1 or chance.random() < 0.5 else name
        if inner.name.startswith("_has") and typed == name:
            typed = f"{name}:{target}"

        def linked(one: Document) -> bool:
            return any((found := world.get(each.get("reference", ""))) is not None and found["resourceType"] == target and inner.finds(found)
                       for each in walk(one, path))  # fmt: skip

        return Question(f"{typed}.{inner.name}", inner.text, linked)
    if depth and way < 0.45:
        sources = [
            (source, name, path)
            for source, links in LINKS.items()
            for name, (path, types) in links.items()
            if kind in types
        ]
        if sources:
            source, name, path = chance.choice(sources)
            inner = question(chance, source, world, depth - 1)

            def referred(one: Document) -> bool:
                own = f"{one['resourceType']}/{one['id']}"
                return any(
                    other["resourceType"] == source
                    and inner.finds(other)
                    and any(each.get("reference") == own for each in walk(other, path))
                    for other in world.values()
                )

            return Question(f"_has:{source}:{name}:{inner.name}", inner.text, referred)
    return simple(chance, kind)
