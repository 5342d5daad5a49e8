"""The checks of what the alliance wrote: sites, tables, code maps."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.kit import codes
from adapters.kit.contract import Source
from gateway.doctor.finding import Finding, Ground
from gateway.exchange import Exchange
from gateway.fhir.errors import GatewayError, Issue


def sites(ground: Ground) -> Iterator[Finding]:
    if isinstance(ground.opened, GatewayError):
        raise ground.opened
    found = ground.exchange.sources
    if found:
        yield Finding("ok", f"接入点 {'、'.join(sorted(found))}", f"sites {', '.join(sorted(found))}")
    else:
        yield Finding(
            "warn",
            "还没有接入点，不会收到任何消息",
            "no site yet: no message can arrive",
            "在 mappings/sites 下为医院建一个文件夹，见 README「接入自己的系统」",
            "make a folder for the hospital in mappings/sites, see the README",
        )


def mappings(ground: Ground) -> Iterator[Finding]:
    folder = ground.settings.mappings
    if not folder.is_dir():
        fix_zh, fix_en = "改正 GATEWAY_MAPPINGS 或删去它", "correct GATEWAY_MAPPINGS or remove it"
        yield Finding("fail", f"{folder} 不存在", f"{folder} does not exist", fix_zh, fix_en)
        return
    maps = sorted(folder.glob("**/codes/*.json"))
    wrong = 0
    for path in maps:
        try:
            codes.load(path, ground.exchange.terminology.instead_of)
        except codes.Unusable as error:
            wrong += 1
            yield Finding("fail", error.zh, str(error), "改正该文件", "correct that file")
    if wrong:
        return  # a table that names one of them cannot be read either
    issues = _wrong_rows(ground.exchange)
    for issue in issues:
        yield Finding("fail", issue.zh, issue.en, "改正该行", "correct that row")
    if not issues:
        tables = len(list(folder.glob("**/*[[]*].csv")))
        yield Finding(
            "ok",
            f"映射表 {tables} 张，代码表 {len(maps)} 张；运行中的网关收到 SIGHUP 时重新读取",
            f"{tables} tables, {len(maps)} code maps; a running gateway reads them again on SIGHUP",
        )


def _wrong_rows(exchange: Exchange) -> tuple[Issue, ...]:
    """Each once, as the start would refuse it: the tables of every format, with each site's laid over them."""
    bases = {name: Source(name=name, organisation="", format=name) for name in exchange.adapters}
    try:
        Exchange(exchange.mappings, bases | dict(exchange.sources), exchange.adapters).check()
    except GatewayError as error:
        return error.issues
    return ()
