"""What the server knows of the account."""

from __future__ import annotations

from typing import Any

from inductiva.api import users
from inductiva.protocol.users import Quota, User


def get_info() -> User:
    """Name, e-mail, tier and credits."""
    return users.info()


def get_quotas() -> dict[str, Quota]:
    """Quotas by their ids."""
    return users.quotas()


def get_costs(
    start_year: int, start_month: int, end_year: int | None = None, end_month: int | None = None
) -> list[dict[str, Any]]:
    """What each month has cost in US dollars. Raises ValueError when only one of the two end values is given."""
    if (end_year is None) != (end_month is None):
        raise ValueError("give end_year and end_month, or neither")
    costs: list[dict[str, Any]] = users.costs(start_year, start_month, end_year, end_month)["costs"]
    return costs


def get_fees() -> dict[str, Any]:
    """What the platform charges besides machines."""
    return users.fees()
