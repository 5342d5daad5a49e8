"""Which characters the bytes of a Chinese sender really mean.

GBK or GB2312 in a declaration means GB18030 in practice: it is the superset that also carries the rare characters of
names (䶮, 㛃), so it is what we decode with. The declaration itself is wrong often enough to be only a hint.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from gateway.fhir.errors import Malformed

_MARKS = (  # the four-byte marks first: UTF-32's begins like UTF-16's
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_CODECS = {
    "utf8": "utf-8",
    "usascii": "utf-8",  # a superset, and what ASCII senders drift into
    "ascii": "utf-8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "windows936": "gb18030",
    "gb18030": "gb18030",
    "big5": "big5hkscs",
    "big5hkscs": "big5hkscs",
    "iso88591": "latin-1",
    "latin1": "latin-1",
    "windows1252": "cp1252",
    "utf16": "utf-16",
    "utf16le": "utf-16-le",
    "utf16be": "utf-16-be",
}
# HL7 table 0211 and its variants in the field, which Python's own names do not cover.
_SPELLINGS = re.compile(
    r"gb18030\d*|gb2312\d*|unicode(utf(8|16)|ucs2)?|ucs2|utf|iso10646\d?|(iso)?8859\d{1,2}|latin\d"
    r"|isoir(6|58)|iso646|ansix341968|(ms|cp)?936|(cp)?950|cp932|euccn|ksx1001|sjis|ansi|windows1252"
)
_HAN = re.compile("[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef]")


class Decoded(NamedTuple):
    """text, the codec that gave it, and whether the declaration was right (True where there was none)."""

    text: str
    codec: str
    declared_truly: bool


def codec_of(declared: str) -> str:
    """The codec to decode with for a declared name; "" when the name is unknown."""
    return _CODECS.get(re.sub(r"[^a-z0-9]", "", declared.lower()), "")


def is_known(name: str) -> bool:
    """Whether a source's setting names a character set, in Python's spelling or in a sender's ("GB 18030-2000")."""
    if codec_of(name) or _SPELLINGS.fullmatch(re.sub(r"[^a-z0-9]", "", name.lower())):
        return True
    try:
        "".encode(codecs.lookup(name).name)  # raises for what is no text encoding, such as base64
        return True
    except (LookupError, ValueError):  # ValueError: a zero byte in the name
        return False


def decode(data: bytes, declared: str = "") -> Decoded:
    """Decode by byte order mark, else the declaration where it holds, else UTF-8, else GB18030; always strictly.

    declared  the name in an XML declaration or in a source's options, "" for none
    returns   the text without a byte order mark
    raises    Malformed when the bytes are none of these
    """
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return Decoded(_strictly(data, codec), codec, not declared or _alike(declared, codec))
    named = codec_of(declared)
    if declared and not named:
        raise Malformed(
            "structure",
            zh="声明的字符编码无法识别；请使用 UTF-8 或 GB18030",
            en="the declared character encoding is not known; use UTF-8 or GB18030",
        )
    for codec in dict.fromkeys((named, "utf-8", "gb18030")):
        if not codec or (codec == "gb18030" and named == codec and _is_utf8_han(data)):
            continue
        try:
            return Decoded(data.decode(codec), codec, not named or codec == named)
        except UnicodeDecodeError:
            continue
    raise Malformed(
        "structure",
        zh="字节既不是 UTF-8 也不是 GB18030；请检查发送方的字符编码，或文件是否在传输中损坏",
        en="the bytes are neither UTF-8 nor GB18030; check the sender's encoding and the transfer",
    )


def _strictly(data: bytes, codec: str) -> str:
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise Malformed(
            "structure",
            zh=f"第 {error.start} 字节不符合字节序标记所示的编码 {codec}；请重新导出",
            en=f"byte {error.start} is not {codec}, as the byte order mark promises; export it again",
        ) from None


def _alike(declared: str, codec: str) -> bool:
    return codec_of(declared).startswith(codec.removesuffix("-sig"))


def _is_utf8_han(data: bytes) -> bool:
    """Declared GBK, written as UTF-8: three-byte sequences that spell hanzi. Four of them do not happen by chance."""
    try:
        return len(_HAN.findall(data.decode("utf-8"))) >= 4
    except UnicodeDecodeError:
        return False
