"""The official clients list and retrieve models, each family in its own shape, from one and the same answer."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.catalogue import (
    LARGE,
    LARGE_NAMES,
    LLAMA,
    LLAMA_NAMES,
    TUNED,
    TUNED_NAMES,
    credential,
    listing,
    listing_node,
)
from tests.gateway.conftest import Upstream
from tests.sdk.environments import Client, NoClient, interpreter, node_folder
from tests.sdk.roads import quiet_environment

pytestmark = [pytest.mark.sdk, pytest.mark.slow]
Runner = Callable[[Any], Any]

# One line of JSON each: the names listed, the card of every name given as an argument, and what is said of an unknown.
MISTRAL_PYTHON = """
import json, os, sys
try:
    from mistralai.client import Mistral
except ImportError:
    from mistralai import Mistral
models = Mistral(api_key=os.environ["KEY"], server_url=os.environ["URL"]).models
print(json.dumps([card.id for card in models.list().data]))
for name in sys.argv[1:]:
    card = models.retrieve(model_id=name)
    print(json.dumps([card.id, card.TYPE if hasattr(card, "TYPE") else card.type, card.max_context_length]))
try:
    models.retrieve(model_id="no-such-model")
except Exception as error:
    print(json.dumps([error.status_code]))
"""
OPENAI_PYTHON = """
import json, os, sys
from openai import NotFoundError, OpenAI
models = OpenAI(api_key=os.environ["KEY"], base_url=os.environ["URL"], max_retries=0).models
print(json.dumps([card.id for card in models.list()]))
for name in sys.argv[1:]:
    card = models.retrieve(name)
    assert isinstance(card.created, int) and card.object == "model" and card.owned_by
    print(json.dumps([card.id, card.type, card.max_context_length]))
try:
    models.retrieve("no-such-model")
except NotFoundError as error:
    print(json.dumps([error.status_code]))
"""
MISTRAL_NODE = """
import { Mistral } from "@mistralai/mistralai";
const { models } = new Mistral({ apiKey: process.env.KEY, serverURL: process.env.URL });
const say = (value) => console.log(JSON.stringify(value));
say((await models.list()).data.map((card) => card.id));
for (const name of process.argv.slice(2)) {
  const card = await models.retrieve({ modelId: name });
  say([card.id, card.type, card.maxContextLength]);
}
await models.retrieve({ modelId: "no-such-model" }).catch((error) => say([error.statusCode]));
"""
OPENAI_NODE = """
import OpenAI from "openai";
const { models } = new OpenAI({ apiKey: process.env.KEY, baseURL: process.env.URL, maxRetries: 0 });
const say = (value) => console.log(JSON.stringify(value));
const cards = [];
for await (const card of models.list()) cards.push(card.id);
say(cards);
for (const name of process.argv.slice(2)) {
  const card = await models.retrieve(name);
  say([card.id, card.type, card.max_context_length]);
}
await models.retrieve("no-such-model").catch((error) => say([error.status]));
"""
DRIVERS = {(True, True): MISTRAL_NODE, (True, False): MISTRAL_PYTHON, (False, True): OPENAI_NODE}
ASKED = (*LARGE_NAMES, *TUNED_NAMES, *LLAMA_NAMES)
BARE_TUNED = TUNED_NAMES[:1]


LISTING = [client for client in Client if client.startswith(("mistralai", "openai"))]  # whose shapes the answer has


@pytest.mark.parametrize("client", LISTING)
def test_clients_list_and_retrieve(run: Runner, tmp_path: Path, client: Client) -> None:
    try:
        program = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    source = DRIVERS.get((client.speaks_mistral, client.on_node), OPENAI_PYTHON)
    driver = tmp_path / "driver.py"
    driver.write_text(source)
    if client.on_node:  # node resolves packages from where the file lies
        driver = Path(shutil.copy(driver, node_folder(client) / "list_models.mjs"))
    names = [name for name in ASKED if client.speaks_mistral or name not in BARE_TUNED]

    async def main() -> None:
        async with (
            Upstream(listing(LARGE, TUNED)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(tmp_path, credential("mistral", mistral.url), credential("togetherai", together.url)) as node,
        ):
            url = f"http://127.0.0.1:{node.port}/api"
            process = await asyncio.create_subprocess_exec(
                program,
                driver,
                *names,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=quiet_environment(URL=url, KEY=node.key),
            )
            said, complaints = await process.communicate()
            assert process.returncode == 0, complaints.decode()
            listed, *cards, unknown = map(json.loads, said.splitlines())
            assert sorted(listed) == sorted(names)
            types = ["fine-tuned" if name in TUNED_NAMES else "base" for name in names]
            sizes = [
                262_144 if name in LARGE_NAMES else 32_768 for name in names
            ]  # of what is known, and of the others
            assert cards == [list(card) for card in zip(names, types, sizes, strict=True)]
            assert unknown == [404]

    run(main())
