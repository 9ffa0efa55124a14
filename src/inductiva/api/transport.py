"""HTTP as the SDK needs it: kept-alive connections, timeouts, retries of what may safely be sent again.

One pool a process serves all threads. urllib3 costs some 70 ms to import, so it is imported by the first request.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from inductiva.api import errors
from inductiva.api.agent import get_api_agent

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

CONNECT_SECONDS = 10.0
READ_SECONDS = 120.0
RETRY_PAUSES = (0.05, 0.2, 0.5)
"""Seconds before each further attempt."""
_PASSING = frozenset({502, 503, 504})
"""What a proxy says while the server behind it restarts."""

Query = Mapping[str, "str | int | float | bool | Sequence[str] | None"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said, whole."""

    status: int
    reason: str | None
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `safe`: sending it twice does what sending it once does. Times in seconds."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    safe: bool = True
    read_seconds: float = READ_SECONDS

    def __str__(self) -> str:
        return f"{self.method} {self.url.partition('?')[0]}"


_pool: tuple[int, PoolManager] | None = None


def pool() -> PoolManager:
    """The connections of this process; a forked child gets its own, since two processes must not share sockets."""
    global _pool
    if _pool is None or _pool[0] != os.getpid():
        import urllib3

        _pool = (os.getpid(), urllib3.PoolManager(num_pools=32, maxsize=32, retries=False))
    return _pool[1]


def encode_query(query: Query | None) -> str:
    """`?a=1&b=x&b=y`: None is left out, a sequence repeats its key, truth is `true` or `false`."""
    pairs: list[tuple[str, str]] = []
    for key, value in (query or {}).items():
        if value is None:
            continue
        values: Iterable[Any] = (value,) if isinstance(value, str | int | float) else value
        pairs.extend((key, str(item).lower() if isinstance(item, bool) else str(item)) for item in values)
    return f"?{urlencode(pairs, safe='/')}" if pairs else ""


def _timeout(read_seconds: float) -> Any:
    import urllib3

    return urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds)


def _unreachable(call: Call, error: Exception) -> errors.ServerUnreachable:
    """`error` in a user's words. Only what failed while connecting surely did not arrive."""
    from urllib3 import exceptions

    no_connection = isinstance(error, exceptions.NewConnectionError)
    timed_out = isinstance(error, exceptions.TimeoutError) and not no_connection
    if timed_out:
        reason = "it does not answer in time"
    elif "refused" in str(error).lower():
        reason = "nothing listens there"
    else:
        reason = str(error).rpartition(": ")[2] or type(error).__name__
    return errors.ServerUnreachable(
        f"Cannot reach the server at {'/'.join(call.url.split('/')[:3])}: {reason}. "
        "Check INDUCTIVA_API_URL and that the server runs.",
        maybe_sent=not no_connection and not isinstance(error, exceptions.ConnectTimeoutError),
        timed_out=timed_out,
    )


def send_once(call: Call, *, stream: bool = False, body: Iterable[bytes] | None = None) -> BaseHTTPResponse:
    """One attempt. `body` is streamed, chunked. Raises ServerUnreachable when no answer came."""
    from urllib3 import exceptions

    try:
        return pool().request(
            call.method,
            call.url,
            body=call.body if body is None else body,
            headers={"User-Agent": get_api_agent(), "Accept-Encoding": "identity", **call.headers},
            timeout=_timeout(call.read_seconds),
            preload_content=not stream,
            retries=False,
        )
    except (exceptions.HTTPError, OSError) as error:
        raise _unreachable(call, error) from error


def send(call: Call, *, sleep: Callable[[float], None] = time.sleep) -> Answer:
    """Send, again where that is safe. Returns any answer; raises ServerUnreachable when there is none."""
    for pause in (*RETRY_PAUSES, None):
        try:
            response = send_once(call)
        except errors.ServerUnreachable as error:
            # A server that is silent for so long is not asked to be silent again.
            if pause is None or error.timed_out or (error.maybe_sent and not call.safe):
                raise
        else:
            if pause is None or not call.safe or response.status not in _PASSING:
                return Answer(response.status, response.reason, response.headers, response.data)
        sleep(pause)
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def open_stream(call: Call) -> Iterator[BaseHTTPResponse]:
    """The answer to a call, its body still to be read.

    Raises ApiException for 300 and above, ServerUnreachable when there is no answer or it breaks off while it is read.
    """
    from urllib3 import exceptions

    response = send_once(call, stream=True)
    complete = False
    try:
        if response.status >= 300:
            raise errors.from_answer(str(call), response.status, response.reason, response.data, response.headers)
        yield response
        complete = True
    except (exceptions.HTTPError, ConnectionError, TimeoutError) as error:
        raise _unreachable(call, error) from error
    finally:
        # A body that was not read to its end would garble the connection's next answer.
        (response.release_conn if complete else response.close)()
