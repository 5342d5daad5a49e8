"""Which character set the bytes of a message are in: MSH-18, else the source's setting, else what the bytes allow.

source  HL7 table 0211 (alternate character sets), and the spellings that Chinese systems really send
"""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from typing import NamedTuple

_NAMES = {
    "ascii": "ASCII USASCII ISOIR6 ISO646 ANSIX341968",
    "utf-8": "UTF8 UNICODEUTF8 UNICODE ISO10646 ISO106461 UTF",
    "utf-16": "UTF16 UNICODEUTF16 UCS2 UNICODEUCS2",
    "gb18030": "GB18030 GB180302000 GB180302005 GB180302022 GBK GB2312 GB23121980 GB231280 CP936 MS936 936 EUCCN ISOIR58",
    "big5": "BIG5 CP950 950",
    "euc_kr": "KSX1001 EUCKR",
    "shift_jis": "SHIFTJIS SJIS CP932",
    "windows-1252": "CP1252 WINDOWS1252 ANSI",
    **{f"iso8859-{part}": f"8859{part} ISO8859{part} LATIN{part}" for part in range(1, 10)},
    "iso8859-15": "885915 ISO885915 LATIN9",
}
_HAN = re.compile("[\u4e00-\u9fff]")
_BY_SPELLING = {spelling: codec for codec, spellings in _NAMES.items() for spelling in spellings.split()}
_WRITTEN = {
    "ascii": "ASCII",
    "utf-8": "UNICODE UTF-8",
    "utf-16": "UNICODE UTF-16",
    "gb18030": "GB 18030-2000",
    "big5": "BIG-5",
    "euc_kr": "KS X 1001",
    "iso8859-15": "8859/15",
    **{f"iso8859-{part}": f"8859/{part}" for part in range(1, 10)},
}


class Decoded(NamedTuple):
    """Text, the codec that gave it, and whether every byte had a meaning in it."""

    text: str
    encoding: str
    whole: bool


@lru_cache(maxsize=256)
def codec(name: str) -> str:
    """The codec behind a spelling of MSH-18 or of a setting; "" when it is none that we know."""
    return _BY_SPELLING.get(re.sub(r"[^A-Z0-9]", "", name.upper()), "")


def spelling(encoding: str) -> str:
    """How table 0211 writes a codec, for the MSH-18 of what we send."""
    return _WRITTEN.get(encoding, "")


def decoded(data: bytes, declared: str, default: str) -> Decoded:
    """Bytes to text, losing nothing.

    declared  MSH-18 as sent; default: the source's own setting; both may be "" or unknown
    returns   the first of declared, default, UTF-8, GB 18030 in which every byte means something. When there is none:
              the first one named, its meaningless bytes carried as lone surrogates (PEP 383), which encode back to the
              same bytes. UTF-8 with Han characters is UTF-8, whatever is declared: nearly any bytes mean something in
              GB 18030, while what is written in it hardly ever is UTF-8 from end to end
    """
    if data.isascii():
        named = codec(declared) or codec(default)
        return Decoded(data.decode("ascii"), named if named and named != "utf-16" else "utf-8", True)
    wanted = [name for name in (codec(declared), codec(default)) if name and name != "utf-16"]
    if wanted and wanted[0] != "utf-8":
        with contextlib.suppress(UnicodeDecodeError):
            text = data.decode("utf-8")
            if _HAN.search(text):
                return Decoded(text, "utf-8", True)
    for encoding in dict.fromkeys([*wanted, "utf-8", "gb18030"]):
        try:
            return Decoded(data.decode(encoding), encoding, True)
        except UnicodeDecodeError:
            continue
    encoding = next((name for name in wanted if name != "ascii"), "utf-8")
    return Decoded(data.decode(encoding, "surrogateescape"), encoding, False)


def encoded(text: str, encoding: str) -> bytes:
    """Text to bytes; the surrogates of `decoded` become the bytes they were.

    raises  UnicodeEncodeError when the character set has no such character
    """
    return text.encode(encoding, "surrogateescape")
