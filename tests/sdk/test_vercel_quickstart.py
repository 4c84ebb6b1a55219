"""The snippets of docs/quickstart-vercel.md, run as they stand."""

from typing import NamedTuple

import pytest

from tests.sdk.crossroads import Crossroads
from tests.sdk.environments import Client, NoClient, interpreter, node_folder
from tests.sdk.quickstarts import addressed, snippets
from tests.sdk.roads import run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

PAGE = "quickstart-vercel.md"


class Said(NamedTuple):
    """What a snippet prints, and the rows that it leaves."""

    printed: str
    rows: int
    tier: str


SAID = (
    Said("You said: Hello, Mistral!", 1, "relay"),
    Said("You said: Name three bridges.", 1, "adapt"),
    Said("The tool answered: 22 degrees in city", 2, "translate"),
    Said("{ name: 'name', axles: 1.5 }", 1, "translate"),
    Said("", 1, "relay"),
)


@pytest.mark.parametrize("number", range(len(SAID)))
def test_a_snippet_says_what_the_page_promises(number: int, crossroads: Crossroads) -> None:
    try:
        node = interpreter(Client.VERCEL_TS)
    except NoClient as error:
        pytest.skip(str(error))
    said, key = SAID[number], crossroads.new_key(f"quickstart-{number}")
    program = node_folder(Client.VERCEL_TS) / f"quickstart-{number}.mjs"
    program.write_text(addressed(snippets(PAGE, "typescript")[number], crossroads, key))
    assert run((str(node), str(program))).startswith(said.printed)
    logs = crossroads.logs(key)
    assert [(log["tier"], log["outcome"], log["provider_id"]) for log in logs] == [
        (said.tier, "success", "mistral")
    ] * said.rows
    assert all(log["cost"] and log["prompt_tokens"] and log["completion_tokens"] for log in logs)
    assert ("X-Data-Respan-Params" in program.read_text()) is (logs[0]["customer_identifier"] == "user_123")


def test_every_snippet_is_run() -> None:
    assert len(snippets(PAGE, "typescript")) == len(SAID)
