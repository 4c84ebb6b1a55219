"""The official clients read a stream that we ended as a whole answer that came to its bound: typed by their own models.

Each asks through its own dialect, relayed and translated, and prints what it read: text, finish reason, output tokens.
"""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gantry.core.vocabulary import Outcome
from gantry.gateway import call
from tests.gateway.conftest import Upstream, running_node
from tests.gateway.endless import ENDLESS, WORDS
from tests.gateway.test_stream_stop import HELD, HeldRecording
from tests.sdk.environments import Client, NoClient, interpreter, node_folder
from tests.sdk.roads import quiet_environment

pytestmark = [pytest.mark.sdk, pytest.mark.slow, pytest.mark.plain]
Runner = Callable[[Any], Any]

_PYTHON = "import json, os\nMODEL, URL, KEY = (os.environ[name] for name in ('MODEL', 'URL', 'KEY'))\n"
_ASKED = 'ASKED = dict(model=MODEL, messages=[{"role": "user", "content": "Count."}])\n'
MISTRAL_PYTHON = (
    _PYTHON
    + _ASKED
    + """
try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral
chunks = [event.data for event in Mistral(api_key=KEY, server_url=URL).chat.stream(**ASKED)]
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
print(json.dumps([text, chunks[-1].choices[0].finish_reason, chunks[-1].usage.completion_tokens]))
"""
)
OPENAI_PYTHON = (
    _PYTHON
    + _ASKED
    + """
from openai import OpenAI
chat = OpenAI(api_key=KEY, base_url=URL + "/v1", max_retries=0).chat.completions
*chunks, last = chat.create(**ASKED, stream=True, stream_options={"include_usage": True})
text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
print(json.dumps([text, chunks[-1].choices[0].finish_reason, last.usage.completion_tokens]))
"""
)
RESPONSES_PYTHON = (
    _PYTHON
    + """
from openai import OpenAI
responses = OpenAI(api_key=KEY, base_url=URL, max_retries=0).responses
events = list(responses.create(model=MODEL, input="Count.", stream=True))
text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
last = events[-1]
assert [event.sequence_number for event in events] == list(range(len(events)))
assert last.type == "response.incomplete", last.type
assert last.response.output_text == text
assert last.response.output[0].status == "incomplete"
closed = ["response.output_text.done", "response.content_part.done", "response.output_item.done"]
assert [event.type for event in events[-4:-1]] == closed
print(json.dumps([text, last.response.incomplete_details.reason, last.response.usage.output_tokens]))
"""
)
ANTHROPIC_PYTHON = (
    _PYTHON
    + _ASKED
    + """
from anthropic import Anthropic
messages = Anthropic(base_url=URL + "/anthropic", api_key=KEY, max_retries=0).messages
with messages.stream(**ASKED, max_tokens=999) as told:
    stops = [event.type for event in told].count("content_block_stop")
    message = told.get_final_message()
assert stops == 1
print(json.dumps([message.content[0].text, message.stop_reason, message.usage.output_tokens]))
"""
)
GOOGLE_PYTHON = (
    _PYTHON
    + """
from google import genai
client = genai.Client(api_key=KEY, http_options={"base_url": URL + "/google/gemini"})
pieces = list(client.models.generate_content_stream(model=MODEL, contents="Count."))
text = "".join(piece.text or "" for piece in pieces)
last = pieces[-1]
print(json.dumps([text, last.candidates[0].finish_reason.value, last.usage_metadata.candidates_token_count]))
"""
)
OPENAI_NODE = """
import OpenAI from "openai";
const { MODEL, URL, KEY } = process.env;
const { chat } = new OpenAI({ apiKey: KEY, baseURL: URL + "/v1", maxRetries: 0 });
const messages = [{ role: "user", content: "Count." }];
const asked = { model: MODEL, messages, stream_options: { include_usage: true } };
const answer = await chat.completions.stream(asked).finalChatCompletion();
const { message, finish_reason } = answer.choices[0];
console.log(JSON.stringify([message.content, finish_reason, answer.usage.completion_tokens]));
"""
ANTHROPIC_NODE = """
import Anthropic from "@anthropic-ai/sdk";
const { MODEL, URL, KEY } = process.env;
const { messages } = new Anthropic({ apiKey: KEY, baseURL: URL + "/anthropic", maxRetries: 0 });
const asked = { model: MODEL, max_tokens: 999, messages: [{ role: "user", content: "Count." }] };
const message = await messages.stream(asked).finalMessage();
console.log(JSON.stringify([message.content[0].text, message.stop_reason, message.usage.output_tokens]));
"""
GOOGLE_NODE = """
import { GoogleGenAI } from "@google/genai";
const { MODEL, URL, KEY } = process.env;
const client = new GoogleGenAI({ apiKey: KEY, httpOptions: { baseUrl: URL + "/google/gemini" } });
let text = "", last;
for await (last of await client.models.generateContentStream({ model: MODEL, contents: "Count." })) {
  text += last.text ?? "";
}
console.log(JSON.stringify([text, last.candidates[0].finishReason, last.usageMetadata.candidatesTokenCount]));
"""
MISTRAL_NODE = """
import { Mistral } from "@mistralai/mistralai";
const { MODEL, URL, KEY } = process.env;
const { chat } = new Mistral({ apiKey: KEY, serverURL: URL });
let text = "", last;
for await (const event of await chat.stream({ model: MODEL, messages: [{ role: "user", content: "Count." }] })) {
  last = event.data;
  text += last.choices[0].delta.content ?? "";
}
console.log(JSON.stringify([text, last.choices[0].finishReason, last.usage.completionTokens]));
"""


class Reader(NamedTuple):
    """A client, what it runs, whom it asks, and its word for the end."""

    client: Client
    program: str
    finish: str
    providers: tuple[str, ...]


MODELS = {
    "mistral": "mistral/mistral-large-latest",
    "openai": "openai/gpt-4o",
    "responses": "openai/gpt-4o",
    "anthropic": "anthropic/claude-sonnet-4-5",
    "gemini": "gemini/gemini-2.5-flash",
}
READERS = [
    *[
        Reader(client, MISTRAL_PYTHON, "length", ("mistral", "anthropic"))
        for client in (Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3)
    ],
    *[
        Reader(client, MISTRAL_NODE, "length", ("mistral", "openai"))
        for client in (Client.MISTRAL_TS_1, Client.MISTRAL_TS_2)
    ],
    *[
        Reader(client, OPENAI_PYTHON, "length", ("openai", "mistral", "anthropic"))
        for client in (Client.OPENAI_2, Client.OPENAI_3)
    ],
    Reader(Client.OPENAI_TS, OPENAI_NODE, "length", ("openai", "mistral", "gemini")),
    *[
        Reader(client, RESPONSES_PYTHON, "max_output_tokens", ("responses", "anthropic"))
        for client in (Client.OPENAI_2, Client.OPENAI_3)
    ],
    Reader(Client.ANTHROPIC, ANTHROPIC_PYTHON, "max_tokens", ("anthropic", "mistral")),
    Reader(Client.ANTHROPIC_TS, ANTHROPIC_NODE, "max_tokens", ("anthropic", "openai")),
    Reader(Client.GOOGLE_GENAI, GOOGLE_PYTHON, "MAX_TOKENS", ("gemini", "mistral")),
    Reader(Client.GOOGLE_GENAI_TS, GOOGLE_NODE, "MAX_TOKENS", ("gemini", "anthropic")),
]


@pytest.mark.parametrize(
    ("reader", "provider"),
    [
        pytest.param(reader, provider, id=f"{reader.client}-{provider}-{reader.finish}")
        for reader in READERS
        for provider in reader.providers
    ],
)
def test_clients_read_a_whole_answer(
    run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: Reader, provider: str
) -> None:
    monkeypatch.setattr(call, "Recording", HeldRecording)
    client = reader.client
    try:
        program = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    driver = tmp_path / "driver.py"
    driver.write_text(reader.program)
    if client.on_node:  # node resolves packages from where the file lies
        driver = Path(shutil.copy(driver, node_folder(client) / "stopped.mjs"))

    async def main() -> None:
        async with (
            Upstream(ENDLESS[provider].script()).running() as upstream,
            running_node(tmp_path, upstream.url) as node,
        ):
            url = f"http://127.0.0.1:{node.port}/api"
            process = await asyncio.create_subprocess_exec(
                program,
                driver,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=quiet_environment(URL=url, KEY=node.key, MODEL=MODELS[provider]),
            )
            said, complaints = await process.communicate()
            assert process.returncode == 0, complaints.decode()
            text, finish, output_tokens = json.loads(said)
            assert "".join(WORDS).startswith(text)
            assert finish == reader.finish
            assert HELD < output_tokens < HELD + 10
            assert len(upstream.connections) == 1
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.SUCCESS

    run(main())
