"""Who asks, for which organisation, and why: every read and every write carries one.

The value stands on the floor because every layer passes it on; what it may see is decided in gateway/access alone.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody or something that asks.

    name           who, for logs and Provenance: a source's name, a user, "gateway" itself
    organisation   code of the organisation it acts for (urn:oid:2.16.156.10011.1.5), "" for the alliance itself
    role           source | clinic | hospital | regulator | operator | gateway
    purpose        v3-PurposeOfUse: TREAT, HOPERAT, PUBHLTH, HSYSADMIN
    """

    name: str
    organisation: str = ""
    role: str = "operator"
    purpose: str = "TREAT"


GATEWAY = Principal("gateway", role="gateway", purpose="HSYSADMIN")
