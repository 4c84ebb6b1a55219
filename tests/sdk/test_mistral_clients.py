"""The official Mistral clients, black boxes all, straight at the simulator and through the gateway."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.conftest import Drive
from tests.sdk.environments import Client
from tests.sdk.roads import Road

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

PYTHON = (Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3)
ALL = (*PYTHON, Client.MISTRAL_TS)
NEWER = (Client.MISTRAL_2, Client.MISTRAL_3)
USAGE = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}
ARGUMENTS = {"city": "city", "days": 2}


def answered(result: Any) -> bool:
    return bool(result["text"].startswith("You said: Hello, Mistral! ")) and result.get("usage", USAGE) == USAGE


def folded(result: Any) -> bool:
    return answered(result) and result["finish"] == "stop" and result["events"] > 5


def thought(result: Any) -> bool:
    return bool(result["types"] == ["thinking", "text"] and result["text"].startswith("You said: Hello, Mistral!"))


def thought_aloud(result: Any) -> bool:
    return bool(result["finish"] == "stop" and result["text"].startswith("You said: Hello, Mistral!"))


def called(result: Any) -> bool:
    return bool(
        len(result["id"]) == 9
        and result["name"] == "get_weather"
        and result["arguments"] == ARGUMENTS
        and result["finish"] == "tool_calls"
        and result["after"].startswith("The tool answered: 22 °C and sunny")
    )


def called_in_pieces(result: Any) -> bool:
    names = "".join(result["names"])
    return bool(names == "get_weather" and result["arguments"] == ARGUMENTS and result["finish"] == "tool_calls")


def filed(result: Any) -> bool:
    expected = {"bytes": 19, "listed": True, "content": '{"custom_id": "1"}\n', "deleted": True}
    return bool({**result, **expected} == result)


def conversed(result: Any) -> bool:
    turn = ["message.input", "message.output"]
    kinds = ["conversation.response.started", "message.output.delta", "conversation.response.done"]
    return bool(
        result["version"] == 1
        and result["listed"]
        and result["output"].startswith("You said: Hello ")
        and result["kinds"] == kinds
        and result["history"] == turn + turn
    )


def listed(result: Any) -> bool:
    return any(name.endswith("mistral-small-latest") for name in result)


SCENARIOS: tuple[tuple[str, tuple[Client, ...], Callable[[Any], bool]], ...] = (
    ("complete", ALL, answered),
    ("stream", ALL, folded),
    ("complete_async", PYTHON, answered),
    ("stream_async", PYTHON, folded),
    ("tools", ALL, called),
    ("tools_stream", ALL, called_in_pieces),
    ("parse", PYTHON, lambda result: bool(result == {"name": "name", "axles": 1, "loads": ["loads"]})),
    ("reasoning", ALL, thought),
    ("reasoning_stream", ALL, thought_aloud),
    ("embeddings", ALL, lambda result: bool(result == {"count": 2, "dimension": 1024, "tokens": 6})),
    ("fim", ALL, lambda result: bool(result["text"] and result["usage"]["completion_tokens"] == 40)),
    ("fim_stream", ALL, lambda result: bool(result["text"] and result["usage"]["completion_tokens"] == 40)),
    ("models_list", ALL, listed),
    ("models_retrieve", ALL, lambda result: result["chat"] is True and result["context"] > 0),
    ("stream_left_early", ALL, lambda result: bool(result == {"first": "assistant", "next": "chat.completion"})),
    ("files", ALL, filed),
    ("ocr", ALL, lambda result: bool(result == {"pages": 2, "processed": 2})),
    ("moderation", ALL, lambda result: bool(result == [True, False])),
    ("transcription", ALL, lambda result: bool(result["seconds"] == 3)),
    ("transcription_stream", PYTHON, lambda result: bool(result[-1] == "transcription.done")),
    ("batch", PYTHON, lambda result: bool(result["status"] == ["QUEUED", "SUCCESS"] and result["listed"])),
    ("agents_and_conversations", PYTHON, conversed),
    ("libraries", PYTHON, lambda result: bool(result == {"documents": 1, "status": "Completed"})),
    ("agent_complete", PYTHON, answered),
    ("fine_tuning", (Client.MISTRAL_1,), lambda result: bool(result == {"status": "QUEUED", "listed": True})),
    ("responses", (Client.MISTRAL_3,), lambda result: bool(result["text"].startswith("You said: Hello"))),
    ("responses_stream", (Client.MISTRAL_3,), lambda result: bool(result["last"] == "response.completed")),
    ("speech", NEWER, lambda result: bool(result == {"audio": True})),
    ("voices", NEWER, lambda result: bool(result["names"] == ["Paul", "Marie"])),
)
ERRORS = (
    ("error_401", "SDKError", 401),
    ("error_400", "SDKError", 400),
    ("error_422", "HTTPValidationError", 422),
    ("error_429", "SDKError", 429),
)
BROKEN = {"RemoteProtocolError", "ReadError", "TypeError"}  # of httpx, httpx2 and fetch, when a connection is cut


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize(
    ("client", "scenario", "expected"),
    [
        pytest.param(client, scenario, expected, id=f"{client}-{scenario}")
        for scenario, clients, expected in SCENARIOS
        for client in clients
    ],
)
def test_a_client_gets_what_it_asked_for(
    client: Client, road: Road, scenario: str, expected: Callable[[Any], bool], drive_client: Drive
) -> None:
    outcome = drive_client(client, road)[scenario]
    assert "result" in outcome, outcome
    assert expected(outcome["result"]), outcome["result"]


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize("client", ALL)
@pytest.mark.parametrize(("scenario", "kind", "status"), ERRORS)
def test_an_error_becomes_the_exception_that_the_client_documents(
    client: Client, road: Road, scenario: str, kind: str, status: int, drive_client: Drive
) -> None:
    outcome = drive_client(client, road)[scenario]
    assert outcome.get("status") == status, outcome
    assert kind in outcome["error"], outcome


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize("client", ALL)
def test_a_stream_cut_inside_an_event_never_looks_complete(client: Client, road: Road, drive_client: Drive) -> None:
    outcome = drive_client(client, road)["stream_cut"]
    if "error" in outcome:
        assert BROKEN & set(outcome["error"]), outcome
    else:
        assert outcome["result"]["finish"] == "error", outcome
