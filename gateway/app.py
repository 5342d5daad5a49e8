"""The composition root: settings → store → features → routes. Wiring happens here, and nowhere else.

build(settings)     a Gateway: everything tied together, nothing running
running(gateway)    the life of its workers, folders and listeners
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from adapters.kit import sources, tls
from adapters.kit.contract import Adapter, Source
from adapters.kit.organizations import MAP as ORGANIZATIONS
from adapters.kit.translation import Translation
from gateway import events
from gateway.access.actor import organisation_codes
from gateway.access.policy import restrict
from gateway.bulk import index_settings
from gateway.exchange import EPOCH, Exchange, find_adapters, instant
from gateway.fhir.errors import GatewayError
from gateway.fhir.principal import GATEWAY
from gateway.identity.identify import identify
from gateway.inbox.answers import Answers, promised
from gateway.inbox.contract import Conversion
from gateway.inbox.folder import Folder
from gateway.inbox.overlay import overlay
from gateway.inbox.receive import Inbox
from gateway.inbox.work import Limits as InboxLimits
from gateway.inbox.work import Worker
from gateway.interactions import custom_parameters
from gateway.interactions.change import Limits
from gateway.interactions.door import Door
from gateway.interactions.stored_terminology import StoredTerminology
from gateway.listeners import open_listeners
from gateway.members import Members
from gateway.outbox import gather
from gateway.outbox.contract import Delivery
from gateway.outbox.original import originals
from gateway.outbox.routes import routes
from gateway.outbox.send import transports
from gateway.outbox.work import Limits as OutboxLimits
from gateway.outbox.work import Sender
from gateway.plans import discharge
from gateway.plans.further import Further
from gateway.plans.planned import Options
from gateway.plans.same_deed import fold
from gateway.plans.take_back import take_back
from gateway.plans.take_up import Plans
from gateway.profiles import policy
from gateway.profiles.applies import Applies
from gateway.profiles.definition import Definitions
from gateway.profiles.validator import Validator
from gateway.referral.rule import Referral
from gateway.settings import Settings
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Message, Store, Transaction
from gateway.store.loop import Loop
from gateway.store.sql import open_store
from gateway.terminology.service import LocalTerminology
from gateway.terminology.shelf import Folders, Published

Document = dict[str, Any]


@dataclass(frozen=True)
class Gateway:
    """Everything of one process, tied together. close() it at the end."""

    settings: Settings
    exchange: Exchange
    store: Store
    door: Door
    inbox: Inbox
    worker: Worker
    sender: Sender
    folders: tuple[Folder, ...]
    inbox_loop: Loop
    outbox_loops: tuple[Loop, ...]
    parameters_loop: Loop
    plans_loop: Loop
    answers: Answers
    answer_loops: tuple[Loop, ...]
    codes: Folders
    validator: Validator
    members: Members

    def drain(self) -> int:
        """Work and send, in the caller's own thread, until nothing is due. returns how many messages and jobs"""
        done = 0
        while step := self.worker.drain() + self.sender.drain():
            done += step
        return done

    def reload(self) -> None:
        """Take tables and codes as they are on the disk now. Raises Invalid for a wrong row: then nothing has changed."""
        self.exchange.reload()
        self.codes.forget()
        self.members.know(_organisations(self.exchange))
        self.members.write(self.door)

    def close(self) -> None:
        self.store.close()


def build(settings: Settings, *, workers: bool = True, exchange: Exchange | None = None) -> Gateway:
    """Tie everything together and bring the database to the present schema.

    workers   whether what arrives wakes workers of this very process
    exchange  sources and tables; those of the settings when None
    raises   Invalid for a wrong mapping row or source.toml, with every place; Unavailable when the database is away
    """
    exchange = exchange or open_exchange(settings)
    exchange.check()
    for source in exchange.sources.values():
        tls.client(source.send.get("mllp", {}), f"sites/{source.tables}/source.toml#send.mllp")
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    store = open_store(settings.database_url, restrict, search_time_limit_s=settings.search_time_limit_s)
    parameters = custom_parameters.CustomParameters(store)
    parameters.refresh()
    ours = settings.profiles.parent / "valuesets"
    sites = settings.mappings / "sites"
    own = {one.tables: sites / one.tables / "codes" for one in exchange.sources.values() if one.tables}
    codes = Folders((sites / "codes", settings.mappings / "codes", ours), own)
    written = StoredTerminology(store)
    terminology = LocalTerminology((written, codes, Published()))
    referral, plans = Referral(settings.base, settings.zone), Plans(_plan_options(settings))
    validator = Validator(Definitions.of(settings.profiles), terminology, time_limit_s=settings.validate_time_limit_s)
    members = Members(_organisations(exchange))
    judges = () if settings.validate_writes == "off" else (policy.rule(settings.validate_writes, validator),)
    door = Door(
        store,
        rules=(
            referral.task_rule,
            referral.request_rule,
            plans.task_rule,
            plans.plan_rule,
            written.rule,
            *judges,
        ),
        consequences=(
            referral.consequence,
            plans.consequence,
            functools.partial(take_back, base=settings.base),
            routes(exchange.sources.values(), _code_of, settings.base),
        ),
        base_url=f"{settings.public_url or f'http://{settings.host}:{settings.port}'}/fhir",
        zone=settings.zone,
        limits=Limits(
            entries=settings.bundle_entries_limit,
            count=settings.search_count_default,
            count_max=settings.search_count_limit,
            update_as_create=settings.update_as_create,
            if_match_required=settings.if_match_required,
            delete_multiple=settings.delete_multiple,
            referential_integrity=settings.strict_references,
            deletion_integrity=settings.strict_deletes,
            body_bytes=settings.resource_size_limit_bytes,
            full_text=frozenset(settings.full_text),
            page_lifetime_s=settings.page_lifetime_s,
        ),
        terminology=terminology,
        invariants=(custom_parameters.rule, members.rule),
    )
    index_settings.begin(store, index_settings.of_door(door))
    members.write(door)
    back_off = BackOff(settings.retry_first_s, settings.retry_ceiling_s)
    sender = Sender(
        store,
        exchange.sources.values(),
        exchange.adapters,
        functools.partial(encode, exchange, store),
        transports(timeout_s=settings.send_timeout_s, further=_wires(exchange.adapters)),
        limits=OutboxLimits(attempts=settings.retry_attempts_limit, back_off=back_off),
    )
    outbox_loops = tuple(sender.loops())
    answers = Answers(
        store, exchange.sources, exchange.adapters, attempts=settings.retry_attempts_limit, back_off=back_off
    )
    answer_loops = answers.loops()
    worker = Worker(
        store,
        door,
        functools.partial(translate, exchange, settings, validator, Applies.of(settings.profiles)),
        hooks=(_identify, _overlay, functools.partial(_fold, _plan_options(settings))),
        stored=lambda: _ring((*outbox_loops, *answer_loops)),
        answer=functools.partial(_answer, exchange),
        limits=InboxLimits(
            workers=settings.workers,
            attempts=settings.retry_attempts_limit,
            lease_s=settings.lease_s,
            back_off=back_off,
        ),
    )
    loop = worker.loop()
    inbox = Inbox(
        store,
        exchange.sources,
        exchange.adapters,
        arrived=loop.notice if workers else lambda: None,
        size_limit_bytes=settings.message_size_limit_bytes,
    )
    return Gateway(
        settings,
        exchange,
        store,
        door,
        inbox,
        worker,
        sender,
        _folders(inbox, exchange, settings),
        loop,
        outbox_loops,
        Loop("search parameters", parameters.step, threads=1, idle_s=2.0),
        Loop("plans", Further(store, door, _plan_options(settings)).step, threads=1, idle_s=600.0),
        answers,
        answer_loops,
        codes,
        validator,
        members,
    )


def open_exchange(settings: Settings) -> Exchange:
    """Adapters, sources and tables, without a database. Raises Invalid for a wrong source.toml; tables are read later."""
    adapters = find_adapters()
    found = sources.load(settings.mappings / "sites", settings.sites, adapters, events.names())
    return Exchange(settings.mappings, found, adapters)


@contextlib.asynccontextmanager
async def running(gateway: Gateway, *, workers: bool = True, listeners: bool = True) -> AsyncIterator[list[Any]]:
    """Workers, folders and listeners, until the block ends; what is under way is finished first."""
    # What is there now stays: the collector need not look at it again. Documents are trees, freed by their counts; a
    # look at every 700 new objects (the default) is a tenth of the work on a message.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    loops: list[Loop] = [gateway.parameters_loop]
    if workers:
        loops += [gateway.inbox_loop, *gateway.outbox_loops, gateway.plans_loop]
    if listeners:
        loops += [*(folder.loop() for folder in gateway.folders), *gateway.answer_loops]
    threads = ThreadPoolExecutor(16, thread_name_prefix="mllp")
    opened = await open_listeners(gateway, threads) if listeners else []
    for loop in loops:
        loop.start()
    try:
        yield opened
    finally:
        for listener in opened:
            await listener.close()
        for loop in loops:
            loop.stop()
        threads.shutdown()


def complete(
    exchange: Exchange, settings: Settings, body: bytes, source: Source, control_id: str = "", received_at: str = ""
) -> Translation:
    """A message to its Bundle, with what a discharge plan asks for: dated Tasks, care team, the request to take it up."""
    made = exchange.translate(body, source, control_id, received_at)
    completed = discharge.complete(made.bundle, made.occurred_at or received_at or EPOCH, _plan_options(settings))
    made.bundle = completed.bundle
    made.issues = [*made.issues, *completed.issues]
    return made


def translate(
    exchange: Exchange, settings: Settings, validator: Validator, applies: Applies, message: Message
) -> Conversion:
    """What the inbox asks of a received message."""
    source = exchange.source(message.source)
    made = complete(exchange, settings, message.body, source, message.control_id, instant(message.received_at))
    if source.validation != "off" and made.bundle.get("entry"):
        made.issues = [*made.issues, *policy.judged(made.bundle, source.validation, validator, applies)]
    ledger = msgspec.json.encode([entry.as_json() for entry in made.ledger])
    return Conversion(made.bundle if made.bundle.get("entry") else None, made.issues, ledger, made.table, made.removals)


def _answer(exchange: Exchange, message: Message, error: GatewayError | None) -> list[Job]:
    source = exchange.sources.get(message.source)
    return promised(message, error, source, exchange.adapter(source)) if source and source.format else []


def encode(exchange: Exchange, store: Store, job: Job, focus: Document, target: Any) -> bytes:
    """A job's resources in the words of the source that will receive them: over the message of its own that they came
    from, where there is one that such a message may start from; else as a new one."""
    source, kind = exchange.source(target.name), target.events[job.event]
    resources = gather.around(focus, store, GATEWAY)
    if exchange.adapter(source).renew is not None:
        for found in originals(resources, exchange.about(kind, source), source.name, store):
            told = [*resources, *((name, item) for name, item in found.made if name not in dict(resources))]
            written = exchange.rewrite(told, kind, source, job.control_id, found.body, found.gone)
            if written is not None:
                return written[0]
    data, _issues = exchange.write(resources, kind, source, job.control_id)
    return data


def _identify(bundle: Document, conversion: Conversion, message: Message, within: Transaction) -> Document:
    return identify(bundle, within, message.organisation, conversion.removals)


def _overlay(bundle: Document, conversion: Conversion, _message: Message, within: Transaction) -> Document:
    return overlay(bundle, within, conversion.removals)


def _fold(
    options: Options, bundle: Document, _conversion: Conversion, _message: Message, within: Transaction
) -> Document:
    return fold(bundle, within, options)


def _ring(loops: Iterable[Loop]) -> None:
    """Something was stored that may have promised something: do not wait for the next look."""
    for loop in loops:
        loop.notice()


def _code_of(reference: str, within: Transaction) -> str:
    return next(iter(sorted(organisation_codes({"reference": reference}, within))), "")


def _plan_options(settings: Settings) -> Options:
    return dataclasses.replace(
        Options(), default_contact=settings.default_contact, zone=settings.zone, base=settings.base
    )


def _organisations(exchange: Exchange) -> Iterable[tuple[str, str]]:
    """Every organisation that a source belongs to, or that the alliance's list names: (code, name)."""
    found = {source.organisation: source.organisation_name for source in exchange.sources.values()}
    for source in exchange.sources.values():
        listed = exchange.tables(source)[1].named(ORGANIZATIONS) if source.format else None
        for target in listed.forward.values() if listed else ():
            if target is not None:
                found[target.code] = target.display or found.get(target.code, "")
    return sorted(found.items())


def _wires(adapters: Mapping[str, Adapter]) -> dict[str, Any]:
    def wire(adapter: Adapter) -> Any:
        def send(data: bytes, target: Source, _control_id: str, _media_type: str) -> Delivery:
            assert adapter.exchange is not None
            return Delivery(adapter.exchange(data, target), tied=False)

        return send

    return {adapter.wire: wire(adapter) for adapter in adapters.values() if adapter.wire and adapter.exchange}


def _folders(inbox: Inbox, exchange: Exchange, settings: Settings) -> tuple[Folder, ...]:
    found = []
    for source in exchange.sources.values():
        wanted = source.receive.get("folder")
        if wanted is not None:
            path = settings.data_dir / Path(str(wanted.get("path", f"inbox/{source.name}"))).expanduser()
            pattern = str(wanted.get("pattern", "*"))
            found.append(Folder(inbox, source.name, path, pattern=pattern, poll_s=settings.folder_poll_s))
    return tuple(found)
