"""Where terminology resources are kept: what the service asks of each such place, and the places that come with the program."""

from __future__ import annotations

import functools
import gzip
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from gateway.fhir import document
from gateway.fhir.canonical import source_uri

log = logging.getLogger(__name__)

Kind = Literal["CodeSystem", "ValueSet", "ConceptMap"]


class Shelf(Protocol):
    """A place of CodeSystems, ValueSets and ConceptMaps. Safe to share between threads."""

    def stamp(self) -> int:
        """Another number whenever what is kept here may have changed. Asked very often: it must be cheap."""

    def find(self, kind: Kind, url: str, version: str) -> bytes | None:
        """The newest resource of that canonical URL, of that business version where it is not "". The JSON of it."""

    def concept_maps(self) -> Iterable[bytes]:
        """Every ConceptMap that is kept here."""


class Published:
    """The code systems and value sets that the base definitions of R4 bind: definitions/, generated, read when first asked for."""

    def stamp(self) -> int:
        return 0

    def find(self, kind: Kind, url: str, version: str) -> bytes | None:
        found = _published().get(kind, {}).get(url)
        if found is None:
            if kind != "ValueSet" or url not in _implicit():
                return None
            # A code system names the value set of all its codes; R4 publishes many of these, not all.
            system = _implicit()[url]
            return msgspec.json.encode(
                {
                    "resourceType": "ValueSet",
                    "url": url,
                    "status": "active",
                    "compose": {"include": [{"system": system}]},
                }
            )
        content = bytes(found)
        return content if not version or msgspec.json.decode(content, type=_Head).version == version else None

    def concept_maps(self) -> Iterable[bytes]:
        return ()


class Folders:
    """Resources in files *.json, those of an earlier folder before those of a later. Read when first asked for, and after forget().

    sites   folders of one site each, by its name. Every resource of theirs has meta.source = source_uri(site). One whose canonical URL
            the common folders or an earlier site have, too, is that site's own edition of it: it stands under URL/site, for it holds
            for that site alone, and no question that names no map is answered from it
    """

    def __init__(self, folders: Sequence[Path], sites: Mapping[str, Path] | None = None) -> None:
        self._folders = tuple(folders)
        self._sites = dict(sites or {})
        self._stamp = 0
        self._read: dict[tuple[str, str], list[tuple[str, bytes]]] | None = None
        self._editions: set[tuple[str, str]] = set()

    def stamp(self) -> int:
        return self._stamp

    def forget(self) -> None:
        """The files may have changed."""
        self._read = None
        self._stamp += 1

    def find(self, kind: Kind, url: str, version: str) -> bytes | None:
        for found, content in self._files().get((kind, url), ()):
            if not version or found == version:
                return content
        return None

    def concept_maps(self) -> Iterable[bytes]:
        files = self._files()
        return [rows[0][1] for key, rows in files.items() if key[0] == "ConceptMap" and key not in self._editions]

    def _files(self) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
        files = self._read
        if files is None:
            files, editions = {}, set()
            for folder in self._folders:
                for head, content in _resources(folder):
                    files.setdefault((head.resourceType, head.url), []).append((head.version, content))
            for site, folder in sorted(self._sites.items()):
                taken = set(files)
                for head, content in _resources(folder):
                    key = (head.resourceType, head.url)
                    if key in taken:
                        key = (head.resourceType, f"{head.url}/{site}")
                        editions.add(key)
                    files.setdefault(key, []).append((head.version, _of_site(content, key[1], site)))
            self._editions = editions  # before what makes others find it
            self._read = files
        return files


def _resources(folder: Path) -> Iterator[tuple[_Head, bytes]]:
    for path in sorted(folder.glob("*.json")):
        content = path.read_bytes()
        try:
            head = msgspec.json.decode(content, type=_Head)
        except msgspec.MsgspecError:
            log.warning("%s is no FHIR resource in JSON: it is passed over", path)
            continue
        if head.resourceType in ("CodeSystem", "ValueSet", "ConceptMap") and head.url:
            yield head, content


def _of_site(content: bytes, url: str, site: str) -> bytes:
    resource = document.read(content)
    meta = {**resource.get("meta", {}), "source": source_uri(site)}
    return document.write({**resource, "meta": meta, "url": url})


class _Head(msgspec.Struct):
    resourceType: str = ""
    url: str = ""
    version: str = ""


class _WithValueSet(msgspec.Struct):
    url: str
    valueSet: str = ""


@functools.cache
def _published() -> dict[str, dict[str, msgspec.Raw]]:
    data = (resources.files(__package__) / "definitions" / "terminology.json.gz").read_bytes()
    return msgspec.json.decode(gzip.decompress(data), type=dict[str, dict[str, msgspec.Raw]])


@functools.cache
def _implicit() -> dict[str, str]:
    found = (msgspec.json.decode(raw, type=_WithValueSet) for raw in _published()["CodeSystem"].values())
    return {system.valueSet: system.url for system in found if system.valueSet}
