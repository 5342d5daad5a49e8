"""Why the machine or the network refused something, in words: Chinese for people, English as the system names it."""

from __future__ import annotations

import errno
from collections.abc import Iterator

# By errno; the English is the system's own text.
_BY_NUMBER = {
    errno.ENOENT: "没有这个文件或文件夹",
    errno.EACCES: "没有权限",
    errno.EPERM: "没有权限",
    errno.EISDIR: "这是文件夹，不是文件",
    errno.ENOTDIR: "路径中有一段不是文件夹",
    errno.EEXIST: "同名的已经存在",
    errno.ENOSPC: "磁盘已满",
    errno.EDQUOT: "磁盘配额已用完",
    errno.EROFS: "磁盘只读",
    errno.EIO: "磁盘读写出错",
    errno.ENAMETOOLONG: "文件名太长",
    errno.EMFILE: "打开的文件太多",
    errno.ENFILE: "打开的文件太多",
    errno.ECONNREFUSED: "对方拒绝连接",
    errno.ECONNRESET: "对方中断了连接",
    errno.ECONNABORTED: "连接中断",
    errno.EPIPE: "对方已关闭连接",
    errno.ETIMEDOUT: "超时",
    errno.EHOSTUNREACH: "对方主机不可达",
    errno.ENETUNREACH: "网络不可达",
    errno.EADDRNOTAVAIL: "本机没有这个地址",
    errno.EADDRINUSE: "地址已被占用",
}

# By the name of the exception's class, where no number is known: those of sockets, ssl and HTTP clients.
_BY_NAME = {
    "gaierror": "找不到这个主机名",
    "TimeoutError": "超时",
    "ConnectTimeout": "连接超时",
    "ReadTimeout": "等待应答超时",
    "WriteTimeout": "发送超时",
    "PoolTimeout": "等待空闲连接超时",
    "ConnectError": "连接不上",
    "ReadError": "读应答时连接中断",
    "WriteError": "发送时连接中断",
    "CloseError": "连接中断",
    "RemoteProtocolError": "对方的应答不合 HTTP",
    "LocalProtocolError": "请求不合 HTTP",
    "ProxyError": "代理服务器出错",
    "UnsupportedProtocol": "网址应以 http:// 或 https:// 开头",
    "InvalidURL": "网址不合法",
    "SSLCertVerificationError": "对方的 TLS 证书不可信",
    "SSLError": "TLS 握手失败",
    "SSLEOFError": "TLS 握手时连接中断",
    "UnicodeDecodeError": "不是 UTF-8 文本",
    "BadGzipFile": "gzip 文件损坏",
}


def words(error: BaseException) -> tuple[str, str]:
    """What stands behind an exception, zh and en; never its whole text, which may quote what was sent.

    returns  en: the system's own words for a file, the class's name for a connection
    """
    is_of_a_file = isinstance(error, OSError) and error.strerror and error.filename
    en = str(error.strerror) if is_of_a_file else type(error).__name__  # type: ignore[attr-defined]
    # What lies deepest says most: a ConnectError comes of a refusal, or of a name that nobody knows.
    for one in reversed(list(_chain(error))):
        named = _BY_NAME.get(type(one).__name__)  # before the number: ssl and getaddrinfo have numbers of their own
        zh = named or (_BY_NUMBER.get(one.errno or 0) if isinstance(one, OSError) else None)
        if zh:
            return zh, en
    return "系统或网络出错", en


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what it came from; no longer than a loop could hide in."""
    found: BaseException | None = error
    for _ in range(8):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__
