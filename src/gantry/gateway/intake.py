"""What a request's head says by itself: which surface, whose key, which kind of body, and where its calls lead.

Law: a pure function of the head and the snapshot. Heads come again on one connection, so an intake is kept with its
head and serves until the next snapshot; only what depends on the clock or on chance is looked at each time.
"""

from functools import partial
from typing import Final

from msgspec import Struct

from gantry.core.errors import InternalError, NoCredential, Unauthenticated
from gantry.core.routing_rules import NO_ROUTING_RULES
from gantry.core.vocabulary import NATIVE_OPERATIONS, Operation, Tier
from gantry.dial.pool import Pool
from gantry.gateway.admit import (
    INVALID_KEY,
    authenticate,
    check_hops,
    check_model,
    check_rights,
    check_surface,
    check_unnamed,
)
from gantry.gateway.authority import shows_itself
from gantry.gateway.forms import is_form
from gantry.gateway.headers import default_headers, encode_translated_headers, encode_upstream_headers, hops_of
from gantry.gateway.native import needs_guard
from gantry.gateway.params import has_parameter_header
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Surface, family_of, match_surface, without_key
from gantry.routing.balance import draw, draw_regardless
from gantry.routing.credentials import drawn_weight
from gantry.routing.plan import NO_TERMS, Attempt, Choice, Plan, Route, Terms, Wish
from gantry.routing.planner import plan, rules_matter
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import KeyRecord, Snapshot
from gantry.wire.head import RequestHead

_FORMS: Final = frozenset((Operation.TRANSCRIPTION, Operation.IMAGE_EDITS, Operation.IMAGE_VARIATIONS))
_RELAY, _TRANSLATE = Tier.RELAY, Tier.TRANSLATE
_ROUTE_PROVIDER: Final = b"x-respan-route-provider"
_IDENTITY: Final = b"accept-encoding: identity\r\n"
# Mistral's Python clients from 2 on wrap content that they do not know; the first refuses it, the others drop it.
_WRAPPING: Final = (b"mistral-client-python/2", b"mistral-client-python/3")
_MAX_WAYS: Final = 64
_NOBODY: Final[frozenset[str]] = frozenset()
_MAX_MODEL_LENGTH: Final = 256
_MAX_CONTENT_TYPE: Final = 256


class Bearing(Struct, frozen=True, gc=False):
    """An attempt, the pool it sets out from, and its request up to the framing of the body."""

    attempt: Attempt
    pool: Pool
    beginning: bytes
    guarded: bool  # what it names, makes or lists may be another organization's
    target: bytes = b""  # method and path, where each request is proven anew


class _Way(Struct, gc=False):
    """Where calls for one model lead, if nothing is said of their routing."""

    choice: Choice
    is_plain: bool  # there is nothing to choose, and no rule
    only: Bearing | None = None  # of a plain one
    plan: Plan | None = None  # of another, once it was made


class Intake:
    """One head under one snapshot. The key is known once a call was admitted by it."""

    __slots__ = (
        "_bearings",
        "_checked",
        "_forwarded",
        "_head",
        "_state",
        "_ways",
        "content_type",
        "era",
        "has_parameters",
        "hops",
        "is_form",
        "is_limited",
        "key",
        "native",
        "stops_streams",
        "surface",
        "user_agent",
        "wraps_chunks",
    )

    def __init__(self, state: WorkerState, head: RequestHead) -> None:
        fields = head.fields
        self._state = state
        self.era = state.era
        self._head = head
        self._checked = False
        self._ways: dict[tuple[str | None, bool], _Way] = {}
        self._bearings: dict[tuple[str | None, bool, str], Bearing] = {}
        self._forwarded = encode_upstream_headers(head)
        self.hops = hops_of(head)
        self.surface: Surface = match_surface(head.method, head.target, family_of(fields))
        self.is_limited = False  # there are limits, or credits, of the key's organization
        self.stops_streams = False  # those that have used up what is held for them
        self.native = self.surface.operation in NATIVE_OPERATIONS
        self.key: KeyRecord | None = None
        self.wraps_chunks = fields.get(b"user-agent", b"").startswith(_WRAPPING)
        self.has_parameters = has_parameter_header(fields)
        self.content_type = fields.get(b"content-type", b"").decode("latin-1")
        if len(self.content_type) > _MAX_CONTENT_TYPE:
            self.content_type = ""  # none has so long a one, and the boundary in half of one is another boundary
        self.is_form = self.surface.operation in _FORMS and is_form(self.content_type)
        self.user_agent = fields.get(b"user-agent", b"")[:256].decode("latin-1")

    def admit(self, now_ns: int) -> KeyRecord:
        """Return the key of the request. Raises Unauthenticated or Overloaded."""
        key = self.key
        if key is None:
            key = self.key = authenticate(self._state, self._head, now_ns)
            purses = self._state.purses
            self.is_limited = purses.limits(key.organization_id)
            self.stops_streams = purses.stop_streams(key.organization_id)
        elif key.expires_at is not None and key.expires_at <= now_ns:
            raise Unauthenticated(INVALID_KEY)
        return key

    def check_rights(self, key: KeyRecord) -> None:
        """Raise Forbidden unless the key may do what the path asks for, LoopFound when it was asked before."""
        if not self._checked:
            check_rights(key, self.surface.operation)
            check_surface(key, self.surface)
            check_hops(self.hops)
            self._checked = True

    def only_bearing(self, key: KeyRecord, model: str | None, *, stream: bool) -> Bearing | None:
        """Return the one attempt that there is at a model; None where there is a choice. Raises GatewayError."""
        way = self._ways.get((model, stream))
        if way is None:
            way = self._find_way(key, model, stream=stream)
        if way.only is None and way.is_plain:
            way.only = self.bear(way.choice.attempts[0], stream=stream)
        return way.only

    def plan_by(self, drafted: Snapshot, key: KeyRecord, model: str | None, terms: Terms) -> Plan:
        """Return where a call might go by a snapshot that is not in force, unremembered. Raises GatewayError."""

        def find(wish: Wish, brought: frozenset[str]) -> Route:
            if wish.model is None:
                check_unnamed(key, wish.operation)
            route = find_route(drafted, wish, brought)
            check_model(key, route.names)
            return route

        return plan(drafted, self.wish(key, model), self._state.draw, terms, find)

    def plan(self, key: KeyRecord, model: str | None, terms: Terms, *, stream: bool) -> Plan:
        """Return where a call may go; remembered for calls without terms of their own. Raises GatewayError."""
        snapshot = self._state.snapshot
        if snapshot is None:
            raise InternalError("this worker has no configuration yet")
        way = self._ways.get((model, stream)) if terms is NO_TERMS else None
        if way is not None and way.plan is not None:
            return way.plan
        made = plan(snapshot, self.wish(key, model), self._state.draw, terms, partial(self.find_route, key))
        if way is not None:
            way.plan = made
        return made

    def draw_bearing(self, key: KeyRecord, model: str | None, *, stream: bool) -> Bearing:
        """Return an attempt that nothing can follow: what is uploaded is gone once it is sent. Raises GatewayError."""
        way = self._ways.get((model, stream))
        if way is None:
            way = self._find_way(key, model, stream=stream)
        health, chance = self._state.health, self._state.draw
        drawn = draw(way.choice, health, chance, may_probe=False) or draw_regardless(way.choice, health, chance)
        assert drawn is not None, "a way leads somewhere"
        return self.bearing(drawn.attempt, stream=stream)

    def bearing(self, attempt: Attempt, *, stream: bool) -> Bearing:
        """Return how a request begins that makes an attempt, remembered. Raises GatewayError."""
        if attempt.callers_credential or self.native:
            return self.bear(attempt, stream=stream)
        name = (attempt.asked, stream, attempt.credential.credential_id)
        bearing = self._bearings.get(name)
        if bearing is None:
            bearing = self.bear(attempt, stream=stream)
            if len(self._bearings) < _MAX_WAYS and len(attempt.asked or "") <= _MAX_MODEL_LENGTH:
                self._bearings[name] = bearing
        return bearing

    def find_route(self, key: KeyRecord, wish: Wish, brought: frozenset[str]) -> Route:
        """Return where a wish leads, for a key that may use the model, or name none. Raises GatewayError."""
        state = self._state
        if wish.model is None:
            check_unnamed(key, wish.operation)
        if not brought:
            route = state.find_route(wish)
        else:
            assert state.snapshot is not None
            route = find_route(state.snapshot, wish, brought)
        check_model(key, route.names)
        return route

    def _find_way(self, key: KeyRecord, model: str | None, *, stream: bool) -> _Way:
        """Return where a model leads, remembered unless callers could make it too many. Raises GatewayError."""
        route = self.find_route(key, self.wish(key, model), _NOBODY)
        if not route.candidates:
            raise NoCredential(route.missing)
        attempts = tuple(Attempt(route, one, False, model, drawn_weight(one)) for one in route.candidates)
        snapshot = self._state.snapshot
        rules = NO_ROUTING_RULES if snapshot is None else snapshot.routing_rules_of(key.organization_id)
        is_plain = len(attempts) == 1 and (self.native or not rules_matter(rules, route))
        way = _Way(Choice(model, attempts), is_plain)
        short = model is None or len(model) <= _MAX_MODEL_LENGTH
        if short and not self.native and len(self._ways) < _MAX_WAYS:
            self._ways[model, stream] = way
        return way

    def bear(self, attempt: Attempt, *, stream: bool) -> Bearing:
        """Return how a request begins that makes an attempt. Raises GatewayError."""
        head = self._head
        route = attempt.route
        departure = self._state.departure(head.method, attempt, stream=stream).after(self.hops)
        start, encoding = departure.target, _IDENTITY
        snapshot = self._state.snapshot
        provider_id = route.provider.id
        guarded = snapshot is not None and needs_guard(snapshot, provider_id, self.surface.operation)
        if self.native:
            query = without_key(head.target.partition(b"?")[2].decode("latin-1"))
            start += f"?{query}".encode("latin-1") if query else b""
            accepted = head.fields.get(b"accept-encoding") if not guarded else b"identity"
            encoding = b"accept-encoding: %b\r\n" % accepted if accepted is not None else b""
        elif self.surface.model is not None and route.tier is _RELAY:  # `alt=sse`, or the caller's wish for none
            query = self.surface.query
            start = start.partition(b"?")[0] + (f"?{query}".encode("latin-1") if query else b"")
        forwarded = self._forwarded if route.tier is not _TRANSLATE else encode_translated_headers(head)
        if route.provider.headers:
            forwarded += default_headers(route.provider.headers, forwarded)
        beginning = b"%b HTTP/1.1\r\n%b%b%b" % (start, departure.lines, encoding, forwarded)
        return Bearing(attempt, departure.pool, beginning, guarded, b"" if shows_itself(attempt) else start)

    def wish(self, key: KeyRecord, model: str | None) -> Wish:
        pinned = self._head.fields.get(_ROUTE_PROVIDER)
        return wish_for(self.surface, key, model, None if pinned is None else pinned.decode("latin-1"))


def wish_for(surface: Surface, key: KeyRecord, model: str | None, pinned: str | None = None) -> Wish:
    """Return what a call on a surface asks of routing."""
    native = surface.operation in NATIVE_OPERATIONS
    path = surface.path[len(surface.root) :] if native else ""
    return Wish(
        key.organization_id,
        key.environment,
        surface.dialects,
        surface.operation,
        path,
        model,
        surface.root,
        pinned,
    )


def take_in(state: WorkerState, head: RequestHead) -> Intake:
    """Return the intake of a head: the one it came with before, if that still holds. Raises InvalidRequest."""
    intake = head.notes
    if isinstance(intake, Intake) and intake.era == state.era and not state.stale:
        return intake
    intake = head.notes = Intake(state, head)
    return intake
