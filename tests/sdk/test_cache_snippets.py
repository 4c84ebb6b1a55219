"""The snippets of docs/response-cache.md, run twice as they stand: the second time, nobody is asked."""

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest

from tests.sdk.crossroads import Crossroads
from tests.sdk.environments import Client, NoClient, interpreter
from tests.sdk.quickstarts import addressed, snippets
from tests.sdk.roads import run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

PAGE = "response-cache.md"
CLIENTS = (Client.OPENAI_2, Client.MISTRAL_2)


@pytest.mark.parametrize(("number", "client"), list(enumerate(CLIENTS)))
def test_the_second_run_is_answered_from_the_cache(number: int, client: Client, crossroads: Crossroads) -> None:
    try:
        program = interpreter(client)
    except NoClient as error:
        pytest.skip(str(error))
    key = crossroads.new_key(f"cache-{number}")
    snippet = addressed(snippets(PAGE, "python")[number], crossroads, key)
    first, second = (run((str(program), "-c", snippet)) for _ in range(2))
    assert first == second != ""
    logs = crossroads.logs(key)
    assert sorted(log["cache_hit"] for log in logs) == [False, True]
    hit = next(log for log in logs if log["cache_hit"])
    assert (hit["cost"], hit["cache_savings"] > 0) == (0, True)


def test_the_body_is_answered_from_the_cache(crossroads: Crossroads) -> None:
    (body,) = snippets(PAGE, "json")
    key = crossroads.new_key("cache-json")
    told = []
    for _ in range(2):
        connection = HTTPConnection(urlsplit(crossroads.url).netloc)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", "/api/chat/completions", body, headers)
        answer = connection.getresponse()
        told.append((answer.headers["x-gantry-cache"], json.loads(answer.read())["choices"]))
        connection.close()
    assert told == [("miss", told[0][1]), ("hit", told[0][1])]


def test_every_snippet_is_run() -> None:
    assert len(snippets(PAGE, "python")) == len(CLIENTS)
