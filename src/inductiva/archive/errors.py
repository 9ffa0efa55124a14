"""What is wrong with an archive."""

from __future__ import annotations


class ArchiveError(ValueError):
    """An archive is broken, hostile or of a kind that is not read. The message says what and what to do."""
