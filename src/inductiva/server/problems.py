"""Refusals: each says what was wrong, where, and what to do next. `errors` turns them into HTTP answers."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - a refusal, not a defect
    """The platform refuses to do something, for a reason that its user should read."""

    @property
    def detail(self) -> str:
        return str(self.args[0])


class Unauthenticated(Problem):
    """No key, or not a known one."""


class Forbidden(Problem):
    """The key does not allow it, or the signed URL is wrong or expired."""


class NotFound(Problem):
    """It does not exist, or belongs to somebody else."""


class Conflict(Problem):
    """It cannot be done in the present state."""


class Invalid(Problem):
    """What was sent is not well-formed."""


class TooOld(Problem):
    """The client is older than this server supports."""


class StorageFull(Problem):
    """The disk is full."""


class Unavailable(Problem):
    """It should work, but does not now."""


class BadRange(Problem):
    """The range of bytes asked for is not in the object."""
