"""Works received messages: bytes → Bundle → versions, each message one database transaction with its own settling.

Order     messages of one lane one after the other in the order of their arrival; lanes side by side (the store's claim)
Promise   a message's versions, its jobs, its ledger and its state are committed together or not at all; a worker that
          dies leaves a lease, and the message is worked again when that has run out
Bounds    `batch` messages a claim; `attempts` for our own mistakes; no bound for a database or a partner that is away
Logs      ids, states and issue codes; never what a message says
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from gateway.fhir.errors import Busy, Conflict, GatewayError, Invalid, face
from gateway.fhir.principal import Principal
from gateway.inbox.contract import Conversion, Door, Hook, Translate
from gateway.store.backoff import BackOff
from gateway.store.contract import Message, Store
from gateway.store.loop import Loop
from gateway.store.reason import as_gateway_error, to_reason

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How the inbox works; every number is a setting.

    attempts   at a message that fails by our own mistake (or that another writer keeps ahead of), before quarantine
    lease_s    a worker that is silent for so long is taken for dead
    """

    workers: int = 2
    batch: int = 16
    attempts: int = 5
    lease_s: float = 60.0
    idle_s: float = 0.5
    back_off: BackOff = BackOff()  # noqa: RUF009 (frozen)


def principal_of(message: Message) -> Principal:
    """A message is written in the name of its source."""
    return Principal(message.source, message.organisation, role="source", purpose="TREAT")


class LeaseOver(Exception):
    """The lease ran out under our hands: whoever has it now does the work, we leave nothing behind."""


class Worker:
    """Works what the store gives; `loop()` makes threads of it, `drain()` works in the caller's own.

    hooks  run inside the message's transaction, before the door, in their order
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
    ) -> None:
        self.store = store
        self.door = door
        self.translate = translate
        self.hooks = tuple(hooks)
        self.limits = limits or Limits()
        self._stored = stored

    def loop(self) -> Loop:
        return Loop("inbox", self.step, threads=self.limits.workers, idle_s=self.limits.idle_s)

    def drain(self, worker: str = "drain", limit: int = 1_000_000) -> int:
        """Work until nothing is due. returns how many were worked"""
        worked = 0
        while worked < limit and (step := self.step(worker)):
            worked += step
        return worked

    def step(self, worker: str) -> int:
        """Claim once, work what was claimed. returns how many messages that was"""
        deadline = time.monotonic() + self.limits.lease_s
        claimed = self.store.claim(worker, self.limits.batch, self.limits.lease_s)
        for message in claimed:
            self.work(message, deadline)
        if claimed:
            self._stored()
        return len(claimed)

    def work(self, message: Message, deadline: float) -> None:
        """Work one claimed message to one of its ends, or to another try.

        deadline  time.monotonic() after which the lease is no longer ours
        raises    Unavailable when the database is away: the message stays received, its lease runs out
        """
        conversion: Conversion | None = None
        try:
            if message.attempts > 4 * self.limits.attempts and not message.reason:
                raise _never_ended()
            conversion = self.translate(message)
            if any(issue.severity in ("error", "fatal") for issue in conversion.issues):
                raise Invalid(*conversion.issues)
            self._write(message, conversion, deadline)
        except LeaseOver:
            log.warning("message %d: the lease ran out before the work was done", message.id)
        except Exception as error:
            self._fail(message, conversion, as_gateway_error(error), deadline)

    def _write(self, message: Message, conversion: Conversion, deadline: float) -> None:
        principal = principal_of(message)
        with self.store.transaction(principal) as within:
            bundle = conversion.bundle
            if bundle is not None:
                for hook in self.hooks:
                    bundle = hook(bundle, conversion, message, within)
                self.door.transaction(bundle, principal, within=within)
            settled = replace(
                message,
                state="stored",
                ledger=conversion.ledger,
                table=conversion.table,
                reason=to_reason(conversion.issues) if conversion.issues else b"",
                worked_at=within.now(),
            )
            _hold(deadline)
            within.settle(settled)

    def _fail(self, message: Message, conversion: Conversion | None, error: GatewayError, deadline: float) -> None:
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
            "message %d of %s: attempt %d %s (%s)",
            message.id,
            message.source,
            message.attempts,
            "failed, another follows" if again else "failed, quarantined",
            ", ".join(sorted({issue.code for issue in error.issues})),
        )
        # A Conflict here is the store's word that the lease is lost: whoever has it now does the work.
        with suppress(LeaseOver, Conflict), self.store.transaction(principal_of(message)) as within:
            _hold(deadline)
            within.settle(settled)

    def _due_at(self, error: GatewayError, now: int, attempts: int) -> int:
        if isinstance(error, Busy):  # Two writers met in the database: nobody is away, so the wait is short.
            return BackOff(0.02, 2.0).due_at(now, attempts)
        return self.limits.back_off.due_at(now, attempts)


def _never_ended() -> Invalid:
    return Invalid(
        "exception",
        zh="处理该消息的工作进程多次中途退出，消息已隔离；请检查日志（内存、崩溃）后重放。",
        en="Workers died over this message again and again: look for memory or crashes in the log, then replay it.",
    )


def _hold(deadline: float) -> None:
    if time.monotonic() >= deadline:
        raise LeaseOver
