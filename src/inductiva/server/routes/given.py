"""What handlers are given: the server's context, and who makes the request."""

from __future__ import annotations

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from inductiva.server.context import Context
from inductiva.server.services.accounts import Account

Ctx = NamedDependency[SkipValidation[Context]]
Caller = NamedDependency[SkipValidation[Account]]
