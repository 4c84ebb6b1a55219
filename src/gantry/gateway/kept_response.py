"""A response that the gateway remembers: read, deleted, or what it was asked, without asking anybody.

Law: what is remembered is the organization's that made it, and nobody else finds it. Each request ends in exactly one
record (law 5), which names no provider. What is not remembered is looked for at a provider that keeps responses: that
is a `Call`, and so is the refusal of a key.
"""

import time
from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec.structs import replace

from gantry.core.errors import GatewayError, InternalError, InvalidRequest, MethodNotAllowed, NotFound
from gantry.core.vocabulary import Operation, Outcome
from gantry.dialects.errors import log_id_headers
from gantry.dialects.responses.input_items import list_input_items, read_page
from gantry.dialects.turns import RememberedResponse
from gantry.gateway.admit import check_rights, check_surface
from gantry.gateway.client import ClientConnection
from gantry.gateway.fetch import outcome_of
from gantry.gateway.intake import Intake
from gantry.gateway.prepare import understand
from gantry.gateway.recording import Recording
from gantry.gateway.remembered import find_response, forget_response
from gantry.gateway.respond import Responder, answer_error, answer_whole
from gantry.gateway.state import WorkerState
from gantry.gateway.waits import Awaited
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

_JSON: Final = "application/json"
_INPUT_ITEMS: Final = "input_items"
_WANTS_STREAM: Final = ("true", "1")


class KeptResponse:
    """One request for a response, which is at hand."""

    __slots__ = (
        "_client",
        "_head",
        "_intake",
        "_kept",
        "_key",
        "_name",
        "_over",
        "_part",
        "_recording",
        "_responder",
        "_state",
    )

    def __init__(
        self,
        state: WorkerState,
        client: ClientConnection,
        head: RequestHead,
        responder: Responder,
        intake: Intake,
        key: KeyRecord,
        kept: RememberedResponse,
    ) -> None:
        self._state = state
        self._client = client
        self._head = head
        self._responder = responder
        self._intake = intake
        self._key = key
        self._kept = kept
        self._name, self._part = _asked_for(intake)
        self._recording = Recording(state, key, intake, time.time_ns())
        self._over = False

    def begin(self, body: bytes | None) -> None:
        self._state.calls.add(self)
        if body is not None:
            self.on_request_body(body)
            self.on_request_end()

    def on_request_body(self, data: bytes) -> None:
        """Pass over it: it means nothing here."""
        self._recording.request_bytes += len(data)

    def on_request_end(self) -> None:
        if self._over:
            return
        try:
            self._answer(self._act())
        except Awaited as needed:
            needed.wait(self._go_on)
        except GatewayError as error:
            self._fail(error)

    def _go_on(self, error: GatewayError | None) -> None:
        if error is None:
            self.on_request_end()
        else:
            self._fail(error)

    def on_client_gone(self) -> None:
        self._close_record(Outcome.CLIENT_GONE, 0, "the client closed the connection")

    def on_client_full(self) -> None:
        """The answer is written in one piece."""

    def on_client_drained(self) -> None:
        """The answer is written in one piece."""

    def refuse(self, error: GatewayError) -> None:
        self._fail(error)

    def check(self, now: float) -> None:
        """Nothing is waited for but the client, whom its connection watches."""

    def _act(self) -> bytes:
        """Do what the method and the path say, and return the answer's body. Raises GatewayError."""
        question = understand(self._intake, self._head, b"")
        check_rights(self._key, Operation.RESPONSES)  # what may be made may be read
        check_surface(self._key, replace(self._intake.surface, operation=Operation.RESPONSES))
        hold = self._recording.begin_hold(question)
        if hold is not None:
            hold.take_free(None)
        self._recording.open(self._head, question)
        query = dict(parse_qsl(self._head.target.partition(b"?")[2].decode("latin-1")))
        if self._head.method == "DELETE" and not self._part:
            if not forget_response(self._state.turns, self._key, self._name):
                raise InternalError(f"the response {self._name} cannot be deleted now; see whether it is still there")
            return msgspec.json.encode({"id": self._name, "object": "response", "deleted": True})
        if self._head.method == "DELETE":
            raise MethodNotAllowed(f"{self._intake.surface.path} cannot be deleted by itself")
        if self._part == _INPUT_ITEMS:
            return list_input_items(self._name, self._kept.messages, bytes(self._kept.body), read_page(query))
        if self._part:
            raise NotFound(f"a response has no {self._part}")
        if query.get("stream") in _WANTS_STREAM:
            raise InvalidRequest("`stream`: this response is whole; ask for it without `stream`", param="stream")
        if "include" in query or "include[]" in query:
            self._recording.warnings.append("include is not acted on: the response is shown as it was answered")
        return bytes(self._kept.body)

    def _answer(self, body: bytes) -> None:
        recording = self._recording
        assert recording.answer is not None
        if self._head.method != "HEAD":
            recording.answer.feed(body)
        headers = (("content-type", _JSON), *log_id_headers(recording.log_id))
        self._close_record(Outcome.SUCCESS, 200, None, content_type=_JSON)
        answer_whole(self._responder, 200, headers, body)
        self._client.finish_exchange()

    def _fail(self, error: GatewayError) -> None:
        if self._over:
            return
        self._close_record(outcome_of(error), error.status, error.message)
        answer_error(self._responder, self._intake.surface.dialect, error, self._recording.log_id)
        self._client.finish_exchange()

    def _close_record(self, outcome: Outcome, status: int, error: str | None, *, content_type: str = "") -> None:
        self._over = True
        self._state.calls.discard(self)
        if not self._recording.opened:
            self._recording.open(self._head, None, even_when_full=True)
        self._recording.close(outcome, status, error, content_type=content_type)


def find_kept(state: WorkerState, intake: Intake) -> tuple[KeyRecord, RememberedResponse] | None:
    """Return the response that a request is for and the key that may have it; None where nothing is remembered."""
    try:
        key = intake.admit(time.time_ns())
    except GatewayError:
        return None
    kept = find_response(state.turns, key, _asked_for(intake)[0])
    return None if kept is None else (key, kept)


def _asked_for(intake: Intake) -> tuple[str, str]:
    """Return the id of the response, and which part of it is meant."""
    name, _, part = intake.surface.path.partition("/responses/")[2].partition("/")
    return unquote(name), part
