"""Where runners connect."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketDisconnect

from inductiva.protocol.runner import CLOSE_UNAUTHORIZED, Hello
from inductiva.server import auth
from inductiva.server.routes.given import Ctx
from inductiva.server.services.links import RunnerLink
from inductiva.server.services.sessions import Session, decode

logger = logging.getLogger(__name__)

Socket = WebSocket[Any, Any, Any]
CLOSE_NORMAL = 1000
CLOSE_PROTOCOL = 4400
CLOSE_RESTART = 1012
LAST_WORDS_SECONDS = 2.0


@websocket("/task-runner/connect")
async def connect(socket: Socket, ctx: Ctx) -> None:
    """One runner, from Hello to the end of its connection."""
    machine = auth.machine(ctx, socket)
    await socket.accept()
    if machine is None:
        await socket.close(CLOSE_UNAUTHORIZED, "the runner's token is unknown, or its machine group has ended")
        return
    scheme = "https" if socket.url.scheme == "wss" else "http"
    link = RunnerLink(machine.id, machine.group_id, f"{scheme}://{socket.headers.get('host', '')}")
    session = Session(ctx, link)
    sending = ctx.spawn(_send_all(socket, link))
    try:
        await _receive_all(socket, session)
    except (msgspec.DecodeError, ConnectionError) as error:
        logger.warning("runner %s: %s", machine.id, error)
        link.close(CLOSE_PROTOCOL)
    except WebSocketDisconnect:
        pass
    finally:
        await session.close()
        link.close(CLOSE_NORMAL)
        await asyncio.wait([sending], timeout=LAST_WORDS_SECONDS)
        sending.cancel()


async def _receive_all(socket: Socket, session: Session) -> None:
    hello = decode(await socket.receive_bytes())
    if not isinstance(hello, Hello) or hello.runner_id != session.link.runner_id:
        raise ConnectionError("the first message must be the Hello of the machine whose token was sent")
    await session.greet(hello)
    while await session.receive(decode(await socket.receive_bytes())):
        pass


async def _send_all(socket: Socket, link: RunnerLink) -> None:
    while True:
        item = await link.outbox.get()
        try:
            if isinstance(item, int):
                await socket.close(item)
                return
            await socket.send_bytes(item)
        except (WebSocketDisconnect, RuntimeError, OSError):  # the receiving side sees the same end
            return


async def hang_up(ctx: Ctx) -> None:
    """Ends all connections because the server ends: runners go on and come back."""
    for link in list(ctx.links.values()):
        link.close(CLOSE_RESTART)
    await asyncio.sleep(0)


HANDLERS = [connect]
