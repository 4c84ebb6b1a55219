"""Who may use a route. A route without a declared access cannot be registered.

Law: default deny. `GuardedRoute` refuses a route whose dependencies hold no gate, and the gate is part of the route, so
the decision is made for the very match on `scope["path"]` that dispatched the request. There is no second table of
paths that could disagree with the first.
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from gantry.console.state import ConsoleState
from gantry.core.api_key import has_key_form, key_digest
from gantry.core.errors import Forbidden, Unauthenticated
from gantry.core.vocabulary import Scope
from gantry.store.keys import ApiKey, key_of_digest

_MISSING: Final = "Authentication credentials were not provided. Send your API key as `Authorization: Bearer gk_…`."
_INVALID: Final = (
    "Your API key is invalid or expired, please check your API key with `gantry keys list`, or create one with "
    "`gantry keys create NAME`."
)


class Gate(HTTPBearer):
    """Lets a live API key pass that has one of the scopes."""

    def __init__(self, *scopes: Scope) -> None:
        super().__init__(scheme_name="API key", bearerFormat="gk_…", auto_error=False)
        self._scopes: Final = scopes

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        key = await authenticate(request, state_of(request))
        if not any(scope in key.policy.scopes for scope in self._scopes):
            names = " or ".join(f"`{(scope.name or '').lower()}`" for scope in self._scopes)
            raise Forbidden(
                f"This API key lacks the scope {names}. Create one with `gantry keys create NAME --scope …`."
            )
        request.state.caller = key


class OpenGate:
    """Lets everybody pass."""

    async def __call__(self) -> None:
        return None


class UndeclaredAccess(TypeError):
    """A route says neither which scopes it requires nor that it is public."""


class GuardedRoute(APIRoute):
    """A route with exactly one gate."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        gates = [
            dependency
            for dependency in options.get("dependencies") or ()
            if isinstance(dependency.dependency, Gate | OpenGate)
        ]
        if len(gates) != 1:
            raise UndeclaredAccess(f"{path} must have exactly one of requires(…) or PUBLIC in its dependencies")
        super().__init__(path, endpoint, **options)


def guarded_router(tag: str) -> APIRouter:
    """Return a router that takes guarded routes only."""
    return APIRouter(route_class=GuardedRoute, tags=[tag], redirect_slashes=False)


def requires(*scopes: Scope) -> Dependency:
    """Declare that a route is for API keys with one of these scopes."""
    if not scopes:
        raise UndeclaredAccess("requires() needs at least one scope")
    dependency: Dependency = Depends(Gate(*scopes))
    return dependency


PUBLIC: Final[Dependency] = Depends(OpenGate())


def state_of(request: Request) -> ConsoleState:
    state: ConsoleState = request.app.state.console
    return state


def caller_of(request: Request) -> ApiKey:
    """Return the API key that the route's gate let pass."""
    caller: ApiKey = request.state.caller
    return caller


State = Annotated[ConsoleState, Depends(state_of)]
Caller = Annotated[ApiKey, Depends(caller_of)]


async def authenticate(request: Request, state: ConsoleState) -> ApiKey:
    """Return the live API key of a request. Raises Unauthenticated, and Overloaded when no store can say."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("bearer", "api-key") or not token:
        raise Unauthenticated(_MISSING)
    if not has_key_form(token):
        raise Unauthenticated(_INVALID)
    digest = key_digest(token, state.pepper)

    def look_up(control: Any) -> ApiKey | None:
        with control.reading() as connection:
            return key_of_digest(connection, digest)

    key = await state.ask_control(look_up)
    if key is None or not key.is_live(state.clock()):
        raise Unauthenticated(_INVALID)
    return key
