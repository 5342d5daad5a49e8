"""A watched folder: files put there by people or by other programs are deliveries like any other.

Order     files in the order of their modification times, one after the other
Promise   a file is moved to done/ or failed/ only after the commit; a crash between the two makes it a known duplicate
          next time, never a loss. A file that still grows, or is named *.tmp, *.part or .*, is left alone
Bounds    one file in memory at a time; a file over the size limit goes to failed/ unread
Logs      file names, counts, issue codes
"""

from __future__ import annotations

import csv
import io
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.fhir.errors import GatewayError, Issue, face
from gateway.inbox.receive import Inbox, Receipt, too_large
from gateway.store.loop import Loop

log = logging.getLogger(__name__)

_UNFINISHED = (".tmp", ".part", ".partial", ".crdownload")
_HEADER = ("row", "control_id", "code", "place", "说明", "message")


@dataclass(slots=True)
class _Seen:
    size_bytes: int
    modified_ns: int
    since: float


class Folder:
    """Watches one directory for one source.

    stable_s  how long size and time of a file must stay as they are before it counts as complete
    """

    def __init__(
        self,
        inbox: Inbox,
        source_name: str,
        path: Path,
        *,
        pattern: str = "*",
        stable_s: float = 2.0,
        poll_s: float = 1.0,
    ) -> None:
        inbox.source(source_name)
        self.inbox = inbox
        self.source_name = source_name
        self.path = path
        self.pattern = pattern
        self.stable_s = stable_s
        self.poll_s = poll_s
        self._seen: dict[str, _Seen] = {}

    def loop(self) -> Loop:
        return Loop(f"folder-{self.source_name}", self.step, threads=1, idle_s=self.poll_s)

    def step(self, _worker: str = "") -> int:
        """Look once. returns how many files were taken in or set aside"""
        self.path.mkdir(parents=True, exist_ok=True)
        ready = self._ready(time.monotonic())
        for path in ready:
            self._take(path)
            self._seen.pop(path.name, None)
        return len(ready)

    def _ready(self, now: float) -> list[Path]:
        """The files that have not changed for stable_s, oldest first."""
        ready: list[tuple[int, str, Path]] = []
        present: set[str] = set()
        for path in self.path.glob(self.pattern):
            if path.name.startswith(".") or path.suffix.lower() in _UNFINISHED:
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            if not path.is_file():
                continue
            present.add(path.name)
            seen = self._seen.get(path.name)
            if seen is None or (seen.size_bytes, seen.modified_ns) != (status.st_size, status.st_mtime_ns):
                seen = self._seen[path.name] = _Seen(status.st_size, status.st_mtime_ns, now)
            if now - seen.since >= self.stable_s:
                ready.append((status.st_mtime_ns, path.name, path))
        for gone in self._seen.keys() - present:
            del self._seen[gone]
        return [path for _, _, path in sorted(ready)]

    def _take(self, path: Path) -> None:
        try:
            if path.stat().st_size > self.inbox.size_limit_bytes:
                raise too_large(self.inbox.size_limit_bytes)
            receipt = self.inbox.receive(path.read_bytes(), self.source_name)
        except FileNotFoundError:
            return  # Somebody took it back.
        except GatewayError as error:
            if face(error).retry == "later":
                raise  # The file stays where it is, and is looked at again.
            self._set_aside(path, [(0, "", issue) for issue in error.issues])
            return
        if receipt.refused:
            self._set_aside(path, _refusals(receipt))
        else:
            self._move(path, "done")
        log.info(
            "%s from %s: %d messages, %d refused",
            path.name,
            self.source_name,
            len(receipt.messages),
            len(receipt.refused),
        )

    def _set_aside(self, path: Path, refusals: Sequence[tuple[int, str, Issue]]) -> None:
        """The refusal file stands before the file is moved, so that nobody finds the one without the other."""
        target = self._target(path, "failed")
        rows = io.StringIO()
        writer = csv.writer(rows)
        writer.writerow(_HEADER)
        for row, control_id, issue in refusals:
            writer.writerow((row or "", control_id, issue.code, " ".join(issue.expression), issue.zh, issue.en))
        # With a byte order mark: it is opened in a spreadsheet by the people who sent the file.
        target.with_name(target.name + ".errors.csv").write_text(rows.getvalue(), "utf-8-sig")
        path.rename(target)

    def _move(self, path: Path, where: str) -> None:
        path.rename(self._target(path, where))

    def _target(self, path: Path, where: str) -> Path:
        folder = self.path / where
        folder.mkdir(exist_ok=True)
        target = folder / path.name
        count = 1
        while os.path.lexists(target):
            target = folder / f"{path.stem}.{count}{path.suffix}"
            count += 1
        return target


def _refusals(receipt: Receipt) -> list[tuple[int, str, Issue]]:
    return [(position, message.control_id, issue) for position, message, issues in receipt.refused for issue in issues]
