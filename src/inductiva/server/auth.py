"""Who makes a request: `X-API-Key` for users, `Authorization: Bearer` for runners."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection

from inductiva.server import problems
from inductiva.server.context import Context
from inductiva.server.services import accounts
from inductiva.server.services.accounts import Account
from inductiva.server.services.machines import Machine, by_token

AnyConnection = ASGIConnection[Any, Any, Any, Any]

REMEMBER_SECONDS = 10.0
"""A revoked key may work for this long, so that most requests need no query for it."""


class KeyRing:
    """Accounts by API key."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, tuple[float, Account]] = {}

    def account(self, connection: AnyConnection) -> Account:
        """Who makes the request. Raises Unauthenticated."""
        key = connection.headers.get("x-api-key", "").strip()
        if not key:
            raise problems.Unauthenticated(
                "no API key was sent: set INDUCTIVA_API_KEY (or run 'inductiva auth login'), "
                "which sends it in the header X-API-Key"
            )
        now = self._context.clock()
        known = self._known.get(key)
        if known is not None and now - known[0] < REMEMBER_SECONDS:
            return known[1]
        account = self._context.db.peek(lambda database: accounts.find(database, key))
        if account is None:
            self._known.pop(key, None)
            raise problems.Unauthenticated(
                "this server does not know the API key that was sent (or it was revoked): check INDUCTIVA_API_KEY and "
                "INDUCTIVA_API_URL, or run 'inductiva auth login'"
            )
        self._known[key] = (now, account)
        return account


def machine(context: Context, connection: AnyConnection) -> Machine | None:
    """Which machine connects; None when its token is unknown or it has ended."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        return None
    return context.db.peek(lambda database: by_token(database, token.strip()))
