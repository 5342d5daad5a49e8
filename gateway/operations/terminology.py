"""What the terminology operations have in common: the service, the resource that is asked, and the codes that are asked about."""

from __future__ import annotations

from typing import Any, NamedTuple

from gateway.fhir import document
from gateway.fhir.errors import Malformed, Unsupported
from gateway.interactions.operation import Asked
from gateway.terminology.code_system import CodeSystem
from gateway.terminology.service import LocalTerminology, no_code_system, no_value_set
from gateway.terminology.value_set import ValueSet


class Code(NamedTuple):
    """A code that is asked about; what is not known is ""."""

    system: str
    code: str
    version: str = ""
    display: str = ""

    @property
    def canonical(self) -> str:
        return versioned(self.system, self.version)


def service(asked: Asked) -> LocalTerminology:
    """The terminology of this server. Raises Unsupported when it has none."""
    found = asked.door.terminology
    if not isinstance(found, LocalTerminology):
        raise Unsupported(
            zh="此处没有术语服务；请用 gateway serve 启动的服务器。",
            en="There is no terminology here: ask a server that gateway serve has started.",
        )
    return found


def code_system(asked: Asked, url: str) -> CodeSystem | None:
    """The code system of an instance, one sent along, or that of a canonical URL; None when none is named. Raises NotFound."""
    content = _resource(asked, "codeSystem")
    if content is not None:
        return CodeSystem(content)
    if not url:
        return None
    found = service(asked).code_system(url)
    if found is None:
        raise no_code_system(url)
    return found


def value_set(asked: Asked) -> ValueSet:
    """The value set of an instance, one sent along, or that of the url. Raises NotFound, Malformed when none is named."""
    content = _resource(asked, "valueSet")
    if content is not None:
        return ValueSet(content)
    url = asked.one("url", "")
    if not url:
        raise required("url", "valueSet")
    canonical = versioned(url, asked.one("valueSetVersion", ""))
    found = service(asked).value_set(canonical)
    if found is None:
        raise no_value_set(canonical)
    return found


def codes(asked: Asked, system: str, version: str = "") -> list[Code]:
    """What is asked about: code with its system, coding, or codeableConcept. Raises Malformed unless it is one of them."""
    code, coding, concept = asked.one("code"), asked.one("coding"), asked.one("codeableConcept")
    if sum(given is not None for given in (code, coding, concept)) != 1:
        raise required("code", "coding", "codeableConcept")
    if code is not None:
        return [Code(system, code, version, asked.one("display", ""))]
    rows = [coding] if coding is not None else concept.get("coding", [])
    return [read(row) for row in rows if row.get("code")]


def read(coding: dict[str, Any]) -> Code:
    return Code(*(coding.get(key, "") for key in ("system", "code", "version", "display")))


def resource(asked: Asked) -> bytes | None:
    """The instance that is asked."""
    if not asked.id:
        return None
    return asked.door.read(asked.resource_type, asked.id, asked.principal).content


def refuse(asked: Asked, *names: str) -> None:
    """Parameters of the definition that are not performed here are refused, never passed over. Raises Unsupported."""
    for name in names:
        if asked.all(name):
            raise Unsupported(
                zh=f"此操作的参数 {name} 尚不支持，请去掉。",
                en=f"The parameter {name} of this operation is not performed here: leave it out.",
                at=name,
            )


def required(*names: str) -> Malformed:
    listed = "、".join(names), ", ".join(names)
    return Malformed(
        "required",
        zh=f"应恰好给出其中一个参数：{listed[0]}。",
        en=f"Exactly one of the parameters {listed[1]} is needed: give it.",
        at=names,
    )


def versioned(url: str, version: str) -> str:
    return f"{url}|{version}" if version and "|" not in url else url


def _resource(asked: Asked, name: str) -> bytes | None:
    content = resource(asked)
    if content is None and asked.one(name) is not None:
        return document.write(asked.one(name))
    return content
