"""XML from strangers: decoded as it really is, parsed without DTD, entities or network, within limits.

lxml is given UTF-8 and no declaration: its own decoder takes GBK literally and stops at the first rare character.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lxml import etree

from adapters.kit.encoding import decode
from gateway.fhir.errors import Issue, Malformed

SIZE_LIMIT_BYTES = 32 * 1024 * 1024
MARKUP_LIMIT = 400_000  # "<" and "=" in one document: what a tree in memory costs
PREFIX_LIMIT = 5

_DECLARATION = re.compile(r"<\?xml\s[^>]*\?>")
_DECLARED = re.compile(rb"""^\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:\-]{1,40})["']""")
_PROLOG = re.compile(r"\s+|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_ROOT_TAG = re.compile(r"<[^\W\d][\w.:\-]*")
_KNOWN_PREFIXES = {
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "sdtc": "urn:hl7-org:sdtc",
    "mif": "urn:hl7-org:v3/mif",
    "voc": "urn:hl7-org:v3/voc",
}
_UTF16 = {b"<\x00": "utf-16-le", b"\x00<": "utf-16-be"}

# libxml2's own words quote tags, which in broken text are pieces of names and diagnoses: only its codes are used.
_SAID = {
    "ERR_TAG_NAME_MISMATCH": ("开始标签与结束标签不一致", "an opening and a closing tag do not match"),
    "ERR_TAG_NOT_FINISHED": ("文档在标签结束之前就中断了", "the document ends inside an element"),
    "ERR_DOCUMENT_EMPTY": ("没有 XML 内容", "there is no XML"),
    "ERR_DOCUMENT_END": ("根元素之后还有内容", "there is content after the root element"),
    "ERR_LT_IN_ATTRIBUTE": ("属性值里有未转义的 <", "an attribute value holds an unescaped <"),
    "ERR_LT_REQUIRED": ("缺少标签", "a tag is missing"),
    "ERR_NAME_REQUIRED": ("有未转义的 < 或 &，或标签没有名称", "an unescaped < or &, or a tag without a name"),
    "ERR_ENTITYREF_SEMICOL_MISSING": ("有未转义的 &", "an unescaped &"),
    "ERR_UNDECLARED_ENTITY": ("使用了未定义的实体", "an entity that is not defined"),
    "ERR_INVALID_CHAR": ("含有 XML 不允许的控制字符", "a control character that XML does not allow"),
    "ERR_ATTRIBUTE_REDEFINED": ("同一元素里属性重复", "an attribute is repeated in one element"),
    "ERR_RESOURCE_LIMIT": ("嵌套过深或内容过大", "too deep or too large"),
}


@dataclass(slots=True)
class Document:
    """A parsed document and what is needed to write it again.

    data         the bytes it came from, b"" for one that we made
    declaration  the XML declaration as it stood, "" for none
    declared     the encoding that it names, "" for none
    codec        the codec that really fits
    """

    root: etree._Element
    data: bytes
    declaration: str
    declared: str
    codec: str
    issues: tuple[Issue, ...] = ()


def read(data: bytes) -> Document:
    """Parse bytes of any origin.

    raises  Malformed with line and column, never with a value
    """
    if len(data) > SIZE_LIMIT_BYTES:
        raise _too_large()
    found = _DECLARED.match(data[:400].removeprefix(b"\xef\xbb\xbf"))
    declared = found[1].decode("ascii") if found else _UTF16.get(data[:2], "")
    text, codec, truly = decode(data, declared)
    document = read_text(text)
    document.data, document.declared, document.codec = data, declared if found else "", codec
    if not truly:
        document.issues += (_misdeclared(codec),)
    return document


def read_text(text: str) -> Document:
    """Parse characters, whatever encoding their declaration names.

    A namespace prefix that is used without being declared (xsi:type in many a vendor's CDA) is declared for the sender,
    with a warning: the document says the same, and strictness would only keep it in quarantine.
    """
    text = text.removeprefix("\ufeff")
    found = _DECLARATION.match(text, len(text) - len(text.lstrip()))
    declaration = found[0] if found else ""
    if found:  # blanks in its place keep every line and column where the sender sees them
        text = re.sub(r"[^\n]", " ", text[: found.end()]) + text[found.end() :]
    if text.count("<") > MARKUP_LIMIT or text.count("=") > MARKUP_LIMIT:
        raise _too_large()
    if text.startswith("<!DOCTYPE", _after_prolog(text)):
        raise _doctype()
    declared_for_sender: list[str] = []
    while True:
        try:
            root = etree.fromstring(_declare(text, declared_for_sender).encode("utf-8"), _parser())
            break
        except (etree.XMLSyntaxError, ValueError) as error:
            prefix = _undeclared_prefix(error)
            if not prefix or prefix in declared_for_sender or len(declared_for_sender) >= PREFIX_LIMIT:
                raise _syntax(error, text) from None
            declared_for_sender.append(prefix)
    if root.getroottree().docinfo.internalDTD is not None:
        raise _doctype()
    return Document(root, b"", declaration, "", "utf-8", (_undeclared(),) if declared_for_sender else ())


def _parser() -> etree.XMLParser[etree._Element]:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        strip_cdata=False,
    )


def write(document: Document) -> bytes:
    """Serialise with the declaration and encoding it came with; characters that it lacks become references."""
    codec = _narrow(document.declared or document.codec)
    for element in document.root.iter():
        # A character reference means nothing inside CDATA: such text is written escaped instead.
        for place in ("text", "tail"):
            value = getattr(element, place)
            if value and not _carries(value, codec):
                setattr(element, place, value)
    tree = document.root.getroottree()
    body = etree.tostring(tree, encoding="unicode")
    text = f"{document.declaration}\n{body}" if document.declaration else body
    mark = b"\xef\xbb\xbf" if document.codec == "utf-8-sig" else b""
    return mark + text.encode(codec, "xmlcharrefreplace")


def local_name(element: etree._Element) -> str:
    """The name without its namespace; "" for a comment or a processing instruction."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _narrow(declared: str) -> str:
    """The codec to write with: exactly the declared one, for the receiver may take GBK literally."""
    name = declared.lower()
    if name.startswith("gb2312"):
        return "gb2312"
    if name in ("gbk", "cp936", "windows-936"):
        return "gbk"
    return "utf-8" if name in ("", "us-ascii", "utf-8-sig") else declared


def _carries(text: str, codec: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _undeclared_prefix(error: Exception) -> str:
    entry = error.error_log.last_error if isinstance(error, etree.XMLSyntaxError) and error.error_log else None
    if entry is None or entry.type_name != "NS_ERR_UNDEFINED_NAMESPACE":
        return ""
    found = re.match(r"Namespace prefix ([\w.\-]{1,40}) ", entry.message)
    return found[1] if found else ""


def _declare(text: str, prefixes: list[str]) -> str:
    found = _ROOT_TAG.match(text, _after_prolog(text))
    if not prefixes or found is None:
        return text
    declarations = "".join(
        f' xmlns:{prefix}="{_KNOWN_PREFIXES.get(prefix, "urn:undeclared:" + prefix)}"' for prefix in prefixes
    )
    return text[: found.end()] + declarations + text[found.end() :]


def _undeclared() -> Issue:
    return Issue(
        "structure",
        "使用了未声明的命名空间前缀，已按惯例补上；请发送方在根元素声明 xmlns",
        "a namespace prefix is used without being declared; it was taken as usual; the sender should declare xmlns",
        ("/",),
        "warning",
    )


def _after_prolog(text: str) -> int:
    position = 0
    while found := _PROLOG.match(text, position):
        position = found.end()
    return position


def _doctype() -> Malformed:
    return Malformed(
        "structure",
        zh="不接受带 DOCTYPE（DTD、实体）的 XML；请去掉 DOCTYPE 后重发",
        en="XML with a DOCTYPE (DTD, entities) is not accepted; send it without the DOCTYPE",
        at="/",
    )


def _too_large() -> Malformed:
    return Malformed(
        "too-long",
        zh="XML 超过允许的大小；请拆分，或把附件另行传送",
        en="the XML is over the allowed size; split it, or send attachments separately",
        at="/",
    )


def _misdeclared(codec: str) -> Issue:
    return Issue(
        "structure",
        f"XML 声明的编码与实际不符，已按 {codec} 读取；请发送方改正声明",
        f"the XML declares another encoding than it has; read as {codec}; the sender should correct the declaration",
        ("/",),
        "warning",
    )


def _syntax(error: Exception, text: str) -> Malformed:
    name, line, column = "", 1, 1
    if isinstance(error, etree.XMLSyntaxError):
        found = error.error_log.last_error if error.error_log else None
        name = found.type_name if found is not None else ""
        line, offset = max(error.position[0] or 1, 1), max(error.position[1] or 1, 1)
        lines = text.split("\n")
        before = lines[line - 1].encode("utf-8")[: offset - 1] if line <= len(lines) else b""
        column = len(before.decode("utf-8", "ignore")) + 1  # libxml2 counts bytes, a reader counts characters
    zh, en = _SAID.get(name, ("XML 格式不正确", "it is not well-formed XML"))
    return Malformed(
        "structure",
        zh=f"第 {line} 行第 {column} 列：{zh}；请发送方改正后重发",
        en=f"line {line}, column {column}: {en}; the sender should correct it and send again",
        at=f"line {line}, column {column}",
    )
