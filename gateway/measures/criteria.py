"""Who a Measure counts: the criteria of its populations, which are FHIR queries, and the few filters a query cannot say.

A criterion is a application/x-fhir-query with {{%start}} (first day of the period), {{%before}} (last day before it) and
{{%after}} (first day after it). Where a query does not reach, extensions measure-filter name one of FILTERS; what is observed of a member names one of OBSERVATIONS. Each says
in both languages why a resource is left out, so that every number can be explained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, NamedTuple

Document = dict[str, Any]
Search = Callable[[str], Iterable[Document]]
"""A query such as "Encounter?status=finished" → everything that fits it, page after page, as the one who asks may see it."""

FILTER = "/StructureDefinition/measure-filter"
QUERY = "application/x-fhir-query"


@dataclass(frozen=True, slots=True)
class Period:
    """The days first … last, in the alliance's zone."""

    first: date
    last: date
    zone: tzinfo

    @property
    def before(self) -> date:
        return self.first - timedelta(days=1)

    @property
    def after(self) -> date:
        return self.last + timedelta(days=1)

    def day(self, text: str) -> date | None:
        """The day of a FHIR date or dateTime in this zone; None when it is not known to the day."""
        if len(text) < 10:
            return None
        if len(text) == 10:
            return date.fromisoformat(text)
        return self.moment(text).date()

    def moment(self, text: str) -> datetime:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
        return found.replace(tzinfo=self.zone) if found.tzinfo is None else found.astimezone(self.zone)


class Why(NamedTuple):
    """Why a resource is not counted."""

    zh: str
    en: str


Filter = Callable[[Document, Period, Mapping[str, Any]], Why | None]


def ended_in_period(resource: Document, period: Period, _: Mapping[str, Any]) -> Why | None:
    """period.end lies in the period: a search by date finds everything that overlaps it."""
    ended = period.day(str((resource.get("period") or {}).get("end", "")))
    if ended is None:
        return Why("出院日期缺失或不完整", "the day of discharge is missing or incomplete")
    if not period.first <= ended <= period.last:
        return Why("出院日期不在统计期内", "discharged outside the period")
    return None


def stay_known(resource: Document, period: Period, _: Mapping[str, Any]) -> Why | None:
    """Both days are there and in order."""
    if length_of_stay_days(resource, period) is None:
        return Why(
            "入院或出院日期缺失、不完整或颠倒",
            "the day of admission or discharge is missing, incomplete or out of order",
        )
    return None


def accepted_within(resource: Document, period: Period, arguments: Mapping[str, Any]) -> Why | None:
    """executionPeriod.start comes no later than `within` hours after authoredOn; a day without a time counts to its end."""
    asked, begun = str(resource.get("authoredOn", "")), str((resource.get("executionPeriod") or {}).get("start", ""))
    asked_on = period.day(asked)
    if asked_on is None or len(begun) <= 10:
        return Why("请求或接收的时间缺失", "the time of asking or of acceptance is missing")
    from_ = (
        period.moment(asked) if len(asked) > 10 else datetime.combine(asked_on + timedelta(days=1), time(), period.zone)
    )
    hours = int(arguments["within"]["value"])
    if period.moment(begun) > from_ + timedelta(hours=hours):
        return Why(f"接收晚于{hours}小时", f"taken up later than {hours} hours")
    return None


def length_of_stay_days(resource: Document, period: Period) -> int | None:
    """实际占用床日: discharge day less admission day, the same day counts as one."""
    stay = resource.get("period") or {}
    admitted, discharged = period.day(str(stay.get("start", ""))), period.day(str(stay.get("end", "")))
    if admitted is None or discharged is None or discharged < admitted:
        return None
    return max((discharged - admitted).days, 1)


FILTERS: dict[str, Filter] = {
    "ended-in-period": ended_in_period,
    "stay-known": stay_known,
    "accepted-within": accepted_within,
}
OBSERVATIONS: dict[str, Callable[[Document, Period], int | None]] = {"length-of-stay-days": length_of_stay_days}


class Selection(NamedTuple):
    """Members of one population by reference, and who came near and was left out."""

    members: dict[str, Document]
    excluded: dict[str, Why]


def select(criteria: Mapping[str, Any], period: Period, search: Search) -> Selection:
    """Everything that a query finds and its filters keep."""
    members: dict[str, Document] = {}
    excluded: dict[str, Why] = {}
    for resource in search(filled(criteria["expression"], period)):
        reference = f"{resource['resourceType']}/{resource['id']}"
        why = next(
            filter(None, (FILTERS[name](resource, period, arguments) for name, arguments in filters(criteria))), None
        )
        if why:
            excluded[reference] = why
        else:
            members[reference] = resource
    return Selection(members, excluded)


def filled(expression: str, period: Period) -> str:
    """The query with the period's days in it.

    A stay that began earlier and ends on the first day is found by gt{{%before}}, not by ge{{%start}}: of a Period, ge
    finds what goes on beyond that day or lies within it (FHIR R4 search.html#prefix).
    """
    days = {"{{%before}}": period.before, "{{%start}}": period.first, "{{%after}}": period.after}
    for name, day in days.items():
        expression = expression.replace(name, day.isoformat())
    return expression


def filters(criteria: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The filters that a criterion names, each with its arguments by url."""
    found: list[tuple[str, dict[str, Any]]] = []
    for extension in criteria.get("extension", ()):
        if str(extension.get("url", "")).endswith(FILTER):
            parts = {
                part["url"]: next(value for name, value in part.items() if name != "url")
                for part in extension["extension"]
            }
            found.append((str(parts.pop("name", "")), parts))
    return found


def observation(criteria: Document) -> str:
    """The name of what is observed of each member, "" where the criteria select members by a query.

    source   FHIR R4 metadatatypes.html#Expression: a reference says where the expression is found
    """
    return str(criteria.get("name", "")) if "reference" in criteria else ""
