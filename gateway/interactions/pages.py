"""Pages of a search and of a history, with the links by which a client goes on."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from gateway.fhir import bundle
from gateway.fhir.errors import Malformed, Unsupported
from gateway.fhir.principal import Principal
from gateway.interactions.document import instant
from gateway.interactions.search import PAGE_MARK, hits
from gateway.store.contract import Version

if TYPE_CHECKING:
    from gateway.interactions.door import Door


def search_page(
    door: Door, resource_type: str, pairs: Sequence[tuple[str, str]], principal: Principal, lenient: bool
) -> bytes:
    """A searchset: links are absolute, self says what was applied, next is there while there is more."""
    query, page = door.search(resource_type, pairs, principal, lenient)
    links = [("self", _url(door, resource_type, query.applied))]
    if page.next:
        links.append(("next", _url(door, resource_type, [*query.applied, (PAGE_MARK, page.next)])))
    return bundle.searchset(hits(page, door.base_url), links, page.total)


def history_page(
    door: Door, resource_type: str, id: str, pairs: Sequence[tuple[str, str]], principal: Principal
) -> bytes:
    """A history Bundle of one resource."""
    asked = dict(pairs)
    for name in asked:
        if name not in ("_count", PAGE_MARK, "_format", "_pretty"):
            raise Unsupported(
                zh=f"历史不支持参数 {name}；可用 _count。",
                en=f"A history takes no {name} here: use _count only.",
                at=name,
            )
    count, before = _number(asked, "_count"), _number(asked, PAGE_MARK)
    page = door.history(resource_type, id, principal, count, before)
    where = f"{resource_type}/{id}/_history"
    counted = [("_count", str(min(count or door.limits.count, door.limits.count_max)))]
    links = [("self", _url(door, where, counted + ([(PAGE_MARK, str(before))] if before else [])))]
    if page.next:
        links.append(("next", _url(door, where, [*counted, (PAGE_MARK, page.next)])))
    return bundle.history([_past(door, version) for version in page.matches], links, page.total)


def _past(door: Door, version: Version) -> bundle.Past:
    reference = f"{version.resource_type}/{version.id}"
    created = version.method == "POST" or version.version == 1
    status = HTTPStatus(204 if version.deleted else 201 if created else 200)
    return bundle.Past(
        f"{door.base_url}/{reference}",
        version.content,
        version.method,
        version.resource_type if version.method == "POST" else reference,
        f"{status.value} {status.phrase}",
        f'W/"{version.version}"',
        instant(version.updated_at, door.zone),
    )


def _url(door: Door, where: str, pairs: Sequence[tuple[str, str]]) -> str:
    query = urlencode(list(pairs), safe="|,:/$")
    return f"{door.base_url}/{where}?{query}" if query else f"{door.base_url}/{where}"


def _number(asked: dict[str, str], name: str) -> int:
    text = asked.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Malformed(
            "value", zh=f"{name} 应为非负整数。", en=f"{name} must be a whole number that is not negative.", at=name
        )
    return int(text)
