"""The server as a process: one for a data directory, found through `server.json`, ended by SIGTERM or idleness."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import msgspec
import uvicorn

import inductiva
from inductiva.protocol.embedded import ServerInfo
from inductiva.server.app import create_app
from inductiva.server.config import Config
from inductiva.server.context import Context, open_context
from inductiva.server.joining import JoiningProtocol
from inductiva.server.routes.task_runner import hang_up
from inductiva.server.services import accounts, attempts, sweeper

logger = logging.getLogger(__name__)

RETIRE_SECONDS = 15.0
GRACEFUL_SECONDS = 5
SWITCH_SECONDS = 0.0002
"""Each SQLite statement gives the interpreter lock away and waits for it again: the usual 5 ms would be its price."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def serve(config: Config) -> int:
    """Runs the server until it is told to end or has nothing to do. Returns the exit code."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for chatty in ("alembic", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    layout = config.layout
    layout.server.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.info("another server has %s already: %s", config.data_dir, read_info(layout.server_info))
        return 0
    sys.setswitchinterval(SWITCH_SECONDS)
    context = open_context(config)
    context.db.run(accounts.ensure_embedded_user, layout.api_key)
    context.store.clean(context.db.query(attempts.held))
    listener = _listen(config, read_info(layout.server_info))
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_run(context, listener))
    finally:
        context.db.close()
    logger.info("server ended")
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop


def read_info(file: Path) -> ServerInfo | None:
    """What the running or last server wrote of itself."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=ServerInfo)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def write_info(file: Path, url: str) -> None:
    info = ServerInfo(os.getpid(), start_time(os.getpid()), url, inductiva.__version__)
    temporary = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    temporary.write_bytes(msgspec.json.encode(info))
    temporary.replace(file)


def start_time(pid: int) -> int:
    """When a process was started, in clock ticks since boot: field 22 of its `stat`."""
    stat = Path(f"/proc/{pid}/stat").read_text()
    return int(stat.rpartition(")")[2].split()[19])


def _listen(config: Config, previous: ServerInfo | None) -> socket.socket:
    """Binds the port that is wanted: the configured one, else the previous one if it is free, else any."""
    wanted = [config.port] if config.port else [*_port_of(previous), 0]
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    for port in wanted:
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((config.host, port))
        except OSError:
            listener.close()
            if port == wanted[-1]:
                raise
        else:
            return listener
    raise AssertionError("the last wanted port either binds or raises")


def _port_of(info: ServerInfo | None) -> list[int]:
    text = info.url.rpartition(":")[2] if info else ""
    return [int(text)] if text.isdigit() else []


class _Server(uvicorn.Server):
    """Uvicorn that says where it listens, ends open streams when it ends, and ends with exit code 0 on SIGTERM."""

    def __init__(self, context: Context, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._context = context
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._context.fleet.server_url = self._url
            write_info(self._context.config.layout.server_info, self._url)
            logger.info("serving %s at %s", self._context.config.data_dir, self._url)
            self._context.fleet.resume()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        logger.info("told to end by %s", signal.Signals(sig).name)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._context.closing.set()
        self._context.hub.publish_all()
        await hang_up(self._context)
        await super().shutdown(sockets)


async def _run(context: Context, listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    config = uvicorn.Config(
        create_app(context),
        http=JoiningProtocol,
        ws="websockets-sansio",
        ws_ping_interval=None,  # runners send heartbeats of their own
        ws_per_message_deflate=False,
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
    )
    server = _Server(context, config, f"http://{f'[{host}]' if ':' in host else host}:{port}")
    idle = context.spawn(_end_when_idle(context, server))
    await server.serve([listener])
    idle.cancel()


async def _end_when_idle(context: Context, server: _Server) -> None:
    """Ends the server when nobody asked for anything for a while and nothing waits or runs."""
    limit = context.config.idle_seconds
    while limit is not None and not server.should_exit:
        rest = context.requested_at + limit - context.clock()
        if rest > 0:
            await asyncio.sleep(rest)
        elif context.watchers or context.db.query(sweeper.has_work):
            await asyncio.sleep(limit)
        else:
            logger.info("nothing to do for %.0f s", limit)
            await context.fleet.retire(RETIRE_SECONDS)
            server.should_exit = True
