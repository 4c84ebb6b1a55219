"""What the gateway remembers of translated calls for their next turn, and how a request finds it again.

Law: only where a client's format has no slot, only within the caller's organization, and only where all content may be
kept: not for a key with another policy, nor for a call with `disable_log`. A response that nobody remembers is the
caller's error; a forgotten signature is not.
"""

from typing import Final

import msgspec

from gantry.board.turns import TurnMemory
from gantry.core.chat import ChatAnswer, ChatRequest, Message
from gantry.core.vocabulary import ContentPolicy, Dialect
from gantry.dialects.responses.conversation import refuse_foreign_state, remembered_turn, resolve, wants_store
from gantry.dialects.turns import (
    RememberedResponse,
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


class _Named(msgspec.Struct, gc=False):
    id: str


class Remembrance:
    """The memory, as one call may use it. First `restore`, then `remember` when the answer is whole and `wanted`."""

    __slots__ = ("_keeps_response", "_organization_id", "_request", "_signs", "_turns")

    def __init__(self, turns: TurnMemory, key: KeyRecord, *, unlogged: bool = False) -> None:
        self._turns = turns
        self._organization_id = key.organization_id
        may_keep = key.content_policy is ContentPolicy.FULL and not unlogged
        self._signs = may_keep
        self._keeps_response = may_keep
        self._request: ChatRequest | None = None

    def restore(self, request: ChatRequest, target: Dialect) -> ChatRequest:
        """Return a request with what it refers to and what its caller could not carry. Raises InvalidRequest."""
        if request.dialect is _RESPONSES:
            refuse_foreign_state(request)
            request = resolve(request, self._recall_messages)
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
        kept = _recall(self._turns, self._organization_id, response_id)
        return None if kept is None else kept.messages

    def _recall_call(self, call_id: str) -> bytes | None:
        return self._turns.recall(self._organization_id, _CALL + call_id)


def find_response(turns: TurnMemory, key: KeyRecord, response_id: str) -> RememberedResponse | None:
    """Return a response of the key's organization; None where it is not remembered, or not any more."""
    return _recall(turns, key.organization_id, response_id)


def forget_response(turns: TurnMemory, key: KeyRecord, response_id: str) -> bool:
    """Forget a response of the key's organization; False where there was none."""
    return turns.forget(key.organization_id, _RESPONSE + response_id)


def _recall(turns: TurnMemory, organization_id: str, response_id: str) -> RememberedResponse | None:
    kept = turns.recall(organization_id, _RESPONSE + response_id)
    return None if kept is None else recall_response(kept)
