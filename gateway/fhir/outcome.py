"""OperationOutcome: how issues are told over REST."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway.fhir.errors import GatewayError, Issue


def outcome(issues: Iterable[Issue]) -> dict[str, Any]:
    """An OperationOutcome of issues: details.text is Chinese, diagnostics English; "all is well" when there is none.

    source  FHIR R4 operationoutcome.html
    """
    found = [_entry(issue) for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": found or [_all_well()]}


def of_error(error: GatewayError) -> dict[str, Any]:
    """The OperationOutcome of a refusal; an error without issues still says what it is."""
    if error.issues:
        return outcome(error.issues)
    return outcome(
        [
            Issue(
                error.default_code,
                "请求未能完成，请联系网关运维人员",
                "The request failed; ask the gateway's operators",
            )
        ]
    )


def _entry(issue: Issue) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"text": issue.zh},
        "diagnostics": issue.en,
    }
    if issue.expression:
        entry["expression"] = list(issue.expression)
    return entry


def _all_well() -> dict[str, Any]:
    return {
        "severity": "information",
        "code": "informational",
        "details": {"text": "没有问题"},
        "diagnostics": "All is well",
    }
