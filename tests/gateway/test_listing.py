"""The models of an organization: who is asked, what is merged, and what the record says."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gantry.board.board import Word
from gantry.core.vocabulary import Operation, Outcome
from tests.gateway.catalogue import (
    LARGE,
    LARGE_NAMES,
    LLAMA,
    LLAMA_NAMES,
    MISTRAL_AGENT,
    OPENAI_AGENT,
    TUNED,
    TUNED_NAMES,
    ask,
    credential,
    ended,
    listing,
    listing_node,
    names,
    publish,
    silent,
)
from tests.gateway.conftest import Script, Upstream, answering, json_answer

Runner = Callable[[Any], Any]


def test_lists_are_merged_and_recorded(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE, TUNED)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(tmp_path, credential("togetherai", together.url), credential("mistral", mistral.url)) as node,
        ):
            answer = await ask(node)
            assert names(answer) == LARGE_NAMES + TUNED_NAMES + LLAMA_NAMES
            assert "x-gantry-unavailable" not in answer.headers
            authority = mistral.url.removeprefix("http://")
            assert (
                mistral.heard
                == (
                    f"GET /v1/models HTTP/1.1\r\nhost: {authority}\r\nauthorization: Bearer canary-mistral\r\n"
                    "accept: application/json\r\naccept-encoding: identity\r\nuser-agent: gantry\r\n\r\n"
                ).encode()
            )
            opened, closed, body = await node.one_call()
            assert (opened.operation, opened.requested_model, opened.path) == (Operation.MODELS, None, "/v1/models")
            assert (closed.outcome, closed.status, closed.warnings) == (Outcome.SUCCESS, 200, [])
            assert body == answer.body
            assert answer.headers["x-gantry-log-id"] == opened.log_id
            assert {attempt.provider_id: attempt.status for attempt in closed.attempts} == {
                "mistral": 200,
                "togetherai": 200,
            }
            assert node.slot[Word.IN_FLIGHT] == 0

    run(main())


@pytest.mark.parametrize(("path", "respan"), [("/api/models/", True), ("/models", True), ("/api/v1/models", False)])
def test_one_answer_has_both_shapes(run: Runner, tmp_path: Path, path: str, respan: bool) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            answer = json.loads((await ask(node, path)).body)
            assert [card["id"] for card in answer["data"]] == LARGE_NAMES
            assert [card["model_name"] for card in answer.get("models", [])] == (LARGE_NAMES if respan else [])

    run(main())


BROKEN: list[tuple[str, Script, Outcome, str]] = [
    ("an error", answering(json_answer(b"{}", b"401 Unauthorized")), Outcome.UPSTREAM_ERROR, "answered 401"),
    ("no list", answering(json_answer(b"<html>")), Outcome.UPSTREAM_BROKE, "could not be read"),
    ("no answer", silent, Outcome.TIMEOUT, "did not answer within 0.3 s"),
    ("too long", answering(json_answer(b" " * (4 << 20) + b"{}")), Outcome.UPSTREAM_BROKE, "longer than"),
    (
        "not what it says",
        answering(json_answer(b"{}", b"200 OK", b"content-encoding: gzip")),
        Outcome.UPSTREAM_BROKE,
        "damaged",
    ),
]


@pytest.mark.parametrize(("name", "script", "outcome", "why"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_provider_that_fails_is_left_out_and_named(
    run: Runner, tmp_path: Path, name: str, script: Script, outcome: Outcome, why: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            Upstream(script).running() as groq,
            listing_node(
                tmp_path, credential("groq", groq.url), credential("mistral", mistral.url), patience=0.3
            ) as node,
        ):
            answer = await ask(node)
            assert names(answer) == LARGE_NAMES
            assert answer.headers["x-gantry-unavailable"] == "groq"
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status) == (Outcome.SUCCESS, 200)
            failed = {attempt.provider_id: attempt for attempt in closed.attempts}["groq"]
            assert failed.outcome == outcome
            assert why in (failed.error or "")
            assert closed.warnings == [failed.error]

    run(main())


@pytest.mark.parametrize(("agent", "field"), [(MISTRAL_AGENT, "message"), (OPENAI_AGENT, "error")])
def test_when_all_fail_the_first_error_is_the_answer(run: Runner, tmp_path: Path, agent: bytes, field: str) -> None:
    async def main() -> None:
        refused = answering(json_answer(b"{}", b"401 Unauthorized"))
        async with (
            Upstream(refused).running() as upstream,
            listing_node(tmp_path, credential("groq", upstream.url), credential("mistral", upstream.url)) as node,
        ):
            answer = await ask(node, "/v1/models", agent)
            said = json.loads(answer.body)
            message = said["error"]["message"] if field == "error" else said["message"]
            first = "Groq" if field == "error" else "Mistral AI"
            assert answer.status == 502
            assert message == f"{first} answered 401 when asked for its models with the credential main"
            _, closed, _ = await node.one_call()
            assert (closed.outcome, closed.status, len(closed.attempts)) == (Outcome.UPSTREAM_ERROR, 502, 2)

    run(main())


def test_a_key_sees_the_models_it_may_use(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE, TUNED)).running() as mistral,
            Upstream(listing(LLAMA, b'{"id":"other"}')).running() as together,
            listing_node(
                tmp_path,
                credential("mistral", mistral.url),
                credential("togetherai", together.url),
                models=("mistral/mistral-large-*", "meta-llama/*"),
            ) as node,
        ):
            assert names(await ask(node)) == LARGE_NAMES + LLAMA_NAMES
            assert (await ask(node, "/v1/models/ft:open-mistral-7b:o1")).status == 404
            assert (await ask(node, "/v1/models/togetherai%2Fother")).status == 404
            assert (await ask(node, "/v1/models/togetherai%2Fmeta-llama%2FLlama-3")).status == 200

    run(main())


FOUND = [
    ("mistral-large-latest", "mistral-large-latest", "mistral"),
    ("mistral/mistral-large-latest", "mistral/mistral-large-latest", "mistral"),
    ("mistral%2Fmistral-large-latest", "mistral/mistral-large-latest", "mistral"),
    ("mistralai/mistral-large-latest", "mistralai/mistral-large-latest", "mistral"),
    ("mistral-large-2512", "mistral-large-2512", "mistral"),
    ("ft%3Aopen-mistral-7b%3Ao1", "ft:open-mistral-7b:o1", "mistral"),
    ("togetherai/meta-llama/Llama-3", "togetherai/meta-llama/Llama-3", "togetherai"),
    ("together_ai%2Fmeta-llama%2FLlama-3", "together_ai/meta-llama/Llama-3", "togetherai"),
    ("togetherai/mistral-large-latest", None, "togetherai"),
    ("meta-llama/Llama-3", None, "mistral"),
    ("groq/llama", None, ""),
    ("gpt-4o", None, ""),
]


@pytest.mark.parametrize("surface", ["/v1/models/", "/api/models/"])
@pytest.mark.parametrize(("spelling", "found", "asked"), FOUND)
def test_a_card_is_found_by_any_of_its_names(
    run: Runner, tmp_path: Path, surface: str, spelling: str, found: str | None, asked: str
) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE, TUNED)).running() as mistral,
            Upstream(listing(LLAMA)).running() as together,
            listing_node(tmp_path, credential("mistral", mistral.url), credential("togetherai", together.url)) as node,
        ):
            answer = await ask(node, surface + spelling)
            card = json.loads(answer.body)
            heard = [name for name, one in (("mistral", mistral), ("togetherai", together)) if one.connections]
            assert heard == ([asked] if asked else [])
            opened, closed, _ = await node.one_call()
            assert opened.operation == Operation.MODEL
            if found is None:
                assert (answer.status, card["type"], card["object"]) == (404, "not_found_error", "error")
                assert (closed.outcome, closed.status) == (Outcome.REFUSED, 404)
            else:
                assert (answer.status, card["id"], opened.requested_model) == (200, found, found)
                assert closed.outcome == Outcome.SUCCESS

    run(main())


def test_a_model_that_may_exist_is_not_denied(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        refused = answering(json_answer(b"{}", b"500 Oh"))
        async with (
            Upstream(refused).running() as upstream,
            listing_node(tmp_path, credential("mistral", upstream.url)) as node,
        ):
            assert (await ask(node, "/v1/models/mistral/mistral-large-latest")).status == 502

    run(main())


def test_a_head_request_has_no_body(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            length = str(len((await ask(node)).body))
            client = await node.connect()
            for _ in range(2):
                client.send(node.request("/v1/models", b"", MISTRAL_AGENT, method="HEAD"))
                answer = await client.answer("HEAD")
                assert (answer.status, answer.headers["content-length"]) == (200, length)
            client.leave()

    run(main())


def test_a_body_is_passed_over(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            client = await node.connect()
            request = node.request("/v1/models", b'{"x":1}', MISTRAL_AGENT, method="GET")
            client.send(request[:-3])
            await asyncio.sleep(0)
            client.send(request[-3:])
            assert names(await client.answer("GET")) == LARGE_NAMES
            client.send(node.request("/v1/models", b"", MISTRAL_AGENT, method="GET"))
            assert names(await client.answer("GET")) == LARGE_NAMES
            client.leave()

    run(main())


def test_a_callers_own_credential_is_not_used_and_the_record_says_so(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        params = b'X-Gantry-Params: {"customer_credentials":{"mistral":{"api_key":"canary"}},"customer_identifier":"u"}'
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            answer = await node.ask("/v1/models", b"", MISTRAL_AGENT, params, method="GET")
            assert names(answer) == LARGE_NAMES
            opened, closed, _ = await node.one_call()
            assert json.loads(opened.params) == {"customer_identifier": "u"}
            assert closed.warnings == ["customer_credentials is not used to list models"]
            assert b"Bearer canary-mistral" in mistral.heard

    run(main())


def test_strangers_ask_nobody(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with Upstream(listing(LARGE)).running() as mistral, listing_node(tmp_path) as node:
            client = await node.connect()
            client.send(b"GET /v1/models HTTP/1.1\r\nhost: g\r\nauthorization: Bearer nobody\r\n\r\n")
            assert (await client.answer("GET")).status == 401
            client.leave()
            assert (node.slot[Word.STRANGERS], node.calls(), mistral.connections) == (1, [], [])

    run(main())


def test_without_credentials_the_caller_is_told_what_to_do(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with listing_node(tmp_path) as node:
            answer = await ask(node)
            assert (answer.status, "gantry providers add" in json.loads(answer.body)["message"]) == (503, True)
            _, closed, _ = await node.one_call()
            assert closed.outcome == Outcome.GATEWAY_ERROR

    run(main())


def test_a_credential_that_names_its_models_is_not_asked(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(silent).running() as upstream,
            listing_node(tmp_path, credential("groq", upstream.url, "llama-3", "qwen/qwen3")) as node,
        ):
            expected = ["llama-3", "groq/llama-3", "qwen/qwen3", "groq/qwen/qwen3"]
            assert names(await ask(node)) == expected
            assert (await ask(node, "/v1/models/qwen/qwen3")).status == 200
            assert upstream.connections == []

    run(main())


def test_a_platforms_own_models_are_not_everybodys(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE, TUNED)).running() as shared,
            Upstream(listing(LARGE, TUNED)).running() as own,
        ):
            platforms = credential("mistral", shared.url, organization=None)
            others = credential("mistral", own.url, organization="o2")
            async with listing_node(tmp_path, platforms, others) as node:
                assert names(await ask(node)) == LARGE_NAMES
                assert (await ask(node, "/v1/models/ft:open-mistral-7b:o1")).status == 404
                assert own.connections == []
                await publish(node, 7, [platforms, credential("mistral", own.url)])
                assert names(await ask(node)) == LARGE_NAMES + TUNED_NAMES
                assert shared.heard.count(b"GET ") == 1

    run(main())


@pytest.fixture
def _broken_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("gantry.gateway.listing.encode_models", fail)


@pytest.mark.usefixtures("_broken_encoder")
def test_a_fault_of_ours_ends_in_an_answer(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            Upstream(listing(LARGE)).running() as mistral,
            listing_node(tmp_path, credential("mistral", mistral.url)) as node,
        ):
            for _ in range(2):  # asked, then remembered
                assert (await ask(node)).status == 500
            calls = await ended(node, 2)
            assert {closed.outcome for _, closed, _ in calls} == {Outcome.GATEWAY_ERROR}

    run(main())
