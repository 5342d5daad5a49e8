"""Where terminology resources are kept: what the service asks of each such place, and the places that come with the program."""

from __future__ import annotations

import functools
import gzip
import logging
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Literal, Protocol

import msgspec

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
    """Resources in files *.json, those of an earlier folder before those of a later. Read when first asked for, and after forget()."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._stamp = 0
        self._read: dict[tuple[str, str], list[tuple[str, bytes]]] | None = None

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
        return [rows[0][1] for (kind, _), rows in self._files().items() if kind == "ConceptMap"]

    def _files(self) -> dict[tuple[str, str], list[tuple[str, bytes]]]:
        files = self._read
        if files is None:
            files = {}
            for folder in self._folders:
                for path in sorted(folder.glob("*.json")):
                    content = path.read_bytes()
                    try:
                        head = msgspec.json.decode(content, type=_Head)
                    except msgspec.MsgspecError:
                        log.warning("%s is no FHIR resource in JSON: it is passed over", path)
                        continue
                    if head.resourceType in ("CodeSystem", "ValueSet", "ConceptMap") and head.url:
                        files.setdefault((head.resourceType, head.url), []).append((head.version, content))
            self._read = files
        return files


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
