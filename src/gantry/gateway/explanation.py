"""`POST /api/route/explain`: what would happen to a request, and why, without calling anybody.

Law: the request is read, planned and written exactly as a call's is; only nothing is sent, recorded or learned. What
would refuse the call is part of the answer, with status 200: the question was answered.
"""

import time
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType, structs

from gantry.board.board import Word
from gantry.core.errors import Forbidden, GatewayError, InvalidRequest, Overloaded, PayloadTooLarge, Unauthenticated
from gantry.core.routing_document import Document, RulesRefused, read_rules
from gantry.core.vocabulary import Scope
from gantry.dialects.errors import encode_error
from gantry.gateway.admit import authenticate, check_rights, check_surface
from gantry.gateway.authority import TokenNeeded
from gantry.gateway.client import ClientConnection
from gantry.gateway.intake import Intake
from gantry.gateway.journey import deadlines_for, models_of, ties_of
from gantry.gateway.prepare import Question, Voyage, make_voyage, understand
from gantry.gateway.respond import Responder, answer_whole
from gantry.gateway.stage import Deadlines
from gantry.gateway.state import WorkerState
from gantry.gateway.surfaces import Door, Surface
from gantry.gateway.terms import read_terms
from gantry.routing.explain import Explanation, explain
from gantry.routing.plan import Attempt, shown
from gantry.routing.snapshot import KeyRecord, Snapshot
from gantry.wire.head import RequestHead

_JSON: Final = (("content-type", "application/json"), ("cache-control", "no-store"))
_DEFAULT_PATH: Final = "/chat/completions"
_ABOUT_THE_BODY: Final = (b"content-length", b"transfer-encoding", b"expect")


class Inquiry(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked: the body of a request, the path that it would be posted to, and a draft of the organization's
    routing rules, by which it is explained in the place of those that hold.
    """

    request: Raw
    path: str = _DEFAULT_PATH
    rules: Document | UnsetType = UNSET


class Refusal(Struct, frozen=True):
    status: int
    message: str
    param: str | None


class Told(Struct, frozen=True, omit_defaults=True):
    """The answer. Exactly one of `refused` and `route` is there."""

    path: str
    dialect: str
    operation: str
    model: str | None
    stream: bool
    refused: Refusal | None = None
    route: Explanation | None = None
    deadlines: Deadlines | None = None
    changes: tuple[str, ...] = ()  # what the first attempt would change of the request's parameters
    not_acted_on: tuple[str, ...] = ()


class ExplainTaker:
    """One question."""

    __slots__ = ("_body", "_client", "_head", "_held", "_key", "_responder", "_state", "_surface")

    def __init__(
        self, state: WorkerState, client: ClientConnection, head: RequestHead, responder: Responder, surface: Surface
    ) -> None:
        self._state = state
        self._client = client
        self._head = head
        self._responder = responder
        self._surface = surface
        self._body: list[bytes] = []
        self._held = 0
        self._key: KeyRecord | None = None

    def begin(self, body: bytes | None) -> None:
        state = self._state
        try:
            self._key = authenticate(state, self._head, time.time_ns())
            if not self._key.allows(Scope.INFERENCE):
                raise Forbidden("this API key lacks the scope `inference`")
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                state.slot.add(Word.STRANGERS)
            self.refuse(error)
            return
        if body is not None:
            self._finish(body)

    def on_request_body(self, data: bytes) -> None:
        try:
            self._held = self._state.hold(len(data), self._held)
        except (PayloadTooLarge, Overloaded) as error:
            self.refuse(error)
            return
        self._body.append(data)

    def on_request_end(self) -> None:
        if self._key is not None:
            self._finish(b"".join(self._body))

    def on_client_gone(self) -> None:
        self._release()

    def on_client_full(self) -> None:
        """The answer is written in one piece."""

    def on_client_drained(self) -> None:
        """The answer is written in one piece."""

    def refuse(self, error: GatewayError) -> None:
        wire = encode_error(self._surface.dialect, error)
        self._answer(wire.status, wire.headers, wire.body)

    def _finish(self, body: bytes) -> None:
        key = self._key
        assert key is not None
        try:
            told = answer_inquiry(self._state, key, self._head, read_inquiry(body))
        except GatewayError as error:
            self.refuse(error)
            return
        self._answer(200, _JSON, msgspec.json.encode(told))

    def _answer(self, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self._release()
        if not self._responder.started:
            answer_whole(self._responder, status, headers, body)
            self._client.finish_exchange()

    def _release(self) -> None:
        self._state.bytes_held -= self._held
        self._held = 0
        self._key = None


def read_inquiry(body: bytes) -> Inquiry:
    """Return the question in a body: `request` and `path`, or the request itself. Raises InvalidRequest."""
    try:
        members: dict[str, Any] = msgspec.json.decode(body, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        raise InvalidRequest(
            "the body must be a JSON object: a request, or `request` with the `path` it is for"
        ) from None
    if "request" not in members:
        return Inquiry(Raw(body))
    try:
        return msgspec.json.decode(body, type=Inquiry)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidRequest(f"this cannot be explained: {error}") from None


def answer_inquiry(state: WorkerState, key: KeyRecord, head: RequestHead, inquiry: Inquiry) -> Told:
    """Return what would happen to the request. Raises InvalidRequest where it is for no path of a model's."""
    posted = _as_posted(head, inquiry.path)
    intake = Intake(state, posted)
    surface = intake.surface
    if surface.door is not Door.CALL:
        raise InvalidRequest(f"{inquiry.path} is no path that a model is called by", param="path")
    drafted = _drafted(state, key, inquiry.rules)
    question: Question | None = None
    try:
        check_rights(key, surface.operation)
        check_surface(key, surface)
        question = understand(intake, posted, bytes(inquiry.request))
        return _explain(state, key, posted, intake, question, bytes(inquiry.request), drafted)
    except GatewayError as error:
        refused = Refusal(error.status, error.message, error.param)
        model, stream = (None, False) if question is None else (question.model, question.stream)
        return Told(surface.path, surface.dialect, surface.operation, model, stream, refused)


def _drafted(state: WorkerState, key: KeyRecord, rules: Document | UnsetType) -> Snapshot | None:
    """Return the snapshot as it would be with a draft of the rules; None where there is none. Raises InvalidRequest."""
    if rules is UNSET:
        return None
    assert state.snapshot is not None, "a key was found in it"
    try:
        return state.snapshot.with_routing_rules(key.organization_id, read_rules(rules))
    except RulesRefused as error:
        raise InvalidRequest(f"{error}", param=f"rules.{error.place}" if error.place else "rules") from None


def _explain(
    state: WorkerState,
    key: KeyRecord,
    head: RequestHead,
    intake: Intake,
    question: Question,
    body: bytes,
    drafted: Snapshot | None,
) -> Told:
    surface = intake.surface
    snapshot = drafted or state.snapshot
    assert snapshot is not None, "a key was found in it"
    terms = read_terms(question.parameters, question.model)
    if drafted is None:
        plan = intake.plan(key, question.model, terms, stream=question.stream)
    else:
        plan = intake.plan_by(drafted, key, question.model, terms)
    ties = ties_of(plan, question, key, surface.operation)
    route = explain(snapshot, key.organization_id, key.environment, plan, state.health, state.draw, ties)
    voyage: Voyage | None = None
    refused: GatewayError | None = None
    for model, attempt in reversed(models_of(plan.choices[0]).items()):
        try:
            made = _write(state, key, head, intake, question, body, attempt)
            voyage = voyage or made
        except GatewayError as error:
            refused = refused or error
            words = f"{shown(model)} cannot be asked: {error.message}"
            route = structs.replace(route, passed_over=(*route.passed_over, words))
    if voyage is None:
        assert refused is not None
        raise refused
    return Told(
        surface.path,
        surface.dialect,
        surface.operation,
        question.model,
        question.stream,
        route=route,
        deadlines=deadlines_for(state, voyage, question),
        changes=tuple(str(change) for change in voyage.changes),
        not_acted_on=tuple(question.parameters.ignored),
    )


def _write(
    state: WorkerState,
    key: KeyRecord,
    head: RequestHead,
    intake: Intake,
    question: Question,
    body: bytes,
    attempt: Attempt,
) -> Voyage:
    """Write the request of an attempt, which is not sent. Raises GatewayError."""
    if attempt.asked != question.model:
        question = structs.replace(question, model=attempt.asked, renamed=True)
    bearing = intake.bearing(attempt, stream=question.stream)
    try:
        return make_voyage(state, intake, key, head, question, body, bearing)
    except TokenNeeded:  # a call would wait for it; what is not sent needs none
        return make_voyage(state, intake, key, head, question, body, structs.replace(bearing, target=b""))


def _as_posted(head: RequestHead, path: str) -> RequestHead:
    """Return the head that the request would have, from the one that asks about it."""
    posted = RequestHead([b"%b: %b" % (name, value) for name, value in head.headers if name not in _ABOUT_THE_BODY])
    posted.method, posted.target, posted.version = "POST", path.encode("utf-8", "replace"), head.version
    posted.chunked, posted.content_length, posted.keep_alive = False, None, True
    posted.size, posted.notes = 0, None
    return posted
