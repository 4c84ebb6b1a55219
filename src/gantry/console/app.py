"""The composition of the console: which resources it has, and what stands in front of all of them."""

from typing import Final

from fastapi import FastAPI

from gantry import __version__
from gantry.console import (
    alert_channels,
    alerts,
    api_keys,
    audit_log,
    books,
    caches,
    credential_changes,
    credentials,
    credit_transactions,
    dashboard,
    deployment_health,
    erasures,
    exports,
    health,
    joining,
    limits,
    load_balance_groups,
    log_batches,
    log_edits,
    log_export,
    log_groups,
    log_posts,
    log_tail,
    log_threads,
    members,
    model_changes,
    models,
    oidc,
    organizations,
    otlp,
    people,
    playground,
    prices,
    provider_catalogue,
    providers,
    request_logs,
    retention,
    routing,
    saved_views,
    session,
    system,
    temporary_keys,
    traces,
    ui,
    users,
)
from gantry.console.access import GuardedRoute, UndeclaredAccess
from gantry.console.errors import install_error_handlers
from gantry.console.log_watch import LogWatch
from gantry.console.openapi import operation_id
from gantry.console.paths import CanonicalPaths
from gantry.console.state import ConsoleState

# In this order: a path with a log's id in it comes after those with a word in its place.
ROUTERS: Final = (
    health.router,
    session.router,
    joining.router,
    oidc.router,
    people.router,
    members.router,
    organizations.router,
    audit_log.router,
    log_posts.router,
    log_batches.router,
    otlp.router,
    traces.router,
    log_threads.router,
    log_export.router,
    log_groups.router,
    log_tail.router,
    request_logs.router,
    log_edits.router,
    models.router,
    model_changes.router,
    provider_catalogue.router,
    providers.router,
    credential_changes.router,
    credentials.router,
    routing.router,
    load_balance_groups.router,
    limits.router,
    books.router,
    credit_transactions.router,
    caches.router,
    deployment_health.router,
    api_keys.router,
    playground.router,
    prices.router,
    temporary_keys.router,
    alert_channels.router,
    alerts.router,
    users.router,
    system.router,
    exports.router,
    retention.router,
    erasures.router,
    saved_views.router,
    dashboard.router,
    ui.router,
)


def create_app(state: ConsoleState) -> FastAPI:
    """Return the console's application. Raises UndeclaredAccess for a route that is not guarded."""
    app = compose()
    app.state.console = state
    app.state.watch = LogWatch(state.ask_logs)
    return app


def compose() -> FastAPI:
    """Return the application without what its routes ask, for whoever wants to know of the routes."""
    app = FastAPI(
        title="Gantry",
        version=__version__,
        openapi_url=None,  # FastAPI's own routes would carry no gate
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    for router in ROUTERS:
        for route in router.routes:
            if not isinstance(route, GuardedRoute):
                raise UndeclaredAccess(f"{route!r} is not guarded")
        app.include_router(router)
    install_error_handlers(app)
    app.add_middleware(CanonicalPaths)
    return app
