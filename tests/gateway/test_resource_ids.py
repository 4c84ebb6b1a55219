"""Ids in requests, answers and lists: found however they are spelled, and nothing else is changed."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Operation
from gantry.gateway.resource_ids import (
    Item,
    created_ids,
    ids_in_body,
    ids_in_path,
    resource_key,
    told_items,
    withhold_foreign,
)

HEX = "0196a1b2c3d47e5f8a9b0c1d2e3f4a5b"
UUID = "0196a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
JSON = "application/json"
FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    "spelling",
    [
        HEX,
        HEX.upper(),
        UUID,
        UUID.upper(),
        f"{{{UUID}}}",
        f"urn:uuid:{UUID}",
        f"ag_{HEX}",
        f"conv_{HEX}",
        f"file-{UUID}",
    ],
)
def test_spellings_of_a_uuid_are_one_id(spelling: str) -> None:
    assert resource_key(spelling) == HEX
    assert ids_in_path(f"/v1/files/{spelling}/content") == [HEX]
    assert ids_in_path(f"/v1/files/{quote(spelling, safe='')}?x=1") == [HEX]
    assert ids_in_path("/v1/files/" + "".join(f"%{byte:02x}" for byte in spelling.encode())) == [HEX]
    assert ids_in_body(json.dumps({"a": [{"file_id": spelling}]}).encode()) == [HEX]


@pytest.mark.parametrize(
    "text", ["file-abc123XYZ0", "batch_68f0c1", "ag:1234abcd:20250101:x", "ft:open-mistral-7b:x:1"]
)
def test_other_ids_are_taken_as_they_are(text: str) -> None:
    assert resource_key(text) == text
    assert resource_key(text.upper()) == text.upper()


@pytest.mark.parametrize(
    "text", ["", "agents", "completions", "file-name", "mistral-large-latest", "what is 1_2?", HEX[1:]]
)
def test_words_are_not_ids(text: str) -> None:
    assert resource_key(text) is None


def test_every_id_of_a_target_is_found() -> None:
    assert ids_in_path(f"/v1/libraries/{UUID}/documents/file-123456?agent_id=ag_12345678&page=0") == [
        HEX,
        "file-123456",
        "ag_12345678",
    ]
    assert ids_in_path("/v1/audio/voices/fr_marie_neutral/sample") == []


def _escaped(text: str) -> str:
    """Return a JSON string of which each character is escaped."""
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (f'{{"file_id":"{UUID}"}}'.encode(), JSON),
        (f'{{"file_id":"{UUID}"}}'.encode(), ""),
        (f'{{"file_id" : {_escaped(UUID)}}}'.encode(), JSON),
        (f'\ufeff{{"file_id":"{UUID}"}}'.encode(), JSON),
        (f'{{"file_id":"{UUID}"}}'.encode("utf-16-le"), JSON),
        (f'{{"file_id":"{UUID}"}}'.encode("utf-32"), JSON),
        (f"model=m&file_id={UUID}".encode(), "application/x-www-form-urlencoded"),
        (f"file_id={UUID.replace('-', '%2D')}&model=m".encode(), "Application/X-WWW-Form-Urlencoded; charset=utf-8"),
        (f'--b\r\nContent-Disposition: form-data; name="file_id"\r\n\r\n{UUID}\r\n--b--\r\n'.encode(), FORM),
    ],
)
def test_an_id_is_found_in_any_kind_of_body(body: bytes, content_type: str) -> None:
    assert ids_in_body(body, content_type) == [HEX]


def test_only_whole_strings_are_ids() -> None:
    text = f'what about {UUID}? and "{UUID}" or ag_{HEX}'
    for content in (text, f"{UUID} is the one", f"{UUID}-and-{'x' * 200}"):
        assert ids_in_body(json.dumps({"messages": [{"content": content}]}).encode()) == []
    assert ids_in_body(json.dumps({"a": "x" * 1_000_000, "b": f"ag_{HEX}"}).encode()) == [HEX]


TREES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(TREES, TREES, st.booleans(), st.sampled_from([None, 2]))
def test_an_id_is_found_wherever_it_stands(before: Any, after: Any, ascii_only: bool, indent: int | None) -> None:
    tree = [before, {"deep": [{"k": UUID}, after]}]
    assert HEX in ids_in_body(json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode("utf-8", "replace"))
    compact = json.dumps(tree, ensure_ascii=ascii_only, separators=(",", ":")).encode("utf-8", "replace")
    assert HEX in ids_in_body(compact)


@pytest.mark.parametrize(
    ("operation", "document", "expected"),
    [
        (Operation.FILES, {"id": UUID, "object": "file"}, [HEX]),
        (Operation.AGENTS, {"id": f"ag_{HEX}", "versions": [0]}, [HEX]),
        (Operation.BATCHES, {"id": UUID, "output_file": "file-1234567", "error_file": None}, [HEX, "file-1234567"]),
        (Operation.FINE_TUNING, {"id": UUID, "fine_tuned_model": "ft:m:x:12345678"}, [HEX, "ft:m:x:12345678"]),
        (Operation.LIBRARIES, {"id": "document-123456", "library_id": UUID}, ["document-123456"]),
        (Operation.CONVERSATIONS, {"conversation_id": f"conv_{HEX}", "outputs": [{"id": "msg_12345678"}]}, [HEX]),
        (
            Operation.CONVERSATIONS,
            {"conversation_id": "conv_1234567", "outputs": [{"content": [{"type": "tool_file", "file_id": UUID}]}]},
            ["conv_1234567", HEX],
        ),
        (Operation.AGENT_CHAT, {"id": HEX, "choices": []}, []),
        (Operation.CHAT, {"id": HEX, "choices": []}, []),
        (Operation.FILES, {"id": 5}, []),
        (Operation.FILES, [{"id": UUID}], []),
    ],
)
def test_what_an_answer_says_was_made(operation: Operation, document: Any, expected: list[str]) -> None:
    body = json.dumps(document).encode()
    assert created_ids(operation, 200, JSON, body) == created_ids(operation, 201, JSON, body) == expected
    assert created_ids(operation, 404, JSON, body) == []
    assert created_ids(operation, 200, JSON, body[:5]) == []


def test_what_a_stream_says_was_made() -> None:
    stream = (
        f'event: conversation.response.started\ndata: {{"conversation_id":"conv_{HEX}"}}\n\n'
        'event: message.output.delta\ndata: {"id":"msg_12345678","content":{"file_id":"file-1234567"}}\n\n'
        'event: conversation.response.done\ndata: {"usage":{}}'
    )
    made = created_ids(Operation.CONVERSATIONS, 200, "text/event-stream; charset=utf-8", stream.encode())
    assert made == [HEX, "file-1234567"]


def _foreign(*names: str) -> Callable[[Item], bool]:
    return lambda item: item.key in names


MIXED = b'[ {"id": "file-1111111", "n": 1.00},{"id":"file-2222222"} , {"id":"file-3333333","x":"\xc3\xa9"}]'


def test_a_list_without_what_is_foreign_keeps_every_other_byte() -> None:
    body = b'{ "object": "list","data" : ' + MIXED + b', "total":7,"big": 123456789012345678901234567890 }'
    kept = b'[{"id": "file-1111111", "n": 1.00},{"id":"file-3333333","x":"\xc3\xa9"}]'
    hidden = withhold_foreign(body, _foreign("file-2222222"))
    assert hidden == b'{ "object": "list","data" : ' + kept + b', "total":6,"big": 123456789012345678901234567890 }'
    assert withhold_foreign(MIXED, _foreign("file-2222222")) == kept
    assert withhold_foreign(MIXED, _foreign("file-1111111", "file-2222222", "file-3333333")) == b"[]"


@pytest.mark.parametrize(
    "body", [MIXED, b'{"data": ' + MIXED + b', "total": 3}', b"[]", b"{}", b'{"data":null}', b'{"id":"x"}']
)
def test_a_list_of_which_nothing_is_foreign_is_the_same_object(body: bytes) -> None:
    assert withhold_foreign(body, _foreign("file-9999999")) is body


def test_counts_are_as_if_the_foreign_did_not_exist() -> None:
    libraries = {"data": [{"id": UUID}, {"id": "library-1"}], "pagination": {"total_items": 2, "has_more": False}}
    shown = json.loads(withhold_foreign(json.dumps(libraries).encode(), _foreign(HEX)))
    assert shown == {"data": [{"id": "library-1"}], "pagination": {"total_items": 1, "has_more": False}}
    voices = {"items": [{"id": UUID}], "total": 1, "page": 1}
    assert json.loads(withhold_foreign(json.dumps(voices).encode(), _foreign(HEX))) == {
        "items": [],
        "total": 0,
        "page": 1,
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"data": [', b"[1,", b'{"data":[],"data":[1]}'])
def test_a_list_that_cannot_be_read_is_an_error(body: bytes) -> None:
    with pytest.raises((InvalidRequest, msgspec.DecodeError)):
        withhold_foreign(body, _foreign())


ITEMS = st.lists(
    st.fixed_dictionaries({"id": st.sampled_from(["file-1111111", UUID, "x", None, 3])}, optional={"o": TREES})
    | st.none()
    | st.integers()
    | st.text()
)


@given(ITEMS, st.sampled_from([None, "data", "items"]), st.sets(st.sampled_from(["file-1111111", HEX])))
def test_withholding_is_filtering(items: list[Any], name: str | None, foreign: set[str]) -> None:
    document: Any = items if name is None else {"object": "list", name: items, "total": len(items)}
    body = json.dumps(document).encode("utf-8", "replace")
    expected = [item for item in items if not (isinstance(item, dict) and resource_key(str(item["id"])) in foreign)]
    shown = json.loads(withhold_foreign(body, _foreign(*foreign)))
    assert shown == (expected if name is None else {"object": "list", name: expected, "total": len(expected)})


def test_the_items_that_an_answer_tells_of() -> None:
    job = {"id": UUID, "output_file": "file-1234567"}
    for document in (job, [job], {"data": [job]}):
        told = [(item.key, item.made) for item in told_items(json.dumps(document).encode())]
        assert (HEX, ["file-1234567"]) in told
