"""`/metrics`: the machine's for everybody, those of models for who may read, and of its own organization only."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from gantry.board.model_figures import ModelFigures, write_figures
from gantry.core.vocabulary import Scope
from gantry.gateway.exposition import OPENMETRICS, PLAIN
from tests.gateway.conftest import running_node

Runner = Callable[[Coroutine[Any, Any, None]], None]
OURS = ModelFigures("mistral", "mistral-small-latest", {"success": 3}, [100, 10, 50, 5], 2_500_000_000)
THEIRS = ModelFigures("openai", "canary-model", {"success": 1})


def test_models_are_told_to_who_may_read_of_its_own_organization(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9", scopes=int(Scope.READ)) as node:
            write_figures(node.home.figures, {"o1": [OURS], "o2": [THEIRS]})
            answer = await node.ask("/metrics", method="GET")
            text = answer.body.decode()
            assert (answer.status, answer.headers["content-type"]) == (200, PLAIN)
            of = 'provider="mistral",model="mistral-small-latest"'
            for line in (
                f'gantry_model_calls_total{{{of},outcome="success"}} 3',
                f'gantry_model_tokens_total{{{of},type="output"}} 50',
                f"gantry_model_cost_usd_total{{{of}}} 2.5",
                f"gantry_model_call_duration_seconds_count{{{of}}} 0",
                "gantry_workers 1",
            ):
                assert f"{line}\n" in text, line
            assert "canary-model" not in text
            node.home.figures.write_bytes(b"of another version")
            assert b"gantry_model" not in (await node.ask("/metrics", method="GET")).body

    run(main())


def test_nobody_else_is_told_of_models(run: Runner, tmp_path: Path) -> None:
    async def main() -> None:
        async with running_node(tmp_path, "http://127.0.0.1:9") as node:
            write_figures(node.home.figures, {"o1": [OURS]})
            lacking = await node.ask("/metrics", method="GET")
            client = await node.connect()
            client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\naccept: application/openmetrics-text\r\n\r\n")
            nobody = await client.answer("GET")
            client.send(b"GET /metrics HTTP/1.1\r\nhost: x\r\nauthorization: Bearer gk_none\r\n\r\n")
            stranger = await client.answer("GET")
            client.leave()
            assert (lacking.status, nobody.status, stranger.status) == (200, 200, 401)
            assert b"gantry_model" not in lacking.body + nobody.body
            assert nobody.headers["content-type"] == OPENMETRICS
            assert nobody.body.endswith(b"# EOF\n")

    run(main())
