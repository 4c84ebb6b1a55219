"""What a call may use of the memory of turns: how much of it, how often, and what of it is no longer readable."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from gantry.board.turns import TurnMemory
from gantry.core.chat import ChatAnswer, ChatRequest, Choice, Finish, FinishReason, Message, Role, Text, ToolCall
from gantry.core.errors import InvalidRequest
from gantry.core.sealing import Sealer
from gantry.core.vocabulary import DEFAULT_SCOPES, ContentPolicy, Dialect, Environment
from gantry.dialects.responses.codec import RESPONSES
from gantry.dialects.responses.encode_answer import ItemIds, placed_parts
from gantry.gateway import remembered
from gantry.gateway.remembered import Remembrance
from gantry.routing.snapshot import KeyRecord

KEY = KeyRecord("k1", "o1", Environment.PROD, int(DEFAULT_SCOPES))
ANSWER = ChatAnswer(
    dialect=Dialect.MISTRAL, choices=(Choice(0, (Text("Yes."), ToolCall("c", "f", "{}")), Finish(FinishReason.STOP)),)
)
ITEMS = [
    item["id"] for item, _ in placed_parts(ANSWER.choices[0].parts, ItemIds("resp_1"), []) if isinstance(item, dict)
]


class CountingMemory(TurnMemory):
    """The memory of turns, which counts how often it is asked."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "turns", Sealer(b"k" * 32, nonce=lambda: os.urandom(12)), b"n" * 32)
        self.asked = Counter[str]()

    def recall(self, organization_id: str, name: str) -> bytes | None:
        self.asked[name] += 1
        return super().recall(organization_id, name)


def asked(**body: Any) -> ChatRequest:
    return RESPONSES.decode_request(json.dumps({"model": "m", **body}).encode())


def references(*names: str) -> list[dict[str, str]]:
    return [{"type": "item_reference", "id": name} for name in names]


def answered(turns: TurnMemory, response_id: str = "resp_1") -> None:
    """Let a response be remembered."""
    remembrance = Remembrance(turns, KEY)
    remembrance.restore(asked(input="Is it?"), Dialect.MISTRAL)
    remembrance.remember(ANSWER, json.dumps({"id": response_id}).encode())


def test_a_response_is_read_once_however_often_it_is_referred_to(tmp_path: Path) -> None:
    turns = CountingMemory(tmp_path)
    answered(turns)
    found = Remembrance(turns, KEY).restore(asked(input=references(*ITEMS, *ITEMS, ITEMS[0])), Dialect.MISTRAL)
    assert sum(len(message.parts) for message in found.messages) == 5
    assert turns.asked == {"response/resp_1": 1}


@pytest.mark.parametrize("bound", ["_MOST_REFERENCES", "_MOST_BYTES"])
def test_a_request_cannot_have_all_that_is_remembered_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    turns = CountingMemory(tmp_path)
    answered(turns, "resp_1")
    answered(turns, "resp_2")
    second = ITEMS[0].replace("_1_", "_2_")
    Remembrance(turns, KEY).restore(asked(input=references(ITEMS[0], second)), Dialect.MISTRAL)
    kept = TurnMemory.recall(turns, "o1", "response/resp_1")
    assert kept is not None
    monkeypatch.setattr(remembered, bound, 1 if bound == "_MOST_REFERENCES" else len(kept))
    Remembrance(turns, KEY).restore(asked(input=references(ITEMS[0])), Dialect.MISTRAL)
    with pytest.raises(InvalidRequest, match="send the items themselves"):
        Remembrance(turns, KEY).restore(asked(input=references(ITEMS[0], second)), Dialect.MISTRAL)


@pytest.mark.parametrize(
    ("policy", "unlogged", "body", "wanted"),
    [
        (ContentPolicy.FULL, False, {}, True),
        (ContentPolicy.FULL, False, {"store": True}, True),
        (ContentPolicy.FULL, False, {"store": False}, False),
        (ContentPolicy.FULL, True, {}, False),
        (ContentPolicy.REDACTED, False, {"store": True}, False),
        (ContentPolicy.METADATA, False, {}, False),
    ],
)
def test_what_is_not_to_be_kept_is_not_remembered(
    tmp_path: Path, policy: ContentPolicy, unlogged: bool, body: dict[str, Any], wanted: bool
) -> None:
    key = structs.replace(KEY, content_policy=policy)
    remembrance = Remembrance(CountingMemory(tmp_path), key, unlogged=unlogged)
    remembrance.restore(asked(input="Is it?", **body), Dialect.MISTRAL)
    assert remembrance.wanted is wanted


def test_a_response_that_another_version_kept_is_not_remembered(tmp_path: Path) -> None:
    turns = CountingMemory(tmp_path)
    turns.keep("o1", "response/resp_1", b'{"messages": 5}')
    with pytest.raises(InvalidRequest, match="is not remembered here"):
        Remembrance(turns, KEY).restore(asked(input="x", previous_response_id="resp_1"), Dialect.MISTRAL)


def test_a_signature_that_another_version_kept_is_forgotten(tmp_path: Path) -> None:
    turns = CountingMemory(tmp_path)
    turns.keep("o1", "call/c1", b'{"thinking": 5}')
    turns.keep("o1", "call/c2", b'{"signatures": {"c2": "signed"}}')
    said = [Message(Role.ASSISTANT, (ToolCall(name, "f", "{}"),)) for name in ("c1", "c2")]
    request = ChatRequest(dialect=Dialect.OPENAI_CHAT, model="m", messages=tuple(said))
    found = Remembrance(turns, KEY).restore(request, Dialect.GEMINI)
    calls = [part for message in found.messages for part in message.parts if isinstance(part, ToolCall)]
    assert [call.signature for call in calls] == [None, "signed"]
    assert turns.asked == {"call/c1": 1, "call/c2": 1}
