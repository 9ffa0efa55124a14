"""Storage paths: relative, "/"-separated, never out of the user's own space."""

from __future__ import annotations

MAX_PATH_CHARACTERS = 1024
MAX_NAME_BYTES = 255


def problem(path: str) -> str | None:
    """What is wrong with a storage path (after `clean`), in words; None when it is well-formed."""
    if len(path) > MAX_PATH_CHARACTERS:
        return f"the path has {len(path)} characters; {MAX_PATH_CHARACTERS} are allowed"
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        return f"the path {path!r} contains control characters"
    for name in path.split("/") if path else []:
        if name in ("", ".", ".."):
            return f"the path {path!r} contains an empty, '.' or '..' part; give a plain relative path"
        if len(name.encode(errors="surrogatepass")) > MAX_NAME_BYTES:
            return f"the path {path!r} has a part of more than {MAX_NAME_BYTES} bytes"
    return None


def clean(path: str) -> str:
    """The path without leading and trailing slashes (clients send `/<task id>/input.zip`)."""
    return path.strip("/")
