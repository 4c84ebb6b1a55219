"""The product page's snippets run as they stand there, but for host and key."""

import re
import sys
import time
from typing import Any

import pytest
import requests

from tests.sdk.conftest import Gateway
from tests.sdk.environments import Client, interpreter
from tests.sdk.roads import run

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

OPENAI_PREAMBLE = """
from openai import OpenAI
client = OpenAI(api_key="YOUR_RESPAN_API_KEY", base_url="https://api.respan.ai/api")
messages = [{"role": "user", "content": "Hello, Mistral!"}]
"""


def snippets(page: str) -> list[str]:
    """Return the numbered listings of the page, without the numbers."""
    found: list[list[str]] = []
    for line in page.splitlines():
        numbered = re.match(r"(\d+)(.*)", line)
        if not numbered or (numbered[2] == "" and numbered[1] != str(len(found[-1]) + 1 if found else 1)):
            continue
        if numbered[1] == "1":
            found.append([])
        if found and int(numbered[1]) == len(found[-1]) + 1:
            found[-1].append(numbered[2])
    return ["\n".join(lines) for lines in found if len(lines) > 1]


def at_the_gateway(snippet: str, gateway: Gateway) -> str:
    return snippet.replace("https://api.respan.ai/api", f"{gateway.url}/api").replace(
        "YOUR_RESPAN_API_KEY", gateway.key
    )


def only(page: str, mark: str) -> str:
    (snippet,) = [snippet for snippet in snippets(page) if mark in snippet]
    return snippet


@pytest.mark.parametrize("client", [Client.MISTRAL_1, Client.MISTRAL_2, Client.MISTRAL_3])
def test_the_mistral_snippet_answers(client: Client, product_page: str, gateway: Gateway) -> None:
    snippet = only(product_page, "from mistralai import Mistral")
    if client is not Client.MISTRAL_1:
        snippet = snippet.replace("from mistralai import", "from mistralai.client import")
    output = run((str(interpreter(client)), "-c", at_the_gateway(snippet, gateway)))
    assert output.startswith("You said: Hello, Mistral! ")


def test_the_openai_snippet_answers_for_each_provider_that_is_set_up(product_page: str, gateway: Gateway) -> None:
    lines = only(product_page, "client.chat.completions.create").splitlines()
    calls = [line for line in lines if '"mistral/' in line or '"openai/' in line]
    printed = "\n".join(f"print(({call}).choices[0].message.content)" for call in calls)
    code = at_the_gateway(OPENAI_PREAMBLE, gateway) + printed
    output = run((str(interpreter(Client.OPENAI_3)), "-c", code)).splitlines()
    assert len(calls) == 4
    assert [line[:25] for line in output] == ["You said: Hello, Mistral!"] * 4


def listed(gateway: Gateway, **filters: str) -> list[dict[str, Any]]:
    """Return what the list API finds, once it finds something."""
    for _ in range(200):
        answer = requests.get(
            f"{gateway.url}/api/request-logs/list/",
            params=filters,
            headers={"Authorization": f"Bearer {gateway.key}"},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        if answer.json()["results"]:
            results: list[dict[str, Any]] = answer.json()["results"]
            return results
        time.sleep(0.05)
    raise AssertionError(f"nothing was found by {filters}")


def test_the_logging_snippet_answers_and_its_log_is_found(product_page: str, gateway: Gateway) -> None:
    snippet = only(product_page, "import requests")
    call = snippet[snippet.index("requests.post(") :]
    code = f"import requests\nanswer = {call}\nprint(answer.status_code, answer.json()['id'])"
    status, log_id = run((sys.executable, "-c", at_the_gateway(code, gateway))).split()
    assert status in ("200", "201")
    (log, *_) = listed(gateway, customer_identifier="user_123")
    assert log["id"] == log["unique_id"] == log_id
    assert (log["cost"], log["latency"], log["customer_identifier"]) == (0.001, 1.2, "user_123")
    assert log["completion_message"] == {"role": "assistant", "content": "Hello from Mistral through Respan."}
    whole = requests.get(
        f"{gateway.url}/api/request-logs/{log_id}/", headers={"Authorization": f"Bearer {gateway.key}"}, timeout=10
    ).json()
    assert whole["prompt_messages"] == [{"role": "user", "content": "Hello, how are you?"}]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("path", ["/api/v1/chat/completions", "/api/chat/completions"])
def test_a_proxied_call_is_found_with_tokens_cost_and_times(gateway: Gateway, path: str, stream: bool) -> None:
    thread = f"thread-{path}-{stream}"
    answer = requests.post(
        gateway.url + path,
        json={
            "model": "mistral/mistral-large-latest",
            "messages": [{"role": "user", "content": "Hello, Mistral!"}],
            "stream": stream,
            "thread_identifier": thread,
        },
        headers={"Authorization": f"Bearer {gateway.key}"},
        timeout=10,
    )
    assert answer.status_code == 200
    (log,) = listed(gateway, thread_identifier=thread)
    assert log["id"] == answer.headers["x-respan-log-id"]
    assert (log["model"], log["provider_id"], log["stream"]) == ("mistral-large-latest", "mistral", stream)
    # Mistral Large 3: $0.5 per million tokens in, $1.5 out, a tenth for what was cached.
    cached = log["prompt_cache_hit_tokens"] or 0
    dollars = ((log["prompt_tokens"] - cached) * 0.5 + cached * 0.05 + log["completion_tokens"] * 1.5) / 1e6
    assert log["completion_tokens"] > 0
    assert log["cost"] == pytest.approx(dollars, rel=1e-9)
    assert 0 < log["time_to_first_token"] <= log["latency"]
