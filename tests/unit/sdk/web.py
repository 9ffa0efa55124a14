"""A real HTTP server whose answers a test scripts: whole, streamed, broken off or never given."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    connection: int
    """Which of the client's connections it came over."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """`chunks` instead of a body are sent one by one; `breaks_off`: then the connection is cut."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] | None = None
    breaks_off: bool = False
    declared: int | None = None


DROP = Reply(status=0)
"""No answer: the connection is closed after the request was read."""


def ok(value: Any, status: int = 200) -> Reply:
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


def error(status: int, detail: str) -> Reply:
    return ok({"detail": detail}, status)


Handler = Callable[[Request], Reply]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle of an answer is part of some tests."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Web:
    """`on("GET", "/x", reply, …)`: the replies in order, the last for ever; a function is asked each time."""

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._scripts: dict[tuple[str, str], list[Reply | Handler]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self._handler_class())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def on(self, method: str, path: str, *replies: Reply | Handler) -> None:
        self._scripts[method, path] = list(replies)

    def seen(self, method: str, path: str) -> list[Request]:
        return [request for request in self.requests if (request.method, request.path) == (method, path)]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            script = self._scripts.get((request.method, request.path))
            if not script:
                return error(404, f"the test scripts no answer to {request.method} {request.path}")
            step = script.pop(0) if len(script) > 1 else script[0]
        return step if isinstance(step, Reply) else step(request)

    def _handler_class(web: Web) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's inside
        class Served(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                parts = []
                while size := int(self.rfile.readline(), 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                self.rfile.readline()
                return b"".join(parts)

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                peer = self.client_address[1]
                request = Request(self.command, parts.path, parse_qs(parts.query), headers, self._body(), peer)
                reply = web.answer(request)
                if reply.status == 0:
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.chunks is not None:
                    self._stream(reply)
                    return
                self.send_header("Content-Length", str(len(reply.body) if reply.declared is None else reply.declared))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = reply.breaks_off

            def _stream(self, reply: Reply) -> None:
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for chunk in reply.chunks or ():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    self.wfile.flush()
                if reply.breaks_off:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names that the base class calls

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Served


@contextmanager
def served() -> Iterator[Web]:
    web = Web()
    try:
        yield web
    finally:
        web.close()
