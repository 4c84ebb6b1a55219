"""What holds for every format alike, whoever asks and whoever answers."""

import json
from typing import Any

import pytest

from gantry.core.chat import ChatRequest, Text
from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.assemble import assemble
from gantry.dialects.codec import Asking, Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.gemini.token_count import decode_count_request
from gantry.dialects.question import Question, read_question
from gantry.dialects.translate import decode_request

ASKING = Asking(ChatRequest(dialect=Dialect.OPENAI_CHAT, model="m", messages=(), stream=True), 1, "id")


def chunks(*choices: dict[str, Any]) -> bytes:
    """Return a stream of OpenAI's, a chunk for each choice."""
    told = [json.dumps({"id": "1", "choices": [choice]}) for choice in choices]
    return "".join(f"data: {one}\n\n" for one in (*told, "[DONE]")).encode()


# What is kept as its bytes and decoded late: parameters that are not understood, schemas, arguments.
NO_UTF8 = {
    Dialect.MISTRAL: b'{"model":"m","messages":[],"safety":"\xff"}',
    Dialect.OPENAI_CHAT: b'{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":'
    b'{"name":"n","schema":{"title":"\xff"}}}}',
    Dialect.OPENAI_RESPONSES: b'{"model":"m","input":[{"role":"assistant","content":[{"type":"output_text","text":"t",'
    b'"annotations":[{"type":"url_citation","url":"\xff"}]}]}]}',
    Dialect.ANTHROPIC: b'{"model":"m","messages":[],"tools":[{"name":"n","input_schema":{"title":"\xff"}}]}',
    Dialect.GEMINI: b'{"contents":[{"parts":[{"functionCall":{"name":"n","args":{"a":"\xff"}}}]}]}',
    Dialect.BEDROCK: b'{"messages":[{"role":"user","content":[{"toolUse":{"toolUseId":"1","name":"n","input":'
    b'{"a":"\xff"}}}]}]}',
    Dialect.COHERE: b'{"model":"m","messages":[{"role":"tool","tool_call_id":"1","content":[{"type":"document",'
    b'"document":{"data":{"a":"\xff"}}}]}]}',
}


@pytest.mark.parametrize("dialect", CODECS)
def test_a_body_that_is_not_utf8_is_refused(dialect: Dialect) -> None:
    body = NO_UTF8[dialect]
    with pytest.raises(InvalidRequest, match=f"byte {body.index(255)}"):
        decode_request(dialect, body, None, stream=None)
    assert isinstance(read_question(Operation.CHAT, "application/json", body, dialect), Question)


def test_nor_is_it_counted() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        decode_count_request(NO_UTF8[Dialect.GEMINI])
    assert isinstance(
        read_question(Operation.COUNT_TOKENS, "application/json", NO_UTF8[Dialect.GEMINI], Dialect.GEMINI), Question
    )


# An answer whose provider counts what cannot be: less than nothing, more than a database holds, more cached than read.
IMPOSSIBLE = {
    Dialect.MISTRAL: b'{"choices":[],"usage":{"prompt_tokens":-5,"completion_tokens":%d,'
    b'"prompt_tokens_details":{"cached_tokens":7}}}',
    Dialect.OPENAI_CHAT: b'{"choices":[],"usage":{"prompt_tokens":-5,"completion_tokens":%d,'
    b'"prompt_tokens_details":{"cached_tokens":7}}}',
    Dialect.OPENAI_RESPONSES: b'{"output":[],"usage":{"input_tokens":-5,"output_tokens":%d,'
    b'"input_tokens_details":{"cached_tokens":7}}}',
    Dialect.ANTHROPIC: b'{"content":[],"usage":{"input_tokens":-12,"output_tokens":%d,"cache_read_input_tokens":7}}',
    Dialect.GEMINI: b'{"candidates":[],"usageMetadata":{"promptTokenCount":-5,"candidatesTokenCount":%d,'
    b'"cachedContentTokenCount":7}}',
    Dialect.BEDROCK: b'{"output":{},"usage":{"inputTokens":-12,"outputTokens":%d,"cacheReadInputTokens":7}}',
    Dialect.COHERE: b'{"message":{},"usage":{"billed_units":{"input_tokens":-5,"output_tokens":%d}}}',
}


@pytest.mark.parametrize("dialect", CODECS)
def test_counts_are_clamped_to_what_can_be(dialect: Dialect) -> None:
    usage = CODECS[dialect].decode_answer(IMPOSSIBLE[dialect] % 10**30).usage
    assert usage.input_tokens == 0
    assert not usage.cached_input_tokens
    assert usage.output_tokens == 10**15


def test_log_probabilities_come_through_however_the_stream_is_cut() -> None:
    texts = [
        {"index": 0, "delta": {"content": word}, "logprobs": {"content": [{"token": word, "logprob": -0.5}]}}
        for word in ("a", "b", "c")
    ]
    stream = chunks(*texts, {"index": 0, "delta": {}, "finish_reason": "stop"})
    for dialect in (Dialect.OPENAI_CHAT, Dialect.OPENAI_RESPONSES, Dialect.GEMINI):
        decoder, encoder = CODECS[Dialect.OPENAI_CHAT].stream_decoder(), CODECS[dialect].stream_encoder(ASKING)
        told = encoder.feed(decoder.feed(stream))
        again = CODECS[dialect].stream_decoder()
        answer = assemble(dialect, again.feed(told) + again.close())
        logprobs = json.loads(bytes(answer.choices[0].logprobs or b"{}"))
        assert [entry["token"] for entry in logprobs["content"]] == ["a", "b", "c"], dialect


@pytest.mark.parametrize("odd", [5, [], {"content": 5}, {"content": {"token": "a"}}, {"content": None}, {}])
def test_log_probabilities_that_cannot_be_read_cost_no_text(odd: Any) -> None:
    texts = [{"index": 0, "delta": {"content": word}, "logprobs": odd} for word in ("a", "b")]
    decoder = CODECS[Dialect.OPENAI_CHAT].stream_decoder()
    events = decoder.feed(chunks(*texts, {"index": 0, "delta": {}, "finish_reason": "stop"}))
    choice = assemble(Dialect.OPENAI_CHAT, events).choices[0]
    assert (choice.parts, choice.logprobs) == ((Text("ab"),), None)
    for codec in CODECS.values():
        assert codec.stream_encoder(ASKING).feed(events)


@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (Dialect.MISTRAL, b'{"messages":[]}', "model"),
        (Dialect.OPENAI_CHAT, b'{"model":"m","messages":[{"content":"x"}]}', "messages[0].role"),
        (Dialect.OPENAI_RESPONSES, b'{"model":"m","input":[{"type":"function_call"}]}', "input[0].name"),
        (Dialect.ANTHROPIC, b'{"messages":[]}', "model"),
        (Dialect.GEMINI, b'{"contents":[{"parts":[{"functionCall":{}}]}]}', "contents[0].parts[0].functionCall.name"),
        (Dialect.BEDROCK, b'{"messages":[{"content":[]}]}', "messages[0].role"),
        (Dialect.COHERE, b'{"messages":[]}', "model"),
    ],
)
def test_what_is_missing_is_named_itself(dialect: Dialect, body: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(dialect, body, None, stream=None)
    assert (refused.value.param, refused.value.message) == (param, f"`{param}` is missing")


@pytest.mark.parametrize("wrong", [b'"text"', b"[]", b"true", b"5"])
@pytest.mark.parametrize(
    ("dialect", "body", "param"),
    [
        (Dialect.MISTRAL, b'{"model":"m","messages":[],"tools":[{"function":{"name":"f","parameters":%b}}]}',
         "tools[0].function.parameters"),
        (Dialect.OPENAI_CHAT, b'{"model":"m","messages":[],"functions":[{"name":"f","parameters":%b}]}',
         "functions[0].parameters"),
        (Dialect.OPENAI_CHAT, b'{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":'
         b'{"schema":%b}}}', "response_format.json_schema.schema"),
        (Dialect.OPENAI_RESPONSES, b'{"model":"m","tools":[{"type":"function","name":"f","parameters":%b}]}',
         "tools[0].parameters"),
        (Dialect.OPENAI_RESPONSES, b'{"model":"m","text":{"format":{"type":"json_schema","name":"n","schema":%b}}}',
         "text.format.schema"),
        (Dialect.ANTHROPIC, b'{"model":"m","messages":[],"tools":[{"name":"f","input_schema":%b}]}',
         "tools[0].input_schema"),
        (Dialect.GEMINI, b'{"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":%b}]}]}',
         "tools[0].functionDeclarations[0].parametersJsonSchema"),
        (Dialect.GEMINI, b'{"generationConfig":{"responseJsonSchema":%b}}', "generationConfig.responseJsonSchema"),
        (Dialect.BEDROCK, b'{"toolConfig":{"tools":[{"toolSpec":{"name":"f","inputSchema":{"json":%b}}}]}}',
         "toolConfig.tools[0].toolSpec.inputSchema.json"),
        (Dialect.COHERE, b'{"model":"m","messages":[],"tools":[{"function":{"name":"f","parameters":%b}}]}',
         "tools[0].function.parameters"),
        (Dialect.COHERE, b'{"model":"m","messages":[],"response_format":{"type":"json_object","json_schema":%b}}',
         "response_format.json_schema"),
    ],
)  # fmt: skip
def test_a_schema_is_an_object(dialect: Dialect, body: bytes, param: str, wrong: bytes) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(dialect, body % wrong, None, stream=None)
    assert (refused.value.param, refused.value.message) == (param, f"`{param}` must be a JSON schema object")


@pytest.mark.parametrize("data", ["\N{SNOWMAN}", "!", "AA", "/w=="])
def test_a_text_that_is_no_base64_is_never_our_fault(data: str) -> None:
    source = {"format": "txt", "name": "n", "source": {"bytes": data}}
    body = json.dumps({"messages": [{"role": "user", "content": [{"document": source}]}]}).encode()
    request = decode_request(Dialect.BEDROCK, body, "m", stream=False)
    outcomes = set()
    for codec in CODECS.values():
        try:
            outcomes.add(bool(codec.encode_request(request, Target("m"))))
        except InvalidRequest as refused:
            outcomes.add(bool(refused.message))
    assert outcomes == {True}, "each writes it, or says why not"


@pytest.mark.parametrize("dialect", CODECS)
def test_a_refusal_always_says_something(dialect: Dialect) -> None:
    for body in (b'{"message":"  "}', b'{"error":{"message":" "}}', b"", b" ", b"{}"):
        assert CODECS[dialect].decode_error(400, body).message.strip()
