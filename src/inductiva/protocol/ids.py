"""Identifiers: task ids are 25 characters of `[a-z0-9]`, everything else is a UUID."""

from __future__ import annotations

import re
import secrets
import string

TASK_ID_LENGTH = 25
_ALPHABET = string.ascii_lowercase + string.digits
_TASK_ID = re.compile(rf"[a-z0-9]{{{TASK_ID_LENGTH}}}")


def new_task_id() -> str:
    """A fresh task id: 129 bits of randomness, so that two never meet."""
    number = secrets.randbits(
        8 * TASK_ID_LENGTH
    )  # one system call; far more bits than are used, so that none is likelier
    digits = []
    for _ in range(TASK_ID_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)


def is_task_id(text: str) -> bool:
    """Whether `text` has the form of a task id (it may still name no task)."""
    return _TASK_ID.fullmatch(text) is not None
