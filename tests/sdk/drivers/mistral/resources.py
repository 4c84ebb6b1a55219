"""What lives with an account: models, files, batches, agents, conversations, libraries, fine-tuning jobs."""

import json
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.mistral.common import CHAT, QUESTION, client, text

FILE = {"file_name": "jobs.jsonl", "content": b'{"custom_id": "1"}\n'}
LINE = {"custom_id": "a", "body": {"messages": QUESTION, "max_tokens": 5}}


def models_list() -> Any:
    return sorted(card.id for card in client().models.list().data)


def models_retrieve() -> Any:
    return card_of("mistral-small-latest")


def models_retrieve_prefixed() -> Any:
    return card_of("mistral/mistral-small-latest")


def card_of(name: str) -> Any:
    card = client().models.retrieve(model_id=name)
    return {"id": card.id, "context": card.max_context_length, "chat": card.capabilities.completion_chat}


def files() -> Any:
    mistral = client()
    made = mistral.files.upload(file=FILE, purpose="batch")
    listed = mistral.files.list()
    read = mistral.files.download(file_id=made.id)
    card = mistral.files.retrieve(file_id=made.id)
    link = mistral.files.get_signed_url(file_id=made.id)
    gone = mistral.files.delete(file_id=made.id)
    return {
        "name": card.filename,
        "bytes": made.size_bytes,
        "listed": made.id in [item.id for item in listed.data],
        "content": read.read().decode(),
        "link": link.url.startswith("https://"),
        "deleted": gone.deleted,
        "left": made.id in [item.id for item in mistral.files.list().data],
    }


def batch() -> Any:
    mistral = client()
    content = json.dumps(LINE).encode() + b"\n"
    given = mistral.files.upload(file={"file_name": "in.jsonl", "content": content}, purpose="batch")
    job = mistral.batch.jobs.create(input_files=[given.id], model=CHAT, endpoint="/v1/chat/completions")
    done = mistral.batch.jobs.get(job_id=job.id)
    result = json.loads(mistral.files.download(file_id=done.output_file).read())
    return {
        "status": [job.status, done.status],
        "listed": job.id in [item.id for item in mistral.batch.jobs.list().data],
        "result": result["response"]["body"]["object"],
    }


def batch_inline() -> Any:
    mistral = client()
    job = mistral.batch.jobs.create(
        requests=[LINE], model=CHAT, endpoint="/v1/chat/completions", metadata={"yard": "north"}
    )
    done = mistral.batch.jobs.get(job_id=job.id, inline=True)
    return {"status": done.status, "outputs": len(done.outputs or ()), "metadata": done.metadata}


def batch_cancelled() -> Any:
    mistral = client()
    job = mistral.batch.jobs.create(requests=[LINE], model=CHAT, endpoint="/v1/chat/completions")
    asked = mistral.batch.jobs.cancel(job_id=job.id)
    return [asked.status, mistral.batch.jobs.get(job_id=job.id).status]


def agents() -> Any:
    mistral = client()
    agents = mistral.beta.agents
    agent = agents.create(model=CHAT, name="yardmaster", instructions="Be brief.")
    changed = agents.update(agent_id=agent.id, description="knows the yard")
    listed = agent.id in [item.id for item in agents.list()]
    versions = [item.version for item in agents.list_versions(agent_id=agent.id)]
    said = mistral.agents.complete(agent_id=agent.id, messages=QUESTION)
    agents.delete(agent_id=agent.id)
    return {
        "version": changed.version,
        "versions": sorted(versions),
        "listed": listed,
        "said": said.choices[0].message.content,
        "left": agent.id in [item.id for item in agents.list()],
    }


def conversations() -> Any:
    mistral = client()
    conversations = mistral.beta.conversations
    first = conversations.start(model=CHAT, inputs="Hello")
    name = first.conversation_id
    second = conversations.append(conversation_id=name, inputs="And now?")
    messages = conversations.get_messages(conversation_id=name)
    other = conversations.restart(conversation_id=name, inputs="Again", from_entry_id=messages.messages[1].id)
    history = conversations.get_history(conversation_id=name)
    listed = name in [item.id for item in conversations.list()]
    got = conversations.get(conversation_id=name)
    conversations.delete(conversation_id=name)
    return {
        "said": [text(answer.outputs[0].content)[:14] for answer in (first, second, other)],
        "tokens": first.usage.total_tokens,
        "messages": len(messages.messages),
        "history": [entry.type for entry in history.entries],
        "restarted": other.conversation_id != name,
        "listed": listed,
        "got": got.id == name,
        "left": name in [item.id for item in conversations.list()],
    }


def conversations_streamed() -> Any:
    conversations = client().beta.conversations
    with conversations.start_stream(model=CHAT, inputs="Hello") as events:
        first = list(events)
    name = first[0].data.conversation_id
    with conversations.append_stream(conversation_id=name, inputs="And now?") as events:
        kinds = [event.event for event in events]
    entry = conversations.get_history(conversation_id=name).entries[1].id
    with conversations.restart_stream(conversation_id=name, inputs="Again", from_entry_id=entry) as events:
        again = [event.event for event in events]
    return {
        "started": first[0].event,
        "tokens": first[-1].data.usage.total_tokens,
        "kinds": kinds,
        "same": again == kinds,
    }


def libraries() -> Any:
    mistral = client()
    libraries = mistral.beta.libraries
    library = libraries.create(name="timetables", description="of the yard")
    named = libraries.update(library_id=library.id, name="departures").name
    content = {"file_name": "a.txt", "content": b"12:00 Paris"}
    document = libraries.documents.upload(library_id=library.id, file=content)
    listed = libraries.documents.list(library_id=library.id)
    status = libraries.documents.status(library_id=library.id, document_id=document.id)
    read = libraries.documents.text_content(library_id=library.id, document_id=document.id)
    link = libraries.documents.get_signed_url(library_id=library.id, document_id=document.id)
    libraries.documents.delete(library_id=library.id, document_id=document.id)
    found = library.id in [item.id for item in libraries.list().data]
    libraries.delete(library_id=library.id)
    return {
        "named": named,
        "documents": len(listed.data),
        "status": status.processing_status,
        "text": read.text,
        "link": link.startswith("https://"),
        "found": found,
        "left": library.id in [item.id for item in libraries.list().data],
    }


def fine_tuning() -> Any:
    mistral = client()
    jobs = mistral.fine_tuning.jobs
    made = jobs.create(model="open-mistral-nemo", hyperparameters={"training_steps": 10}, auto_start=True)
    done = jobs.get(job_id=made.id)
    listed = made.id in [job.id for job in jobs.list().data]
    said = mistral.chat.complete(model=done.fine_tuned_model, messages=QUESTION)
    archived = mistral.models.archive(model_id=done.fine_tuned_model).archived
    deleted = mistral.models.delete(model_id=done.fine_tuned_model).deleted
    return {
        "status": [made.status, done.status],
        "listed": listed,
        "said": said.choices[0].message.content,
        "archived": archived,
        "deleted": deleted,
    }


def agents_paged() -> Any:
    agents = client().beta.agents
    made = [agents.create(model=CHAT, name=f"shunter-{number}").id for number in range(2)]
    page = agents.list_pages(page_size=1)
    found = []
    while page is not None:
        found += [agent.id for agent in page.result.data]
        page = page.next()
    for name in made:
        agents.delete(agent_id=name)
    return {"found": set(made) <= set(found)}


CASES: tuple[Case, ...] = (
    models_list,
    models_retrieve,
    models_retrieve_prefixed,
    files,
    batch,
    batch_inline,
    batch_cancelled,
    agents,
    conversations,
    conversations_streamed,
    libraries,
    fine_tuning,
    agents_paged,
)
