"""The API key: where it comes from and what it may look like."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from inductiva.api.errors import ApiKeyError
from inductiva.constants import HOME_DIRECTORY_NAME
from inductiva.protocol.embedded import Layout, data_dir

KEY_VARIABLE = "INDUCTIVA_API_KEY"
_PATTERN = re.compile(r"[A-Za-z0-9._-]+")

_given: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key and the place it came from, for messages."""

    value: str
    source: str


NO_KEY = Key("", "nowhere")


def is_valid_key(text: str) -> bool:
    """Whether `text` has the form of a key; only the server knows whether it is one."""
    return _PATTERN.fullmatch(text) is not None


def stored_key_path() -> Path:
    """`~/.inductiva/api_key`."""
    return Path.home() / HOME_DIRECTORY_NAME / "api_key"


def _read(path: Path) -> str:
    with suppress(OSError):
        return path.read_text("utf-8").strip()
    return ""


def embedded_key() -> Key:
    """The key of the user's own server, which only the user can read."""
    path = Layout(data_dir()).api_key
    return Key(_read(path), f"the embedded server's file {path}")


def explicit_key() -> Key:
    """The key that the user gave: `set_api_key`, the variable, or the stored file; `NO_KEY` when none."""
    if _given:
        return Key(_given, "inductiva.set_api_key(...)")
    if value := os.environ.get(KEY_VARIABLE, "").strip():
        return Key(value, f"the environment variable {KEY_VARIABLE}")
    if value := _read(stored_key_path()):
        return Key(value, f"the file {stored_key_path()}")
    return NO_KEY


def set_api_key(api_key: str, login_message: bool = True) -> None:
    """Use this key from now on, in every thread of this process. Raises ApiKeyError when it cannot be a key."""
    global _given
    _given = _checked(api_key, "inductiva.set_api_key(...)", login_message)


def get_api_key() -> str:
    """The key set in this process, else the environment's, else the stored one, else the embedded server's, else ""."""
    key = explicit_key()
    return key.value or embedded_key().value


def get_validated_api_key() -> str:
    """As `get_api_key`. Raises ApiKeyError when there is none or it cannot be a key."""
    key = explicit_key()
    if not key.value:
        key = embedded_key()
    return _checked(key.value, key.source, login_message=True)


def _checked(value: str, source: str, login_message: bool) -> str:
    if not value:
        advice = " Run 'inductiva auth login', or set INDUCTIVA_API_KEY." if login_message else ""
        raise ApiKeyError(f"No API key specified.{advice}")
    if not is_valid_key(value):
        raise ApiKeyError(
            f"Invalid API key format in {source}: a key consists of letters, digits, '.', '_' and '-' only; "
            "copy the whole key again."
        )
    return value


def get_stored_api_key() -> str | None:
    """The key in `~/.inductiva/api_key`, None when there is none."""
    return _read(stored_key_path()) or None


def set_stored_api_key(api_key: str) -> bool:
    """Store a key for later sessions, readable by the user alone. Returns whether one was stored before."""
    path = stored_key_path()
    existed = path.exists()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f"api_key.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(api_key, "utf-8")
    temporary.replace(path)
    return existed


def remove_stored_api_key() -> bool:
    """Forget the stored key. Returns whether there was one."""
    path = stored_key_path()
    existed = path.exists()
    path.unlink(missing_ok=True)
    return existed
