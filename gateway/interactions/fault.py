"""A mistake of ours, told to the client without its text and to the log with its place.

Logs  one line for each, with the place in the code and without the request's content
"""

from __future__ import annotations

import logging
import traceback

from gateway.fhir.errors import Fault, GatewayError

log = logging.getLogger(__name__)


def fault(error: Exception) -> Fault:
    """What a client is told of an exception that nobody expected."""
    found = Fault(
        zh="网关内部错误，请求未完成；请把时间告知管理员。",
        en="The gateway itself failed and the request was not carried out: tell its operators the time.",
    )
    found.__cause__ = error
    return found


def note(error: GatewayError) -> None:
    """Log what lies behind a fault; of any other refusal nothing."""
    if isinstance(error, Fault) and error.__cause__ is not None:
        log.error("fault: %s", _where(error.__cause__))


def _where(error: BaseException) -> str:
    """Kind and place of an exception. Its text stays out: drivers put values of patients into it."""
    frames = traceback.extract_tb(error.__traceback__)
    last = next((frame for frame in reversed(frames) if "gateway" in frame.filename), frames[-1] if frames else None)
    return (
        f"{type(error).__name__} at {last.filename.rpartition('/')[2]}:{last.lineno}" if last else type(error).__name__
    )
