"""What a request's head says by itself: which surface, whose key, which kind of body.

Law: a pure function of the head and the snapshot. Heads come again on one connection, so an intake is kept with its
head and serves until the next snapshot; only what depends on the clock is looked at each time.
"""

from typing import Final

from gantry.core.errors import Unauthenticated
from gantry.core.vocabulary import Operation
from gantry.gateway.admit import INVALID_KEY, authenticate
from gantry.gateway.headers import encode_upstream_headers
from gantry.gateway.params import has_parameter_header
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface, family_of, match_surface
from gantry.routing.plan import Route, Wish
from gantry.routing.snapshot import KeyRecord, Snapshot
from gantry.wire.head import RequestHead

_MAX_ROUTES: Final = 64
_MAX_MODEL_LENGTH: Final = 256


class Intake:
    """One head under one snapshot. The key is known once a call was admitted by it."""

    __slots__ = (
        "_routes",
        "_snapshot",
        "_state",
        "content_type",
        "forwarded",
        "has_parameters",
        "key",
        "surface",
        "user_agent",
    )

    def __init__(self, state: WorkerState, head: RequestHead) -> None:
        fields = head.fields
        self._state = state
        self._snapshot: Snapshot | None = state.snapshot
        self._routes: dict[str | None, Route] = {}
        self.surface: Surface = match_surface(head.method, head.target, family_of(fields))
        self.key: KeyRecord | None = None
        self.has_parameters = has_parameter_header(fields)
        self.content_type = fields.get(b"content-type", b"")[:128].decode("latin-1")
        self.user_agent = fields.get(b"user-agent", b"")[:256].decode("latin-1")
        self.forwarded = encode_upstream_headers(head)

    def holds(self, snapshot: Snapshot | None, *, stale: bool) -> bool:
        return self._snapshot is snapshot and not stale

    def admit(self, head: RequestHead, now_ns: int) -> KeyRecord:
        """Return the key of the request. Raises Unauthenticated or Overloaded."""
        key = self.key
        if key is None:
            key = self.key = authenticate(self._state, head.fields, now_ns)
        elif key.expires_at is not None and key.expires_at <= now_ns:
            raise Unauthenticated(INVALID_KEY)
        return key

    def find_route(self, key: KeyRecord, model: str | None) -> Route:
        """Return where a call for a model leads, by stored credentials. Raises GatewayError."""
        route = self._routes.get(model)
        if route is None:
            surface = self.surface
            route = self._state.find_route(self.wish(key, model))
            short = model is None or len(model) <= _MAX_MODEL_LENGTH
            if short and surface.operation is not Operation.OPAQUE and len(self._routes) < _MAX_ROUTES:
                self._routes[model] = route
        return route

    def wish(self, key: KeyRecord, model: str | None) -> Wish:
        surface = self.surface
        path = surface.path if surface.operation is Operation.OPAQUE else ""
        return Wish(key.organization_id, key.environment, surface.dialects, surface.operation, path, model)


def take_in(state: WorkerState, head: RequestHead) -> Intake:
    """Return the intake of a head: the one it came with before, if that still holds. Raises InvalidRequest."""
    intake = head.notes
    if isinstance(intake, Intake) and intake.holds(state.snapshot, stale=state.stale):
        return intake
    intake = head.notes = Intake(state, head)
    return intake
