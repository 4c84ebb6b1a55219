"""`gantry demo`: simulated providers, a gateway, a key and sample calls, in one terminal.

Law: nothing outside the machine is called, and nothing is left behind. Provider keys in the environment are not used,
and without `--home` the home is a temporary directory. The simulator and the sample calls are threads of the process
that supervises, so they cannot outlive it.
"""

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from gantry.cli.opened import open_home
from gantry.cli.sample_calls import SampleTraffic
from gantry.cli.serve import run_node
from gantry.core.secret import Secret
from gantry.core.vocabulary import DEFAULT_SCOPES, Scope
from gantry.home import Home
from gantry.providers.spec import load_catalog
from gantry.simulator import Simulator
from gantry.simulator.server import Settings as SimulatorSettings
from gantry.store.credentials import NewCredential, add_credential, credentials_of, remove_credentials
from gantry.store.keys import KeyPolicy, add_key
from gantry.store.vault import Vault

# Providers, and where the simulator plays them.
SIMULATED = {
    "mistral": "/mistral",
    "openai": "/openai",
    "anthropic": "/anthropic",
    "google_gemini_ai": "/gemini",
    "cohere": "/cohere",
}
CREDENTIAL_NAME = "simulator"
_SAMPLE_PAUSE = 3.0
_POLICY = KeyPolicy(scopes=DEFAULT_SCOPES | Scope.READ | Scope.NATIVE | Scope.INGEST)
_PACE = SimulatorSettings(first_token=0.15, tokens_per_second=80.0)

SNIPPETS = """
A key for this gateway, which is live in a moment:

    {key}

Mistral SDK (2.x and 3.x; with 1.x it is `from mistralai import Mistral`):

    from mistralai.client import Mistral

    client = Mistral(api_key="{key}", server_url="{url}/api")
    response = client.chat.complete(
        model="mistral-large-latest",
        messages=[{{"role": "user", "content": "Hello, Mistral!"}}],
    )
    print(response.choices[0].message.content)

OpenAI SDK:

    from openai import OpenAI

    client = OpenAI(api_key="{key}", base_url="{url}/api")
    response = client.chat.completions.create(
        model="mistral/mistral-large-latest",
        messages=[{{"role": "user", "content": "Hello, Mistral!"}}],
    )
    print(response.choices[0].message.content)

Anthropic SDK:

    from anthropic import Anthropic

    client = Anthropic(api_key="{key}", base_url="{url}/api/anthropic")
    message = client.messages.create(
        model="mistral/mistral-large-latest",
        max_tokens=500,
        messages=[{{"role": "user", "content": "Hello, Mistral!"}}],
    )
    print(message.content[0].text)

Any model in each of them: openai/gpt-5.5, anthropic/claude-sonnet-4-5, gemini/gemini-2.5-flash,
cohere/command-a-03-2025.

curl:

    curl {url}/api/v1/chat/completions \\
      -H "Authorization: Bearer {key}" \\
      -H "Content-Type: application/json" \\
      -d '{{"model": "mistral-large-latest", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

What was recorded, from another terminal:

    gantry logs tail --home {home}
    gantry status --home {home}

Providers are simulated. Ctrl-C ends everything. Sample calls:
"""


@click.command("demo")
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything here. [default: a temporary directory]",
)
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", help="Port to listen on; 0 picks a free one.  [default: 8790]", metavar="INTEGER")
@click.option("--workers", help="Gateway workers; by default one for each CPU really granted.", metavar="INTEGER")
@click.option("--log-level", default="warning", show_default=True, help="Least severity that is written to stderr.")
@click.option("--samples/--no-samples", default=True, show_default=True, help="Make sample calls all the time.")
def command(
    home: Path | None, host: str | None, port: str | None, workers: str | None, log_level: str, samples: bool
) -> None:
    """Try Gantry: simulated providers, a gateway, a key and sample calls."""
    flags = {"host": host, "port": port, "workers": workers, "log_level": log_level}
    for spec in load_catalog().values():
        for variable in spec.environment:
            os.environ.pop(variable, None)  # a demo must not spend anybody's money
    with ExitStack() as stack:
        if home is None:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-")))
        key = seed(home, stack.enter_context(simulated_providers()))
        place = Home(home)
        traffic = stack.enter_context(SampleTraffic(key.reveal(), click.echo, _SAMPLE_PAUSE))

        def announce(url: str) -> None:
            click.echo(f"gantry listening on {url}")
            click.echo(SNIPPETS.format(key=key.reveal(), url=url, home=place.path))
            if samples:
                traffic.start(url)

        run_node(place, flags, announce)


@contextmanager
def simulated_providers() -> Iterator[str]:
    """Run the simulator in a thread for the length of the block, and give its URL."""
    url: Future[str] = Future()
    stop: Future[None] = Future()

    async def run() -> None:
        async with Simulator(settings=_PACE) as simulator:
            url.set_result(simulator.url)
            await asyncio.wrap_future(stop)

    thread = threading.Thread(target=asyncio.run, args=(run(),), name="simulator", daemon=True)
    thread.start()
    try:
        yield url.result()
    finally:
        stop.set_result(None)
        thread.join()


def seed(home: Path, simulator_url: str) -> Secret:
    """Put a credential for each simulated provider and a new API key into the home's store, and return the key."""
    with open_home(home) as opened, opened.control.changing() as change:
        earlier = [
            credential
            for credential in credentials_of(change.connection, opened.organization_id)
            if credential.name == CREDENTIAL_NAME
        ]
        remove_credentials(change, earlier)
        for provider_id, path in SIMULATED.items():
            new = NewCredential(
                provider_id=provider_id,
                name=CREDENTIAL_NAME,
                base_url=simulator_url + path,
                secrets={"api_key": Secret("simulated")},
            )
            add_credential(change, Vault(opened.keyring.vault), opened.organization_id, new)
        return add_key(change, opened.organization_id, "demo", _POLICY, opened.keyring.pepper)[1]
