"""Pieces that are written within one turn of the loop arrive whole, in order, and before the connection closes."""

from __future__ import annotations

import asyncio
import socket

from inductiva.server.joining import LARGE_BYTES, JoiningTransport


def test_pieces_of_every_size_arrive_in_order_before_the_end() -> None:
    pieces = [b"head ", b"body ", b"x" * LARGE_BYTES, b" after", b" last"]

    async def send_and_read() -> bytes:
        here, there = socket.socketpair()
        there.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=here)
        joining = JoiningTransport(transport)
        for piece in pieces[:3]:
            joining.write(piece)
        joining.writelines(pieces[3:])
        joining.close()
        got = b""
        while block := await loop.sock_recv(there, 65536):
            got += block
        there.close()
        return got

    assert asyncio.run(send_and_read()) == b"".join(pieces)
