"""What OpenAI's clients must get: from OpenAI, and through the gateway from OpenAI and from Mistral."""

from collections.abc import Callable
from typing import Any

from tests.sdk.environments import Client
from tests.sdk.expectations import Check, Row, Table, either, equals, gives, holds, raises
from tests.sdk.roads import Outcome, Road

PYTHON = (Client.OPENAI_2, Client.OPENAI_3)
ALL = (*PYTHON, Client.OPENAI_TS)
ROADS = (Road.DIRECT, Road.RELAYED, Road.GATEWAY)
AT_OPENAI = (Road.DIRECT, Road.RELAYED)
AT_MISTRAL = (Road.GATEWAY,)
THROUGH_US = (Road.RELAYED, Road.GATEWAY)
DIRECT = (Road.DIRECT,)
USAGE = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}
ARGUMENTS = {"city": "city", "days": 2}
WAGON = {"name": "name", "axles": 1, "loads": ["loads"]}
GREETING = "You said: Hello, Mistral! "
TRANSCRIPT = "Simulated transcription of a.mp3, 3 seconds long."
THOUGHT = "Let me think about 'Hello, Mistral!' step by step."


def opens(text: str, **more: Any) -> Check:
    return gives(lambda result: result["text"].startswith(text) and {**result, **more} == result)


def streams(usage: Any, **more: Any) -> Check:
    """Check a stream: whole, of strings only, and with its usage only where it was asked for."""

    def check(result: Any) -> bool:
        whole = result["text"].startswith(GREETING) and result["finish"] == ["stop"] and result["chunks"] > 5
        strings = set(result["types"]) <= {"str", "NoneType"}
        return bool(whole and strings and result["usage"] == usage and {**result, **more} == result)

    return gives(check)


def called(result: Any) -> bool:
    return bool(
        result["type"] == "function"
        and result["name"] == "get_weather"
        and result["arguments"] == ARGUMENTS
        and result["content"] is None
        and result["finish"] == "tool_calls"
        and result["after"].startswith("The tool answered: 22 °C and sunny")
    )


def called_in_pieces(result: Any) -> bool:
    return bool(result["name"] == "get_weather" and result["arguments"] == ARGUMENTS and "null" not in result["id"])


def embedded(dimension: int) -> Callable[[Any], bool]:
    known = {"count": 2, "dimension": dimension, "number": "float", "same": True}
    return lambda result: bool({**result, **known} == result and result["tokens"] > 0)


CHANGES = {
    "logit_bias: dropped",
    "max_completion_tokens: renamed to max_tokens",
    "seed: renamed to random_seed",
    "temperature: clamped to 1.5",
    "user: dropped",
}


def changed(result: Any) -> bool:
    return set(result["changes"].split("; ")) == CHANGES and result["finish"] == "length"


ANSWERED = opens(GREETING, finish="stop", usage=USAGE)
UNTOUCHED = gives(lambda result: result["changes"] is None and result["finish"] == "length")
CHAT_ROWS = (
    Row("complete", ANSWERED, ROADS),
    Row("stream", streams(None), ROADS),
    Row("stream_usage", streams(USAGE), ROADS),
    Row("complete_async", ANSWERED, ROADS, PYTHON),
    Row("stream_async", streams(None), ROADS, PYTHON),
    Row("changes_named", UNTOUCHED, AT_OPENAI),
    Row("changes_named", gives(changed), AT_MISTRAL),
    Row("strict_refused", raises("BadRequestError", status=400, param="logit_bias"), AT_MISTRAL),
    Row("strict_refused", ANSWERED, (Road.RELAYED,)),  # OpenAI takes what it names, so nothing is dropped
    Row("extra_body", ANSWERED, THROUGH_US),
    Row("developer_role", opens(GREETING), ROADS),
    Row("system_last", opens(GREETING), ROADS),
    Row("content_parts", opens("You said: What is this?"), ROADS),
    Row("several", equals({"choices": [0, 1]}), ROADS),
    Row("tools", gives(called), ROADS),
    Row("tools_foreign_id", opens("The tool answered: 22 °C and sunny"), ROADS),
    Row("tools_stream", gives(called_in_pieces), ROADS),
    Row("parse", equals(WAGON), ROADS),
    Row("parse_stream", equals(WAGON), ROADS),
    Row("json_schema", equals(WAGON), ROADS),
    Row("json_object", equals({"answer": "Hello, Mistral!", "simulated": True}), ROADS),
    Row("reasoning", opens(GREETING, thought=THOUGHT), AT_MISTRAL),
    Row("reasoning_stream", streams(None, thought=THOUGHT), AT_MISTRAL),
    Row("stream_left_early", equals({"first": "assistant", "next": "chat.completion"}), ROADS),
    Row("embeddings", gives(embedded(1536)), AT_OPENAI),
    Row("embeddings", gives(embedded(1024)), AT_MISTRAL),
    Row("embeddings_base64", equals({"text": "str", "starts": True}), ROADS),
    Row("embeddings_shaped", equals({"dimension": 64}), ROADS),
    Row("embeddings_async", equals({"count": 1}), ROADS, PYTHON),
    Row("responses", opens(GREETING), AT_OPENAI),
    Row("responses_stream", equals({"first": "response.created", "last": "response.completed"}), AT_OPENAI),
    Row("responses_kept", equals({"same": True, "items": ["Hello, Mistral!"]}), ROADS),
    Row("responses_deleted", raises("NotFoundError", status=404), ROADS),
)
SRT = f"1\n00:00:00,000 --> 00:00:03,000\n{TRANSCRIPT}"
VTT = f"WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n{TRANSCRIPT}"
MEDIA_ROWS = (
    Row("transcription", equals({"text": TRANSCRIPT, "usage": "tokens"}), ROADS),
    Row("transcription_text", gives(lambda result: result.strip() == TRANSCRIPT), ROADS),
    Row("transcription_srt", gives(lambda result: result.strip() == SRT), ROADS),
    Row("transcription_vtt", gives(lambda result: result.strip() == VTT), ROADS),
    Row("transcription_verbose", equals({"text": TRANSCRIPT, "seconds": 3.0, "segments": 1}), ROADS),
    Row("transcription_words", equals({"words": True}), ROADS),
    Row(
        "transcription_stream",
        equals({"text": TRANSCRIPT, "last": "transcript.text.done", "whole": TRANSCRIPT}),
        ROADS,
    ),
    Row("transcription_async", equals({"text": TRANSCRIPT}), ROADS, PYTHON),
    Row("speech", equals({"opens": "RIFF", "type": "audio/wav"}), ROADS),
    Row("speech_streamed", equals({"opens": "RIFF", "long": True}), ROADS),
    Row("speech_events", equals({"delta": True, "done": True}), ROADS),
    Row("moderation", equals([True, False]), AT_OPENAI),
    Row("models_list", gives(lambda result: {"gpt-4o", "whisper-1"} <= set(result)), AT_OPENAI),
    Row("models_list", gives(lambda result: {"mistral-small-latest", "gpt-4o"} <= set(result)), AT_MISTRAL),
    Row("models_retrieve", holds(id="gpt-4o", object="model"), DIRECT),
    Row("models_retrieve", holds(id="openai/gpt-4o", object="model"), (Road.RELAYED,)),
    Row("models_retrieve", holds(id="mistral/mistral-small-latest", object="model"), AT_MISTRAL),
)


def known_cut(client: Client, outcome: Outcome) -> bool:
    """A connection that is cut is an error of openai 3, and of the HTTP library of the others."""
    known = {"APIConnectionError", "RemoteProtocolError", "ReadError", "TypeError"}
    return bool(known & set(outcome.get("error", ())))


TOLD = raises("APIError", code="upstream_broke", type="server_error")
STATUSES = {
    "error_400": ("BadRequestError", 400),
    "error_403": ("PermissionDeniedError", 403),
    "error_422": ("UnprocessableEntityError", 422),
    "error_500": ("InternalServerError", 500),
    "error_503_stream": ("InternalServerError", 503),
}
ERROR_ROWS = (
    *(Row(case, raises(kind, status=status), ROADS) for case, (kind, status) in STATUSES.items()),
    Row("error_401", raises("AuthenticationError", status=401, code="invalid_api_key"), DIRECT),
    Row("error_401", raises("AuthenticationError", status=401, code="authentication_error"), THROUGH_US),
    Row("error_404", raises("NotFoundError", status=404), ROADS),
    Row("error_model", raises("NotFoundError", status=404, code="model_not_found"), AT_OPENAI),
    Row("error_model", raises("BadRequestError", status=400, code="1500", type="invalid_model"), AT_MISTRAL),
    Row("error_429", raises("RateLimitError", status=429, retry_after="7"), ROADS),
    Row("error_timeout", raises("APITimeoutError", "APIConnectionTimeoutError"), ROADS),
    Row("error_refused", raises("APIConnectionError"), DIRECT),
    Row("error_closed", raises("APIConnectionError"), DIRECT),
    Row("error_closed", raises("InternalServerError", status=502, code="upstream_unreachable"), THROUGH_US),
    Row("retried", opens(GREETING, statuses=[503, 503, 200]), ROADS),
    Row("retried_429", opens(GREETING, statuses=[429, 200]), ROADS),
    Row("unretried", equals({"statuses": [503], "error": "InternalServerError"}), ROADS),
    Row("stream_cut_in_an_event", known_cut, AT_OPENAI),
    Row("stream_cut_in_an_event", TOLD, AT_MISTRAL),
    Row("stream_cut_between_events", known_cut, DIRECT),
    Row("stream_cut_between_events", TOLD, THROUGH_US),
    Row("stream_reset", known_cut, DIRECT),
    Row("stream_reset", either(TOLD, known_cut), (Road.RELAYED,)),  # what came before the reset is chance
    Row("stream_reset", TOLD, AT_MISTRAL),
    Row("stream_malformed_chunk", known_cut, DIRECT),
    Row("stream_malformed_chunk", either(TOLD, known_cut), (Road.RELAYED,)),
    Row("stream_malformed_chunk", TOLD, AT_MISTRAL),
    Row("stream_error_event", raises("APIError", type="server_error"), ROADS),
    Row("stream_with_comments", streams(None), ROADS),
)
DEFECTS: dict[tuple[Client, Road, str], str] = {}
TABLE = Table((*CHAT_ROWS, *MEDIA_ROWS, *ERROR_ROWS), {}, DEFECTS)
