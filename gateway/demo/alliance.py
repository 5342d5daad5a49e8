"""The gateway of the demo: the real application in this process, on free ports, with a data folder of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

import uvicorn

from gateway import app, asgi
from gateway.demo.his_messages import ENCODING
from gateway.demo.partners import CountyEndpoint, HisReceiver, Kept, running
from gateway.exchange import Exchange
from gateway.fhir.errors import Invalid, Unavailable
from gateway.settings import Settings
from gateway.store.occupied import vacant

HIS, EMR, COUNTY, CENTRE = SITES = ("demo-his", "demo-emr", "demo-county", "demo-centre")
_LOCAL = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Alliance:
    """Everything that runs, and where it is reached."""

    gateway: app.Gateway
    his: HisReceiver
    county: CountyEndpoint
    url: str
    mllp_port: int

    @property
    def settings(self) -> Settings:
        return self.gateway.settings

    @property
    def fhir_url(self) -> str:
        return f"{self.url}/fhir"

    @property
    def folder(self) -> Path:
        """Where the centre drops its files."""
        return self.gateway.folders[0].path

    def settle(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing is in flight: everything received is worked, everything promised is sent.

        raises  Unavailable after timeout_s, naming what is still under way
        """
        until = time.monotonic() + timeout_s
        store = self.gateway.store
        sources = self.gateway.exchange.sources

        def is_busy() -> bool:
            """Neither counts what is kept for a system of a person's own that is no longer connected."""
            received = any(one.in_flight for one in store.balance() if one.source in sources)
            return self.his.is_busy or received or any(store.count_jobs("queued", name) for name in sources)

        while is_busy():
            if time.monotonic() > until:
                raise Unavailable(
                    zh="演示中的消息长时间没有处理完；请看上面的日志，或用 gateway demo --reset 重来。",
                    en="the demo's messages are not worked in time: look at the log above, or try gateway demo --reset.",
                )
            time.sleep(0.02)


def folder(chosen: Settings) -> Path:
    """Where the demo keeps everything, apart from a real alliance's data."""
    return chosen.data_dir / "demo"


@contextlib.contextmanager
def alone(chosen: Settings) -> Iterator[None]:
    """One demo at a time in a data folder.

    raises  Invalid while another one goes on there
    """
    chosen.data_dir.mkdir(parents=True, exist_ok=True)
    with (chosen.data_dir / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Invalid(
                "conflict",
                zh="演示正在这个数据文件夹中运行；请先结束它（Ctrl-C），或用 GATEWAY_DATA_DIR 另指文件夹。",
                en="a demo is running in this data folder: end it first (Ctrl-C), or name another by GATEWAY_DATA_DIR.",
            ) from None
        yield


def reset(chosen: Settings) -> None:
    """Delete what earlier demos left. Raises Conflict while a gateway serves it."""
    home = folder(chosen)
    if home.is_dir():
        with vacant(home):
            shutil.rmtree(home)


def the_day(chosen: Settings, wanted: str = "") -> date:
    """The day of the story: as wanted, else yesterday at the first run; kept, so that a further run sends the same bytes.

    raises  Invalid for a day that is none, or another one than that of the data already there
    """
    note = folder(chosen) / "day"
    known = note.read_text("utf-8").strip() if note.exists() else ""
    try:
        asked = date.fromisoformat(wanted) if wanted else None
    except ValueError:
        raise Invalid("value", zh="--day 请写作 2026-11-20 的形式。", en="write --day like 2026-11-20.") from None
    if known and asked and known != asked.isoformat():
        raise Invalid(
            "business-rule",
            zh=f"已有的演示数据属于 {known}；要换日期请加 --reset。",
            en=f"the demo's data is of {known}; add --reset to play another day.",
        )
    day = asked or (date.fromisoformat(known) if known else datetime.now(chosen.timezone).date() - timedelta(days=1))
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(day.isoformat(), "utf-8")
    return day


@contextlib.contextmanager
def playing(chosen: Settings) -> Iterator[Alliance]:
    """Gateway and partners, until the block ends. The settings' ports where they are free, else others."""
    home = folder(chosen)
    # With port 0 the partners take any, too: at their usual ones another gateway on this machine may look for them.
    his = HisReceiver(_address(2576 if chosen.mllp_port else 0), Kept(home / "partners" / "his", ".hl7", ENCODING))
    county = CountyEndpoint(_address(8091 if chosen.port else 0), Kept(home / "partners" / "county", ".xml", "utf-8"))
    port, mllp_port = _free(chosen.port), _free(chosen.mllp_port)
    url = f"http://{_LOCAL}:{port}"
    ours = chosen.model_copy(
        update={
            "data_dir": home,
            "database_url": f"sqlite:///{home / 'gateway.sqlite'}",
            "host": _LOCAL,
            "port": port,
            "public_url": url,
            "mllp_host": _LOCAL,
            "mllp_port": mllp_port,
            "sites": SITES,
            "folder_poll_s": 0.2,
        }
    )
    with running(his), running(county), _built(ours, his, county) as gateway, _served(gateway, port):
        yield Alliance(gateway, his, county, url, mllp_port)


@contextlib.contextmanager
def _built(ours: Settings, his: HisReceiver, county: CountyEndpoint) -> Iterator[app.Gateway]:
    """The gateway with the demo's ports in place of those of mappings/sites."""
    found = dict(app.open_exchange(ours).sources)
    received = {"mllp": {**found[HIS].receive["mllp"], "host": _LOCAL, "port": ours.mllp_port}}
    sent = {"mllp": {**found[HIS].send["mllp"], "host": _LOCAL, "port": his.server_address[1]}}
    found[HIS] = dataclasses.replace(found[HIS], receive=received, send=sent)
    endpoint = {"http": {**found[COUNTY].send["http"], "url": f"http://{_LOCAL}:{county.server_address[1]}/county"}}
    found[COUNTY] = dataclasses.replace(found[COUNTY], send=endpoint)
    gateway = app.build(ours, exchange=Exchange(ours.mappings, found))
    try:
        yield gateway
    finally:
        gateway.close()


@contextlib.contextmanager
def _served(gateway: app.Gateway, port: int) -> Iterator[None]:
    """The application behind uvicorn in a thread: workers, folders and listeners live with it."""
    config = uvicorn.Config(
        asgi.application(gateway), _LOCAL, port, log_level="warning", access_log=False, timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="uvicorn")
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        if not server.started:
            raise Unavailable(
                zh="网关没有启动起来；请看上面的日志。", en="the gateway did not start: look at the log above."
            )
        yield
    finally:
        server.should_exit = True
        thread.join()


def _free(wanted: int) -> int:
    """The port wanted when nobody has it, else one that is free."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as servers do: a connection just closed is no owner
            probe.bind((_LOCAL, port))
            return int(probe.getsockname()[1])
    raise Unavailable(zh="本机没有空闲端口。", en="there is no free port on this machine.")


def _address(wanted: int) -> tuple[str, int]:
    return _LOCAL, _free(wanted)
