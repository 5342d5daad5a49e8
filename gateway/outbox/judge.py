"""What a partner's answer means for a job: acknowledged, worth another try, or refused for good. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from gateway.fhir.errors import Issue, Malformed
from gateway.outbox.contract import Adapter, Delivery

# Request timeout, too early, too many requests: the partner asks to come again. Everything of 500 and above is its own trouble.
_LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Verdict:
    outcome: Literal["acknowledged", "retry", "refused"]
    issues: tuple[Issue, ...] = ()


def judge(delivery: Delivery, adapter: Adapter, target: Any, control_id: str) -> Verdict:
    """The target's own success rule decides; an answer to another message of ours never counts for this one."""
    status = delivery.status
    if status in _LATER or status >= 500:
        return Verdict("retry", (_answered(f"HTTP {status}"),))
    silent = not delivery.reply.strip()
    if adapter.understand is None or (silent and (delivery.tied or status)):
        # Without words, the wire's own yes or no is the answer: an HTTP status, a file that lies in the folder.
        return Verdict("refused", (_answered(f"HTTP {status}"),)) if status >= 300 else Verdict("acknowledged")
    try:
        reply = adapter.understand(delivery.reply, target)
    except Malformed as error:
        if status >= 300:
            return Verdict("refused", (_answered(f"HTTP {status}"),))
        return Verdict("retry", error.issues)
    if reply.control_id != control_id and not (delivery.tied and not reply.control_id):
        return Verdict("retry", (_another(),))
    if reply.accepted and status < 300:
        return Verdict("acknowledged")
    return Verdict("retry" if reply.retry else "refused", (_answered(reply.code or f"HTTP {status}"),))


def _answered(code: str) -> Issue:
    # The partner's text stays in the stored reply: it may quote the patient.
    return Issue(
        "processing",
        zh=f"对方答复 {code[:32]}，未接收；详见保存的应答，更正后可重发。",
        en=f"The partner answered {code[:32]} and did not take it: see the stored reply, then resend once mended.",
    )


def _another() -> Issue:
    return Issue(
        "conflict",
        zh="收到的应答对应另一条消息，不计入本消息，将再次发送。",
        en="The answer is for another message and was not taken for this one's: it will be sent again.",
    )
