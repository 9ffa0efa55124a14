"""The runner's one connection: outbound, made again and again for as long as the runner lives."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from inductiva.protocol.embedded import ServerInfo
from inductiva.protocol.runner import (
    CLOSE_REPLACED,
    CLOSE_UNAUTHORIZED,
    FromRunner,
    MachineConfig,
    OperationEnded,
    OperationStarted,
    Report,
    ToRunner,
)
from inductiva.runner.polling import until

_LOG = logging.getLogger(__name__)
_PATH = "/task-runner/connect"
_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 2.0
_FLUSH_PERIOD_SECONDS = 0.01
_MAX_MESSAGE_BYTES = 64 << 20
_BURST_BYTES = 64 << 10
_MOMENT_SECONDS = 0.005
_CAN_WAIT = (OperationStarted, OperationEnded)
_ENCODER = msgspec.msgpack.Encoder()
_DECODER: msgspec.msgpack.Decoder[ToRunner] = msgspec.msgpack.Decoder(ToRunner)


class RefusedError(Exception):
    """The server does not want this runner any more; coming back is pointless."""

    def __init__(self, message: str, *, is_replaced: bool) -> None:
        super().__init__(message)
        self.is_replaced = is_replaced


class Connection:
    """`on_open` gives the first message of each connection, `on_message` takes what comes, `on_close` ends it."""

    def __init__(
        self,
        config: MachineConfig,
        on_open: Callable[[], FromRunner],
        on_message: Callable[[ToRunner], None],
        on_close: Callable[[], None],
    ) -> None:
        self._config = config
        self._on_open = on_open
        self._on_message = on_message
        self._on_close = on_close
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()

    def post(self, message: FromRunner) -> None:
        """Send in order, soon. What has not left when the connection breaks is forgotten.

        Steps of a task's timeline wait a moment for what follows them: nobody is waiting for those.
        """
        self._waiting.append(_ENCODER.encode(message))
        if not (isinstance(message, Report) and isinstance(message.body, _CAN_WAIT)):
            self._wake.set()
        elif len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(_MOMENT_SECONDS, self._wake.set)

    async def run(self) -> None:
        """Connect, talk, connect again. Raises RefusedError."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                async with connect(
                    _websocket_url(self._config),
                    additional_headers={"Authorization": f"Bearer {self._config.token}"},
                    proxy=None,
                    compression=None,
                    max_size=_MAX_MESSAGE_BYTES,
                    ping_interval=20,
                    ping_timeout=20,
                ) as socket:
                    pause = _FIRST_PAUSE_SECONDS
                    await self._talk(socket)
            except (OSError, InvalidHandshake, InvalidURI, ConnectionClosed, TimeoutError) as error:
                if isinstance(error, InvalidStatus) and error.response.status_code in (401, 403):
                    raise RefusedError("the server refuses this machine's token", is_replaced=False) from error
                # Said once: a line for each try would fill the log of a machine that waits for days.
                _LOG.log(
                    logging.WARNING if pause == _FIRST_PAUSE_SECONDS else logging.DEBUG, "no connection: %r", error
                )
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)

    async def _talk(self, socket: ClientConnection) -> None:
        self._waiting.clear()
        await socket.send(_ENCODER.encode(self._on_open()))
        writer = asyncio.ensure_future(self._write(socket))
        try:
            async for data in socket:
                self._take(data)
        except ConnectionClosed as error:
            _LOG.warning("connection lost: %s", error)
        finally:
            writer.cancel()
            self._on_close()
        if socket.close_code == CLOSE_UNAUTHORIZED:
            raise RefusedError("the server revoked this machine's token", is_replaced=False)
        if socket.close_code == CLOSE_REPLACED:
            raise RefusedError("another process has connected as this machine", is_replaced=True)

    def _take(self, data: str | bytes) -> None:
        try:
            message = _DECODER.decode(data if isinstance(data, bytes) else data.encode())
        except msgspec.DecodeError as error:
            _LOG.error("the server sent a message that this runner does not understand: %s", error)
            return
        self._on_message(message)

    async def _write(self, socket: ClientConnection) -> None:
        try:
            while True:
                while self._waiting:
                    await self._send_burst(socket)
                self._wake.clear()
                await self._wake.wait()
        except ConnectionClosed:
            return

    async def _send_burst(self, socket: ClientConnection) -> None:
        """What waits, in one write: a system call for each of the many small messages of a task would cost most."""
        size = 0
        async with socket.send_context():
            while self._waiting and size < _BURST_BYTES:
                message = self._waiting.popleft()
                size += len(message)
                socket.protocol.send_binary(message)
            socket.transport.write(b"".join(socket.protocol.data_to_send()))

    async def flush(self, seconds: float) -> None:
        """Wait until everything has left, at most `seconds`."""
        await until(lambda: not self._waiting, seconds, _FLUSH_PERIOD_SECONDS)


def _websocket_url(config: MachineConfig) -> str:
    """Where the server is now. An embedded server may have another port each time it starts."""
    url = config.server_url
    if config.server_info is not None:
        try:
            url = msgspec.json.decode(Path(config.server_info).read_bytes(), type=ServerInfo).url
        except (OSError, msgspec.DecodeError) as error:
            _LOG.debug("server_info: %s", error)
    return f"ws{url.removeprefix('http').rstrip('/')}{_PATH}"
