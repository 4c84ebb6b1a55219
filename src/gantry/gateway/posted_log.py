"""The second door: a log of a call made elsewhere, posted by its maker (law 9).

Law: the answer means "in the journal". Small posts are taken here, so that they pass while the database is down; larger
ones go on to the console, which has a journal of its own. A post with the same `unique_id` is the same log.
"""

import time
from collections.abc import Iterable
from typing import Final

import msgspec

from gantry.board.board import Word
from gantry.core.errors import Forbidden, GatewayError, InternalError, Overloaded, Unauthenticated
from gantry.core.vocabulary import ContentPolicy, Dialect, Scope
from gantry.dialects.errors import encode_error
from gantry.dialects.posted import accept_posted
from gantry.gateway.admit import authenticate
from gantry.gateway.client import ClientConnection
from gantry.gateway.respond import Responder, answer_whole
from gantry.gateway.state import WorkerState
from gantry.journal.frames import FrameKind, LogPosted, encode_payload
from gantry.journal.writer import JournalFull, JournalLevel
from gantry.routing.snapshot import KeyRecord
from gantry.wire.head import RequestHead

MAX_BYTES: Final = 256 * 1024
_JSON: Final = (("content-type", "application/json"),)


class PostedLogTaker:
    """One posted log."""

    __slots__ = ("_body", "_client", "_head", "_held", "_key", "_received_at", "_responder", "_state")

    def __init__(self, state: WorkerState, client: ClientConnection, head: RequestHead, responder: Responder) -> None:
        self._state = state
        self._client = client
        self._head = head
        self._responder = responder
        self._body: list[bytes] = []
        self._held = 0
        self._key: KeyRecord | None = None
        self._received_at = time.time_ns()

    def begin(self, body: bytes | None) -> None:
        try:
            self._key = authenticate(self._state, self._head, self._received_at)
            if not (self._key.allows(Scope.INFERENCE) or self._key.allows(Scope.INGEST)):
                raise Forbidden("this API key lacks the scope `ingest`")
        except GatewayError as error:
            if isinstance(error, Unauthenticated):
                self._state.slot.add(Word.STRANGERS)
            self._refuse(error)
            return
        if body is not None and self._has_room(len(body)):
            self._finish(body)

    def on_request_body(self, data: bytes) -> None:
        if self._has_room(len(data)):
            self._body.append(data)
            self._held += len(data)
            self._state.bytes_held += len(data)

    def on_request_end(self) -> None:
        self._finish(b"".join(self._body))

    def _has_room(self, size: int) -> bool:
        """Say whether so many more bytes may be held; if not, the post is answered."""
        has_room = self._state.bytes_held + size <= self._state.limits.max_bytes_held
        if not has_room:
            self._refuse(Overloaded("too many request bodies are held in memory; try again", retry_after=1))
        return has_room

    def _finish(self, body: bytes) -> None:
        try:
            answer = self._take(body)
        except GatewayError as error:
            self._refuse(error)
            return
        self._answer(200, _JSON, answer)

    def on_client_gone(self) -> None:
        self._release()

    def on_client_full(self) -> None:
        """The answer is written in one piece."""

    def on_client_drained(self) -> None:
        """The answer is written in one piece."""

    def refuse(self, error: GatewayError) -> None:
        self._refuse(error)

    def _take(self, body: bytes) -> bytes:
        """Append the log to the journal and return the answer's body. Raises GatewayError."""
        key, journal = self._key, self._state.journal
        if key is None:
            raise InternalError("the request was not admitted")
        policy = key.content_policy
        if policy is ContentPolicy.FULL and journal.level >= JournalLevel.NO_BODIES:
            policy = ContentPolicy.METADATA
            self._state.slot.add(Word.BODIES_DROPPED)
        accepted = accept_posted(
            body,
            organization_id=key.organization_id,
            environment=key.environment,
            content_policy=policy,
            received_at=self._received_at,
            new_id=self._state.new_log_id(self._received_at),
        )
        frame = LogPosted(
            accepted.log_id,
            key.organization_id,
            key.key_id,
            key.environment,
            self._received_at,
            policy,
            accepted.body,
            self._head.fields.get(b"user-agent", b"")[:256].decode("latin-1"),
        )
        try:
            if journal.level is JournalLevel.FULL:
                raise JournalFull
            journal.append(FrameKind.LOG_POSTED, encode_payload(frame))
        except JournalFull:
            raise Overloaded("the journal is full; post the log again later", retry_after=5) from None
        return msgspec.json.encode(accepted.answer)

    def _refuse(self, error: GatewayError) -> None:
        wire = encode_error(Dialect.OPENAI_CHAT, error)
        self._answer(wire.status, wire.headers, wire.body)

    def _answer(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        self._release()
        answer_whole(self._responder, status, headers, body)
        self._client.finish_exchange()

    def _release(self) -> None:
        self._state.bytes_held -= self._held
        self._held = 0
        self._body.clear()
