"""Who may use a route. A route without a declared access cannot be registered.

Law: default deny. `GuardedRoute` refuses a route whose dependencies hold no gate, and the gate is part of the route, so
the decision is made for the very match on `scope["path"]` that dispatched the request. There is no second table of
paths that could disagree with the first.

A caller shows an API key, or the cookie of a session. What a browser sends by itself proves nothing about who wants it,
so a session changes something only together with `x-gantry-csrf`, which only our own pages know. And whoever shows no
key must have called us by a name of ours (`known_hosts.py`).
"""

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer

from gantry.console.caller import Caller as AnyCaller
from gantry.console.caller import caller_by_key, caller_by_session
from gantry.console.state import ConsoleState, act_as
from gantry.core.api_key import has_key_form, key_digest
from gantry.core.errors import Forbidden, Unauthenticated
from gantry.core.sign_in_tokens import csrf_token, is_same, session_digest
from gantry.core.vocabulary import Scope
from gantry.store.control import ControlStore
from gantry.store.keys import ApiKey, key_of_digest
from gantry.store.sessions import SEEN_AGAIN_AFTER, SignedIn, find_session, note_used

CSRF_HEADER: Final = "x-gantry-csrf"
_SAFE: Final = frozenset(("GET", "HEAD"))
_LONGEST_TOKEN: Final = 100

_MISSING: Final = "Authentication credentials were not provided. Send your API key as `Authorization: Bearer gk_…`."
_INVALID: Final = (
    "Your API key is invalid or expired, please check your API key with `gantry keys list`, or create one with "
    "`gantry keys create NAME`."
)


class Gate(HTTPBearer):
    """Lets a live API key pass that has one of the scopes, and a person whose role has."""

    def __init__(self, *scopes: Scope, keys_only: bool = False) -> None:
        super().__init__(scheme_name="ApiKey", bearerFormat="gk_…", auto_error=False)
        self.scopes: Final = scopes
        self.keys_only: Final = keys_only

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        caller = await identify(request, state_of(request))
        if caller.session is not None and self.keys_only:
            raise Forbidden("This is for API keys; a session does not do.")
        if not any(caller.may(scope) for scope in self.scopes):
            names = " or ".join(f"`{(scope.name or '').lower()}`" for scope in self.scopes)
            if caller.session is not None:
                raise Forbidden(f"As {caller.role.value} you lack the right {names}. Ask an administrator.")
            raise Forbidden(
                f"This API key lacks the scope {names}. Create one with `gantry keys create NAME --scope …`."
            )
        _admit(request, caller)


class PersonGate(APIKeyCookie):
    """Lets a person pass, whatever their role."""

    SCHEME: Final = "Session"

    def __init__(self) -> None:
        super().__init__(name="gantry_session", scheme_name=self.SCHEME, auto_error=False)

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        caller = await identify(request, state_of(request))
        if caller.session is None:
            raise Forbidden("This is for people who are signed in; an API key does not do.")
        _admit(request, caller)


class OpenGate:
    """Lets everybody pass who calls us by a name of ours."""

    async def __call__(self, request: Request) -> None:
        state_of(request).entrance.check_host(request)


class UndeclaredAccess(TypeError):
    """A route says neither which scopes it requires nor that it is public."""


class GuardedRoute(APIRoute):
    """A route with exactly one gate."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        gates = [
            dependency.dependency
            for dependency in options.get("dependencies") or ()
            if isinstance(dependency.dependency, Gate | PersonGate | OpenGate)
        ]
        if len(gates) != 1:
            raise UndeclaredAccess(f"{path} must have exactly one of requires(…), SIGNED_IN or PUBLIC in dependencies")
        self.gate: Final[Gate | PersonGate | OpenGate] = gates[0]
        super().__init__(path, endpoint, **options)


def guarded_router(tag: str) -> APIRouter:
    """Return a router that takes guarded routes only."""
    return APIRouter(route_class=GuardedRoute, tags=[tag], redirect_slashes=False)


def requires(*scopes: Scope, keys_only: bool = False) -> Dependency:
    """Declare that a route is for callers with one of these scopes; `keys_only` where a session does not do."""
    if not scopes:
        raise UndeclaredAccess("requires() needs at least one scope")
    dependency: Dependency = Depends(Gate(*scopes, keys_only=keys_only))
    return dependency


PUBLIC: Final[Dependency] = Depends(OpenGate())
SIGNED_IN: Final[Dependency] = Depends(PersonGate())


def state_of(request: Request) -> ConsoleState:
    state: ConsoleState = request.app.state.console
    return state


def caller_of(request: Request) -> AnyCaller:
    """Return whom the route's gate let pass."""
    caller: AnyCaller = request.state.caller
    return caller


State = Annotated[ConsoleState, Depends(state_of)]
Caller = Annotated[AnyCaller, Depends(caller_of)]


def _admit(request: Request, caller: AnyCaller) -> None:
    request.state.caller = caller
    act_as(caller.author)


async def identify(request: Request, state: ConsoleState) -> AnyCaller:
    """Return who asks. Raises Unauthenticated, Forbidden for a forged request, and Overloaded when no store can say."""
    if "authorization" in request.headers:
        return caller_by_key(await _key_of(request, state))
    state.entrance.check_host(request)
    signed_in = await signed_in_by(request, state)
    if signed_in is None:
        raise Unauthenticated(_MISSING)
    if request.method not in _SAFE:
        state.entrance.check_site(request)
        right = csrf_token(state.entrance.key, signed_in.session.digest)
        if not is_same(request.headers.get(CSRF_HEADER, ""), right):
            raise Forbidden(f"`{CSRF_HEADER}` must be sent, as GET /api/session tells it. Load the page anew.")
    return caller_by_session(signed_in)


async def signed_in_by(request: Request, state: ConsoleState) -> SignedIn | None:
    """Return the live session of a request's cookie."""
    token = request.cookies.get(state.entrance.cookie, "")
    if not token or len(token) > _LONGEST_TOKEN:
        return None
    digest = session_digest(state.entrance.key, token)
    now = state.clock()

    def look_up(control: ControlStore) -> SignedIn | None:
        with control.reading() as connection:
            found = find_session(connection, digest, now)
        if found is not None and found.session.seen_at <= now - SEEN_AGAIN_AFTER:
            with control.noting() as connection:
                note_used(connection, found.session, now)
        return found

    return await state.ask_control(look_up)


async def _key_of(request: Request, state: ConsoleState) -> ApiKey:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() not in ("bearer", "api-key") or not token:
        raise Unauthenticated(_MISSING)
    if not has_key_form(token):
        raise Unauthenticated(_INVALID)
    digest = key_digest(token, state.pepper)

    def look_up(control: ControlStore) -> ApiKey | None:
        with control.reading() as connection:
            return key_of_digest(connection, digest)

    key = await state.ask_control(look_up)
    if key is None or not key.is_live(state.clock()):
        raise Unauthenticated(_INVALID)
    return key
