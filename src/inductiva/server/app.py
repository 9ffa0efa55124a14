"""Composition: the routes, who may use them, and what runs beside them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request
from litestar.di import Provide
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

import inductiva
from inductiva.server import auth, errors
from inductiva.server.context import Context
from inductiva.server.routes import catalogue, compute, meta, objects, storage, task_runner, tasks, users, watch
from inductiva.server.routes.given import Ctx
from inductiva.server.services.accounts import Account

AnyRequest = Request[Any, Any, Any]
_OPEN = (meta, catalogue)
_WITH_KEY = (users, compute, tasks, watch, storage)


def create_app(context: Context) -> Litestar:
    """The ASGI application on an opened context."""
    keys = auth.KeyRing(context)

    def provide_context() -> Context:
        return context

    def provide_account(request: AnyRequest, ctx: Ctx) -> Account:
        """Takes `ctx` so that one follows the other: the framework would start a task group for two at once."""
        ctx.requested_at = ctx.clock()
        return keys.account(request)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncGenerator[None, None]:
        context.db.bind(asyncio.get_running_loop())
        sweeping = context.spawn(context.sweeper.run())
        yield
        context.closing.set()
        sweeping.cancel()

    handlers = [route for module in (*_OPEN, *_WITH_KEY) for route in module.HANDLERS]
    return Litestar(
        [*handlers, *task_runner.HANDLERS, objects.handler(context)],
        dependencies={
            "ctx": Provide(provide_context, sync_to_thread=False),
            "account": Provide(provide_account, sync_to_thread=False),
        },
        exception_handlers=errors.HANDLERS,
        lifespan=[lifespan],
        logging_config=None,
        openapi_config=_openapi(),
    )


def _openapi() -> OpenAPIConfig:
    scheme = SecurityScheme(type="apiKey", name="X-API-Key", security_scheme_in="header")
    return OpenAPIConfig(
        title="Inductiva, open",
        version=inductiva.__version__,
        description="Simulations as durable tasks.",
        components=Components(security_schemes={"key": scheme}),
        security=[{"key": []}],
        render_plugins=[JsonRenderPlugin()],
    )
