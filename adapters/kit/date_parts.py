"""A date and a time that stand in two fields, joined by a row ("PAADMStartDate & PAADMStartTime"), as one dateTime."""

from __future__ import annotations

import re
from typing import Any

from adapters.kit import dates
from adapters.kit.conversion import Context, Conversion

_TIME = re.compile(r"(\d{1,2}):?(\d\d)(?::?(\d\d))?")


def conversion(_argument: str) -> Conversion:
    """date_time: date-time as a row joins them; without a time it is the date alone. One-way, as every join."""
    whole = dates.datetime_conversion("")

    def forward(text: str, context: Context) -> Any:
        day, _, time = text.rpartition("-")
        found = _TIME.fullmatch(time.strip()) if day else None
        if found is None or not re.fullmatch(r"\d{8}|\d{4}[-/]\d{1,2}[-/]\d{1,2}", day.strip()):
            return whole.forward(text, context)
        hour, minute, second = found.groups(default="00")
        digits = re.sub(r"\d+", lambda part: part[0].zfill(2), day.strip())
        return whole.forward(re.sub(r"\D", "", digits) + hour.zfill(2) + minute + second, context)

    return Conversion("date_time", forward, None, "dateTime")
