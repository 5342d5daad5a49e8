"""CodeSystem/$validate-code and ValueSet/$validate-code: whether a code is one. FHIR R4 codesystem-operation-validate-code.html, valueset-….

A display that is given is compared with everything that the concept is called, whatever the case and the blanks. Abstract concepts are
refused unless abstract is true. What this server cannot tell is no yes, and the message says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gateway.fhir.errors import Malformed
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Definition, Operation
from gateway.operations.published import published
from gateway.operations.terminology import Code, code_system, codes, refuse, required, service, value_set
from gateway.terminology import grammar
from gateway.terminology.expansion import shown, texts
from gateway.terminology.value_set import Member

OF_CODE_SYSTEM = published("CodeSystem-validate-code")
OF_VALUE_SET = published("ValueSet-validate-code")


class Judgement(NamedTuple):
    """message  why not, "" for a yes; display: what the concept is called here"""

    result: bool
    message: str = ""
    display: str = ""


def in_code_system(asked: Asked) -> Document:
    """Raises NotFound for a code system that is not here, Malformed when none is named."""
    refuse(asked, "date")
    url, version = asked.one("url", ""), asked.one("version", "")
    given = codes(asked, url, version)
    judged = []
    for code in given:
        url_of_it = url or code.system
        if not url_of_it and not asked.id and not asked.all("codeSystem"):
            raise required("url", "codeSystem", "coding.system")
        if grammar.known(url_of_it) and not asked.id and service(asked).code_system(url_of_it) is None:
            fits = grammar.fits(url_of_it, code.code)
            judged.append(Judgement(bool(fits), "" if fits else _not_one(fits, url_of_it)))
            continue
        found = code_system(asked, Code(url_of_it, "", code.version or version).canonical)
        assert found is not None
        if code.system and found.url and code.system != found.url:
            judged.append(
                Judgement(
                    False, f"代码属于 {code.system[:200]}，不属于 {found.url}。 / The code is of another code system."
                )
            )
            continue
        concept = found.find(code.code)
        if concept is None:
            judged.append(Judgement(False, _not_one(False if found.is_whole else None, found.url)))
            continue
        judged.append(_named(asked, code, Member(found.url, concept.code, None, concept, found)))
    return _answer(OF_CODE_SYSTEM, judged)


def in_value_set(asked: Asked) -> Document:
    """Raises NotFound for a value set that is not here, Malformed when none is named; Unsupported for one that cannot be asked."""
    refuse(asked, "context", "date")
    found, library = value_set(asked), service(asked)
    judged = []
    for code in codes(asked, asked.one("system", ""), asked.one("systemVersion", "")):
        system = code.system or _only(s for s in found.systems(library) if found.contains(s, code.code, library))
        holds = found.contains(system or None, code.code, library)
        if not holds:
            judged.append(
                Judgement(False, _not_in(holds, found.url, library.knows(system, code.code) if system else None))
            )
            continue
        at = library.code_system(Code(system, code.code, code.version).canonical)
        if code.version and at is None:
            judged.append(
                Judgement(
                    False,
                    f"{system[:200]} 的版本 {code.version[:60]} 不在本服务器。 / That version of the code system is not here.",
                )
            )
            continue
        listed = found.listed(system, code.code, library)
        judged.append(_named(asked, code, Member(system, code.code, listed, at.find(code.code) if at else None, at)))
    return _answer(OF_VALUE_SET, judged)


def _named(asked: Asked, code: Code, member: Member) -> Judgement:
    right = shown(member, asked.one("displayLanguage", ""))
    if member.is_abstract and not asked.one("abstract", False):
        return Judgement(
            False,
            "该代码是抽象概念，不用于记录；如确需，请给 abstract=true。 / The concept is abstract: ask with abstract=true.",
            right,
        )
    names = {_plain(text) for text in texts(member)[1:]}
    if code.display and names and _plain(code.display) not in names:
        return Judgement(False, f"显示名不对，应为“{right}”。 / The display is wrong: it should be “{right}”.", right)
    return Judgement(True, "", right)


def _answer(definition: Definition, judged: Iterable[Judgement]) -> Document:
    """One code that fits is enough; else every reason."""
    found = list(judged)
    if not found:
        raise Malformed(
            "required", zh="没有给出代码。", en="No code is given: give a coding with a code.", at="codeableConcept"
        )
    best = next((one for one in found if one.result), None)
    if best is not None:
        return definition.answer([("result", True), ("display", best.display or None)])
    message = "\n".join(dict.fromkeys(one.message for one in found))
    return definition.answer([("result", False), ("message", message), ("display", found[0].display or None)])


def _not_one(fits: bool | None, system: str) -> str:
    if fits is None:
        return f"本服务器没有 {system[:200]} 的全部代码，无法判断。 / This server has not all codes of that system and cannot tell."
    return f"{system[:200]} 中没有这个代码。 / The code system has no such code."


def _not_in(holds: bool | None, url: str, known: bool | None) -> str:
    if holds is None:
        return f"值集 {url[:200]} 用到本服务器没有的代码系统，无法判断。 / The value set uses a code system that is not here: this server cannot tell."
    if known is False:
        return "代码系统中没有这个代码。 / The code system has no such code."
    return f"代码不在值集 {url[:200]} 中。 / The code is not in the value set."


def _only(systems: Iterable[str]) -> str:
    found = list(dict.fromkeys(systems))
    return found[0] if len(found) == 1 else ""


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


OPERATIONS = (Operation(OF_CODE_SYSTEM, in_code_system), Operation(OF_VALUE_SET, in_value_set))
