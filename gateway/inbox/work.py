"""Works received messages: bytes → Bundle → versions, each message's versions and its settling in one database transaction.

Order     messages of one lane one after the other in the order of their arrival; lanes side by side (the store's claim)
Promise   a message's versions, its jobs, its ledger and its state are committed together or not at all; a worker that
          dies leaves a lease, and the message is worked again when that has run out. Messages of several lanes may share a
          transaction; when anything stands against one of them, each is worked in its own
Bounds    `batch` messages a claim, `together` a transaction; `attempts` for our own mistakes; no bound for a database or a partner that is away
Logs      ids, states and issue codes; never what a message says
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from gateway.fhir.errors import Busy, Conflict, GatewayError, Invalid, face
from gateway.fhir.principal import Principal
from gateway.inbox.contract import Conversion, Door, Hook, Translate
from gateway.store.backoff import BackOff
from gateway.store.contract import Job, Message, Store, Transaction
from gateway.store.lease import kept
from gateway.store.loop import Loop
from gateway.store.reason import as_gateway_error, to_reason

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How the inbox works; every number is a setting.

    together   messages of different lanes in one transaction; 1: each in its own
    attempts   at a message that fails by our own mistake (or that another writer keeps ahead of), before quarantine
    lease_s    a worker that is silent for so long is taken for dead; one that works tells so meanwhile (lease.py)
    gather_s   how long what comes one by one may gather, so that it is worked together: each transaction waits for the disk,
               and on SQLite for the one writer
    """

    workers: int = 2
    batch: int = 16
    together: int = 8
    attempts: int = 5
    lease_s: float = 60.0
    idle_s: float = 0.5
    gather_s: float = 0.01
    back_off: BackOff = BackOff()  # noqa: RUF009 (frozen)


def principal_of(message: Message) -> Principal:
    """A message is written in the name of its source."""
    return Principal(message.source, message.organisation, role="source", purpose="TREAT")


class Worker:
    """Works what the store gives; `loop()` makes threads of it, `drain()` works in the caller's own.

    hooks   run inside the message's transaction, before the door, in their order
    answer  what a message that has come to its end promises its sender beside the acknowledgement
    """

    def __init__(
        self,
        store: Store,
        door: Door,
        translate: Translate,
        *,
        hooks: Sequence[Hook] = (),
        limits: Limits | None = None,
        stored: Callable[[], None] = lambda: None,
        answer: Callable[[Message, GatewayError | None], Sequence[Job]] = lambda _message, _error: (),
    ) -> None:
        self.store = store
        self.door = door
        self.translate = translate
        self.hooks = tuple(hooks)
        self.limits = limits or Limits()
        self._stored = stored
        self._answer = answer

    def loop(self) -> Loop:
        limits = self.limits
        return Loop(
            "inbox",
            self.step,
            threads=limits.workers,
            idle_s=limits.idle_s,
            enough=limits.batch,
            gather_s=limits.gather_s,
        )

    def drain(self, worker: str = "drain", limit: int = 1_000_000) -> int:
        """Work until nothing is due. returns how many were worked"""
        worked = 0
        while worked < limit and (step := self.step(worker)):
            worked += step
        return worked

    def step(self, worker: str) -> int:
        """Claim once, work what was claimed. returns how many messages that was"""
        lease_s = self.limits.lease_s
        claimed = self.store.claim(worker, self.limits.batch, lease_s)
        if not claimed:
            return 0
        with kept(partial(self.store.renew, worker, [one.id for one in claimed], lease_s), lease_s):
            for group in _groups(claimed, self.limits.together):
                if len(group) == 1 or not self._work_together(group):
                    for message in group:
                        self.work(message)
        self._stored()
        return len(claimed)

    def _work_together(self, group: Sequence[Message]) -> bool:
        """Work messages of one source, each of a lane of its own, in one transaction: most of what a database does for a
        message it then does once for all.

        returns  False, and nothing was written, when anything at all stands against it: each is then worked by itself, and
                 whatever was wrong is found there, with its message
        """
        try:
            conversions = [self.translate(message) for message in group]
            if any(issue.severity in ("error", "fatal") for one in conversions for issue in one.issues):
                return False
            entries = [entry for one in conversions if one.bundle for entry in one.bundle["entry"]]
            removals = {url: paths for one in conversions for url, paths in one.removals.items()}
            bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
            whole = Conversion(bundle if entries else None, removals=removals)
            self._write(group, conversions, whole)
        except Exception as error:
            log.debug("%d messages are worked one by one (%s)", len(group), type(error).__name__)
            return False
        return True

    def work(self, message: Message) -> None:
        """Work one claimed message to one of its ends, or to another try.

        raises  Unavailable when the database is away: the message stays received, its lease runs out
        """
        conversion: Conversion | None = None
        try:
            if message.attempts > 4 * self.limits.attempts and not message.reason:
                raise _never_ended()
            conversion = self.translate(message)
            if any(issue.severity in ("error", "fatal") for issue in conversion.issues):
                raise Invalid(*conversion.issues)
            self._write([message], [conversion], conversion)
        except Exception as error:
            self._fail(message, conversion, as_gateway_error(error))

    def _write(self, group: Sequence[Message], conversions: Sequence[Conversion], whole: Conversion) -> None:
        """The versions of the whole and the settling of each message, in one transaction."""
        principal = principal_of(group[0])
        with self.store.transaction(principal) as within:
            bundle = whole.bundle
            if bundle is not None:
                for hook in self.hooks:
                    bundle = hook(bundle, whole, group[0], within)
                self.door.transaction(bundle, principal, within=within)
            for message, conversion in zip(group, conversions, strict=True):
                within.settle(
                    replace(
                        message,
                        state="stored",
                        ledger=conversion.ledger,
                        table=conversion.table,
                        reason=to_reason(conversion.issues) if conversion.issues else b"",
                        worked_at=within.now(),
                    )
                )
                self._promise(message, None, within)

    def _fail(self, message: Message, conversion: Conversion | None, error: GatewayError) -> None:
        """Another try, or quarantine: by the error's own face."""
        retry = face(error).retry
        # "caller" is a write that lost a race or met a state: we are the caller, and try again as long as for a fault.
        again = retry == "later" or (
            (retry == "limited" or isinstance(error, Conflict)) and message.attempts < self.limits.attempts
        )
        now = time.time_ns() // 1000
        settled = replace(
            message,
            state="received" if again else "quarantined",
            due_at=self._due_at(error, now, message.attempts) if again else message.due_at,
            reason=to_reason(error.issues),
            ledger=conversion.ledger if conversion else b"",
            table=conversion.table if conversion else "",
            worked_at=now,
        )
        log.log(
            logging.INFO if again else logging.WARNING,
            "message %d of %s: attempt %d failed, another follows (%s)"
            if again
            else "message %d of %s: attempt %d failed, quarantined (%s)",
            message.id,
            message.source,
            message.attempts,
            ", ".join(sorted({issue.code for issue in error.issues})),
        )
        # A Conflict here is the store's word that the lease is lost: whoever has it now does the work.
        with suppress(Conflict), self.store.transaction(principal_of(message)) as within:
            within.settle(settled)
            if not again:
                self._promise(message, error, within)

    def _promise(self, message: Message, error: GatewayError | None, within: Transaction) -> None:
        jobs = self._answer(message, error)
        if jobs:
            within.add_jobs(jobs)

    def _due_at(self, error: GatewayError, now: int, attempts: int) -> int:
        if isinstance(error, Busy):  # Two writers met in the database: nobody is away, so the wait is short.
            return BackOff(0.02, 2.0).due_at(now, attempts)
        return self.limits.back_off.due_at(now, attempts)


def _groups(claimed: Sequence[Message], size: int) -> Iterator[list[Message]]:
    """Messages that may be worked together: of one source, at their first attempt, none without a lane."""
    by_source: dict[str, list[Message]] = {}
    for message in claimed:
        if message.attempts > 1 or not message.lane:
            yield [message]
        else:
            by_source.setdefault(message.source, []).append(message)
    for messages in by_source.values():
        for start in range(0, len(messages), size):
            yield messages[start : start + size]


def _never_ended() -> Invalid:
    return Invalid(
        "exception",
        zh="处理该消息的工作进程多次中途退出，消息已隔离；请检查日志（内存、崩溃）后重放。",
        en="Workers died over this message again and again: look for memory or crashes in the log, then replay it.",
    )
