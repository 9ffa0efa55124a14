"""Which server, and calls to it.

`INDUCTIVA_API_URL` (or `inductiva.api_url`) names a server; the key is then the user's. Without it the user's own
embedded server is found or started, and found or started again when it has gone.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

import inductiva
from inductiva.api import embedded, errors, keys, transport
from inductiva.api.embedded import start as start_embedded
from inductiva.api.embedded import status as embedded_status
from inductiva.api.embedded import stop as stop_embedded
from inductiva.api.transport import Answer, Call, Query
from inductiva.protocol.embedded import DATA_DIR_VARIABLE, ServerInfo

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = [
    "Session",
    "call",
    "connect",
    "embedded_status",
    "fetch",
    "following",
    "start_embedded",
    "stop_embedded",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Session:
    """A server and the key for it."""

    url: str
    key: keys.Key
    embedded: bool


_lock = threading.Lock()
_found: dict[str, ServerInfo] = {}
"""Embedded servers that answered, by data directory: asking for their health before each call would double it."""


def _place() -> str:
    return os.environ.get(DATA_DIR_VARIABLE, "")


def connect() -> Session:
    """The server for the next call; the embedded one is started when necessary."""
    url = inductiva.api_url
    if url:
        return Session(_checked_url(url), keys.explicit_key(), embedded=False)
    with _lock:
        info = _found.get(_place())
        if info is None:
            info = _found[_place()] = embedded.ensure()
    # A key that the user keeps for another server would only be refused here.
    return Session(info.url, keys.embedded_key(), embedded=True)


def _checked_url(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise errors.ServerUnreachable(
            f"INDUCTIVA_API_URL is {url!r}, which is no address of a server: it must look like http://host:port. "
            "Unset it to use your own server on this machine."
        )
    return url.strip().rstrip("/")


def reconnect(session: Session) -> Session:
    """After `session` stopped answering: the same for a remote server, the embedded one found or started again."""
    if session.embedded:
        with _lock:
            info = _found.get(_place())
            if info is not None and info.url == session.url:
                del _found[_place()]
    return connect()


def _call(session: Session, method: str, path: str, query: Query | None, **more: Any) -> Call:
    headers = dict(more.pop("headers", None) or {})
    if session.key.value:
        headers["X-API-Key"] = _header_safe(session.key)
    return Call(method, f"{session.url}{path}{transport.encode_query(query)}", headers, **more)


def _header_safe(key: keys.Key) -> str:
    if not keys.is_valid_key(key.value):
        raise errors.ApiKeyError(
            f"The API key from {key.source} has characters that no key has; only letters, digits, '.', '_' and '-' "
            "are allowed. Copy the whole key again."
        )
    return key.value


def _checked(call: Call, answer: Answer, key: keys.Key) -> Answer:
    if answer.status < 300:
        return answer
    hint = ""
    if answer.status == 401 and key.value:
        hint = f"(The key came from {key.source}.)"
    elif answer.status == 401 and keys.KEY_VARIABLE.encode() not in answer.body:
        hint = "(No API key is set: run 'inductiva auth login', or set INDUCTIVA_API_KEY.)"
    elif answer.status < 400:
        hint = f"It points to {answer.headers.get('Location')}; set INDUCTIVA_API_URL accordingly."
    raise errors.from_answer(str(call), answer.status, answer.reason, answer.body, answer.headers, hint)


def _on_server(action: Callable[[Session], T], *, safe: bool = True) -> T:
    """Do `action`; when the embedded server has gone, start it again and do it once more (if `safe`)."""
    session = connect()
    try:
        return action(session)
    except errors.ServerUnreachable as error:
        if not session.embedded or (error.maybe_sent and not safe):
            raise
    return action(reconnect(session))


def call(
    method: str,
    path: str,
    *,
    query: Query | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    safe: bool = True,
    read_seconds: float = transport.READ_SECONDS,
) -> Answer:
    """One API call; `body` is sent as JSON. `safe` says that it may be sent twice.

    Raises ApiException for an answer of 300 and above, ServerUnreachable for none, ApiKeyError for an impossible key.
    """
    content = None if body is None else msgspec.json.encode(body)
    given = {"Accept": "application/json", **(headers or {})}
    if content is not None:
        given["Content-Type"] = "application/json"

    def action(session: Session) -> Answer:
        request = _call(session, method, path, query, body=content, headers=given, safe=safe, read_seconds=read_seconds)
        # A lost embedded server is started again rather than waited for.
        answer = _send_embedded(request) if session.embedded else transport.send(request)
        return _checked(request, answer, session.key)

    return _on_server(action, safe=safe)


def _send_embedded(request: Call) -> Answer:
    response = transport.send_once(request)
    return Answer(response.status, response.reason, response.headers, response.data)


def fetch(kind: type[T], method: str, path: str, **options: Any) -> T:
    """As `call`, the answer decoded to `kind`. Raises ApiException when it is something else."""
    answer = call(method, path, **options)
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.MsgspecError as error:
        raise errors.ApiException(
            answer.status,
            answer.reason,
            answer.body.decode("utf-8", "replace"),
            message=f"{method} {path} was answered with something unexpected ({error}); the address may not be that "
            "of an Inductiva server, or client and server are too far apart in version.",
        ) from error


@contextmanager
def following(path: str, query: Query | None, silence_seconds: float) -> Iterator[BaseHTTPResponse]:
    """The open answer to `GET path`, to be read as it comes. The embedded server is started when it is gone.

    Raises ApiException when it is refused, ServerUnreachable when it breaks off or is silent for `silence_seconds`.
    """
    session = connect()
    request = _call(session, "GET", path, query, read_seconds=silence_seconds)
    try:
        with transport.open_stream(request) as response:
            yield response
    except errors.ServerUnreachable:
        reconnect(session)
        raise


def segment(text: str) -> str:
    """`text` as one segment of a path. Raises ValueError for what would be another path, such as an empty text."""
    if not text.strip() or text in {".", ".."}:
        raise ValueError(f"{text!r} is no id and no name")
    return quote(text, safe="")
