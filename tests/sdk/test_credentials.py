"""The page's own JSON through the official clients, in each of the places that a client has for it: which key arrives?

`mistral-large-latest` has an override on the page; every other Mistral model is called with the customer's key.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.dial.certificates import Authority
from tests.gateway.conftest import running_node
from tests.gateway.internet import Internet
from tests.gateway.test_credentials import World, page_json
from tests.sdk.environments import ROOT, Client, NoClient, interpreter
from tests.sdk.roads import quiet_environment

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

LARGE, OTHERS = "ANOTHER_MISTRAL_API_KEY", "YOUR_MISTRAL_API_KEY"
BEGINNING = """
import json, os
url, key, params = os.environ["URL"], os.environ["KEY"], json.loads(os.environ["PARAMS"])
headers = {"X-Data-Respan-Params": json.dumps(params)}
said = [{"role": "user", "content": "hi"}]
model = "mistral/mistral-large-latest"
"""
OPENAI = """
from openai import OpenAI
client = OpenAI(base_url=url + "/api", api_key=key, max_retries=0)
for way in ({"extra_body": params}, {"extra_body": {"respan_params": params}}, {"extra_headers": headers}):
    client.chat.completions.create(model=model, messages=said, **way)
    list(client.chat.completions.create(model=model, messages=said, stream=True, **way))
    client.responses.create(model=model, input="hi", **way)
    client.embeddings.create(model="mistral/mistral-embed", input="hi", **way)
    client.audio.transcriptions.create(model="mistral/voxtral-mini-latest", file=("a.mp3", b"sound"), **way)
"""
MISTRAL = """
try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral
client = Mistral(api_key=key, server_url=url + "/api")
for way in ({"metadata": {"respan_params": params}}, {"http_headers": headers}):
    client.chat.complete(model="mistral-large-latest", messages=said, **way)
    list(client.chat.stream(model="mistral-large-latest", messages=said, **way))
    client.fim.complete(model="codestral-latest", prompt="def f(", **way)
    client.embeddings.create(model="mistral-embed", inputs=["hi"], **way)
"""
ANTHROPIC = """
from anthropic import Anthropic
client = Anthropic(base_url=url + "/api/anthropic", api_key=key, max_retries=0)
for way in ({"metadata": {"respan_params": params}}, {"extra_body": params}, {"extra_headers": headers}):
    client.messages.create(model=model, max_tokens=5, messages=said, **way)
    with client.messages.stream(model=model, max_tokens=5, messages=said, **way) as stream:
        stream.get_final_message()
"""
GOOGLE = """
from google import genai
from google.genai import types
for way in ({"headers": headers}, {"extra_body": params}):
    options = types.HttpOptions(base_url=url + "/api/google/gemini", **way)
    client = genai.Client(api_key=key, http_options=options)
    client.models.generate_content(model=model, contents="hi")
    list(client.models.generate_content_stream(model=model, contents="hi"))
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize(
    ("client", "program", "arrive"),
    [
        *((client, OPENAI, [LARGE, LARGE, LARGE, OTHERS, OTHERS] * 3) for client in (Client.OPENAI_2, Client.OPENAI_3)),
        *(
            (client, MISTRAL, [LARGE, LARGE, OTHERS, OTHERS] * 2)
            for client in (Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3)
        ),
        (Client.ANTHROPIC, ANTHROPIC, [LARGE, LARGE] * 3),
        (Client.GOOGLE_GENAI, GOOGLE, [LARGE, LARGE] * 2),
    ],
)
def test_a_clients_own_ways_bring_the_key(
    run: Callable[[Awaitable[Any]], Any],
    tmp_path: Path,
    shared: Path,
    authority: Authority,
    client: Client,
    program: str,
    arrive: list[str],
) -> None:
    try:
        python = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    params = page_json((shared / "reference" / "product-page.txt").read_text())

    async def main() -> None:
        async with (
            Internet(authority).running() as internet,
            running_node(
                tmp_path, "http://127.0.0.1:9", ca_bundle=authority.bundle, https_proxy=internet.proxy
            ) as node,
        ):
            here = World(node, internet)
            here.store("organization", "platform")
            environment = quiet_environment(
                URL=f"http://127.0.0.1:{node.port}", KEY=node.key, PARAMS=json.dumps(params)
            )
            process = await asyncio.create_subprocess_exec(
                str(python), "-c", BEGINNING + program, env=environment, cwd=ROOT, stderr=asyncio.subprocess.PIPE
            )
            _, errors = await process.communicate()
            assert process.returncode == 0, errors.decode()[-3000:]
            assert [key for arrival in internet.arrivals for key in arrival.keys] == arrive
            assert {arrival.host for arrival in internet.arrivals} == {"api.mistral.ai"}
            for arrival in internet.arrivals:
                assert b"respan" not in arrival.head.lower() + arrival.body.lower()
                assert arrival.body.count(b"_MISTRAL_API_KEY") == 0
            kept = here.kept()
            assert LARGE not in kept
            assert OTHERS not in kept

    run(main())
