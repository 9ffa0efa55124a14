"""Asking the user."""

from __future__ import annotations

from collections.abc import Sequence

from inductiva.constants import MAX_CONFIRMATION_LINES


def user_confirmation_prompt(
    items: Sequence[str], all_msg: str, unlisted_msg: str, listed_msg: str, is_all: bool
) -> bool:
    """Show what will happen and ask; few items are listed, many are only counted (by the text given)."""
    if is_all:
        print(all_msg)
    elif len(items) > MAX_CONFIRMATION_LINES:
        print(unlisted_msg)
    else:
        print(listed_msg)
        for item in items:
            print(f"  - {item}")
    return input("Are you sure you want to proceed (y/[N])? ").strip().lower() in {"y", "ye", "yes"}
