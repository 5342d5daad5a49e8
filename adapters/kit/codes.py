"""Code maps: ConceptMaps (FHIR R4 JSON) looked up both ways by name, a site's own folder before the shipped one.

A map is one file mappings/codes/<name>.json. Forward, the first target of a code counts; on the way back, of several
codes with one target, the one marked equal, then equivalent, then the first listed. A code listed without a target is
known and has no counterpart. What becomes of codes that are not listed stands in group.unmapped: fixed (one code for
all of them), provided (the code passes as it is), or nothing: the code is unknown.

A target that its code system is known not to have makes the file unusable: it would be written into every resource.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.fhir import canonical
from gateway.fhir.position import line_of

Wrong = Callable[[str, str], Sequence[str] | None]
"""Of a system and a code: None when it is a code of that system or nobody can tell, otherwise what may have been meant."""

SHIPPED = Path(__file__).parents[2] / "mappings" / "codes"


class Unusable(ValueError):
    """A file that cannot serve as a map, told in Chinese (zh) and, as the exception's own text, in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh


@dataclass(frozen=True, slots=True)
class Target:
    """What a code means; known: the map lists the code, otherwise unmapped answered."""

    system: str
    code: str
    display: str = ""
    known: bool = True

    @property
    def coding(self) -> dict[str, Any]:
        parts = {"system": self.system, "code": self.code, "display": self.display}
        return {key: value for key, value in parts.items() if value}


@dataclass(frozen=True, slots=True)
class CodeMap:
    """One ConceptMap, compiled."""

    name: str
    title: str
    source_system: str
    target_system: str
    forward: dict[str, Target | None]
    backward: dict[tuple[str, str], str]
    displays: dict[str, str]
    systems: dict[str, str]
    unmapped: Target | None = None
    provided: bool = False
    file: str = ""

    def system_of(self, code: str) -> str:
        """The system a sender's code belongs to: its group's source. What no group lists is no code of a published system."""
        found = self.systems.get(fold(code))
        if found is None and self.source_system.startswith(_PUBLISHED):
            found = f"{canonical.code_system(self.name)}-as-sent"
        return self.source_system if found is None else found

    def owns(self, system: str) -> bool:
        """Whether codes of this system are what the sender of this map's codes writes."""
        return (
            system == self.source_system or system in self.systems.values() or system.endswith(f"/{self.name}-as-sent")
        )

    def lists(self, code: str) -> bool:
        """Whether the code is one of the map's, with or without a counterpart."""
        return fold(code) in self.forward

    def translate(self, code: str) -> Target | None:
        """The standard code for a sender's code (blanks and width do not matter).

        returns  None when the code is unknown, and when it is listed without a counterpart: lists() tells them apart
        """
        folded = fold(code)
        if folded in self.forward:
            return self.forward[folded]
        if self.provided and folded:
            return Target(self.target_system, folded, known=False)
        return self.unmapped

    def advice(self, site: str) -> tuple[str, str]:
        """What to do about a code that is not listed, zh and en: which row belongs in which file.

        site  the source's folder below mappings/sites, whose own codes stand before everybody's; "" for none
        """
        own = f"mappings/sites/{site}/codes/{self.name}.json"
        if not site or self.file == own:
            zh, en = f"请在 {self.file} 的 group.element 中", f"in {self.file}"
        else:
            zh, en = (
                f"请把 {self.file} 复制为 {own}（仅此接入点使用），在新文件的 group.element 中",
                f"copy {self.file} to {own} (for this site alone) and in it",
            )
        row = '{"code": "…", "target": [{"code": "…", "equivalence": "equivalent"}]}'
        return (
            f"{zh}加一行 {row}（先原码，后标准码）；已收到的消息之后用 gateway replay 消息号 重放",
            f"{en} add to group.element a row {row} (their code, then the standard one); what was received is then replayed by gateway replay ID",
        )

    def invert(self, code: str, system: str = "") -> str | None:
        """The sender's code for a standard code; system "" where the element fixes it (a code element)."""
        found = self.backward.get((system or self.target_system, code))
        return code if found is None and self.provided else found


@dataclass(slots=True)
class Codes:
    """The maps of one source: looked for in each folder in order, read once. wrong: judges their targets."""

    folders: Sequence[Path]
    wrong: Wrong = lambda system, code: None
    read: dict[str, CodeMap | None] = field(default_factory=dict)

    @staticmethod
    def shipped() -> Codes:
        return _shipped()

    def named(self, name: str) -> CodeMap | None:
        """The map of that name, None when no folder has it. Raises Unusable when its file is not a ConceptMap."""
        if name not in self.read:
            paths = (folder / f"{name}.json" for folder in self.folders)
            path = next((path for path in paths if path.is_file()), None)
            self.read[name] = None if path is None else load(path, self.wrong)
        return self.read[name]

    def names(self) -> list[str]:
        return sorted({path.stem for folder in self.folders if folder.is_dir() for path in folder.glob("*.json")})


def overlay(*folders: Path) -> Codes:
    """The maps of a site's folders, then the shipped ones."""
    return Codes((*folders, SHIPPED))


def fold(code: str) -> str:
    """One spelling of a code: NFKC (full-width digits and letters), no outer blanks."""
    return code.strip() if code.isascii() else unicodedata.normalize("NFKC", code).strip()


def load(path: Path, wrong: Wrong = lambda system, code: None) -> CodeMap:
    """Compile one ConceptMap file.

    wrong    judges each target
    raises   Unusable, naming file and element, when the file cannot serve as a map
    source   FHIR R4 conceptmap.html
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise Unusable(
            f"{path.name}：第 {error.lineno} 行第 {error.colno} 列不合 JSON；请改正该文件",
            f"{path.name}: not JSON ({error}); correct the file",
        ) from error
    if not isinstance(document, dict) or document.get("resourceType") != "ConceptMap" or not document.get("group"):
        raise Unusable(
            f"{path.name}：不是带 group 的 ConceptMap；写法见同一文件夹的代码表",
            f"{path.name}: not a ConceptMap with a group; see the maps beside it for the form",
        )
    groups = document["group"]
    forward: dict[str, Target | None] = {}
    backward: dict[tuple[str, str], tuple[int, str]] = {}
    displays: dict[str, str] = {}
    systems: dict[str, str] = {}
    for group in groups:
        for element in group.get("element", ()):
            code = fold(element.get("code", ""))
            targets = [_target(group, target) for target in element.get("target", ())]
            if not code or any(not target.code for target in targets):
                raise Unusable(
                    f"{path.name}：有 element 或 target 没有 code；请逐一补上",
                    f"{path.name}: an element or target without code; give each a code",
                )
            if code in forward:
                raise Unusable(
                    f"{path.name}：代码 {code} 对照了两次；请只留一行",
                    f"{path.name}: code {code} is mapped twice; keep one",
                )
            forward[code] = targets[0] if targets else None
            displays[code] = element.get("display", "")
            systems[code] = group.get("source", "")
            for target, entry in zip(targets, element.get("target", ()), strict=True):
                rank = _RANKS.get(entry.get("equivalence", ""), 2)
                key = (target.system, target.code)
                if rank < backward.get(key, (3, ""))[0]:
                    backward[key] = (rank, code)
    _refuse_wrong_targets(path, text, groups, wrong)
    rest = groups[0].get("unmapped", {})
    target_system = groups[0].get("target", "")
    fixed = rest.get("mode") == "fixed"
    return CodeMap(
        name=path.stem,
        title=document.get("title", path.stem),
        source_system=groups[0].get("source", ""),
        target_system=target_system,
        forward=forward,
        backward={key: code for key, (_, code) in backward.items()},
        displays=displays,
        systems=systems,
        unmapped=Target(target_system, rest["code"], rest.get("display", ""), known=False) if fixed else None,
        provided=rest.get("mode") == "provided",
        file=_shown(path),
    )


def _refuse_wrong_targets(path: Path, text: str, groups: Sequence[dict[str, Any]], wrong: Wrong) -> None:
    """Raises Unusable with every target that is no code of its group's target system: file, line, code, what may be meant."""
    zh, en = [], []
    for number, group in enumerate(groups):
        system = group.get("target", "")
        targets = [
            (f"element[{row}].target[{place}]", target.get("code", ""))
            for row, element in enumerate(group.get("element", ()))
            for place, target in enumerate(element.get("target", ()))
        ]
        if group.get("unmapped", {}).get("mode") == "fixed":
            targets.append(("unmapped", group["unmapped"].get("code", "")))
        for where, code in targets:
            meant = wrong(system, code)
            if meant is not None:
                line = line_of(text, f"ConceptMap.group[{number}].{where}.code")
                zh.append(
                    f"第 {line} 行的 {code} 不是 {system} 的代码" + (f"；可用 {'、'.join(meant)}" if meant else "")
                )
                en.append(
                    f"line {line}: {code} is no code of {system}" + (f"; use {', '.join(meant)}" if meant else "")
                )
    if zh:
        raise Unusable(f"{_shown(path)}：{'；'.join(zh)}", f"{_shown(path)}: {'; '.join(en)}")


def _shown(path: Path) -> str:
    """Where a map stands, told from the folder of all mappings: mappings/[sites/[<site>/]]codes/<name>.json."""
    above = path.parts[-4:-2]
    inner = (
        path.parts[-4:] if above[:1] == ("sites",) else path.parts[-3:] if above[1:] == ("sites",) else path.parts[-2:]
    )
    return "/".join(("mappings", *inner))


_PUBLISHED = ("http://terminology.hl7.org/", "http://hl7.org/fhir/")
_RANKS = {"equal": 0, "equivalent": 1, "wider": 2, "unmatched": 9, "disjoint": 9}


def _target(group: dict[str, Any], target: dict[str, Any]) -> Target:
    return Target(group.get("target", ""), target.get("code", ""), target.get("display", ""))


@lru_cache(maxsize=1)
def _shipped() -> Codes:
    return Codes((SHIPPED,))
