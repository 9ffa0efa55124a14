"""Calls about the account."""

from __future__ import annotations

from typing import Any

from inductiva.api import session
from inductiva.protocol.users import Quota, User, VersionComparison


def info() -> User:
    return session.fetch(User, "GET", "/users/info")


def quotas() -> dict[str, Quota]:
    return session.fetch(dict[str, Quota], "GET", "/users/quotas")


def costs(
    start_year: int, start_month: int, end_year: int | None = None, end_month: int | None = None
) -> dict[str, Any]:
    query = {"start_year": start_year, "start_month": start_month, "end_year": end_year, "end_month": end_month}
    return session.fetch(dict[str, Any], "GET", "/users/costs", query=query)


def fees() -> dict[str, Any]:
    return session.fetch(dict[str, Any], "GET", "/users/fees")


def version_check(client_version: str) -> VersionComparison:
    return session.fetch(VersionComparison, "GET", "/version-check", query={"client_version": client_version})
