"""The Python snippets of the quickstarts of Anthropic, Google and the frameworks, run as they stand."""

import pytest

from tests.sdk.crossroads import Crossroads
from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.quickstarts import addressed, snippets
from tests.sdk.roads import run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

CLIENTS = {
    "quickstart-anthropic.md": (Client.ANTHROPIC, Client.ANTHROPIC),
    "quickstart-google.md": (Client.GOOGLE_GENAI,),
    "quickstart-frameworks.md": (
        Client.LANGCHAIN,
        Client.LANGCHAIN,
        Client.LLAMA_INDEX,
        Client.PYDANTIC_AI,
        Client.LITELLM,
    ),
}


@pytest.mark.parametrize(
    ("page", "number", "client"),
    [(page, number, client) for page, clients in CLIENTS.items() for number, client in enumerate(clients)],
)
def test_a_snippet_answers_and_leaves_a_row(page: str, number: int, client: Client, crossroads: Crossroads) -> None:
    try:
        program = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    snippet, key = snippets(page, "python")[number], crossroads.new_key(f"{page}-{number}")
    printed = run((str(program), "-c", addressed(snippet, crossroads, key)))
    assert printed.startswith("You said: Hello") is ("print" in snippet)
    (log,) = crossroads.logs(key)
    assert (log["outcome"], log["failed"]) == ("success", False)
    assert log["cost"]
    assert (log["customer_identifier"] == "user_123") is ("user_123" in snippet)


@pytest.mark.parametrize("page", CLIENTS)
def test_every_snippet_is_run(page: str) -> None:
    assert len(snippets(page, "python")) == len(CLIENTS[page])
