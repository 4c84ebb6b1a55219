"""Chat in all its forms, fill-in-the-middle, agents' completions, embeddings and responses."""

import asyncio
import base64
import json
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.mistral.common import CHAT, QUESTION, WEATHER, Wagon, client, folded, joined, text, usage

PICTURE = "data:image/png;base64," + base64.b64encode(b"\x89PNG").decode()
WAGON_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "wagon", "strict": True, "schema": Wagon.model_json_schema()},
}


def complete() -> Any:
    return joined(client().chat.complete(model=CHAT, messages=QUESTION))


def stream() -> Any:
    with client().chat.stream(model=CHAT, messages=QUESTION) as events:
        return folded(events)


def complete_async() -> Any:
    async def run() -> Any:
        async with client() as mistral:
            return await mistral.chat.complete_async(model=CHAT, messages=QUESTION)

    return joined(asyncio.run(run()))


def stream_async() -> Any:
    async def run() -> list[Any]:
        async with client() as mistral:
            events = await mistral.chat.stream_async(model=CHAT, messages=QUESTION)
            return [event async for event in events]

    return folded(asyncio.run(run()))


def prefixed_model() -> Any:
    return joined(client().chat.complete(model="mistral/" + CHAT, messages=QUESTION))


def all_fields() -> Any:
    answer = client().chat.complete(
        model=CHAT,
        messages=[{"role": "system", "content": "Be brief."}, *QUESTION],
        temperature=0.2,
        top_p=0.9,
        max_tokens=5,
        stop=["never said"],
        random_seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        prediction={"type": "content", "content": "You said"},
        parallel_tool_calls=False,
        safe_prompt=False,
        n=2,
    )
    return {"choices": [choice.index for choice in answer.choices], **joined(answer)}


def explicit_nulls() -> Any:
    """Fields set to None travel as null, which means absent."""
    answer = client().chat.complete(
        model=CHAT, messages=QUESTION, temperature=None, max_tokens=None, random_seed=None, tools=None
    )
    return joined(answer)


def metadata() -> Any:
    ours = {"customer_identifier": "yard-7", "thread_identifier": "sdk-metadata"}
    answer = client().chat.complete(model=CHAT, messages=QUESTION, metadata={"train": "7", "respan_params": ours})
    return joined(answer)


def prefix() -> Any:
    messages = [*QUESTION, {"role": "assistant", "content": "Well: ", "prefix": True}]
    return joined(client().chat.complete(model=CHAT, messages=messages))


def content_parts() -> Any:
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": PICTURE},
        {"type": "document_url", "document_url": "https://example.com/a.pdf"},
    ]
    return joined(client().chat.complete(model=CHAT, messages=[{"role": "user", "content": parts}]))


def spoken_question() -> Any:
    parts = [{"type": "input_audio", "input_audio": "AAAA"}, {"type": "text", "text": "What is said?"}]
    answer = client().chat.complete(model="voxtral-small-latest", messages=[{"role": "user", "content": parts}])
    return {"seconds": answer.usage.prompt_audio_seconds, **joined(answer)}


def tools() -> Any:
    mistral = client()
    question = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = mistral.chat.complete(model=CHAT, messages=question, tools=[WEATHER], tool_choice="any")
    call = answer.choices[0].message.tool_calls[0]
    result = {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": "22 °C and sunny"}
    history = [*question, answer.choices[0].message, result]
    second = mistral.chat.complete(model=CHAT, messages=history, tools=[WEATHER])
    return {
        "id": call.id,
        "name": call.function.name,
        "arguments": json.loads(call.function.arguments),
        "finish": answer.choices[0].finish_reason,
        "after": second.choices[0].message.content,
    }


def tools_stream() -> Any:
    arguments, names, finish = "", [], None
    with client().chat.stream(model=CHAT, messages=QUESTION, tools=[WEATHER], tool_choice="any") as events:
        for event in events:
            choice = event.data.choices[0]
            finish = choice.finish_reason or finish
            for call in choice.delta.tool_calls or ():
                names.append(call.function.name)
                arguments += call.function.arguments
    return {"names": names, "arguments": json.loads(arguments), "finish": finish}


def tools_named() -> Any:
    choice = {"type": "function", "function": {"name": "get_weather"}}
    answer = client().chat.complete(model=CHAT, messages=QUESTION, tools=[WEATHER], tool_choice=choice)
    return {"names": [call.function.name for call in answer.choices[0].message.tool_calls]}


def parse() -> Any:
    answer = client().chat.parse(Wagon, model=CHAT, messages=QUESTION)
    return answer.choices[0].message.parsed.model_dump()


def parse_async() -> Any:
    async def run() -> Any:
        async with client() as mistral:
            return await mistral.chat.parse_async(Wagon, model=CHAT, messages=QUESTION)

    return asyncio.run(run()).choices[0].message.parsed.model_dump()


def parse_stream() -> Any:
    with client().chat.parse_stream(Wagon, model=CHAT, messages=QUESTION) as events:
        return json.loads(folded(events)["text"])


def json_schema() -> Any:
    answer = client().chat.complete(model=CHAT, messages=QUESTION, response_format=WAGON_SCHEMA)
    return json.loads(answer.choices[0].message.content)


def json_object() -> Any:
    answer = client().chat.complete(model=CHAT, messages=QUESTION, response_format={"type": "json_object"})
    return json.loads(answer.choices[0].message.content)


def reasoning() -> Any:
    """The whole message goes back on the next turn, thoughts and all."""
    mistral = client()
    answer = mistral.chat.complete(model="magistral-medium-latest", messages=QUESTION)
    message = answer.choices[0].message
    history = [*QUESTION, message, {"role": "user", "content": "And then?"}]
    second = mistral.chat.complete(model="magistral-medium-latest", messages=history)
    return {
        "types": [chunk.type for chunk in message.content],
        "text": text(message.content),
        "after": text(second.choices[0].message.content),
    }


def reasoning_stream() -> Any:
    with client().chat.stream(model="magistral-medium-latest", messages=QUESTION) as events:
        seen = list(events)
    contents = [event.data.choices[0].delta.content for event in seen if event.data.choices]
    kinds = {chunk.type for content in contents if isinstance(content, list) for chunk in content}
    return {"types": sorted(kinds), **folded(seen)}


def reasoning_effort() -> Any:
    answer = client().chat.complete(model=CHAT, messages=QUESTION, reasoning_effort="high")
    return {"types": [chunk.type for chunk in answer.choices[0].message.content]}


def unknown_chunk() -> Any:
    """A chunk that this client does not know is wrapped by it: {"type": "UNKNOWN", "raw": {the chunk}}."""
    parts = [{"type": "text", "text": "Hello, Mistral!"}, {"type": "resource_link", "uri": "https://example.com/a"}]
    return joined(client().chat.complete(model=CHAT, messages=[{"role": "user", "content": parts}]))


def stream_left_early() -> Any:
    mistral = client()
    with mistral.chat.stream(model=CHAT + "--sim-stall-20", messages=QUESTION) as events:
        first = next(iter(events))
    return {
        "first": first.data.choices[0].delta.role,
        "next": mistral.chat.complete(model=CHAT, messages=QUESTION).object,
    }


def fim() -> Any:
    answer = client().fim.complete(model="codestral-latest", prompt="def add(", suffix="return a + b")
    return joined(answer)


def fim_stream() -> Any:
    with client().fim.stream(model="codestral-latest", prompt="def add(") as events:
        return folded(events)


def agent_complete() -> Any:
    return joined(client().agents.complete(agent_id="ag_1", messages=QUESTION))


def agent_stream() -> Any:
    with client().agents.stream(agent_id="ag_1", messages=QUESTION) as events:
        return folded(events)


def embeddings() -> Any:
    answer = client().embeddings.create(model="mistral-embed", inputs=["one", "two"])
    return {"count": len(answer.data), "dimension": len(answer.data[0].embedding), "usage": usage(answer)}


def embeddings_shaped() -> Any:
    answer = client().embeddings.create(
        model="codestral-embed", inputs="one", output_dimension=64, output_dtype="int8", metadata={"yard": "north"}
    )
    numbers = answer.data[0].embedding
    return {"dimension": len(numbers), "whole": all(float(number).is_integer() for number in numbers)}


def embeddings_async() -> Any:
    async def run() -> Any:
        async with client() as mistral:
            return await mistral.embeddings.create_async(model="mistral-embed", inputs=["one"])

    return {"dimension": len(asyncio.run(run()).data[0].embedding)}


def responses() -> Any:
    answer = client().responses.create(model=CHAT, input="Hello")
    return {"text": answer.output[0].content[0].text, "tokens": answer.usage.total_tokens}


def responses_stream() -> Any:
    with client().responses.create(model=CHAT, input="Hello", stream=True) as events:
        kinds = [event.event for event in events]
    return {"first": kinds[0], "last": kinds[-1]}


def responses_tokens() -> Any:
    return {"tokens": client().responses.count_input_tokens(model=CHAT, input="Hello").input_tokens}


CASES: tuple[Case, ...] = (
    complete,
    stream,
    complete_async,
    stream_async,
    prefixed_model,
    all_fields,
    explicit_nulls,
    metadata,
    prefix,
    content_parts,
    spoken_question,
    tools,
    tools_stream,
    tools_named,
    parse,
    parse_async,
    parse_stream,
    json_schema,
    json_object,
    reasoning,
    reasoning_stream,
    reasoning_effort,
    unknown_chunk,
    stream_left_early,
    fim,
    fim_stream,
    agent_complete,
    agent_stream,
    embeddings,
    embeddings_shaped,
    embeddings_async,
    responses,
    responses_stream,
    responses_tokens,
)
