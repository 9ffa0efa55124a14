"""What handlers are given: the server's context, and who makes the request."""

from __future__ import annotations

from typing import Annotated

from litestar.params import Dependency

from inductiva.server.context import Context
from inductiva.server.services.accounts import Account

Ctx = Annotated[Context, Dependency(skip_validation=True)]
Caller = Annotated[Account, Dependency(skip_validation=True)]
