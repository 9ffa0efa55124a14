"""Helpers for scripts. Sub-modules load when they are touched."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inductiva.api.keys import (
        get_stored_api_key,
        is_valid_key,
        remove_stored_api_key,
        set_stored_api_key,
    )
    from inductiva.utils import durations, files, format_utils, input_functions
    from inductiva.utils.booleans import strtobool
    from inductiva.utils.download import download_from_url

    is_valid_token = is_valid_key

__all__ = [
    "download_from_url",
    "durations",
    "files",
    "format_utils",
    "get_stored_api_key",
    "input_functions",
    "is_valid_token",
    "remove_stored_api_key",
    "set_stored_api_key",
    "strtobool",
]

_NAMES = {
    "download_from_url": ("inductiva.utils.download", "download_from_url"),
    "get_stored_api_key": ("inductiva.api.keys", "get_stored_api_key"),
    "is_valid_token": ("inductiva.api.keys", "is_valid_key"),
    "remove_stored_api_key": ("inductiva.api.keys", "remove_stored_api_key"),
    "set_stored_api_key": ("inductiva.api.keys", "set_stored_api_key"),
    "strtobool": ("inductiva.utils.booleans", "strtobool"),
}


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        module, attribute = _NAMES[name]
        return getattr(importlib.import_module(module), attribute)
    if name in __all__:
        return importlib.import_module(f"inductiva.utils.{name}")
    raise AttributeError(f"module 'inductiva.utils' has no attribute {name!r}")
