"""The list of what a response was asked: every kind of item, with ids, in pages."""

import json
from typing import Any

import pytest
from msgspec import Raw

from gantry.core.chat import Message, NativePart, Role, Text
from gantry.core.errors import InvalidRequest
from gantry.dialects.responses.conversation import own_turns
from gantry.dialects.responses.decode_request import decode_request
from gantry.dialects.responses.input_items import Page, list_input_items, read_page
from gantry.dialects.responses.items import OWN

ANSWERED = json.dumps({"output": [{"type": "message"}]}).encode()
SILENT = json.dumps({"output": []}).encode()
ALL = Page(limit=100, newest_first=False)
ASKED: list[dict[str, Any]] = [
    {"role": "user", "content": "What is the weather?"},
    {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.test/b.png", "detail": "low"}]},
    {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": '{"city":"Oslo"}'},
    {"type": "function_call_output", "call_id": "c1", "output": "Rain."},
    {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "ls"},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "a b"},
    {"role": "assistant", "content": "It rains."},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {"role": "developer", "content": "Be short."},
]
ANSWER = Message(Role.ASSISTANT, (Text("It does."),))


def listed(page: Page = ALL, told: bytes = ANSWERED) -> dict[str, Any]:
    request = decode_request(json.dumps({"model": "m", "instructions": "Be kind.", "input": ASKED}).encode())
    found: dict[str, Any] = json.loads(list_input_items("resp_7", (*own_turns(request), ANSWER), told, page))
    return found


def test_every_kind_of_item_is_listed_as_openai_lists_it() -> None:
    assert listed()["data"] == [
        {
            "id": "msg_7_in_0",
            "status": "completed",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What is the weather?"}],
        },
        {
            "id": "msg_7_in_1",
            "status": "completed",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "detail": "low", "image_url": "https://a.test/b.png"}],
        },
        {"id": "fc_7_in_2", "status": "completed", **ASKED[2]},
        {"id": "fc_7_in_3", "status": "completed", **ASKED[3]},
        {"id": "ctc_7_in_4", "status": "completed", **ASKED[4]},
        {"id": "ctc_7_in_5", "status": "completed", **ASKED[5]},
        {
            "id": "msg_7_in_6",
            "status": "completed",
            "type": "message",
            "role": "assistant",
            "content": [{"annotations": [], "type": "output_text", "text": "It rains."}],
        },
        {"id": "ws_1", "status": "completed", "type": "web_search_call"},
        {
            "id": "msg_7_in_8",
            "status": "completed",
            "type": "message",
            "role": "developer",
            "content": [{"type": "input_text", "text": "Be short."}],
        },
    ]


def test_an_answer_without_words_takes_nothing_from_the_list() -> None:
    messages = (Message(Role.USER, (Text("Hi"),)),)
    assert len(json.loads(list_input_items("resp_7", messages, SILENT, ALL))["data"]) == 1


def test_an_item_that_only_openai_knows_stays_as_it_is() -> None:
    raw = Raw(b'{"type":"mcp_list_tools","id":"mcpl_1","tools":[]}')
    messages = (Message(Role.ASSISTANT, (NativePart(OWN, raw),)), ANSWER)
    (item,) = json.loads(list_input_items("resp_7", messages, ANSWERED, ALL))["data"]
    assert item == {**json.loads(bytes(raw)), "status": "completed"}


def test_pages_meet_without_a_gap() -> None:
    whole = [item["id"] for item in listed(Page(limit=100))["data"]]
    assert whole == [item["id"] for item in listed()["data"]][::-1]
    seen: list[str] = []
    while True:
        page = listed(Page(limit=4, after=seen[-1] if seen else None))
        seen += [item["id"] for item in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], seen[-1])
        if not page["has_more"]:
            break
    assert seen == whole


def test_a_page_behind_the_last_item_is_empty() -> None:
    page = listed(Page(after="msg_7_in_0"))
    assert page == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_a_query_means_a_page() -> None:
    assert read_page({}) == Page(20, True, None)
    assert read_page({"limit": "100", "order": "asc", "after": "x"}) == Page(100, False, "x")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"limit": "-1"}, {"limit": "٣"}, {"order": ""}])
def test_a_query_that_means_no_page_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        read_page(query)
    assert refused.value.param in query
