"""Why a message or a job stands where it stands, as JSON in its row: a list of Issues, never a value of a patient."""

from __future__ import annotations

import json
from collections.abc import Iterable

from gateway.fhir.errors import Fault, GatewayError, Issue


def to_reason(issues: Iterable[Issue]) -> bytes:
    """Issues as they are kept with a message or a job."""
    return json.dumps(
        [
            {
                "severity": issue.severity,
                "code": issue.code,
                "zh": issue.zh,
                "en": issue.en,
                "expression": list(issue.expression),
            }
            for issue in issues
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


def from_reason(reason: bytes) -> tuple[Issue, ...]:
    """The Issues that a row keeps; none for an empty one."""
    if not reason:
        return ()
    return tuple(
        Issue(one["code"], one["zh"], one["en"], tuple(one["expression"]), one["severity"])
        for one in json.loads(reason)
    )


def as_gateway_error(error: Exception) -> GatewayError:
    """An unexpected exception as a Fault: its class is told; its text is not, it may quote a patient's value."""
    if isinstance(error, GatewayError):
        return error
    kind = type(error).__name__
    return Fault(
        zh=f"网关处理时出现自身错误（{kind}），请将编号报告管理员；修复后可重放或重发。",
        en=f"The gateway failed by its own mistake ({kind}): report the id, and replay or resend once mended.",
    )
