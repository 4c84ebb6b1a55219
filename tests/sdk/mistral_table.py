"""What Mistral's clients must get: operations, and every error class that they know (reference: their own behaviour).

`ANSWERED` is what the simulator says to "Hello, Mistral!"; a case that asks it takes the same way as its twins.
"""

from typing import Any

from tests.sdk.environments import Client
from tests.sdk.expectations import DIRECT, GATEWAY, Check, Row, Table, either, equals, gives, holds, raises
from tests.sdk.roads import Road

PYTHON = (Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3)
NODE = (Client.MISTRAL_TS_1, Client.MISTRAL_TS_2)
OLD = (Client.MISTRAL_1, Client.MISTRAL_TS_1)
USAGE = {"prompt_tokens": 7, "completion_tokens": 40, "total_tokens": 47}
ARGUMENTS = {"city": "city", "days": 2}
WAGON = {"name": "name", "axles": 1, "loads": ["loads"]}
TRANSCRIPT = "Simulated transcription of a.mp3, 3 seconds long."
LONG_TRANSCRIPT = "Simulated transcription of a.mp3, 30 seconds long."
GREETING = "You said: Hello, Mistral! "


def opens(text: str, **more: Any) -> Check:
    """Check a chat answer: how it opens, and what else is known of it."""
    return gives(lambda result: result["text"].startswith(text) and {**result, **more} == result)


ANSWERED = opens(GREETING, finish="stop", usage=USAGE)
STREAMED = gives(
    lambda result: (
        result["text"].startswith(GREETING)
        and result["finish"] == "stop"
        and result["usage"] == USAGE
        and result["events"] > 5
    )
)
COMPLETED = gives(lambda result: result["text"] and result["usage"]["completion_tokens"] == 40)


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


def reasoned(result: Any) -> bool:
    return bool(
        result["types"] == ["thinking", "text"]
        and result["text"].startswith(GREETING)
        and result["after"].startswith("You said: And then?")
    )


def conversed(result: Any) -> bool:
    kinds = result["kinds"]
    return bool(
        result["started"] == kinds[0] == "conversation.response.started"
        and set(kinds[1:-1]) == {"message.output.delta"}
        and kinds[-1] == "conversation.response.done"
        and result["same"]
        and result["tokens"] == 45
    )


CHAT_ROWS = (
    Row("complete", ANSWERED),
    Row("stream", STREAMED),
    Row("complete_async", ANSWERED, clients=PYTHON),
    Row("stream_async", STREAMED, clients=PYTHON),
    Row("prefixed_model", ANSWERED, GATEWAY),
    Row("prefixed_model", raises("SDKError", status=400, says="Invalid model"), DIRECT),
    Row("all_fields", holds(choices=[0, 1], text="You said: Hello, Mistral! What", finish="length")),
    Row("explicit_nulls", ANSWERED),
    Row("metadata", ANSWERED),
    Row("prefix", opens("Well: You said: ")),
    Row("content_parts", opens("You said: What is this?")),
    Row("spoken_question", opens("You said: What is said?", seconds=3)),
    Row("tools", gives(called)),
    Row("tools_stream", gives(called_in_pieces)),
    Row("tools_named", equals({"names": ["get_weather"]})),
    Row("parse", equals(WAGON)),
    Row("parse_async", equals(WAGON), clients=PYTHON),
    Row("parse_stream", equals(WAGON)),
    Row("json_schema", equals(WAGON)),
    Row("json_object", equals({"answer": "Hello, Mistral!", "simulated": True})),
    Row("reasoning", gives(reasoned)),
    Row("reasoning_stream", opens(GREETING, finish="stop", types=["thinking"])),
    Row("reasoning_effort", equals({"types": ["thinking", "text"]})),
    Row("unknown_chunk", ANSWERED, GATEWAY, (Client.MISTRAL_2, Client.MISTRAL_3)),
    Row("stream_left_early", equals({"first": "assistant", "next": "chat.completion"})),
    Row("fim", COMPLETED),
    Row("fim_stream", COMPLETED),
    Row("agent_complete", ANSWERED),
    Row("agent_stream", STREAMED),
    Row("embeddings", holds(count=2, dimension=1024)),
    Row("embeddings_shaped", equals({"dimension": 64, "whole": True})),
    Row("embeddings_async", equals({"dimension": 1024}), clients=PYTHON),
    Row("responses", opens("You said: Hello", tokens=45), clients=PYTHON),
    Row("responses_stream", equals({"first": "response.created", "last": "response.completed"}), clients=PYTHON),
    Row("responses_tokens", equals({"tokens": 5}), clients=PYTHON),
)
MEDIA_ROWS = (
    Row("ocr", equals({"pages": 2, "processed": 2})),
    Row("ocr_annotated", equals({"pages": 1, "annotated": True})),
    Row("ocr_async", equals({"pages": 2}), clients=PYTHON),
    Row("moderation", equals([True, False])),
    Row("moderation_chat", equals([True, False])),
    Row("classification", equals([True, True])),
    Row("classification_chat", equals([True])),
    Row("transcription", equals({"text": TRANSCRIPT, "seconds": 3, "language": "en"})),
    Row("transcription_timed", equals({"segments": 1})),
    Row("transcription_of_a_link", opens("Simulated transcription of https://example.com/a.mp3")),
    Row("transcription_of_a_file", opens("Simulated transcription of stored.mp3, 3 seconds")),
    Row("transcription_stream", equals({"last": "transcription.done", "text": LONG_TRANSCRIPT, "seconds": 30})),
    Row("transcription_async", equals({"last": "transcription.done"}), clients=PYTHON),
    Row("speech", equals({"opens": "RIFF"})),
    Row("speech_stream", equals({"opens": "RIFF", "last": "speech.audio.done", "tokens": 12})),
    Row(
        "voices",
        equals(
            {
                "names": ["Paul", "Marie", "Conductor"],
                "description": "calm",
                "got": "Paul",
                "sample": "RIFF",
                "left": ["Paul", "Marie"],
            }
        ),
    ),
    Row("voices_searched", gives(lambda result: "Paul" in result["names"]), clients=PYTHON),
    Row("realtime", equals({"first": "session.created", "last": "transcription.done", "deltas": 3, "seconds": 2})),
    Row("realtime_refused", raises("RealtimeTranscriptionException")),
    Row("realtime_speech", equals({"sound": True, "last": "speech.audio.done"}), clients=PYTHON),
)
CARD = {"context": 262_144, "chat": True}
RESOURCE_ROWS = (
    Row("models_list", gives(lambda result: {"mistral-small-latest", "codestral-latest"} <= set(result))),
    Row("models_retrieve", holds(id="mistral-small-latest", **CARD)),
    Row("models_retrieve_prefixed", holds(id="mistral/mistral-small-latest", **CARD), GATEWAY),
    Row("models_retrieve_prefixed", raises("SDKError", status=404), DIRECT),
    Row(
        "files",
        equals(
            {
                "name": "jobs.jsonl",
                "bytes": 19,
                "listed": True,
                "content": '{"custom_id": "1"}\n',
                "link": True,
                "deleted": True,
                "left": False,
            }
        ),
    ),
    Row("batch", equals({"status": ["QUEUED", "SUCCESS"], "listed": True, "result": "chat.completion"})),
    Row("batch_inline", equals({"status": "SUCCESS", "outputs": 1, "metadata": {"yard": "north"}})),
    Row("batch_cancelled", equals(["CANCELLATION_REQUESTED", "CANCELLED"])),
    Row(
        "agents",
        gives(
            lambda result: (
                result["said"].startswith(GREETING)
                and {**result, "version": 1, "versions": [0, 1], "listed": True, "left": False} == result
            )
        ),
    ),
    Row("agents_paged", equals({"found": True}), clients=PYTHON),
    Row(
        "conversations",
        equals(
            {
                "said": ["You said: Hell", "You said: And ", "You said: Agai"],
                "tokens": 45,
                "messages": 4,
                "history": ["message.input", "message.output", "message.input", "message.output"],
                "restarted": True,
                "listed": True,
                "got": True,
                "left": False,
            }
        ),
    ),
    Row("conversations_streamed", gives(conversed)),
    Row(
        "libraries",
        equals(
            {
                "named": "departures",
                "documents": 1,
                "status": "Completed",
                "text": "Simulated text of a.txt",
                "link": True,
                "found": True,
                "left": False,
            }
        ),
    ),
    Row(
        "fine_tuning",
        gives(
            lambda result: (
                result["said"].startswith(GREETING)
                and {**result, "status": ["QUEUED", "SUCCESS"], "listed": True, "archived": True, "deleted": True}
                == result
            )
        ),
    ),
)
INVALID_KEY = "Your API key is invalid"
TEMPERATURE = [[["body", "temperature"], "Expected `float` <= 1.5", "less_than_equal"]]
CUT = either(
    raises("RemoteProtocolError", "TypeError"),  # of httpx, httpx2 and fetch, when a connection is cut
    raises("ReadError", "TypeError"),
)
# What the gateway says where the connection between it and the provider is cut between two events.
BROKEN_OFF = gives(lambda result: GREETING.startswith(result["text"][:26]) and result["finish"] == "error")
ONCE_MORE = {"finish": "stop", "usage": USAGE}


def retried(status: int) -> Check:
    return opens(GREETING, answers=[[status, None], [status, None], [200, None]], **ONCE_MORE)


ERROR_ROWS = (
    Row("error_400", raises("SDKError", status=400, says='"code":"1500"')),
    Row("error_400_order", raises("SDKError", status=400, says="invalid_request_message_order")),
    Row("error_401", raises("SDKError", status=401, says="Invalid API Key"), DIRECT),
    Row("error_401", raises("SDKError", status=401, says=INVALID_KEY), GATEWAY),
    Row("error_401_async", raises("SDKError", status=401), clients=PYTHON),
    Row("error_401_stream", raises("SDKError", status=401)),
    Row("error_403", raises("SDKError", status=403, says="forbidden")),
    Row("error_403_guardrail", raises("SDKError", status=403, says="Input blocked by guardrails")),
    Row("error_404", raises("SDKError", status=404, says="not found")),
    Row("error_404_path", raises("SDKError", status=404), DIRECT),
    Row("error_404_path", raises("SDKError", status=404, says="The SDK adds /v1 itself"), GATEWAY),
    Row("error_422", raises("HTTPValidationError", status=422, detail=TEMPERATURE)),
    Row("error_422_stream", raises("HTTPValidationError", status=422, detail=TEMPERATURE)),
    Row("error_429", raises("SDKError", status=429, says='"code":"1300"', retry_after="7")),
    Row("error_429_capacity", raises("SDKError", status=429, says='"code":"3505"')),
    Row("error_500", raises("SDKError", status=500)),
    Row("error_503_stream", raises("SDKError", status=503)),
    Row("error_closed", raises("RemoteProtocolError", "ConnectionError"), DIRECT),
    Row("error_closed", raises("SDKError", status=502, says="without an answer"), GATEWAY),
    Row("error_refused", raises("ConnectError", "ConnectionError"), DIRECT),
    Row("error_html", raises("SDKError", status=200, says="Content-Type text/html")),
    Row("error_malformed", raises("ResponseValidationError", "SyntaxError")),
    Row("error_timeout", raises("ReadTimeout", "RequestTimeoutError")),
    Row("unretried", equals({"requests": 1, "error": "SDKError"})),
    Row("unretried_400", equals({"requests": 1, "error": "SDKError"})),
    Row("retried_429", opens(GREETING, answers=[[429, "1"], [200, None]], **ONCE_MORE)),
    Row("retried_500", retried(500)),
    Row("retried_502", retried(502)),
    Row("retried_503", retried(503)),
    Row("retried_stream", retried(504)),
    Row("stream_cut_in_an_event", CUT),
    Row("stream_cut_between_events", CUT, DIRECT),
    Row("stream_cut_between_events", BROKEN_OFF, GATEWAY),
    Row("stream_reset", CUT, DIRECT),
    Row("stream_reset", either(CUT, BROKEN_OFF), GATEWAY),  # what of the last event came before the reset is chance
    Row("stream_malformed_chunk", CUT, DIRECT),
    Row("stream_malformed_chunk", either(CUT, BROKEN_OFF), GATEWAY),
    Row("stream_error_event", raises("ValidationError", "ZodError"), clients=OLD),
    Row("stream_error_event", raises("ResponseValidationError"), clients=(Client.MISTRAL_2, Client.MISTRAL_3)),
    Row("stream_error_event", raises("", "ZodError"), clients=(Client.MISTRAL_TS_2,)),
    Row("stream_without_end", STREAMED),
    Row("stream_with_comments", STREAMED),
    Row("stream_of_a_deprecated_model", raises("ResponseNotRead"), DIRECT, PYTHON),
    Row("stream_of_a_deprecated_model", STREAMED, GATEWAY),
    Row("stream_with_null_ids", equals({"name": "get_weather"})),
)
_NO_SPEECH = ("speech", "speech_stream", "voices")
_SINCE_2 = ("reasoning_effort", "error_403_guardrail", *_NO_SPEECH)
_ONLY_3 = ("responses", "responses_stream", "responses_tokens", "voices_searched", "realtime_speech")
LACKS = {
    **{(client, case): f"{client} does not know this operation or field" for client in OLD for case in _SINCE_2},
    (Client.MISTRAL_1, "agents_paged"): "mistralai-1 does not know this operation",
    **{(client, case): "only mistralai-3 has it" for client in PYTHON[:2] for case in _ONLY_3},
    **{(client, "fine_tuning"): "gone since version 2" for client in (*PYTHON[1:], Client.MISTRAL_TS_2)},
    (Client.MISTRAL_TS_1, "error_malformed"): "a body that is no JSON ends its node process (an unhandled rejection)",
}
DEFECTS: dict[tuple[Client, Road, str], str] = {}
TABLE = Table((*CHAT_ROWS, *MEDIA_ROWS, *RESOURCE_ROWS, *ERROR_ROWS), LACKS, DEFECTS)
