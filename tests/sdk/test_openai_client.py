"""The official OpenAI client: straight at the simulated OpenAI, and through the gateway at Mistral's models."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.sdk.conftest import Drive
from tests.sdk.environments import Client
from tests.sdk.roads import Road

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

USAGE = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}
ARGUMENTS = {"city": "city", "days": 2}


def answered(result: Any) -> bool:
    return bool(result["text"].startswith("You said: Hello, Mistral! ") and result["usage"] == USAGE)


def streamed(result: Any) -> bool:
    return bool(
        result["text"].startswith("You said: Hello, Mistral! ")
        and result["finish"] == ["stop"]
        and result["usage"] in (None, USAGE)
        and set(result["types"]) <= {"str", "NoneType"}
    )


def called(result: Any) -> bool:
    return bool(
        result["type"] == "function"
        and result["name"] == "get_weather"
        and result["arguments"] == ARGUMENTS
        and not result["content"]
        and result["after"].startswith("The tool answered: 22 °C and sunny")
    )


def called_in_pieces(result: Any) -> bool:
    return bool(result["name"] == "get_weather" and result["arguments"] == ARGUMENTS and "null" not in result["id"])


SCENARIOS: dict[str, Callable[[Any], bool]] = {
    "complete": answered,
    "stream": streamed,
    "stream_usage": lambda result: streamed(result) and bool(result["usage"] == USAGE),
    "complete_async": answered,
    "stream_async": streamed,
    "common_fields": lambda result: bool(result["finish"] == "length" and result["usage"]["completion_tokens"] == 5),
    "tools": called,
    "tools_stream": called_in_pieces,
    "parse": lambda result: bool(result == {"name": "name", "axles": 1, "loads": ["loads"]}),
    "embeddings": lambda result: bool(result == {"count": 2, "number": "float"}),
    "models_list": lambda result: len(result) > 3,
    "stream_left_early": lambda result: bool(result == {"first": "assistant", "next": "chat.completion"}),
}
ERRORS = (
    ("error_401", {"AuthenticationError"}),
    ("error_model", {"NotFoundError", "BadRequestError"}),
    ("error_429", {"RateLimitError"}),
    ("stream_cut", {"APIError", "RemoteProtocolError"}),
)


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_client_gets_what_it_asked_for(road: Road, scenario: str, drive_client: Drive) -> None:
    outcome = drive_client(Client.OPENAI_3, road)[scenario]
    assert "result" in outcome, outcome
    assert SCENARIOS[scenario](outcome["result"]), outcome["result"]


@pytest.mark.parametrize("road", Road)
@pytest.mark.parametrize(("scenario", "kinds"), ERRORS)
def test_an_error_becomes_the_exception_that_the_client_documents(
    road: Road, scenario: str, kinds: set[str], drive_client: Drive
) -> None:
    outcome = drive_client(Client.OPENAI_3, road)[scenario]
    assert kinds & set(outcome.get("error", ())), outcome
