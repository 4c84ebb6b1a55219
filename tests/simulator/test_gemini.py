"""Google's shapes, under `/gemini`."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from gantry.simulator import Simulator
from tests.simulator.client import Reply, ask, run

KEY = {"x-goog-api-key": "simulated"}
FLASH, PRO = "gemini-2.5-flash", "gemini-3-pro-preview"
QUESTION = {"role": "user", "parts": [{"text": "Hello, Gemini!"}]}
CALL = {"role": "user", "parts": [{"text": "get_weather and get_time, please"}]}
WEATHER = {"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}}
TIME = {"name": "get_time", "parametersJsonSchema": {"type": "object", "properties": {}}}
TOOLS = [{"functionDeclarations": [WEATHER, TIME]}]
SCHEMA = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}, "required": ["n"]}


def content(**fields: Any) -> dict[str, Any]:
    return {"contents": [QUESTION], **fields}


async def post(
    simulator: Simulator,
    target: str,
    body: Any,
    *,
    headers: dict[str, str] | None = None,
    faults: str = "",
) -> Reply:
    return await ask(
        simulator, f"/gemini/v1beta/{target}", body, headers=KEY if headers is None else headers, faults=faults, key=""
    )


def said(target: str, body: Any = None, *, headers: dict[str, str] | None = None, faults: str = "") -> Reply:
    async def scene(simulator: Simulator) -> Reply:
        return await post(simulator, target, body, headers=headers, faults=faults)

    reply: Reply = run(scene)
    return reply


def generated(body: Any, model: str = FLASH, *, faults: str = "") -> Reply:
    return said(f"models/{model}:generateContent", body, faults=faults)


def streamed(body: Any, model: str = FLASH, *, faults: str = "") -> Reply:
    return said(f"models/{model}:streamGenerateContent?alt=sse", body, faults=faults)


def parts_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answer["candidates"][0]["content"].get("parts", [])
    return found


def folded(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join texts of a kind; keep all else as it came."""
    joined: list[dict[str, Any]] = []
    for part in (part for event in events for part in parts_of(event)):
        if joined and "text" in part and "text" in joined[-1] and part.get("thought") == joined[-1].get("thought"):
            joined[-1] = {**joined[-1], **part, "text": joined[-1]["text"] + part["text"]}
        elif part != {"text": ""}:
            joined.append(part)
    return joined


@pytest.mark.parametrize("model", [FLASH, PRO])
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
        {"generationConfig": {"maxOutputTokens": 5}},
        {"tools": TOOLS, "contents": [CALL]},
        {"generationConfig": {"responseMimeType": "application/json", "responseSchema": SCHEMA}},
    ],
)
def test_a_stream_folds_to_the_whole_answer(fields: dict[str, Any], model: str) -> None:
    whole, stream = generated(content(**fields), model).json, streamed(content(**fields), model).events
    assert folded(stream) == parts_of(whole)
    assert stream[-1]["candidates"][0]["finishReason"] == whole["candidates"][0]["finishReason"]
    assert stream[-1]["usageMetadata"] == whole["usageMetadata"]


def test_without_alt_a_stream_is_one_array() -> None:
    array = said(f"models/{FLASH}:streamGenerateContent", content())
    assert array.headers["content-type"].startswith("application/json")
    assert array.json == streamed(content()).events


def test_the_lines_of_events_end_as_googles_do() -> None:
    body = streamed(content()).body
    assert body.endswith(b"\r\n\r\n")
    assert body.count(b"\n") == body.count(b"\r\n")


@pytest.mark.parametrize(
    ("config", "called"),
    [
        ({"mode": "AUTO"}, ["get_weather", "get_time"]),
        ({"mode": "NONE"}, []),
        ({"mode": "ANY", "allowed_function_names": ["get_time"]}, ["get_time"]),
    ],
)
def test_functions_are_called_as_configured(config: dict[str, Any], called: list[str]) -> None:
    body = content(contents=[CALL], tools=TOOLS, tool_config={"function_calling_config": config})
    calls = [part["functionCall"]["name"] for part in parts_of(generated(body).json) if "functionCall" in part]
    assert calls == called


@pytest.mark.parametrize(
    ("field", "schema"),
    [
        ("responseSchema", SCHEMA),
        ("responseJsonSchema", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}),
    ],
)
def test_a_schema_is_met(field: str, schema: dict[str, Any]) -> None:
    answer = generated(content(generationConfig={"responseMimeType": "application/json", field: schema})).json
    assert msgspec.json.decode(parts_of(answer)[0]["text"]) == {"n": 1}


def results(count: int = 2) -> dict[str, Any]:
    names = ("get_weather", "get_time", "get_more")[:count]
    answered = [{"functionResponse": {"name": name, "response": {"result": "sunny"}}} for name in names]
    return {"role": "user", "parts": answered}


@pytest.mark.parametrize(
    ("model", "change", "status", "text"),
    [
        (PRO, {}, 200, "sunny"),
        (PRO, {"thoughtSignature": None}, 400, "Function call is missing a thought_signature in functionCall parts."),
        (PRO, {"thoughtSignature": "c2ltdWxhdGVk"}, 400, "Corrupted thought signature."),
        (PRO, {"thoughtSignature": "skip_thought_signature_validator"}, 200, "sunny"),
        (FLASH, {"thoughtSignature": None}, 200, "sunny"),
    ],
)
def test_thought_signatures_come_back(model: str, change: dict[str, Any], status: int, text: str) -> None:
    async def scene(simulator: Simulator) -> Reply:
        target = f"models/{model}:generateContent"
        first = (await post(simulator, target, content(contents=[CALL], tools=TOOLS))).json
        turn = first["candidates"][0]["content"]
        turn["parts"][0] = {name: value for name, value in (turn["parts"][0] | change).items() if value is not None}
        assert "thoughtSignature" not in turn["parts"][1]
        return await post(simulator, target, content(contents=[CALL, turn, results()], tools=TOOLS))

    reply = run(scene)
    assert (reply.status, text in str(reply.json)) == (status, True)


MODEL_CALL = {"role": "model", "parts": [{"functionCall": {"name": "get_weather", "args": {}}}]}


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"foo": 1}, 'Invalid JSON payload received. Unknown name "foo": Cannot find field.'),
        (
            {"generation_config": {"max_tokens": 1}},
            "Invalid JSON payload received. Unknown name \"max_tokens\" at 'generation_config': Cannot find field.",
        ),
        (
            {"contents": [{"parts": [{"text": "a", "cache_control": {}}]}]},
            "Invalid JSON payload received. Unknown name \"cache_control\" at 'contents[0].parts[0]'",
        ),
        ({"generationConfig": {"temperature": "hot"}}, "Invalid value at 'generation_config.temperature' (TYPE_FLOAT)"),
        (
            {"tools": [{"functionDeclarations": [{"name": "a", "parameters": {"type": "object", "$ref": "b"}}]}]},
            "Invalid JSON payload received. Unknown name \"$ref\" at 'tools[0].function_declarations[0].parameters'",
        ),
        ({"contents": []}, "* GenerateContentRequest.contents: contents is not specified"),
        ({"contents": [{"parts": []}]}, "* GenerateContentRequest.contents[0].parts: contents.parts must not be empty"),
        ({"contents": [{"parts": [{}]}]}, "* GenerateContentRequest.contents[0].parts[0].data: required oneof field"),
        ({"contents": [{"role": "assistant", "parts": [{"text": "a"}]}]}, "Please use a valid role: user, model."),
        ({"contents": [MODEL_CALL]}, "Please ensure that function call turn comes immediately after a user turn"),
        ({"contents": [QUESTION, results()]}, "Please ensure that function response turn comes immediately after"),
        (
            {"contents": [QUESTION, MODEL_CALL, results()]},
            "Please ensure that the number of function response parts is",
        ),
        ({"contents": [QUESTION, MODEL_CALL, QUESTION]}, "Please ensure that the number of function response parts is"),
        ({"generationConfig": {"temperature": 2.5}}, "* GenerateContentRequest.generation_config.temperature: must be"),
        ({"generationConfig": {"responseMimeType": "a/b"}}, "* GenerateContentRequest.generation_config.response_mime"),
        (
            {"generationConfig": {"responseSchema": SCHEMA}},
            "* GenerateContentRequest.generation_config.response_schema",
        ),
        (
            {"generationConfig": {"responseMimeType": "application/json"}, "tools": TOOLS},
            "Function calling with a response mime type: 'application/json' is unsupported",
        ),
        ({"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}}, "Thinking level is not supported"),
        (
            {"toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["a"]}}},
            "allowed_function_names should only be set when",
        ),
        ({"tools": [{"functionDeclarations": [{"name": "a b"}]}]}, "* GenerateContentRequest.tools[0].function_decla"),
    ],
)
def test_what_the_real_one_refuses_is_refused(fields: dict[str, Any], text: str) -> None:
    reply = generated(content(**fields))
    error = reply.json["error"]
    assert (reply.status, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    assert error["message"].startswith(text)


def test_names_in_snake_case_and_a_part_by_itself_are_read() -> None:
    body = content(system_instruction={"parts": {"text": "Be brief."}}, generation_config={"max_output_tokens": "3"})
    assert generated(body).json["candidates"][0]["finishReason"] == "MAX_TOKENS"


@pytest.mark.parametrize(
    ("headers", "query", "status", "kind"),
    [
        ({}, "", 403, "PERMISSION_DENIED"),
        ({}, "?key=simulated", 200, ""),
        ({"x-goog-api-key": "bad"}, "", 400, "INVALID_ARGUMENT"),
    ],
)
def test_the_edge_asks_for_a_key(headers: dict[str, str], query: str, status: int, kind: str) -> None:
    reply = said(f"models/{FLASH}:generateContent{query}", content(), headers=headers)
    assert (reply.status, reply.json.get("error", {}).get("status", "")) == (status, kind)


def test_a_model_nobody_knows_is_named() -> None:
    reply = generated(content(), "gemini-0")
    assert (reply.status, reply.json["error"]["status"]) == (404, "NOT_FOUND")
    assert reply.json["error"]["message"].startswith("models/gemini-0 is not found for API version v1beta, or")


def test_an_error_of_a_stream_is_in_an_array_unless_events_were_asked_for() -> None:
    body = content(foo=1)
    assert said(f"models/{FLASH}:streamGenerateContent", body).json[0]["error"]["code"] == 400
    assert streamed(body).json["error"]["code"] == 400


@pytest.mark.parametrize("target", ["streamGenerateContent", "streamGenerateContent?alt=sse"])
def test_an_error_can_arrive_inside_a_stream(target: str) -> None:
    reply = said(f"models/{FLASH}:{target}", content(), faults="error-event; at=2")
    items = reply.events if "sse" in target else reply.json
    assert (len(items), items[-1]["error"]["status"]) == (3, "UNAVAILABLE")


def test_a_model_in_the_path_asks_for_faults() -> None:
    reply = generated(content(), f"{FLASH}--sim-status-429--retry-after-2")
    assert (reply.status, reply.headers["retry-after"]) == (429, "2")
    assert reply.json["error"]["status"] == "RESOURCE_EXHAUSTED"


def test_an_answer_can_be_blocked() -> None:
    unsafe = generated(content(), faults="finish=SAFETY").json["candidates"][0]
    assert (unsafe["content"], unsafe["finishReason"]) == ({}, "SAFETY")
    assert unsafe["safetyRatings"][0]["blocked"]
    blocked = generated(content(), faults="refusal").json
    assert (blocked["promptFeedback"]["blockReason"], "candidates" in blocked) == ("PROHIBITED_CONTENT", False)


def test_candidates_are_counted_and_numbered() -> None:
    answer = generated(content(generationConfig={"candidateCount": 2})).json
    assert [candidate["index"] for candidate in answer["candidates"]] == [0, 1]


def test_tokens_are_counted_as_they_are_billed() -> None:
    counted = said(f"models/{FLASH}:countTokens", content()).json["totalTokens"]
    assert counted == generated(content()).json["usageMetadata"]["promptTokenCount"]
    wrapped = {"generateContentRequest": content(model=f"models/{FLASH}")}
    assert said(f"models/{FLASH}:countTokens", wrapped).json["totalTokens"] == counted


def test_texts_are_embedded_one_by_one_or_together() -> None:
    model = "models/gemini-embedding-001"
    given = {"model": model, "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 8}
    one = said(f"{model}:embedContent", given).json["embedding"]
    batch = said(f"{model}:batchEmbedContents", {"requests": [given, given]}).json["embeddings"]
    assert (batch, len(one["values"])) == ([one, one], 8)
    assert said(f"models/{FLASH}:embedContent", given).status == 404


def test_models_are_listed_in_pages() -> None:
    page = said("models?pageSize=2").json
    following = said(f"models?pageSize=1&pageToken={page['nextPageToken']}").json["models"][0]
    assert following not in page["models"]
    assert said(following["name"]).json == following
    assert said("models/gemini-0").status == 404


def recorded(shared: Path, *, stream: bool) -> list[dict[str, Any]]:
    """Give the untouched answers of this provider."""
    answers = []
    for path in sorted((shared / "recordings" / "gemini" / "gemini_generate").glob("*.json")):
        exchange = msgspec.json.decode(path.read_bytes())
        untouched = exchange["capture"]["response"] == "raw" and exchange["response"]["status"] == 200
        if untouched and exchange["stream"] is stream:
            answers.append(exchange["response"])
    return answers


def keys(value: Any) -> Any:
    """Reduce to the keys, without what only some models of Google say."""
    if isinstance(value, dict):
        varied = ("args", "serviceTier", "finishMessage", "finishReason", "candidatesTokensDetails", "thoughtSignature")
        return frozenset((key, keys(item)) for key, item in value.items() if key not in varied)
    return tuple(keys(item) for item in value[:1]) if isinstance(value, list) else None


@pytest.mark.parametrize("fields", [{}, {"tools": TOOLS, "contents": [CALL]}])
def test_a_whole_answer_has_a_recorded_outline(shared: Path, fields: dict[str, Any]) -> None:
    assert keys(generated(content(**fields)).json) in [
        keys(answer["body"]) for answer in recorded(shared, stream=False)
    ]


def test_each_chunk_has_a_recorded_outline(shared: Path) -> None:
    lines = [line for answer in recorded(shared, stream=True) for line in answer["sse"].splitlines()]
    theirs = {keys(msgspec.json.decode(line[6:])) for line in lines if line.startswith("data: {")}
    ours = streamed(content()).events + streamed(content(tools=TOOLS, contents=[CALL])).events
    assert [event for event in ours if keys(event) not in theirs] == []
