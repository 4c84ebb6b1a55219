"""Drives mistralai 1, 2 or 3: one JSON line per scenario on stdout. It runs in that client's own environment.

Reads BASE_URL, KEY and BAD_KEY from the environment; arguments name the scenarios to run, none means all.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral

CHAT = "mistral-small-latest"
QUESTION = [{"role": "user", "content": "Hello, Mistral!"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 2}},
            "required": ["city", "days"],
        },
    },
}


def client(**changes: Any) -> Any:
    settings = {"api_key": os.environ["KEY"], "server_url": os.environ["BASE_URL"], **changes}
    return Mistral(**settings)


def usage(answer: Any) -> dict[str, int]:
    return {name: getattr(answer.usage, name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")}


def text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(getattr(chunk, "text", "") for chunk in content or ())


def folded(events: list[Any]) -> dict[str, Any]:
    """Put the events of a chat stream together."""
    choices = [event.data.choices[0] for event in events if event.data.choices]
    return {
        "events": len(events),
        "text": "".join(text(choice.delta.content) for choice in choices),
        "finish": choices[-1].finish_reason,
        "usage": usage(events[-1].data),
    }


def complete() -> Any:
    answer = client().chat.complete(model=CHAT, messages=QUESTION)
    return {
        "text": answer.choices[0].message.content,
        "finish": answer.choices[0].finish_reason,
        "usage": usage(answer),
    }


def stream() -> Any:
    with client().chat.stream(model=CHAT, messages=QUESTION) as events:
        return folded(list(events))


def complete_async() -> Any:
    async def run() -> Any:
        async with client() as mistral:
            return await mistral.chat.complete_async(model=CHAT, messages=QUESTION)

    answer = asyncio.run(run())
    return {"text": answer.choices[0].message.content, "usage": usage(answer)}


def stream_async() -> Any:
    async def run() -> list[Any]:
        async with client() as mistral:
            events = await mistral.chat.stream_async(model=CHAT, messages=QUESTION)
            return [event async for event in events]

    return folded(asyncio.run(run()))


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


def parse() -> Any:
    from pydantic import BaseModel  # noqa: PLC0415 - it comes with the client

    class Wagon(BaseModel):
        name: str
        axles: int
        loads: list[str]

    answer = client().chat.parse(Wagon, model=CHAT, messages=QUESTION)
    return answer.choices[0].message.parsed.model_dump()


def reasoning() -> Any:
    answer = client().chat.complete(model="magistral-medium-latest", messages=QUESTION)
    content = answer.choices[0].message.content
    return {"types": [chunk.type for chunk in content], "text": text(content)}


def reasoning_stream() -> Any:
    with client().chat.stream(model="magistral-medium-latest", messages=QUESTION) as events:
        return folded(list(events))


def embeddings() -> Any:
    answer = client().embeddings.create(model="mistral-embed", inputs=["one", "two"])
    return {"count": len(answer.data), "dimension": len(answer.data[0].embedding), "tokens": answer.usage.total_tokens}


def fim() -> Any:
    answer = client().fim.complete(model="codestral-latest", prompt="def add(", suffix="return a + b")
    return {"text": answer.choices[0].message.content, "usage": usage(answer)}


def fim_stream() -> Any:
    with client().fim.stream(model="codestral-latest", prompt="def add(") as events:
        return folded(list(events))


def models_list() -> Any:
    return sorted(card.id for card in client().models.list().data)


def models_retrieve() -> Any:
    card = client().models.retrieve(model_id="mistral-small-latest")
    return {"id": card.id, "context": card.max_context_length, "chat": card.capabilities.completion_chat}


def error_401() -> Any:
    return client(api_key=os.environ["BAD_KEY"]).chat.complete(model=CHAT, messages=QUESTION)


def error_400() -> Any:
    return client().chat.complete(model="mistral-no-such-model", messages=QUESTION)


def error_422() -> Any:
    return client().chat.complete(model=CHAT, messages=QUESTION, temperature=9.0)


def error_429() -> Any:
    return client().chat.complete(model=CHAT + "--sim-status-429", messages=QUESTION)


def stream_cut() -> Any:
    model = CHAT + "--sim-cut-mid-event"
    seen = 0
    with client().chat.stream(model=model, messages=QUESTION) as events:
        for event in events:
            seen += 1
            if event.data.choices[0].finish_reason:
                break
    return {"seen": seen, "finish": event.data.choices[0].finish_reason}


def stream_left_early() -> Any:
    mistral = client()
    with mistral.chat.stream(model=CHAT + "--sim-stall-20", messages=QUESTION) as events:
        first = next(iter(events))
    return {
        "first": first.data.choices[0].delta.role,
        "next": mistral.chat.complete(model=CHAT, messages=QUESTION).object,
    }


def files() -> Any:
    mistral = client()
    content = b'{"custom_id": "1"}\n'
    made = mistral.files.upload(file={"file_name": "jobs.jsonl", "content": content}, purpose="batch")
    listed = mistral.files.list()
    read = mistral.files.download(file_id=made.id)
    mistral.files.retrieve(file_id=made.id)
    link = mistral.files.get_signed_url(file_id=made.id)
    gone = mistral.files.delete(file_id=made.id)
    return {
        "bytes": made.size_bytes,
        "listed": made.id in [card.id for card in listed.data],
        "content": read.read().decode(),
        "link": link.url.startswith("https://"),
        "deleted": gone.deleted,
    }


def ocr() -> Any:
    document = {"type": "document_url", "document_url": "https://example.com/a.pdf"}
    answer = client().ocr.process(model="mistral-ocr-latest", document=document)
    return {"pages": len(answer.pages), "processed": answer.usage_info.pages_processed}


def moderation() -> Any:
    answer = client().classifiers.moderate(model="mistral-moderation-latest", inputs=["violence", "tea"])
    return [result.categories["violence_and_threats"] for result in answer.results]


def transcription() -> Any:
    sound = {"file_name": "a.mp3", "content": b"\0" * 48_000}
    answer = client().audio.transcriptions.complete(model="voxtral-mini-latest", file=sound)
    return {"text": answer.text, "seconds": answer.usage.prompt_audio_seconds}


def transcription_stream() -> Any:
    with client().audio.transcriptions.stream(
        model="voxtral-mini-latest", file_url="https://example.com/a.mp3"
    ) as events:
        return [event.event for event in events]


def batch() -> Any:
    mistral = client()
    line = json.dumps({"custom_id": "a", "body": {"messages": QUESTION}}).encode() + b"\n"
    given = mistral.files.upload(file={"file_name": "in.jsonl", "content": line}, purpose="batch")
    job = mistral.batch.jobs.create(input_files=[given.id], model=CHAT, endpoint="/v1/chat/completions")
    done = mistral.batch.jobs.get(job_id=job.id)
    result = json.loads(mistral.files.download(file_id=done.output_file).read())
    return {
        "status": [job.status, done.status],
        "listed": job.id in [item.id for item in mistral.batch.jobs.list().data],
        "result": result["response"]["body"]["object"],
    }


def agents_and_conversations() -> Any:
    mistral = client()
    agent = mistral.beta.agents.create(model=CHAT, name="yardmaster", instructions="Be brief.")
    changed = mistral.beta.agents.update(agent_id=agent.id, description="knows the yard")
    first = mistral.beta.conversations.start(agent_id=agent.id, inputs="Hello")
    with mistral.beta.conversations.append_stream(conversation_id=first.conversation_id, inputs="And now?") as events:
        kinds = [event.event for event in events]
    history = mistral.beta.conversations.get_history(conversation_id=first.conversation_id)
    mistral.beta.conversations.list()
    return {
        "version": changed.version,
        "listed": agent.id in [item.id for item in mistral.beta.agents.list()],
        "output": text(first.outputs[0].content),
        "kinds": [kinds[0], kinds[1], kinds[-1]],
        "history": [entry.type for entry in history.entries],
    }


def libraries() -> Any:
    mistral = client()
    library = mistral.beta.libraries.create(name="timetables")
    content = {"file_name": "a.txt", "content": b"12:00 Paris"}
    document = mistral.beta.libraries.documents.upload(library_id=library.id, file=content)
    listed = mistral.beta.libraries.documents.list(library_id=library.id)
    status = mistral.beta.libraries.documents.status(library_id=library.id, document_id=document.id)
    mistral.beta.libraries.documents.delete(library_id=library.id, document_id=document.id)
    mistral.beta.libraries.delete(library_id=library.id)
    return {"documents": len(listed.data), "status": status.processing_status}


def agent_complete() -> Any:
    answer = client().agents.complete(agent_id="ag_1", messages=QUESTION)
    return {"text": answer.choices[0].message.content}


def fine_tuning() -> Any:
    jobs = client().fine_tuning.jobs
    made = jobs.create(model="open-mistral-nemo", hyperparameters={"training_steps": 10})
    jobs.get(job_id=made.id)
    return {"status": made.status, "listed": made.id in [job.id for job in jobs.list().data]}


def responses() -> Any:
    answer = client().responses.create(model=CHAT, input="Hello")
    return {"text": answer.output[0].content[0].text, "tokens": answer.usage.total_tokens}


def responses_stream() -> Any:
    with client().responses.create(model=CHAT, input="Hello", stream=True) as events:
        kinds = [event.event for event in events]
    return {"first": kinds[0], "last": kinds[-1]}


def speech() -> Any:
    answer = client().audio.speech.complete(model="voxtral-mini-tts-latest", input="Mind the gap", voice_id="x")
    return {"audio": len(answer.audio_data) > 100}


def voices() -> Any:
    listed = client().audio.voices.list()
    return {"names": [voice.name for voice in listed.items]}


SCENARIOS: tuple[Callable[[], Any], ...] = (
    complete,
    stream,
    complete_async,
    stream_async,
    tools,
    tools_stream,
    parse,
    reasoning,
    reasoning_stream,
    embeddings,
    fim,
    fim_stream,
    models_list,
    models_retrieve,
    error_401,
    error_400,
    error_422,
    error_429,
    stream_cut,
    stream_left_early,
    files,
    ocr,
    moderation,
    transcription,
    transcription_stream,
    batch,
    agents_and_conversations,
    libraries,
    agent_complete,
    fine_tuning,
    responses,
    responses_stream,
    speech,
    voices,
)


def outcome(scenario: Callable[[], Any]) -> dict[str, Any]:
    try:
        return {"scenario": scenario.__name__, "result": scenario()}
    except Exception as error:  # noqa: BLE001 - what the client raises is the result
        return {
            "scenario": scenario.__name__,
            "error": [kind.__name__ for kind in type(error).__mro__],
            "status": getattr(error, "status_code", None),
            "message": str(error)[:500],
        }


if __name__ == "__main__":
    for each in SCENARIOS:
        if len(sys.argv) == 1 or each.__name__ in sys.argv[1:]:
            sys.stdout.write(json.dumps(outcome(each), default=str) + "\n")
            sys.stdout.flush()
