"""What the gateway passes on becomes what it was for the SDKs before, and what it says itself is understood by them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.vocabulary import DEFAULT_SCOPES, Dialect, Scope
from tests.gateway.conftest import Upstream, running_node
from tests.sdk.canned import Canned, lists_of_ours, made_by_us, serving, shown_to, what_becomes_of
from tests.sdk.conftest import MODELS
from tests.sdk.environments import Client
from tests.sdk.mistral_table import NODE, PYTHON
from tests.sdk.openai_table import PYTHON as OPENAI_PYTHON
from tests.sdk.roads import Road

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

Runner = Callable[[Any], Any]
SCOPES = int(DEFAULT_SCOPES | Scope.NATIVE)
LISTS = ("models", "model")  # the gateway answers these itself
ENDS_NODE = "SyntaxError"  # @mistralai/mistralai 1 ends its process on a body that is not JSON
DEPRECATED = "x-model-deprecation-timestamp"  # a header that crashes a client in a stream, and stays here


def relayed(client: Client, shared: Path) -> list[Canned]:
    answers = [answer for answer in shown_to(client, shared) if answer.operation not in LISTS]
    return [answer for answer in answers if client is not Client.MISTRAL_TS_1 or answer.error != ENDS_NODE]


def as_before(answer: Canned, found: Any) -> bool:
    if answer.is_stream and DEPRECATED in answer.headers:
        return found is None
    return found is None if answer.error is None else found is not None and answer.error in found[0]


@pytest.mark.parametrize("client", [*PYTHON, *NODE])
def test_a_relayed_answer_becomes_what_it_became_without_us(
    client: Client, shared: Path, tmp_path: Path, run: Runner
) -> None:
    answers = relayed(client, shared)

    async def main() -> Any:
        async with Upstream(serving(answers)).running() as upstream:
            async with running_node(tmp_path, upstream.url, scopes=SCOPES) as node:
                url = f"http://127.0.0.1:{node.port}/api"
                return await what_becomes_of(client, answers, BASE_URL=url, KEY=node.key)

    found = run(main())
    assert len(answers) >= 165
    assert [
        (answer.name, found[answer.name], answer.error)
        for answer in answers
        if not as_before(answer, found[answer.name])
    ] == []


@pytest.mark.parametrize("client", [*PYTHON, *NODE])
def test_what_the_gateway_says_itself_is_understood(client: Client, shared: Path, run: Runner) -> None:
    answers = [*made_by_us(Dialect.MISTRAL), *lists_of_ours(shared)]

    async def main() -> Any:
        async with Upstream(serving(answers)).running() as upstream:
            return await what_becomes_of(client, answers, BASE_URL=upstream.url, KEY="k")

    found = run(main())
    for answer in answers:
        if answer.status == 200:
            assert found[answer.name] is None, (answer, found[answer.name])
        else:
            classes, text = found[answer.name]
            assert "SDKError" in classes, (answer, classes)
            assert f"Status {answer.status}" in text
            assert "what was wrong, where, what to do" in text


@pytest.mark.parametrize("client", OPENAI_PYTHON)
def test_what_the_gateway_says_to_openai_clients_is_understood(client: Client, run: Runner) -> None:
    answers = list(made_by_us(Dialect.OPENAI_CHAT))

    async def main() -> Any:
        async with Upstream(serving(answers)).running() as upstream:
            return await what_becomes_of(client, answers, BASE_URL=upstream.url, KEY="k", **MODELS[Road.DIRECT])

    found = run(main())
    for answer in answers:
        if answer.name == "kept alive":
            assert found[answer.name]["finish"] == ["stop"]
        else:
            classes, text = found[answer.name]
            assert "APIError" in classes, (answer, classes)
            assert "what was wrong, where, what to do" in text


@pytest.mark.parametrize("client", OPENAI_PYTHON)
def test_an_adapted_answer_is_what_openai_clients_rely_on(
    client: Client, shared: Path, tmp_path: Path, run: Runner
) -> None:
    answers = [answer for answer in shown_to(Client.MISTRAL_3, shared) if answer.operation in ("chat", "stream")]

    async def main() -> Any:
        async with Upstream(serving(answers)).running() as upstream:
            async with running_node(tmp_path, upstream.url, scopes=SCOPES) as node:
                url = f"http://127.0.0.1:{node.port}/api"
                return await what_becomes_of(client, answers, BASE_URL=url, KEY=node.key, **MODELS[Road.GATEWAY])

    found = run(main())
    assert len(answers) == 149
    assert [(answer.name, found[answer.name]) for answer in answers if not usable(found[answer.name])] == []


def usable(found: Any) -> bool:
    """Say whether an answer came in OpenAI's types, or as an error of OpenAI's."""
    if isinstance(found, list):
        return "APIError" in found[0]
    types = {"str", "NoneType"}
    calls = all(call == ["str", "str"] for call in found.get("calls", ()))
    return set(found.get("content", found.get("types", ()))) <= types and calls
