"""What the gateway remembers of translated calls for their next turn, and how a request finds it again.

Law: only where a client's format has no slot, only within the caller's organization, and only where all content may be
kept: not for a key with another policy, nor for a call with `disable_log`. A response that nobody remembers is the
caller's error; a forgotten signature is not. What another version kept, and this one cannot read, is forgotten.
"""

from typing import Final

import msgspec

from gantry.board.turns import TurnMemory
from gantry.core.chat import ChatAnswer, ChatRequest, Message
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import ContentPolicy, Dialect
from gantry.dialects.responses.conversation import refuse_foreign_state, remembered_turn, resolve, wants_store
from gantry.dialects.turns import (
    RememberedResponse,
    SignedTurn,
    keep_response,
    recall_response,
    restore_signed_turns,
    signed_turns,
)
from gantry.routing.snapshot import KeyRecord

_SIGNING: Final = frozenset((Dialect.ANTHROPIC, Dialect.GEMINI, Dialect.BEDROCK, Dialect.OPENAI_RESPONSES))
_RESPONSES: Final = Dialect.OPENAI_RESPONSES
_RESPONSE: Final = "response/"
_CALL: Final = "call/"
_UNREADABLE: Final = (msgspec.DecodeError, RecursionError)
# What one request may refer to: to read it, and to find items in it, holds the loop.
_MOST_REFERENCES: Final = 2000
_MOST_BYTES: Final = 64 << 20


class _Named(msgspec.Struct, gc=False):
    id: str


class Remembrance:
    """The memory, as one call may use it. First `restore`, then `remember` when the answer is whole and `wanted`."""

    __slots__ = (
        "_keeps_response",
        "_organization_id",
        "_recalled",
        "_recalled_bytes",
        "_references",
        "_request",
        "_signs",
        "_turns",
    )

    def __init__(self, turns: TurnMemory, key: KeyRecord, *, unlogged: bool = False) -> None:
        self._turns = turns
        self._organization_id = key.organization_id
        may_keep = key.content_policy is ContentPolicy.FULL and not unlogged
        self._signs = may_keep
        self._keeps_response = may_keep
        self._request: ChatRequest | None = None
        self._recalled: dict[str, tuple[Message, ...] | None] = {}
        self._recalled_bytes = 0
        self._references = 0

    def restore(self, request: ChatRequest, target: Dialect) -> ChatRequest:
        """Return a request with what it refers to and what its caller could not carry. Raises InvalidRequest."""
        if request.dialect is _RESPONSES:
            refuse_foreign_state(request)
            request = resolve(request, self._recall_messages)
            self._recalled.clear()
            self._keeps_response = self._keeps_response and wants_store(request)
        else:
            self._keeps_response = False
        signs = target in _SIGNING and target is not request.dialect
        self._signs = self._signs and signs and bool(request.tools)
        self._request = request
        return restore_signed_turns(request, self._recall_call) if signs else request

    @property
    def wanted(self) -> bool:
        return self._signs or self._keeps_response

    def remember(self, answer: ChatAnswer, told: bytes) -> None:
        """Keep what a later turn needs of an answer; `told` is its whole body as the client's format has it."""
        if self._signs:
            for call_id, kept in signed_turns(answer):
                self._turns.keep(self._organization_id, _CALL + call_id, kept)
        if self._keeps_response and self._request is not None:
            name = msgspec.json.decode(told, type=_Named).id
            kept = keep_response(remembered_turn(self._request, answer), told)
            self._turns.keep(self._organization_id, _RESPONSE + name, kept)

    def _recall_messages(self, response_id: str) -> tuple[Message, ...] | None:
        """Return the conversation up to a response, read once however often a request refers to it."""
        self._references += 1
        if self._references > _MOST_REFERENCES:
            raise _too_much()
        if response_id not in self._recalled:
            kept = self._turns.recall(self._organization_id, _RESPONSE + response_id)
            self._recalled_bytes += len(kept or b"")
            if self._recalled_bytes > _MOST_BYTES:
                raise _too_much()
            response = None if kept is None else _read_response(kept)
            self._recalled[response_id] = None if response is None else response.messages
        return self._recalled[response_id]

    def _recall_call(self, call_id: str) -> bytes | None:
        kept = self._turns.recall(self._organization_id, _CALL + call_id)
        return kept if kept is not None and _is_signed_turn(kept) else None


def find_response(turns: TurnMemory, key: KeyRecord, response_id: str) -> RememberedResponse | None:
    """Return a response of the key's organization; None where it is not remembered, or not any more."""
    kept = turns.recall(key.organization_id, _RESPONSE + response_id)
    return None if kept is None else _read_response(kept)


def forget_response(turns: TurnMemory, key: KeyRecord, response_id: str) -> bool:
    """Forget a response of the key's organization; False where there was none."""
    return turns.forget(key.organization_id, _RESPONSE + response_id)


def _too_much() -> InvalidRequest:
    return InvalidRequest("`input` refers to more than can be recalled; send the items themselves", param="input")


def _read_response(kept: bytes) -> RememberedResponse | None:
    try:
        return recall_response(kept)
    except _UNREADABLE:
        return None


def _is_signed_turn(kept: bytes) -> bool:
    try:
        msgspec.json.decode(kept, type=SignedTurn)
    except _UNREADABLE:
        return False
    return True
