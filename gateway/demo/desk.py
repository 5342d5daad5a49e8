"""The referral desk of the hospital: it answers each REF^I12 that its HIS received with an RRI^I12, a message of its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime

from gateway.demo.his_messages import His
from gateway.demo.partners import field as v2_field
from gateway.demo.wires import Mllp


@dataclass
class Desk:
    """refusals: referral number → reason (code^text); everything else is accepted."""

    his: His
    wire: Mllp
    answered_at: datetime
    refusals: dict[str, str]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def heard(self, text: str) -> None:
        if v2_field(text, "MSH", 9).startswith("REF^I12"):
            number, _, system, *_ = v2_field(text, "RF1", 6).split("^")
            reason = self.refusals.get(number, "")
            self.say(number, system, "R" if reason else "A", reason=reason)

    def say(self, number: str, system: str, code: str, *, reason: str = "", note: str = "") -> None:
        answer = self.his.answer(number, system, code, self.answered_at, reason=reason, note=note)
        with self._lock:
            self.wire.send(answer)
