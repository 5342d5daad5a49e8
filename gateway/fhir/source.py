"""A system that sends or receives, and what is read of its messages at the door: values that adapters and exchange share.

They stand on the floor because both sides need them: adapters make them, inbox and outbox, which name no adapter, read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """What must be known of a message before it is worked, read cheaply at the door.

    control_id   the sender's own id; lane: the patient's local number or "" ; kind as Tree.kind
    """

    control_id: str
    kind: str
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A partner's answer to what we sent, understood.

    control_id  the id of ours that it answers, "" when the protocol ties answer to request by itself (HTTP)
    accepted    by the source's own success rule; retry: refused for now, worth another try
    """

    accepted: bool
    retry: bool = False
    control_id: str = ""
    code: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A system that sends or receives, belonging to one organisation; read from mappings/sites/<site>/source.toml.

    name          unique in the alliance, in URLs (/inbox/{name})
    organisation  code (urn:oid:2.16.156.10011.1.5) and organisation_name
    format        adapter folder: hl7v2, cda, webservice, tabular
    tables        folder under mappings/sites that overlays mappings/<format>, "" for none
    receive       how it sends: {"mllp": {...}} | {"http": {}} | {"folder": {"path": …}}
    send          where and how it receives: {"mllp": {"host":…, "port":…}} | {"http": {"url":…}} | {"folder": {"path":…}}, plus
                  "events": {"Task.accepted": "ADT^A08", …} — which event becomes which outbound table
    validation    of what it sends, against R4 in full and the profiles: off, warn (issues are kept with the message), refuse (quarantine)
    options       the format's own settings: encoding, version, facility names, success rule, code editions
    """

    name: str
    organisation: str
    organisation_name: str = ""
    format: str = ""
    title: str = ""
    tables: str = ""
    timezone: str = "+08:00"
    receive: Mapping[str, Any] = field(default_factory=dict)
    send: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    validation: str = "off"
