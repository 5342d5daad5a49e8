"""One page of the history of a resource, a type or the system, with the links by which a client goes on. FHIR R4 http.html#history."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from gateway.fhir import bundle
from gateway.fhir.errors import Issue, Malformed, Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions.document import instant
from gateway.interactions.pages import url
from gateway.interactions.search import PAGE_MARK
from gateway.interactions.view import View, view_of
from gateway.interactions.write import not_found
from gateway.search.instant import interval
from gateway.store.contract import PastFilter, Version

if TYPE_CHECKING:
    from gateway.interactions.door import Door

ASKED = ("_count", "_since", "_at")
_SHAPING = ("_format", "_pretty", "_summary", "_elements", PAGE_MARK)


def history_page(door: Door, place: Sequence[str], pairs: Sequence[tuple[str, str]], principal: Principal) -> bytes:
    """A history Bundle, newest first. The meta.lastUpdated of its first page is an instant from which _since misses nothing.

    place   (type, id), (type,) or ()
    raises  NotFound where there never was such a resource; Malformed, Unsupported for what cannot be asked
    """
    resource_type, id = (*place, "", "")[:2]
    asked = _read(door, pairs)
    until: int | None
    if id:
        stands = door.store.read(resource_type, id, principal)
        if stands is None:
            raise not_found(resource_type)
        until = stands.updated_at
    else:
        until = None if asked.after else door.store.settled_until()  # what the first page says holds for those after it
    view = view_of(pairs, resource_type)
    here = "/".join((*place, "_history"))
    kept = [(name, text) for name, text in pairs if name in ("_since", "_at")]
    bound = [here, *(f"{name}={text}" for name, text in kept)]
    mark = door.seal().open(asked.after, bound, principal).mark if asked.after else ""
    where = PastFilter(resource_type, id, asked.since, asked.at, asked.count, mark)
    page = door.store.past(where, principal) if where.count else None
    applied = [*kept, *view.pairs, ("_count", str(asked.count))]
    links = [("self", url(door, here, [*applied, *([(PAGE_MARK, asked.after)] if asked.after else [])]))]
    if page is not None and page.next:
        token = door.seal().close(page.next, None, bound, principal)
        links.append(("next", url(door, here, [*applied, (PAGE_MARK, token)])))
    rows = [_past(door, version, view) for version in page.matches] if page is not None else []
    total = page.total if page is not None else None
    return bundle.history(rows, links, total, last_updated=instant(until, door.zone) if until is not None else "")


def _read(door: Door, pairs: Sequence[tuple[str, str]]) -> PastFilter:
    found: dict[str, str] = {}
    for name, text in pairs:
        if name not in ASKED and name not in _SHAPING:
            raise Unsupported(
                zh=f"历史没有参数 {name[:64]}；可用：{'、'.join(ASKED)}。",
                en=f"A history takes no {name[:64]}: use {', '.join(ASKED)}.",
                at=name[:64],
            )
        if name in found:
            raise _bad(name, "只能给一次", "it may be given once")
        if text:
            found[name] = text
    count = found.get("_count", "")
    if count and (not count.isascii() or not count.isdigit() or len(count) > 9):
        raise _bad("_count", "应为非负整数", "expected a whole number that is not negative")
    since = _interval(door, found, "_since")
    at = _interval(door, found, "_at")
    return PastFilter(
        since=int(since[0]) if since else 0,
        at=at,
        count=min(int(count) if count else door.limits.count, door.limits.count_max),
        after=found.get(PAGE_MARK, ""),
    )


def _interval(door: Door, found: dict[str, str], name: str) -> tuple[int, int] | None:
    """First and last microsecond of the instant or date."""
    if name not in found:
        return None
    meant = interval(found[name], door.zone)
    if meant is None:
        raise _bad(
            name,
            "应为时刻或日期，如 2026-11-22T10:00:00+08:00（网址中 + 写作 %2B）",
            "expected an instant or a date, such as 2026-11-22T10:00:00+08:00 (in a URL the + is %2B)",
        )
    return int(meant[0]) * 1000, int(meant[1]) * 1000 + 999


def _past(door: Door, version: Version, view: View) -> bundle.Past:
    reference = f"{version.resource_type}/{version.id}"
    created = version.method == "POST" or version.version == 1
    status = HTTPStatus(204 if version.deleted else 201 if created else 200)
    return bundle.Past(
        f"{door.base_url}/{reference}",
        view.of(version.content),
        version.method,
        version.resource_type if version.method == "POST" else reference,
        f"{status.value} {status.phrase}",
        f'W/"{version.version}"',
        instant(version.updated_at, door.zone),
    )


def _bad(name: str, zh: str, en: str) -> Malformed:
    return Malformed(Issue("value", f"参数 {name}：{zh}。", f"Parameter {name}: {en}.", (name,)))
