"""Trees → closures: each checks one item against what a profile says of its element, and below."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.fhir.elements import structure
from gateway.fhir.errors import Invalid
from gateway.fhir.findings import Place
from gateway.fhir.reference import target_type
from gateway.profiles import rules, slicing
from gateway.profiles.definition import Definition, Definitions, is_type
from gateway.profiles.fhirpath import compiled
from gateway.profiles.item import Child, Item, children, collect, is_a, of_resource
from gateway.profiles.tree import Node, Tree, build
from gateway.profiles.value import equals, fits, is_member
from gateway.profiles.visit import Visit

Check = Callable[[Item, Place, Visit], None]
Listed = list[tuple[Item, Place]]
ListCheck = Callable[[Listed, Place, Visit], None]
_BUNDLED = frozenset({"Resource"})


class Compiler:
    """Compiles each profile once, when it is first asked for. Safe to share between threads: work done twice is the same."""

    def __init__(self, definitions: Definitions) -> None:
        self.definitions = definitions
        self._trees: dict[str, Tree] = {}
        self._checks: dict[tuple[int, str], Check] = {}
        self._trying: set[tuple[int, str]] = set()

    def tree(self, url: str) -> Tree | None:
        found = self._trees.get(url)
        if found is None:
            definition = self.definitions.find(url)
            if definition is None:
                return None
            found = self._trees[url] = build(definition, self.definitions)
        return found

    def root_of(self, url: str) -> Node | None:
        found = self.tree(url)
        return found.root if found else None

    def type_of(self, url: str) -> str:
        definition: Definition | None = self.definitions.find(url)
        return definition.type if definition else slicing.target_name(url)

    def profile(self, url: str) -> Check | None:
        """The check of a profile, None when it is not known. Raises Invalid when it cannot be compiled."""
        tree = self.tree(url)
        if tree is None:
            return None
        return self.item_check(tree.root, tree.definition.type, tree.root, _label(url))

    def conforms(self, url: str, item: Item, visit: Visit) -> bool:
        """Whether an item has no error against a profile; its own type's definition counts as met."""
        if is_type(url):
            return is_a(item[1], slicing.target_name(url))
        check = self.profile(url)
        key = (id(item[0]), url)
        if check is None or key in self._trying:  # in a circle of references nothing new is to be found
            return True
        if not is_a(item[1], self.type_of(url)):
            return False
        self._trying.add(key)
        before = visit.silent()
        try:
            check(item, (None, item[1]), visit)
            return not any(issue.severity in ("error", "fatal") for issue in visit.findings.issues)
        finally:
            visit.findings = before
            self._trying.discard(key)

    def item_check(self, node: Node, type_name: str, root: Node, label: str) -> Check:
        """The check of one item of a node, when it is of this type."""
        key = (id(node), type_name)
        found = self._checks.get(key)
        if found is not None:
            return found
        parts: list[Check] = []

        def check_item(item: Item, place: Place, visit: Visit) -> None:
            for part in parts:
                part(item, place, visit)

        self._checks[key] = check_item  # before the parts are made: elements refer to one another in circles
        parts += _value_checks(node, label)
        if node.types:
            parts += self._type_checks(node.types, type_name, label)
        parts += [rules.check_of(row, label) for row in node.constraints]
        parts += self._children_checks(node, type_name, root, label)
        return check_item

    def _children_checks(self, node: Node, type_name: str, root: Node, label: str) -> list[Check]:
        if type_name == "Resource" and node.children:  # Bundle.entry.resource.code: known when it is met

            def check_resource(item: Item, place: Place, visit: Visit) -> None:
                if item[1] != "Resource":
                    self.item_check(node, item[1], root, label)(item, place, visit)

            return [check_resource]
        found = [
            _child_check(_properties(type_name, name, child.path), self._list_check(name, child, root, label), name)
            for name, child in node.children.items()
        ]
        # An element that refers to another's content (Questionnaire.item.item) bears that one's constraints.
        definition = structure(type_name)
        for element in definition.elements.values() if definition else ():
            content = _at(root, element.type) if "." in element.type else None
            own = f"{type_name}.{element.name}"
            if content is not None and element.type != own and element.name not in node.children:
                bare = Node(content.path, children=content.children, constraints=content.constraints)
                listed = self._list_check(element.name, bare, root, label)
                found.append(_child_check((Child(element.name, "", element.type),), listed, element.name))
        return found

    def _list_check(self, name: str, node: Node, root: Node, label: str) -> ListCheck:
        minimum, maximum = node.minimum, node.maximum
        says = bool(
            node.says_value() or node.types or node.constraints or node.children or node.binding
            or node.low is not None or node.high is not None or node.max_length
        )  # fmt: skip
        sliced = self._slice_check(name, node, root, label) if node.slices else None

        def check_list(items: Listed, place: Place, visit: Visit) -> None:
            if len(items) < minimum:
                rules.too_few(minimum, len(items), label, place, visit)
            if maximum is not None and len(items) > maximum:
                rules.too_many(maximum, label, place, visit)
                if not maximum:
                    return
            if says:
                for item, where in items:
                    self.item_check(node, item[1], root, label)(item, where, visit)
            if sliced is not None:
                sliced(items, place, visit)

        return check_list

    def _slice_check(self, name: str, node: Node, root: Node, label: str, above: str = "") -> ListCheck:
        """above: the slice that is parted further here, with a slash behind it."""
        tests = slicing.tests(name, node, self)
        inner = {
            key: self._slice_check(name, each, root, label, f"{above}{key}/")
            for key, each in node.slices.items()
            if each.slices
        }
        order = {slice_name: index for index, slice_name in enumerate(node.slices)}
        how = (node.slicing or {}).get("rules", "open")
        ordered = (node.slicing or {}).get("ordered", False)

        def check_slices(items: Listed, place: Place, visit: Visit) -> None:
            counts = dict.fromkeys(order, 0)
            last, ended = -1, False
            within: dict[str, list[Any]] = {key: [] for key in inner}
            for item, where in items:
                found = next((key for key, passed in tests.items() if all(test(item, visit) for test in passed)), None)
                if found is None:
                    if how == "closed":
                        rules.of_no_slice([above + key for key in order], label, where, visit)
                    ended = True
                    continue
                if ended and how == "openAtEnd":
                    rules.behind_end(above + found, label, where, visit)
                if ordered and order[found] < last:
                    rules.out_of_order(above + found, label, where, visit)
                last = max(last, order[found])
                counts[found] += 1
                if found in within:
                    within[found].append((item, where))
                self.item_check(node.slices[found], item[1], root, label)(item, where, visit)
            for key, count in counts.items():
                each = node.slices[key]
                if count < each.minimum:
                    rules.too_few(each.minimum, count, label, place, visit, above + key)
                if each.maximum is not None and count > each.maximum:
                    rules.too_many(each.maximum, label, place, visit, above + key)
            for key, check in inner.items():
                check(within[key], place, visit)

        return check_slices

    def _type_checks(self, types: list[dict[str, Any]], type_name: str, label: str) -> list[Check]:
        rows = [row for row in types if is_a(type_name, _code(row)) or is_a(_code(row), type_name)]
        if not rows:
            allowed = [_code(row) for row in types]
            return [lambda item, place, visit: rules.wrong_type(allowed, label, place, visit)]
        found: list[Check] = []
        profiles = [url for row in rows for url in row.get("profile", ()) if not is_type(url)]
        if profiles and all(row.get("profile") for row in rows) and not is_a(type_name, "Extension"):
            found.append(self._conforms_to_one(profiles, label))
        elif profiles and is_a(type_name, "Extension"):
            pass  # every extension is checked against its definition wherever it stands
        targets = [url for row in rows for url in row.get("targetProfile", ())]
        if targets and type_name == "Reference":
            found.append(self._refers_to_one(targets, label))
        return found

    def _conforms_to_one(self, profiles: list[str], label: str) -> Check:
        def check(item: Item, place: Place, visit: Visit) -> None:
            if item[1] in _BUNDLED:
                return
            if len(profiles) == 1 and (single := self.profile(profiles[0])) is not None:
                if is_a(item[1], self.type_of(profiles[0])):
                    single(item, place, visit)
                else:
                    rules.wrong_type([self.type_of(profiles[0])], label, place, visit)
            elif not any(self.conforms(url, item, visit) for url in profiles):
                rules.conforms_to_none(profiles, label, place, visit)

        return check

    def _refers_to_one(self, targets: list[str], label: str) -> Check:
        names = {url: self.type_of(url) for url in targets}
        allowed = frozenset(names.values())

        def check(item: Item, place: Place, visit: Visit) -> None:
            if type(item[0]) is not dict or "" in allowed or "Resource" in allowed:
                return
            text, named = item[0].get("reference"), item[0].get("type")
            target = visit.resolve(text) if type(text) is str else None
            type_name = target[1] if target else target_type(text) or (named if type(named) is str else "")
            if type_name and type_name not in allowed:
                rules.wrong_target(sorted(allowed), label, place, visit)
            elif target is not None:
                wanted = [url for url, name in names.items() if name == type_name]
                if not any(self.conforms(url, of_resource(target[0]), visit) for url in wanted):
                    rules.conforms_to_none(wanted, label, place, visit)

        return check


def _code(row: dict[str, Any]) -> str:
    code: str = row.get("code", "")
    return {"http://hl7.org/fhirpath/System.String": "string"}.get(code, code)


def _at(root: Node, path: str) -> Node | None:
    """The node of a path of names, when the tree says something below it."""
    node: Node | None = root
    for name in path.split(".")[1:]:
        node = node.children.get(name) if node else None
    return node if node is not None and (node.children or node.constraints) else None


def _properties(type_name: str, name: str, path: str) -> tuple[Child, ...]:
    known = children(type_name if structure(type_name) else "Element")
    found = known.get(name.removesuffix("[x]"))
    if found is None:
        found = tuple(each for listed in known.values() for each in listed if each.key == name)
    if not found and name == "value" and not structure(type_name):
        return ()
    if not found:
        raise Invalid(
            "structure",
            zh=f"profile 提到的元素 {path} 在 R4 中不存在，请改正 profile。",
            en=f"The profile names {path}, which is no element of R4: correct the profile.",
        )
    return found


def _child_check(properties: tuple[Child, ...], check: ListCheck, name: str) -> Check:
    shown = name.removesuffix("[x]")

    def check_child(item: Item, place: Place, visit: Visit) -> None:
        owner = item[0] if type(item[0]) is dict else item[2]
        found: Listed = []
        if type(owner) is dict:
            for child in properties:
                items: list[Item] = []
                collect(owner, child, items)
                if items:
                    many = type(owner.get(child.key)) is list or type(owner.get(child.shadow)) is list
                    found += [
                        (each, (place, shown, index) if many else (place, shown)) for index, each in enumerate(items)
                    ]
        check(found, (place, shown), visit)

    return check_child


def _value_checks(node: Node, label: str) -> list[Check]:
    found: list[Check] = []
    fixed, pattern, low, high, limit = node.fixed, node.pattern, node.low, node.high, node.max_length
    if fixed is not None:

        def check_fixed(item: Item, place: Place, visit: Visit) -> None:
            if not equals(item[0], fixed):
                rules.not_fixed(fixed, label, place, visit)

        found.append(check_fixed)
    if pattern is not None:

        def check_pattern(item: Item, place: Place, visit: Visit) -> None:
            if not fits(item[0], pattern):
                rules.no_fit(pattern, label, place, visit)

        found.append(check_pattern)
    if limit:
        found.append(
            lambda item, place, visit: (
                rules.too_long(limit, label, place, visit) if type(item[0]) is str and len(item[0]) > limit else None
            )
        )
    if low is not None or high is not None:
        found.append(rules.within(low, high, label))
    if node.binding:
        strength, value_set = node.binding

        def bound(item: Item, place: Place, visit: Visit) -> None:
            if is_member(item, value_set, visit.member_of) is False:
                rules.not_member(strength, value_set, label, place, visit)

        found.append(bound)
    return found


def _label(url: str) -> str:
    return url.partition("|")[0].rpartition("/")[2]


__all__ = ["Check", "Compiler", "compiled"]
