"""Chat in all its forms, structured answers, tools, embeddings."""

import asyncio
import json
import os
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.openai.common import (
    MODEL,
    QUESTION,
    WEATHER,
    AsyncOpenAI,
    Wagon,
    client,
    folded,
    joined,
    settings,
)

EMBEDDER = os.environ["EMBEDDING_MODEL"]
THINKER = os.environ["REASONING_MODEL"]


def complete() -> Any:
    return joined(client().chat.completions.create(model=MODEL, messages=QUESTION))


def stream() -> Any:
    return folded(client().chat.completions.create(model=MODEL, messages=QUESTION, stream=True))


def stream_usage() -> Any:
    wanted = {"include_usage": True}
    chunks = client().chat.completions.create(model=MODEL, messages=QUESTION, stream=True, stream_options=wanted)
    return folded(chunks)


def complete_async() -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(**settings()) as openai:
            return await openai.chat.completions.create(model=MODEL, messages=QUESTION)

    return joined(asyncio.run(run()))


def stream_async() -> Any:
    async def run() -> list[Any]:
        async with AsyncOpenAI(**settings()) as openai:
            chunks = await openai.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
            return [chunk async for chunk in chunks]

    return folded(asyncio.run(run()))


def changes_named() -> Any:
    """Fields that a Mistral body has under other names, or not at all, and the header that says what became of them."""
    raw = client().chat.completions.with_raw_response.create(
        model=MODEL,
        messages=QUESTION,
        max_completion_tokens=5,
        seed=7,
        user="user_123",
        temperature=2.0,
        top_p=0.9,
        logit_bias={"1": 1},
    )
    return {"changes": raw.headers.get("x-gantry-changes"), **joined(raw.parse())}


def strict_refused() -> Any:
    strict = {"strict_parameters": True}
    return joined(
        client().chat.completions.create(model=MODEL, messages=QUESTION, logit_bias={"1": 1}, extra_body=strict)
    )


def extra_body() -> Any:
    ours = {"customer_identifier": "yard-7", "thread_identifier": "sdk-extra-body", "metadata": {"train": "7"}}
    return joined(client().chat.completions.create(model=MODEL, messages=QUESTION, extra_body=ours))


def developer_role() -> Any:
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": "Who is there?"},
        {"role": "assistant", "content": "A gantry."},
        {"role": "developer", "content": "Be kind."},
        *QUESTION,
    ]
    return joined(client().chat.completions.create(model=MODEL, messages=messages))


def system_last() -> Any:
    messages = [*QUESTION, {"role": "system", "content": "Be kind."}]
    return joined(client().chat.completions.create(model=MODEL, messages=messages))


def content_parts() -> Any:
    picture = {"url": "data:image/png;base64,iVBORw==", "detail": "low"}
    parts = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": picture}]
    return joined(client().chat.completions.create(model=MODEL, messages=[{"role": "user", "content": parts}]))


def several() -> Any:
    answer = client().chat.completions.create(model=MODEL, messages=QUESTION, n=2, stop=["never said"])
    return {"choices": [choice.index for choice in answer.choices]}


def tools() -> Any:
    openai = client()
    answer = openai.chat.completions.create(
        model=MODEL, messages=QUESTION, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False
    )
    message = answer.choices[0].message
    call = message.tool_calls[0]
    history = [*QUESTION, message, {"role": "tool", "tool_call_id": call.id, "content": "22 °C and sunny"}]
    second = openai.chat.completions.create(model=MODEL, messages=history, tools=[WEATHER])
    return {
        "type": call.type,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "content": message.content,
        "finish": answer.choices[0].finish_reason,
        "after": second.choices[0].message.content,
    }


def tools_foreign_id() -> Any:
    """The id of a call as OpenAI makes them, which older models of Mistral refuse."""
    called = {"name": "get_weather", "arguments": '{"city": "Paris", "days": 2}'}
    call = {"id": "call_0123456789abcdef", "type": "function", "function": called}
    messages = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "22 °C and sunny"},
    ]
    model = os.environ["OLDER_MODEL"]
    return joined(client().chat.completions.create(model=model, messages=messages, tools=[WEATHER]))


def tools_stream() -> Any:
    with client().chat.completions.stream(
        model=MODEL, messages=QUESTION, tools=[WEATHER], tool_choice="required"
    ) as events:
        message = events.get_final_completion().choices[0].message
    call = message.tool_calls[0]
    return {"id": call.id, "name": call.function.name, "arguments": json.loads(call.function.arguments)}


def parse() -> Any:
    answer = client().chat.completions.parse(model=MODEL, messages=QUESTION, response_format=Wagon)
    return answer.choices[0].message.parsed.model_dump()


def parse_stream() -> Any:
    with client().chat.completions.stream(model=MODEL, messages=QUESTION, response_format=Wagon) as events:
        return events.get_final_completion().choices[0].message.parsed.model_dump()


def json_schema() -> Any:
    schema = {"name": "wagon", "schema": Wagon.model_json_schema()}
    wanted = {"type": "json_schema", "json_schema": schema}
    answer = client().chat.completions.create(model=MODEL, messages=QUESTION, response_format=wanted)
    return json.loads(answer.choices[0].message.content)


def json_object() -> Any:
    wanted = {"type": "json_object"}
    answer = client().chat.completions.create(model=MODEL, messages=QUESTION, response_format=wanted)
    return json.loads(answer.choices[0].message.content)


def reasoning() -> Any:
    answer = client().chat.completions.create(model=THINKER, messages=QUESTION)
    message = answer.choices[0].message
    return {"thought": getattr(message, "reasoning_content", None), "text": message.content}


def reasoning_stream() -> Any:
    chunks = list(client().chat.completions.create(model=THINKER, messages=QUESTION, stream=True))
    thoughts = [getattr(chunk.choices[0].delta, "reasoning_content", None) for chunk in chunks if chunk.choices]
    return {"thought": "".join(thought or "" for thought in thoughts), **folded(chunks)}


def stream_left_early() -> Any:
    openai = client()
    with openai.chat.completions.create(model=MODEL + "--sim-stall-20", messages=QUESTION, stream=True) as chunks:
        first = next(iter(chunks))
    second = openai.chat.completions.create(model=MODEL, messages=QUESTION)
    return {"first": first.choices[0].delta.role, "next": second.object}


def embeddings() -> Any:
    """The client asks for base64 by itself, and gives out numbers."""
    create = client().embeddings.create
    encoded = create(model=EMBEDDER, input=["one", "two"])
    plain = create(model=EMBEDDER, input=["one", "two"], encoding_format="float")
    return {
        "count": len(encoded.data),
        "dimension": len(encoded.data[0].embedding),
        "number": type(encoded.data[0].embedding[0]).__name__,
        "same": [item.embedding for item in encoded.data] == [item.embedding for item in plain.data],
        "tokens": encoded.usage.prompt_tokens,
    }


def embeddings_base64() -> Any:
    answer = client().embeddings.create(model=EMBEDDER, input="one", encoding_format="base64")
    return {"text": type(answer.data[0].embedding).__name__, "starts": len(answer.data[0].embedding) > 100}


def embeddings_shaped() -> Any:
    answer = client().embeddings.create(model=os.environ["SHAPED_EMBEDDING_MODEL"], input="one", dimensions=64)
    return {"dimension": len(answer.data[0].embedding)}


def embeddings_async() -> Any:
    async def run() -> Any:
        async with AsyncOpenAI(**settings()) as openai:
            return await openai.embeddings.create(model=EMBEDDER, input="one")

    return {"count": len(asyncio.run(run()).data)}


def responses() -> Any:
    answer = client().responses.create(model=MODEL, input="Hello, Mistral!")
    return {"text": answer.output_text, "tokens": answer.usage.total_tokens}


def responses_stream() -> Any:
    kinds = [event.type for event in client().responses.create(model=MODEL, input="Hello, Mistral!", stream=True)]
    return {"first": kinds[0], "last": kinds[-1]}


def responses_kept() -> Any:
    kept = client().responses
    made = kept.create(model=MODEL, input="Hello, Mistral!")
    items = [item.content[0].text for item in kept.input_items.list(made.id)]
    return {"same": kept.retrieve(made.id) == made, "items": items}


def responses_deleted() -> Any:
    kept = client().responses
    made = kept.create(model=MODEL, input="Hello, Mistral!")
    kept.delete(made.id)
    return kept.retrieve(made.id)


CASES: tuple[Case, ...] = (
    complete,
    stream,
    stream_usage,
    complete_async,
    stream_async,
    changes_named,
    strict_refused,
    extra_body,
    developer_role,
    system_last,
    content_parts,
    several,
    tools,
    tools_foreign_id,
    tools_stream,
    parse,
    parse_stream,
    json_schema,
    json_object,
    reasoning,
    reasoning_stream,
    stream_left_early,
    embeddings,
    embeddings_base64,
    embeddings_shaped,
    embeddings_async,
    responses,
    responses_stream,
    responses_kept,
    responses_deleted,
)
