"""Claude Code and Codex, the programs themselves, at the models of four providers: a question that needs a tool."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.agents import NOTE, Told, ask_claude_code, ask_codex
from tests.sdk.crossroads import MODELS, PROVIDER_IDS, PROVIDERS, Crossroads
from tests.sdk.environments import NoClient
from tests.sdk.logs import Log

pytestmark = [pytest.mark.sdk, pytest.mark.slow]

CALL_BASH = 'Please call Bash with {"command": "cat notes.txt"} and tell me what it says.'
CALL_EXEC = 'Please call exec_command with {"cmd": "cat notes.txt"} and tell me what it says.'
TIERS = {"claude": {"anthropic": "relay"}, "codex": {"openai": "relay"}}


def asked(ask: Callable[..., Told], *arguments: Any) -> Told:
    try:
        return ask(*arguments)
    except NoClient as error:
        pytest.skip(str(error))


def assert_rows(logs: list[Log], told: Told, agent: str, provider: str, operation: str) -> None:
    """Assert that both of its calls are there: the one that called the tool, and the one with the tool's answer."""
    assert len(logs) == 2, [(log["path"], log["outcome"]) for log in logs]
    for log in logs:
        assert (log["outcome"], log["stream"], log["operation"]) == ("success", True, operation)
        assert (log["provider_id"], log["model"]) == (PROVIDER_IDS[provider], MODELS[provider].partition("/")[2])
        assert log["tier"] == TIERS[agent].get(provider, "translate")
        assert log["cost"]
        assert log["warnings"] is None
    read, written = (sum(log[name] for log in logs) for name in ("prompt_tokens", "completion_tokens"))
    assert told.tokens == (read, written)
    assert NOTE in str(logs[0]["full_request"])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_claude_code_runs_a_tool_and_reads_its_result(provider: str, crossroads: Crossroads, tmp_path: Path) -> None:
    key = crossroads.new_key(f"claude-code-{provider}")
    told = asked(ask_claude_code, crossroads, key, MODELS[provider], CALL_BASH, tmp_path)
    assert not told.failed, told
    assert told.text.startswith(f"The tool answered: {NOTE}")
    assert_rows(crossroads.logs(key), told, "claude", provider, "chat")


@pytest.mark.parametrize("provider", PROVIDERS)
def test_codex_runs_a_tool_and_reads_its_result(provider: str, crossroads: Crossroads, tmp_path: Path) -> None:
    key = crossroads.new_key(f"codex-{provider}")
    told = asked(ask_codex, crossroads, key, MODELS[provider], CALL_EXEC, tmp_path)
    assert not told.failed, told
    assert told.text.startswith("The tool answered: ")
    assert NOTE in told.text
    assert_rows(crossroads.logs(key), told, "codex", provider, "responses")


def test_codex_has_sub_agents_where_namespaces_are_unknown(crossroads: Crossroads, tmp_path: Path) -> None:
    spawn = 'Please call multi_agent_v1__spawn_agent with {"message": "Count the wagons."} and tell me.'
    told = asked(ask_codex, crossroads, crossroads.new_key("sub-agents"), MODELS["gemini"], spawn, tmp_path)
    assert not told.failed, told
    assert "agent_id" in told.text


def test_claude_code_says_what_is_wrong(crossroads: Crossroads, tmp_path: Path) -> None:
    told = asked(ask_claude_code, crossroads, "a-key-of-nobody", MODELS["mistral"], "Hello!", tmp_path)
    assert told.failed
    assert "Your API key is invalid or expired" in told.text
    told = asked(ask_claude_code, crossroads, crossroads.new_key("lost"), "nowhere/no-such-model", "Hello!", tmp_path)
    assert told.failed
    assert "nowhere/no-such-model" in told.text


CODEX_FAULTS = [
    ("mistral/mistral-small-latest", "a-key-of-nobody", {}, "Your API key is invalid or expired"),
    ("nowhere/no-such-model", None, {}, "The requested model 'nowhere/no-such-model' does not exist"),
    # What the page leaves out of Codex's tools, and why.
    ("gemini/gemini-2.5-flash", None, {"web_search": "live"}, "is a tool that only its own provider has (web_search)"),
]


@pytest.mark.parametrize(("model", "key", "more", "says"), CODEX_FAULTS, ids=[fault[-1] for fault in CODEX_FAULTS])
def test_codex_says_what_is_wrong(
    model: str, key: str | None, more: dict[str, Any], says: str, crossroads: Crossroads, tmp_path: Path
) -> None:
    told = asked(ask_codex, crossroads, key or crossroads.new_key("faults"), model, "Hello!", tmp_path, more)
    assert told.failed
    assert says in told.text
