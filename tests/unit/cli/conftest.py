"""A server that speaks the wire protocol: real HTTP, answers given by the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

Query = dict[str, list[str]]
Reply = Any
"""A JSON document, or a tuple of status and document."""


@dataclass
class Wire:
    """`on("GET /tasks", reply)`; a reply that is a function gets the query. `seen`: the requests, in order."""

    url: str = ""
    replies: dict[str, Any] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    def on(self, request: str, reply: Reply | Callable[[Query], Reply]) -> None:
        self.replies[request] = reply

    def answer(self, request: str, query: Query) -> tuple[int, bytes]:
        reply = self.replies.get(request, (404, {"detail": f"nothing at {request}"}))
        if callable(reply):
            reply = reply(query)
        status, document = reply if isinstance(reply, tuple) else (200, reply)
        return status, document if isinstance(document, bytes) else json.dumps(document).encode()


def _handler(wire: Wire) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = f"{self.command} {parts.path}"
            wire.seen.append(request)
            wire.bodies.append(json.loads(body) if body else None)
            status, content = wire.answer(request, parse_qs(parts.query))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def do_PUT(self) -> None:
            self._answer()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    return Handler


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Wire]:
    """The server, and an environment in which commands talk to it and touch nothing of the user's."""
    wire = Wire()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(wire))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    wire.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("INDUCTIVA_API_URL", wire.url)
    monkeypatch.setenv("INDUCTIVA_API_KEY", "key")
    monkeypatch.delenv("INDUCTIVA_MACHINES_CATALOGUE_API_URL", raising=False)
    monkeypatch.setenv("INDUCTIVA_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield wire
    server.shutdown()
    server.server_close()
    thread.join()
