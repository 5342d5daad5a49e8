"""The Provenance of one transition. FHIR R4 provenance.html."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.lifecycle import ACTORS


def provenance(
    task: Mapping[str, Any], activity: Mapping[str, Any], actor: str, at: str, organisation: str = "", name: str = ""
) -> dict[str, Any]:
    """The record of one transition: what happened to which Task, when, and for which organisation.

    activity      a Coding; actor: in ACTORS
    organisation  code, "" for the alliance; name: of the Principal, for want of an organisation
    source        FHIR R4 provenance.html
    """
    who: dict[str, Any] = {"display": name}
    if organisation:
        who = {"type": "Organization", "identifier": {"system": ORGANISATION, "value": organisation}}
    kind = {"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": "performer"}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": f"Task/{task['id']}"}],
        "occurredDateTime": at,
        "recorded": at,
        "activity": {"coding": [dict(activity)], "text": activity.get("display", activity["code"])},
        "agent": [{"type": {"coding": [kind], "text": ACTORS[actor][0]}, "who": who}],
    }
