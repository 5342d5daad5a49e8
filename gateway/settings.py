"""One frozen object from GATEWAY_* variables, every one optional, read once.

A setting's title is its Chinese sentence, its description the English one; `gateway config` and both READMEs show them.
"""

from __future__ import annotations

import difflib
import functools
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from gateway.fhir import canonical
from gateway.fhir.errors import Invalid, Issue

PREFIX = "GATEWAY_"
TEST_PREFIX = "GATEWAY_TEST_"  # read by the tests alone, never by the program


def _data_dir() -> Path:
    """XDG's place for what a program keeps."""
    share = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(share) / "alliance-gateway"


class _Wrong(ValueError):
    """What a validator of ours found, in Chinese (zh) and, as pydantic shows it, in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh = zh


class Settings(BaseSettings):
    """What may differ between two installations. Units stand last in the names; order is that of the README."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        allow_inf_nan=False,
    )

    # where things are kept
    data_dir: Path = Field(
        default_factory=_data_dir,
        title="数据文件夹：SQLite 数据库、监视文件夹、生成的文件",
        description="folder for the SQLite database, watched folders and files written",
    )
    database_url: str = Field(
        default_factory=lambda data: f"sqlite:///{data['data_dir'] / 'gateway.sqlite'}",
        title="数据库地址：sqlite:///… 或 postgresql://…",
        description="database: sqlite:///… or postgresql://…",
    )
    mappings: Path = Field(
        default=Path(__file__).resolve().parents[1] / "mappings",
        title="映射表文件夹",
        description="folder of the mapping tables",
    )
    sites: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("all",),
        title="启用的接入点，逗号分隔；all 为 mappings/sites 下全部",
        description="enabled sites, comma-separated; all means every folder in mappings/sites",
    )

    # how it is reached
    host: str = Field(default="127.0.0.1", title="HTTP 监听地址", description="address on which HTTP listens")
    port: int = Field(default=8080, ge=0, le=65535, title="HTTP 端口", description="HTTP port")
    mllp_host: str = Field(default="127.0.0.1", title="MLLP 监听地址", description="address on which MLLP listens")
    mllp_port: int = Field(
        default=2575,
        ge=0,
        le=65535,
        title="MLLP 端口；source.toml 的 [receive.mllp] 写有 port 的来源以它为准，此项对它无效",
        description="MLLP port of a source whose source.toml names none; a port under [receive.mllp] there goes first",
    )
    mllp_tls_certificate: str = Field(
        default="",
        title="MLLP 监听用的 TLS 证书（PEM）；空为不用 TLS",
        description="TLS certificate of the MLLP listeners (PEM); no TLS when empty",
    )
    mllp_tls_key: str = Field(
        default="",
        title="上述证书的私钥（PEM，无口令）；空为在证书文件里",
        description="its key (PEM, without a password); in the certificate's file when empty",
    )
    mllp_tls_client_ca: str = Field(
        default="",
        title="签发客户端证书的 CA（PEM）；填了就必须出示客户端证书",
        description="CA of client certificates (PEM); when set, senders must show one",
    )
    public_url: str = Field(
        default_factory=lambda data: f"http://{_in_url(data['host'])}:{data['port']}",
        title="外部看到的网址，用于 next、Location 等链接，末尾不带斜杠",
        description="URL as others see it, for next and Location links, without a slash at the end",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        title="允许从浏览器访问 FHIR 的网页来源，逗号分隔，如 https://clinic.example；空为不允许",
        description="origins of web pages that may ask for FHIR from a browser, comma-separated, such as https://clinic.example; none when empty",
    )
    login: Literal["none"] = Field(
        default="none",
        title="登录方式；none 时只允许监听本机回环地址",
        description="how users log in; with none the server listens on loopback only",
    )

    # who we are
    base: str = Field(
        default=canonical.BASE,
        title="联盟自有标识、代码与扩展的网址前缀",
        description="prefix of the alliance's own identifiers, codes and extensions",
    )
    organisation: str = Field(
        default="ALLIANCE",
        title="网关自身的机构代码，写入发出的消息",
        description="organisation code of the gateway itself, written into what it sends",
    )
    zone: str = Field(
        default="+08:00",
        pattern=r"^[+-](0\d|1[0-4]):[0-5]\d$",
        title="联盟时区；没有时区的时间与日期检索按此理解",
        description="zone of the alliance, meant by times and date searches that name none",
    )
    language: Literal["zh", "en"] = Field(
        default="zh",
        title="命令行与日志的语言：zh 或 en",
        description="language of the command line and of the log: zh or en",
    )

    # work
    # One: Python runs one thread at a time, and a second one that translates makes the first wait for its turn after every
    # statement while it holds SQLite's only write transaction (tests/bench/intake.py: 0.7 of the rate with two). More
    # processes on PostgreSQL, not more threads, are the way to more.
    workers: int = Field(
        default=1, ge=0, le=64, title="serve 与 work 启动的工作线程数", description="worker threads of serve and work"
    )
    lease_s: float = Field(
        default=60.0,
        gt=0,
        title="工作线程无声多少秒后视为已死，其消息由别人接手",
        description="seconds after which a worker that is silent is taken for dead, and another takes its messages",
    )
    retry_attempts_limit: int = Field(
        default=10,
        ge=1,
        title="一条消息或一次发送最多失败几次，之后隔离或转入死信",
        description="failures of one message or of one sending before quarantine or dead letter",
    )
    retry_first_s: float = Field(
        default=0.5,
        gt=0,
        title="第一次重试前的秒数，以后加倍",
        description="seconds before the first retry, doubling",
    )
    retry_ceiling_s: float = Field(
        default=300.0, gt=0, title="两次重试之间最长秒数", description="longest seconds between two retries"
    )
    send_timeout_s: float = Field(
        default=30.0, gt=0, title="等待对方回复的秒数", description="seconds to wait for a partner's reply"
    )
    folder_poll_s: float = Field(
        default=1.0,
        gt=0,
        title="查看监视文件夹的间隔秒数",
        description="seconds between looks into watched folders",
    )

    # limits
    message_size_limit_bytes: int = Field(
        default=64 * 1024 * 1024, ge=1024, title="一条消息的字节上限", description="most bytes of one message"
    )
    resource_size_limit_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        title="一个 FHIR 请求正文的字节上限",
        description="most bytes of a FHIR request",
    )
    bundle_entries_limit: int = Field(
        default=5000, ge=1, title="一个事务包的条目上限", description="most entries of one transaction Bundle"
    )
    search_count_default: int = Field(
        default=20, ge=1, title="检索每页默认条数", description="matches on a search page when _count is absent"
    )
    search_count_limit: int = Field(
        default=1000, ge=1, title="检索每页条数上限", description="most matches on a search page"
    )
    search_time_limit_s: float = Field(
        default=60.0,
        ge=0,
        title="一次检索最多查询数据库的秒数，过后中止并答 504；0 表示不限",
        description="seconds that the database may spend on one search before it is broken off (504); 0: any",
    )
    page_lifetime_s: float = Field(
        default=3600.0,
        ge=1,
        title="检索结果的翻页链接（next）有效的秒数",
        description="seconds for which the next link of a search is good",
    )
    full_text: Annotated[tuple[str, ...], NoDecode] = Field(
        default=("Composition", "DiagnosticReport", "DocumentReference"),
        title="可用 _text、_content 按文字检索的资源类型，逗号分隔；改后运行 gateway reindex",
        description="resource types that _text and _content find, comma-separated; run gateway reindex after a change",
    )

    # rules
    profiles: Path = Field(
        default=Path(__file__).resolve().parents[1] / "conformance" / "profiles",
        title="校验用的 StructureDefinition 所在文件夹，值集在其旁的 valuesets",
        description="the folder of StructureDefinitions to validate with; their value sets in valuesets beside it",
    )
    validate_writes: Literal["off", "warn", "refuse"] = Field(
        default="off",
        title="经 REST 写入的资源按全部 R4 规则与 profile 校验：off 不校验、warn 记日志、refuse 拒绝",
        description="REST writes against all rules of R4 and the profiles: off, warn (a line in the log) or refuse",
    )
    validate_time_limit_s: float = Field(
        default=2.0,
        gt=0,
        title="校验一份资源的规则最多用多少秒",
        description="seconds that the rules of one validated resource may take",
    )
    strict_references: bool = Field(
        default=True, title="拒绝指向不存在资源的引用", description="refuse references to resources that do not exist"
    )
    strict_deletes: bool = Field(
        default=True, title="拒绝删除仍被引用的资源", description="refuse to delete resources that others refer to"
    )
    update_as_create: bool = Field(
        default=True, title="允许用 PUT 按客户端给的 id 新建", description="allow PUT to create with the client's id"
    )
    if_match_required: bool = Field(
        default=False,
        title="修改已有资源时要求 If-Match，否则 428",
        description="a change of what is there needs If-Match (428 without)",
    )
    delete_multiple: bool = Field(
        default=False,
        title="允许条件删除一次删除多个资源",
        description="a conditional delete may delete several resources",
    )
    default_contact: bool = Field(
        default=True,
        title="出院指导未写明时，按联盟默认（mappings/plans/defaults.csv）安排首次随访",
        description="a plan without a dated contact gets the alliance's default first contact (mappings/plans/defaults.csv)",
    )
    report_threshold: int = Field(
        default=5,
        ge=0,
        title="上报时小于此数的计数不公开",
        description="counts under this number are suppressed in reports",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", title="日志级别", description="log level"
    )

    @field_validator("sites", "full_text", "cors_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("full_text")
    @classmethod
    def _known_types(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        from gateway.fhir.elements import resource_types  # reads the definitions: only when somebody names a type

        if wrong := [name for name in value if name not in resource_types()]:
            named = ", ".join(wrong)[:64]
            raise _Wrong(f"{named} 不是 R4 资源类型", f"names {named}, which is no resource type of R4")
        return value

    @field_validator("data_dir", "mappings")
    @classmethod
    def _expanded(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("mappings")
    @classmethod
    def _there(cls, value: Path) -> Path:
        if not value.is_dir():
            raise _Wrong("没有这个文件夹，请核对路径", "names no folder: check the path")
        return value

    @field_validator("database_url")
    @classmethod
    def _spoken(cls, value: str) -> str:
        if "://" in value and not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", value):
            raise _Wrong(
                "应为 sqlite:///路径 或 postgresql://用户@主机/库",
                "must be sqlite:///path or postgresql://user@host/name",
            )
        return value

    @field_validator("public_url", "base")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if not re.match(r"https?://[^/]", value):
            raise _Wrong("应以 http:// 或 https:// 开头", "must begin with http:// or https://")
        return value.rstrip("/")

    @field_validator("log_level", "language", "login", mode="before")
    @classmethod
    def _lower(cls, value: Any) -> Any:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _page_within_limit(self) -> Self:
        if self.search_count_default > self.search_count_limit:
            names = "GATEWAY_SEARCH_COUNT_DEFAULT", "GATEWAY_SEARCH_COUNT_LIMIT"
            raise _Wrong("{} 大于 {}".format(*names), "{} is over {}".format(*names))
        return self

    @property
    def database_name(self) -> str:
        """What a person calls the database: a file's path, or the URL with its password masked."""
        path = re.fullmatch(r"sqlite(?:\+\w+)?://(?:/([^?]*))?(?:\?.*)?", self.database_url)
        return (path[1] or ":memory:") if path else _shown(self.database_url)

    @property
    def timezone(self) -> timezone:
        hours, minutes = self.zone[1:].split(":")
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-offset if self.zone[0] == "-" else offset)


class Effective(NamedTuple):
    """One line of `gateway config`: the variable, its value with secrets masked, and where it comes from."""

    variable: str
    value: str
    origin: Literal["default", "environment"]
    zh: str
    en: str


def read() -> Settings:
    """The settings as the environment says now.

    raises   Invalid with one issue for each variable that cannot be used; no value is repeated, it may be a secret
    """
    try:
        return Settings()
    except ValidationError as error:
        details = error.errors(include_input=False)
        # A default that is made from another setting fails with it: that is no fault of its own.
        raise Invalid(*(_issue(dict(it)) for it in details if it["type"] != "default_factory_not_called")) from None


@functools.cache
def settings() -> Settings:
    """The settings of this process, read at the first call."""
    return read()


def variable(field: str) -> str:
    """The environment variable of a field: database_url is GATEWAY_DATABASE_URL."""
    return PREFIX + field.upper()


def effective(chosen: Settings) -> list[Effective]:
    """Every setting as it is in force, in the order of the class."""
    return [
        Effective(
            variable(name),
            _shown(getattr(chosen, name)),
            "environment" if name in chosen.model_fields_set else "default",
            field.title or "",
            field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[tuple[str, str]]:
    """GATEWAY_* variables that no setting reads, each with the nearest known name ("" when none is near)."""
    known = [variable(name) for name in Settings.model_fields]
    found = []
    for name in sorted(environment):
        upper = name.upper()
        if upper.startswith(PREFIX) and not upper.startswith(TEST_PREFIX) and upper not in known:
            found.append((name, next(iter(difflib.get_close_matches(upper, known, n=1)), "")))
    return found


def unknown_issues(found: Iterable[tuple[str, str]]) -> list[Issue]:
    """A warning for each variable that nothing reads: mostly typing errors, the setting meant being at its default."""
    return [
        Issue(
            "not-supported",
            f"没有名为 {name} 的设置，它不起作用。"
            + (f"是否想写 {nearest}？" if nearest else "gateway config 列出全部。"),
            f"There is no setting {name}; it has no effect. "
            + (f"Did you mean {nearest}?" if nearest else "`gateway config` lists all of them."),
            (name,),
            "warning",
        )
        for name, nearest in found
    ]


def listening_allowed(chosen: Settings, further: Mapping[str, str] | None = None) -> None:
    """Without login nobody but this machine may reach the gateway.

    further  addresses beside the settings' own, by the place that names them (a site's receive.mllp.host)
    raises   Invalid, one issue for each address that is not loopback
    """
    if chosen.login != "none":
        return
    hosts = {variable("host"): chosen.host, variable("mllp_host"): chosen.mllp_host, **(further or {})}
    issues = [
        Issue(
            "security",
            f"没有登录时只能监听本机回环地址，而 {name} 不是。请改为 127.0.0.1；要让别的机器访问，"
            "请在本机放置带登录的反向代理，转发到回环地址。",
            f"Without login the gateway listens on loopback only, and {name} is another address. Set it to "
            "127.0.0.1; to be reached from other machines, put a reverse proxy with login on this one.",
            (name,),
        )
        for name, host in hosts.items()
        if not is_loopback(host)
    ]
    if issues:
        raise Invalid(*issues)


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone; of names only localhost is known to be one."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    # A database URL is the one setting that may hold a secret, before the host or among the parameters.
    text = re.sub(r"(://[^:/@]*:).*@", r"\1***@", str(value))
    return re.sub(r"(?i)([?&](?:password|sslpassword|passfile)=)[^&]*", r"\1***", text)


_WRONG_ZH = {
    "int_parsing": "应为整数",
    "int_from_float": "应为整数",
    "float_parsing": "应为数字",
    "bool_parsing": "应为 true 或 false",
    "literal_error": "应为 {expected}",
    "finite_number": "应为有限的数字",
    "greater_than": "应大于 {gt:g}",
    "greater_than_equal": "不能小于 {ge:g}",
    "less_than_equal": "不能大于 {le}",
    "string_pattern_mismatch": "应为 +08:00 这样的写法",
}


def _values_zh(detail: Mapping[str, Any]) -> dict[str, Any]:
    """What pydantic says about the limits, its English list of choices as a Chinese one."""
    values = dict(detail.get("ctx", {}))
    if "expected" in values:
        first, _, last = str(values["expected"]).replace("'", "").rpartition(" or ")
        values["expected"] = f"{first.replace(', ', '、')} 或 {last}" if first else last
    return values


def _issue(detail: Mapping[str, Any]) -> Issue:
    reason = str(detail["msg"]).removeprefix("Value error, ")
    told = detail.get("ctx", {}).get("error")
    ours = told.zh if isinstance(told, _Wrong) else ""
    if not detail["loc"]:
        return Issue("value", f"设置互相矛盾：{ours or '请逐项核对'}。", f"Settings contradict each other: {reason}.")
    name = variable(str(detail["loc"][0]))
    reason_zh = ours or _WRONG_ZH.get(detail["type"], "不合要求").format(**_values_zh(detail))
    return Issue(
        "value",
        f"环境变量 {name} 的值不可用：{reason_zh}。请改正，或删去它以使用默认值；gateway config 列出每一项。",
        f"The value of {name} cannot be used: {reason}. Correct it, or remove it to use the default; "
        "`gateway config` lists every setting.",
        (name,),
    )
