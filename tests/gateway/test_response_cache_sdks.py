"""The official clients get kept answers as they got the first ones: whole and streamed, typed by their own models."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.wire.body import LAST_CHUNK, encode_chunk
from tests.gateway.conftest import STREAM_HEAD, Heard, Upstream, json_answer, running_node
from tests.sdk.environments import Client, NoClient, interpreter, node_folder
from tests.sdk.roads import quiet_environment

pytestmark = [pytest.mark.sdk, pytest.mark.slow]
Runner = Callable[[Any], Any]

MISTRAL_PYTHON = """
import json, os
try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral
chat = Mistral(api_key=os.environ["KEY"], server_url=os.environ["URL"]).chat
asked = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "hi"}],
    "metadata": {"respan_params": {"cache_enabled": True}},
}
for _ in range(2):
    answer = chat.complete(**asked)
    said = [event.data for event in chat.stream(**asked)]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in said)
    print(json.dumps([answer.choices[0].message.content, answer.usage.total_tokens, text, said[-1].usage.total_tokens]))
"""
OPENAI_PYTHON = """
import json, os
from openai import OpenAI
chat = OpenAI(api_key=os.environ["KEY"], base_url=os.environ["URL"] + "/v1", max_retries=0).chat.completions
asked = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "hi"}],
    "extra_body": {"cache_enabled": True},
}
for _ in range(2):
    answer = chat.create(**asked)
    said = list(chat.create(**asked, stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in said if chunk.choices)
    print(json.dumps([answer.choices[0].message.content, answer.usage.total_tokens, text, said[-1].usage.total_tokens]))
"""
OPENAI_NODE = """
import OpenAI from "openai";
const { chat } = new OpenAI({ apiKey: process.env.KEY, baseURL: process.env.URL + "/v1", maxRetries: 0 });
const asked = { model: "mistral-small-latest", messages: [{ role: "user", content: "hi" }], cache_enabled: true };
for (let turn = 0; turn < 2; turn++) {
  const answer = await chat.completions.create(asked);
  let text = "", total = 0;
  const stream = await chat.completions.create({ ...asked, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta.content ?? "";
    total = chunk.usage?.total_tokens ?? total;
  }
  console.log(JSON.stringify([answer.choices[0].message.content, answer.usage.total_tokens, text, total]));
}
"""
CLIENTS = {
    Client.MISTRAL_1: MISTRAL_PYTHON,
    Client.MISTRAL_2: MISTRAL_PYTHON,
    Client.MISTRAL_3: MISTRAL_PYTHON,
    Client.OPENAI_2: OPENAI_PYTHON,
    Client.OPENAI_3: OPENAI_PYTHON,
    Client.OPENAI_TS: OPENAI_NODE,
}
ANSWER = (
    b'{"id":"1","object":"chat.completion","created":1,"model":"mistral-small-latest","choices":[{"index":0,'
    b'"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
CHUNKS = [
    b'{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"role":"assistant","content":"hel"},"finish_reason":null}]}',
    b'{"id":"1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":"lo"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2,'
    b'"total_tokens":7}}',
    b"[DONE]",
]
STREAM = STREAM_HEAD + b"".join(encode_chunk(b"data: %b\n\n" % chunk) for chunk in CHUNKS) + LAST_CHUNK


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: Heard) -> None:
    """Answer as a stream who asks for one."""
    while True:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        heard.data += head
        writer.write(STREAM if json.loads(body).get("stream") else json_answer(ANSWER))


@pytest.mark.parametrize("client", CLIENTS)
def test_clients_read_kept_answers(run: Runner, tmp_path: Path, client: Client) -> None:
    try:
        program = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    driver = tmp_path / "driver.py"
    driver.write_text(CLIENTS[client])
    if client.on_node:  # node resolves packages from where the file lies
        driver = Path(shutil.copy(driver, node_folder(client) / "cached.mjs"))

    async def main() -> None:
        async with Upstream(serve).running() as upstream, running_node(tmp_path, upstream.url) as node:
            process = await asyncio.create_subprocess_exec(
                program,
                driver,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=quiet_environment(URL=f"http://127.0.0.1:{node.port}/api", KEY=node.key),
            )
            said, complaints = await process.communicate()
            assert process.returncode == 0, complaints.decode()
            assert [json.loads(line) for line in said.splitlines()] == 2 * [["hello", 7, "hello", 7]]
            assert upstream.heard.count(b"POST ") == 2
            assert node.slot[Word.CACHE_HITS] == 2

    run(main())
