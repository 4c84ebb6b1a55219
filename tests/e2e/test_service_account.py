"""Vertex AI from its key in a file to rows in the log, with real processes: tokens are bought, secrets sealed."""

import json
from pathlib import Path

import pytest

from tests.cli.test_providers import new_private_key
from tests.e2e.node import await_true, running_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_a_service_account_from_a_file_to_the_log(tmp_path: Path) -> None:
    with running_node(tmp_path) as node:
        account = {
            "type": "service_account",
            "client_email": "me@p.iam",
            "private_key": new_private_key(),
            "token_uri": f"{node.simulator.url}/vertex/token",
        }
        (tmp_path / "key.json").write_text(json.dumps(account, indent=2))
        fields = (f"vertex_ai_credentials=@{tmp_path}/key.json", "vertex_ai_project=p", "vertex_ai_location=us-east5")
        options = [option for field in fields for option in ("--field", field)]
        node.gantry("providers", "add", "vertex_ai", *options, "--base-url", f"{node.simulator.url}/vertex")
        tested = node.gantry("providers", "test", "google_vertex_ai/default").stdout
        assert "gave me@p.iam a token" in tested

        for model in ("vertex_ai/gemini-2.5-flash", "vertex_ai/claude-sonnet-4-5@20250929"):
            for stream in (False, True):
                body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
                status, answer = node.ask("/api/chat/completions", body=json.dumps(body).encode())
                assert (status, (b"[DONE]" if stream else b"You said") in answer) == (200, True), answer
        node.await_stored()
        logs = [json.loads(line) for line in node.gantry("logs", "list", "--json").stdout.splitlines()]
        served = [log for log in logs if log["provider_id"] == "google_vertex_ai"]
        assert [log["status_code"] for log in served] == [200] * 4
        assert all(log["usage"]["input_tokens"] and log["usage"]["output_tokens"] for log in served), served[0]

        bought = [asked for asked in node.seen_upstream() if asked["path"].startswith("/vertex/token")]
        assert 1 <= len(bought) - 1 <= 2  # one for each worker that was asked, and one for the test
        private = account["private_key"].splitlines()[5]
        await_true(lambda: node.status()["clerk"]["lag"] == 0, "a clerk that has read everything")
        files = [path for path in node.home.rglob("*") if path.is_file()]
        kept = b"".join(path.read_bytes() for path in (*files, node.stderr))
        for secret in (private.encode(), b"ya29.sim-", b"BEGIN PRIVATE KEY"):
            assert secret not in kept
