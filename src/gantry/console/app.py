"""The composition of the console: which resources it has, and what stands in front of all of them."""

from typing import Final

from fastapi import FastAPI

from gantry import __version__
from gantry.console import (
    caches,
    credentials,
    deployment_health,
    health,
    load_balance_groups,
    log_batches,
    log_edits,
    log_export,
    log_posts,
    model_changes,
    models,
    providers,
    request_logs,
    routing,
)
from gantry.console.access import GuardedRoute, UndeclaredAccess
from gantry.console.errors import install_error_handlers
from gantry.console.paths import CanonicalPaths
from gantry.console.state import ConsoleState

# In this order: a path with a log's id in it comes after those with a word in its place.
ROUTERS: Final = (
    health.router,
    log_posts.router,
    log_batches.router,
    log_export.router,
    request_logs.router,
    log_edits.router,
    models.router,
    model_changes.router,
    providers.router,
    credentials.router,
    routing.router,
    load_balance_groups.router,
    caches.router,
    deployment_health.router,
)


def create_app(state: ConsoleState) -> FastAPI:
    """Return the console's application. Raises UndeclaredAccess for a route that is not guarded."""
    app = FastAPI(
        title="Gantry",
        version=__version__,
        openapi_url=None,  # FastAPI's own routes would carry no gate
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.console = state
    for router in ROUTERS:
        for route in router.routes:
            if not isinstance(route, GuardedRoute):
                raise UndeclaredAccess(f"{route!r} is not guarded")
        app.include_router(router)
    install_error_handlers(app)
    app.add_middleware(CanonicalPaths)
    return app
