"""Which side of a Task somebody stands on: placer (Task.requester), receiver (Task.owner), both or neither."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from gateway.fhir.canonical import ORGANISATION
from gateway.fhir.document import read
from gateway.fhir.principal import Principal
from gateway.store.contract import Transaction


def actors(
    principal: Principal, task: Mapping[str, Any], everybody: Collection[str], transaction: Transaction
) -> frozenset[str]:
    """The sides on which the Principal may move this Task.

    A Principal without an organisation speaks for the alliance itself and may act for everybody: that is the policy until
    logins exist. An organisation is its placer or its receiver by code (urn:oid:2.16.156.10011.1.5), a third one is neither.
    An Organization that is only being written in this transaction is known by the identifier in the reference.
    """
    if not principal.organisation:
        return frozenset(everybody)
    sides = {"placer": task.get("requester"), "receiver": task.get("owner")}
    return frozenset(
        side
        for side, reference in sides.items()
        if principal.organisation in organisation_codes(reference, transaction)
    )


def organisation_codes(reference: Any, transaction: Transaction) -> frozenset[str]:
    """The organisation codes behind a Reference(Organization), empty when it leads nowhere."""
    if not isinstance(reference, Mapping):
        return frozenset()
    kind, _, id = "/".join(str(reference.get("reference", "")).split("/_history/")[0].split("/")[-2:]).partition("/")
    if kind == "Organization" and id:
        version = transaction.standing([(kind, id)]).get((kind, id))
        if version is not None and not version.deleted:
            return _codes(read(version.content).get("identifier", ()))
    return _codes([reference["identifier"]] if "identifier" in reference else ())


def is_same(one: Any, other: Any, transaction: Transaction) -> bool:
    """Whether two references lead to one institution."""
    if not one or not other:
        return False
    if one.get("reference") and one.get("reference") == other.get("reference"):
        return True
    return bool(organisation_codes(one, transaction) & organisation_codes(other, transaction))


def is_another(one: Any, other: Any, transaction: Transaction) -> bool:
    """Whether a known institution stands where another one stood; one of which only the name is known is never another."""
    return bool(organisation_codes(one, transaction)) and not is_same(one, other, transaction)


def _codes(identifiers: Any) -> frozenset[str]:
    return frozenset(str(item.get("value", "")) for item in identifiers if item.get("system") == ORGANISATION) - {""}
