"""Custom models through a worker: called by their names, and listed with what is said and known of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.core.custom_model import CustomModel
from gantry.prices.published import compile_published
from gantry.prices.sealed_table import seal_table, table_name
from gantry.prices.table import encode_table
from tests.gateway.catalogue import (
    LARGE,
    LARGE_NAMES,
    LLAMA,
    LLAMA_NAMES,
    OPENAI_AGENT,
    ask,
    credential,
    listing,
    listing_node,
    names,
)
from tests.gateway.conftest import Upstream, answering, json_answer

Runner = Callable[[Any], Any]
FAST = CustomModel(
    organization_id="o1",
    name="team/fast",
    base="mistral/mistral-large-latest",
    display_name="Fast",
    input_price=100_000_000,
    context_window=1000,
    vision=False,
    created_at=1_795_000_000_000_000_000,
)
OWN = CustomModel(organization_id="o1", name="own", provider_id="togetherai", called_by_name=True)
TAKEN = CustomModel(organization_id="o1", name="mistral-large-latest", base="togetherai/meta-llama/Llama-3")
FOREIGN = CustomModel(organization_id="o2", name="theirs", base="mistral/mistral-large-latest")
CHAT = b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[],"usage":{}}'


def test_a_call_by_a_custom_name_goes_out_under_the_providers(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(CHAT))).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url), customs=(FAST,)) as node,
        ):
            body = b'{"model": "team/fast", "messages": [], "x": 1.0}'
            answer = await node.ask("/v1/chat/completions", body, b"user-agent: mistral-client-python/2.10.1")
            assert answer.status == 200
            assert mistral.heard.endswith(b'{"model": "mistral-large-latest", "messages": [], "x": 1.0}')
            opened, closed, _ = await node.one_call()
            assert (opened.requested_model, closed.attempts[0].upstream_model) == ("team/fast", "mistral-large-latest")

    run(main())


@pytest.mark.parametrize(
    ("models", "status"),
    [(("team/*",), 200), (("mistral/*",), 200), (("mistral-large-*",), 200), (("fast", "gpt-*"), 403)],
)
def test_a_keys_list_may_name_the_custom_model_or_what_is_behind_it(
    run: Runner, tmp_path: Path, models: tuple[str, ...], status: int
) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(CHAT))).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url), customs=(FAST,), models=models) as node,
        ):
            body = b'{"model":"team/fast","messages":[]}'
            assert (await node.ask("/v1/chat/completions", body)).status == status

    run(main())


def test_a_custom_name_leads_to_no_other_provider_past_a_keys_list(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(CHAT))).running() as up,
            listing_node(
                tmp_path,
                credential("mistral", up.url),
                credential("openai", up.url),
                customs=(FAST,),
                models=("team/*",),
            ) as node,
        ):
            pinned = b"X-Respan-Route-Provider: openai"
            answer = await node.ask("/v1/chat/completions", b'{"model":"team/fast","messages":[]}', pinned)
            assert answer.status == 403
            assert up.connections == []

    run(main())


def test_custom_models_are_listed_first_and_a_name_once(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(
                tmp_path,
                credential("mistral", mistral.url),
                credential("togetherai", together.url),
                customs=(FAST, FOREIGN, OWN, TAKEN),
            ) as node,
        ):
            answer = await ask(node, "/api/models/", OPENAI_AGENT)
            listed = names(answer)
            assert set(listed[:3]) == {"team/fast", "own", "mistral-large-latest"}
            assert sorted(listed[3:]) == sorted([LARGE_NAMES[1], *LLAMA_NAMES])
            content = json.loads(answer.body)
            cards = {card["id"]: card for card in content["data"]}
            fast = cards["team/fast"]
            assert (fast["name"], fast["max_context_length"], fast["aliases"]) == ("Fast", 1000, [])
            assert fast["capabilities"]["vision"] is False
            assert (fast["created"], fast["owned_by"], fast["type"]) == (1_795_000_000, "mistral", "base")
            assert cards["mistral/mistral-large-latest"]["capabilities"]["vision"] is True
            assert (cards["mistral-large-latest"]["owned_by"], cards["own"]["owned_by"]) == ("meta", "togetherai")
            respan = {card["model_name"]: card for card in content["models"]}
            assert (respan["team/fast"]["input_cost"], respan["team/fast"]["output_cost"]) == (0.1, None)
            assert respan["team/fast"]["base_model_name"] == "mistral/mistral-large-latest"
            assert respan["team/fast"]["affiliation_category"] == "custom"
            assert (respan["own"]["is_called_by_custom_name"], respan["own"]["image_support"]) == (True, 0)

    run(main())


@pytest.mark.parametrize(
    ("models", "own"), [(("mistral-large-*",), ["team/fast"]), (("team/*",), ["team/fast"]), (("own",), ["own"])]
)
def test_a_limited_key_sees_the_custom_models_it_may_use(
    run: Runner, tmp_path: Path, models: tuple[str, ...], own: list[str]
) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(
                tmp_path,
                credential("mistral", mistral.url),
                credential("togetherai", together.url),
                customs=(FAST, OWN),
                models=models,
            ) as node,
        ):
            assert [name for name in names(await ask(node)) if name in ("team/fast", "own")] == own
            for name in ("team/fast", "own"):
                assert (await ask(node, f"/v1/models/{name}")).status == (200 if name in own else 404)

    run(main())


def test_a_name_that_a_custom_model_took_shows_no_other_model(run: Runner, tmp_path: Path) -> None:
    """A key that may not use the custom model would be refused a call by its name, whoever else has one so called."""

    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(
                tmp_path,
                credential("mistral", mistral.url),
                credential("togetherai", together.url),
                customs=(TAKEN,),
                models=("mistral/*",),
            ) as node,
        ):
            assert names(await ask(node)) == ["mistral/mistral-large-latest"]
            assert (await ask(node, "/v1/models/mistral-large-latest")).status == 404
            assert (await ask(node, "/v1/models/mistral/mistral-large-latest")).status == 200

    run(main())


@pytest.mark.parametrize("spelling", ["team/fast", "team%2Ffast", "team/fast/"])
def test_one_card_carries_both_shapes(run: Runner, tmp_path: Path, spelling: str) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url), customs=(FAST,)) as node,
        ):
            card = json.loads((await ask(node, f"/api/models/{spelling}")).body)
            assert (card["id"], card["model_name"], card["object"], card["name"]) == (
                "team/fast",
                "team/fast",
                "model",
                "Fast",
            )
            assert (card["max_context_length"], card["max_context_window"], card["input_cost"]) == (1000, 1000, 0.1)
            native = json.loads((await ask(node, "/v1/models/team/fast")).body)
            assert "model_name" not in native
            assert native["max_context_length"] == 1000

    run(main())


def test_a_custom_models_card_is_there_though_its_provider_is_not(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(answering(json_answer(b"{}", b"500 Oh"))).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url), customs=(FAST,)) as node,
        ):
            answer = await ask(node, "/v1/models/team/fast")
            assert (answer.status, json.loads(answer.body)["name"]) == (200, "Fast")
            assert answer.headers["x-gantry-unavailable"] == "mistral"

    run(main())


def test_what_a_provider_leaves_out_is_filled_in_from_what_is_known(run: Runner, tmp_path: Path) -> None:
    said = b'{"id":"gpt-4o","object":"model","created":7,"owned_by":"system"}'
    more = b'{"id":"gpt-5","context_window":1,"capabilities":{"vision":false}}'

    async def main() -> None:
        async with (
            Upstream(listing(said, more, b'{"id":"gpt-from-next-year"}')).running() as openai,
            listing_node(tmp_path, credential("openai", openai.url)) as node,
        ):
            node.home.cache.mkdir(exist_ok=True)
            table = seal_table(encode_table(compile_published()))
            (node.home.cache / table_name()).write_bytes(table)
            content = json.loads((await ask(node, "/models", OPENAI_AGENT)).body)
            cards = {card["id"]: card for card in content["data"]}
            assert (cards["gpt-4o"]["max_context_length"], cards["gpt-4o"]["created"]) == (128_000, 7)
            assert cards["gpt-4o"]["capabilities"] == {
                "completion_chat": True,
                "completion_fim": False,
                "function_calling": True,
                "fine_tuning": False,
                "vision": True,
                "reasoning": False,
            }
            assert cards["gpt-5"]["capabilities"] == {"vision": False}
            assert cards["gpt-5"]["max_context_length"] == 1
            assert cards["gpt-5"]["deprecation"] == "2026-12-11T00:00:00Z"
            assert cards["gpt-from-next-year"]["max_context_length"] == 32_768
            assert "deprecation" not in cards["gpt-4o"]
            respan = {card["model_name"]: card for card in content["models"]}
            assert (respan["gpt-4o"]["input_cost"], respan["gpt-4o"]["completion_cost"]) == (2.5, 10.0)
            assert (respan["gpt-4o"]["image_support"], respan["gpt-4o"]["price_source"]) == (1, "genai-prices")
            assert respan["gpt-4o"]["capability"]["modality"]["input"] == ["text", "image", "document"]
            assert respan["gpt-from-next-year"]["input_cost"] is None

    run(main())


def test_without_compiled_prices_there_are_none(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            card = json.loads((await ask(node, "/models/mistral-large-latest")).body)
            assert (card["input_cost"], card["max_context_length"]) == (None, 262_144)

    run(main())
