"""Bytes over signed URLs: the input down, the output up. Blocking; called in threads, one transfer at a time.

One HTTP connection is kept open between transfers. Proxies of the environment are not used.
"""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60.0
_MAY_PASS = (401, 403, 404, 408, 410, 429)


class TransferError(Exception):
    """A transfer failed. `status` is the HTTP status, None when the other side did not answer."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    @property
    def is_refusal(self) -> bool:
        """Whether sending the same again is pointless (403 asks for new URLs and is no refusal)."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _MAY_PASS


class Transfer:
    """Downloads and uploads with one kept connection."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._origin: tuple[str, str] = ("", "")

    def _connect(self, scheme: str, host: str) -> http.client.HTTPConnection:
        if self._connection is None or self._origin != (scheme, host):
            self.close()
            kind = http.client.HTTPSConnection if scheme == "https" else http.client.HTTPConnection
            self._connection = kind(host, timeout=_TIMEOUT_SECONDS)
            self._origin = (scheme, host)
        return self._connection

    def close(self) -> None:
        """Close the kept connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _request(self, method: str, url: str, body: Callable[[], Iterable[bytes]] | None) -> http.client.HTTPResponse:
        """Send a request. A kept connection that the server has closed meanwhile is opened again, once."""
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {} if body is None else {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
        while True:
            connection = self._connect(parts.scheme, parts.netloc)
            is_kept = connection.sock is not None
            try:
                return _exchange(connection, method, target, body, headers)
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if not is_kept:
                    raise TransferError(f"{method} {parts.scheme}://{parts.netloc}: {error!r}") from error

    def download(self, url: str, target: Path, check: Callable[[], None]) -> tuple[int, str]:
        """Store what `url` gives in `target`. Returns size in bytes and SHA-256 in hex.

        `check` is called between blocks and may raise to give up. Raises TransferError, and OSError from the disk.
        """
        response = self._request("GET", url, None)
        if response.status != 200:
            raise self._refused("GET", response)
        digest, size = hashlib.sha256(), 0
        try:
            with target.open("wb") as file:
                while block := self._read(response):
                    check()
                    digest.update(block)
                    size += len(block)
                    file.write(block)
        except BaseException:
            self.close()
            raise
        return size, digest.hexdigest()

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(f"the connection broke during a download: {error!r}") from error

    def upload(self, url: str, body: Callable[[], Iterable[bytes]]) -> None:
        """Send what `body()` yields; it is called again when the connection has to be opened again.

        Raises TransferError, and OSError from the disk.
        """
        response = self._request("PUT", url, body)
        if not 200 <= response.status < 300:
            raise self._refused("PUT", response)
        response.read()

    def _refused(self, method: str, response: http.client.HTTPResponse) -> TransferError:
        said = response.read(2000).decode(errors="replace")
        if response.will_close or not response.isclosed():
            self.close()
        return TransferError(f"{method} was answered with {response.status}: {said}", response.status)


class _Body:
    """Remembers an error of the source, which must not be mistaken for one of the network."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self.error: OSError | None = None

    def __iter__(self) -> _Body:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._blocks)
        except OSError as error:
            self.error = error
            raise


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    target: str,
    body: Callable[[], Iterable[bytes]] | None,
    headers: dict[str, str],
) -> http.client.HTTPResponse:
    source = _Body(body()) if body is not None else None
    try:
        connection.request(method, target, body=source, headers=headers, encode_chunked=True)
    except (BrokenPipeError, ConnectionResetError):
        if source is not None and source.error is not None:
            raise SourceError(str(source.error)) from source.error
        return connection.getresponse()  # the server has answered before it had everything, and closed
    except OSError as error:
        if source is not None and source.error is error:
            raise SourceError(str(error)) from error
        raise
    return connection.getresponse()


class SourceError(Exception):
    """What was to be sent could not be read."""
