"""What the machine refuses is told in Chinese, whatever the system calls it."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest

from gateway.fhir.failure import words


def test_a_file_is_told_as_a_person_says_it(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file") as caught:
        (tmp_path / "none").read_bytes()
    assert words(caught.value) == ("没有这个文件或文件夹", "No such file or directory")
    with pytest.raises(OSError, match="Is a directory") as caught:
        tmp_path.read_bytes()
    assert words(caught.value)[0] == "这是文件夹，不是文件"


def test_a_refused_connection_is_told_from_what_lies_deepest() -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    with pytest.raises(httpx2.ConnectError) as caught:
        httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
    assert words(caught.value) == ("对方拒绝连接", "ConnectError")
    with pytest.raises(ConnectionRefusedError) as plain:
        socket.create_connection(("127.0.0.1", port))
    assert words(plain.value) == ("对方拒绝连接", "ConnectionRefusedError")


def test_names_stand_before_numbers() -> None:
    # getaddrinfo and ssl have numbers of their own: 1 would be EPERM.
    assert words(socket.gaierror(1, "no such name"))[0] == "找不到这个主机名"
    assert words(TimeoutError())[0] == "超时"


def test_what_nobody_knows_is_told_without_its_text() -> None:
    zh, en = words(RuntimeError("张三 13900010001"))
    assert (zh, en) == ("系统或网络出错", "RuntimeError")
