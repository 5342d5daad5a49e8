"""One group of a Measure over one period: who is in which population, by organisation. Pure over what a search gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.fhir.canonical import ORGANISATION
from gateway.measures.criteria import OBSERVATIONS, Document, Period, Search, Selection, observation, select
from gateway.measures.definition import coded
from gateway.measures.suppress import WHOLE

UNKNOWN = "unknown"


@dataclass(slots=True)
class Tally:
    """populations: selections by code, each within its whole; observed: values by reference; organisations: by reference."""

    populations: dict[str, Selection] = field(default_factory=dict)
    observed: dict[str, int] = field(default_factory=dict)
    organisations: dict[str, str] = field(default_factory=dict)

    def counts(self, organisation: str | None = None) -> dict[str, int]:
        """Members of each population, of one organisation or of all."""
        return {name: len(self.members(name, organisation)) for name in self.populations}

    def members(self, population: str, organisation: str | None = None) -> list[str]:
        found = self.populations[population].members
        return sorted(r for r in found if organisation is None or self.organisations[r] == organisation)


def tally(group: Document, period: Period, search: Search, organisations: Mapping[str, str]) -> Tally:
    """Count one group.

    organisations  Organization reference → its code; the stratum of a member whose reference is not there is UNKNOWN
    """
    found = Tally()
    for population in group["population"]:
        name, criteria = coded(population["code"]), population["criteria"]
        if observation(criteria):
            continue
        selection = select(criteria, period, search)
        whole = found.populations.get(WHOLE.get(name, ""))
        if whole is not None:  # a part holds nobody that its whole does not
            selection = Selection(
                {r: m for r, m in selection.members.items() if r in whole.members}, selection.excluded
            )
        found.populations[name] = selection
    path = next((s["criteria"]["expression"] for s in group.get("stratifier", ())), "")
    for selection in found.populations.values():
        for reference, resource in selection.members.items():
            found.organisations[reference] = organisations.get(_reference(resource, path), UNKNOWN)
    for population in group["population"]:
        if observed := observation(population["criteria"]):
            observe = OBSERVATIONS[observed]
            for reference, resource in found.populations["measure-population"].members.items():
                value = observe(resource, period)
                assert value is not None  # the population's filters keep only what can be observed
                found.observed[reference] = value
    return found


def organisation_codes(search: Search) -> tuple[dict[str, str], dict[str, str]]:
    """Every Organization's code by reference, and its name by code."""
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for resource in search("Organization?"):
        own = [i["value"] for i in resource.get("identifier", ()) if i.get("system") == ORGANISATION and i.get("value")]
        code = str(own[0]) if own else UNKNOWN
        codes[f"Organization/{resource['id']}"] = code
        if own and resource.get("name"):
            names[code] = min(str(resource["name"]), names.get(code, str(resource["name"])))
    return codes, names


def _reference(resource: Document, path: str) -> str:
    """The reference at a path of plain steps, such as Encounter.serviceProvider."""
    value: Any = resource
    for step in path.split(".")[1:]:
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(step) if isinstance(value, Mapping) else None
    value = value[0] if isinstance(value, list) and value else value
    text = str(value.get("reference", "")) if isinstance(value, Mapping) else ""
    return "/".join(text.split("/_history/")[0].split("/")[-2:])
