"""$validate: what is wrong with a resource, and whether it could be created, updated or deleted. FHIR R4 resource-operation-validate.html.

The answer is always an OperationOutcome under 200. create, update and delete are tried behind the door itself, by its rules, and undone.
Own profiles and the terminology are handed in by the composition root; without them R4 itself is known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from gateway.fhir import document
from gateway.fhir.bundle import transaction, transaction_entry
from gateway.fhir.errors import GatewayError, Issue, Malformed
from gateway.fhir.outcome import outcome
from gateway.interactions.change import Document
from gateway.interactions.operation import Asked, Operation
from gateway.operations.published import published
from gateway.operations.trial import trial
from gateway.profiles.validator import Validator

MODES = ("create", "update", "delete", "profile")


def operation(validator: Callable[[], Validator]) -> Operation:
    """The operation, performed by this validator; asked for when the first call comes."""
    return Operation(published("Resource-validate"), lambda asked: validate(asked, validator()))


def validate(asked: Asked, validator: Validator) -> Document:
    """The outcome. Raises NotFound, Gone when a stored one is meant; Malformed for an unknown mode or nothing to validate."""
    mode = asked.one("mode", "")
    if mode and mode not in MODES:
        raise Malformed(
            "code-invalid",
            zh="mode 应为 create、update、delete 或 profile。",
            en="The mode is create, update, delete or profile: correct it.",
            at="mode",
        )
    resource = asked.one("resource")
    if mode == "delete":
        return outcome(_tried(asked, {"request": {"method": "DELETE", "url": f"{asked.resource_type}/{_id(asked)}"}}))
    if resource is None:
        _id(asked)
        resource = document.read(asked.door.read(asked.resource_type, asked.id, asked.principal).content)
    profile = asked.one("profile")
    issues = [*_type(asked, resource), *validator.validate(resource, [profile] if profile else [], mode)]
    if mode in ("create", "update") and not any(issue.severity in ("error", "fatal") for issue in issues):
        issues += _tried(asked, _entry(asked, resource, mode))
    if not any(issue.severity in ("fatal", "error", "warning") for issue in issues):
        issues.insert(0, _WELL)
    return outcome(issues)


def _id(asked: Asked) -> str:
    if not asked.id:
        raise Malformed(
            "required",
            zh="缺少 resource：请在正文中给出要校验的资源，或向 类型/id/$validate 提出。",
            en="The parameter resource is missing: send what is to be validated, or ask Type/id/$validate.",
            at="resource",
        )
    return asked.id


def _type(asked: Asked, resource: Document) -> Sequence[Issue]:
    kind = resource.get("resourceType")
    if kind == asked.resource_type:
        return ()
    return (
        Issue(
            "invalid",
            f"资源类型与网址中的 {asked.resource_type} 不符；请改正其中之一。",
            f"The resource's type is not the {asked.resource_type} of the URL: correct one of them.",
            ("resourceType",),
        ),
    )


def _entry(asked: Asked, resource: Document, mode: str) -> Document:
    if mode == "create":
        return transaction_entry(resource)
    return transaction_entry(resource, method="PUT", url=f"{asked.resource_type}/{asked.id or resource.get('id', '')}")


def _tried(asked: Asked, entry: Document) -> Sequence[Issue]:
    door, principal = asked.door, asked.principal
    try:
        trial(door, principal, lambda within: door.transaction(transaction([entry]), principal, within))
    except GatewayError as error:
        return error.issues
    return ()


_WELL = Issue("informational", "没有问题", "All is well", severity="information")

OPERATIONS = (operation(functools.cache(Validator)),)
