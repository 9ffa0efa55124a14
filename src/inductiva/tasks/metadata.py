"""Rules for a task's metadata."""

from __future__ import annotations

from collections.abc import Mapping


def checked(metadata: Mapping[str, str]) -> dict[str, str]:
    """A copy of `metadata`. Raises TypeError for what is no text and ValueError for an empty one, naming it."""
    if not isinstance(metadata, Mapping):
        raise TypeError(f"metadata must be a dict of texts; {metadata!r} is a {type(metadata).__name__}")
    for key, value in metadata.items():
        if not isinstance(key, str):
            raise TypeError(f"metadata keys must be str; {key!r} is a {type(key).__name__}")
        if not isinstance(value, str):
            raise TypeError(f"metadata values must be str; that of {key!r} is {value!r}, a {type(value).__name__}")
        if not key.strip():
            raise ValueError(f"metadata keys must not be empty; the key of value {value!r} is")
        if not value.strip():
            raise ValueError(f"metadata values must not be empty; that of key {key!r} is")
    return dict(metadata)
