"""Downloads and uploads against servers that do not always do what one hopes."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from inductiva.runner.transfer import SourceError, Transfer, TransferError

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def against(talk: Talk, client: Callable[[str, Transfer], Awaitable[None]]) -> None:
    async def whole() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file?token=x"
        transfer = Transfer()
        try:
            await asyncio.wait_for(client(url, transfer), 20)
        finally:
            transfer.close()
            server.close()

    asyncio.run(whole())


def answering(*answers: bytes) -> Talk:
    """One answer to each request; then the connection is closed."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"PUT"):
                await reader.readuntil(b"0\r\n\r\n")
            writer.write(answer)
        writer.close()

    return talk


@pytest.mark.parametrize("is_small", [True, False])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: x\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nhello",
    ],
    ids=["length", "interim", "chunked", "until the end"],
)
def test_download(tmp_path: Path, answer: bytes, is_small: bool) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"something longer from before")

    async def client(url: str, transfer: Transfer) -> None:
        for _ in range(2):  # again over the same connection, or over a new one where it was closed
            found = await transfer.download(url, target, is_small=is_small)
            assert found == (5, hashlib.sha256(b"hello").hexdigest())
            assert target.read_bytes() == b"hello"

    against(answering(answer), client)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello",
    ],
)
def test_a_download_that_breaks_is_no_refusal(tmp_path: Path, answer: bytes) -> None:
    async def client(url: str, transfer: Transfer) -> None:
        with pytest.raises(TransferError) as caught:
            await transfer.download(url, tmp_path / "target", is_small=True)
        assert caught.value.status is None

    against(answering(answer), client)


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_upload_over_one_connection(size: int) -> None:
    bodies: list[bytes] = []
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while not reader.at_eof():
            assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")
            body = b""
            while length := int(await reader.readline(), 16):
                body += await reader.readexactly(length)
                await reader.readline()
            await reader.readline()
            bodies.append(body)
            writer.write(OK)

    async def client(url: str, transfer: Transfer) -> None:
        for is_small in (True, False):
            await transfer.upload(url, lambda: [b"", b"x" * size, b"end"], is_small=is_small)

    against(talk, client)
    assert bodies == [b"x" * size + b"end"] * 2
    assert connections == 1


@pytest.mark.parametrize("is_small", [True, False])
def test_a_refusal_in_the_middle_of_an_upload_is_heard(is_small: bool) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nlong")
        await writer.drain()
        await reader.read(1 << 22)
        writer.close()

    def blocks() -> Iterator[bytes]:
        for _ in range(1000):
            yield bytes(1 << 20)

    async def client(url: str, transfer: Transfer) -> None:
        with pytest.raises(TransferError, match="413") as caught:
            await transfer.upload(url, blocks, is_small=is_small)
        assert caught.value.is_refusal

    against(talk, client)


@pytest.mark.parametrize("is_small", [True, False])
def test_a_source_that_fails_is_told_from_a_network_that_fails(is_small: bool) -> None:
    def blocks() -> Iterator[bytes]:
        yield b"x"
        raise OSError("the disk is broken")

    async def client(url: str, transfer: Transfer) -> None:
        with pytest.raises(SourceError, match="the disk is broken"):
            await transfer.upload(url, blocks, is_small=is_small)

    against(answering(OK), client)
