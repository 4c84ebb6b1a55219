"""The conformance matrix holds: each client reaches each provider, and what a cell calls carried arrives.

The cells are those of docs/conformance.md, made of the catalogue, the planner and the codecs.
"""

import pytest
from msgspec import structs

from docs.conformance import CLIENTS, SCENARIOS, TARGETS, Mark, Scenario, cell, routes_of
from gantry.core.chat import ChatRequest, FunctionTool, Media, Role, Text, ToolCall, ToolMode, ToolResult
from gantry.core.vocabulary import CONVERSING_OPERATIONS, Dialect, Tier
from gantry.dialects.codec import Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.translate import decode_request
from gantry.providers.spec import load_catalog

CATALOG = load_catalog()
PAIRS = [(client, target) for client in CLIENTS for target in TARGETS if client is not target]


@pytest.mark.parametrize("client", CLIENTS)
def test_each_client_reaches_each_provider_that_chats(client: Dialect) -> None:
    routes = routes_of(client, CATALOG)
    chatting = {
        spec.id
        for spec in CATALOG.values()
        if any(not CONVERSING_OPERATIONS.isdisjoint(operations) for operations in spec.paths.values())
    }
    assert routes.keys() == chatting


@pytest.mark.parametrize("client", CLIENTS)
def test_the_clients_own_format_is_relayed_or_ruled_and_never_translated(client: Dialect) -> None:
    for provider_id, route in routes_of(client, CATALOG).items():
        spec = CATALOG[provider_id]
        if client in spec.paths and spec.speaks(client, "a-model") and client is not Dialect.OPENAI_RESPONSES:
            assert route.tier is not Tier.TRANSLATE, provider_id
            assert route.dialect is client, provider_id


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda one: one.name)
def test_what_is_carried_arrives(scenario: Scenario) -> None:
    for client, target in PAIRS:
        found = cell(scenario, client, target)
        if found.mark not in (Mark.CARRIED, Mark.CHANGED):
            continue
        request = structs.replace(scenario.request, dialect=client)
        sent = CODECS[client].encode_request(request, Target("m")).body
        asked = decode_request(client, sent, "m", stream=None)
        arrived = CODECS[target].decode_request(CODECS[target].encode_request(asked, Target("m")).body)
        lost = [line for line in said(asked) if not told(line, said(arrived))]
        choice = asked.tool_choice
        if choice is not None and (choice.names or choice.mode is ToolMode.NONE):
            # Where a format has no such choice, the tools that may not be called are not offered, and that is named.
            lost = [line for line in lost if line[0] != "tool" or line[1] in choice.names]
        assert not lost, (client, target, lost)


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_a_refusal_and_a_drop_say_what_and_why(client: Dialect, target: Dialect) -> None:
    for scenario in SCENARIOS:
        found = cell(scenario, client, target)
        if found.mark in (Mark.REFUSED, Mark.DROPPED, Mark.CHANGED):
            assert len(found.note) > 8, scenario.name


@pytest.mark.parametrize(("client", "target"), PAIRS)
def test_each_pair_carries_what_every_program_needs(client: Dialect, target: Dialect) -> None:
    needed = {"text", "system prompt", "several turns", "tools", "tool result", "results of parallel calls"}
    for scenario in SCENARIOS:
        if scenario.name in needed:
            found = cell(scenario, client, target)
            assert found.mark in (Mark.CARRIED, Mark.CHANGED), (scenario.name, found)


def told(line: tuple[str, ...], lines: set[tuple[str, ...]]) -> bool:
    """Say whether a line is among others, perhaps with words around its last: that a tool failed."""
    return any(other[:-1] == line[:-1] and line[-1] in other[-1] for other in lines)


def said(request: ChatRequest) -> set[tuple[str, ...]]:
    """Return what must not be lost: words, calls, results, media and tools, wherever a format puts them."""
    found: set[tuple[str, ...]] = {("tool", tool.name) for tool in request.tools if isinstance(tool, FunctionTool)}
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) if message.role is not Role.SYSTEM:
                    found.add(("text", text))
                case Text(text):
                    found.add(("system", text))
                case ToolCall(_, name, arguments):
                    found.add(("call", name, "".join(arguments.split())))
                case ToolResult(_, parts):
                    found |= {("result", inner.text) for inner in parts if isinstance(inner, Text)}
                case Media(kind):
                    found.add(("media", kind))
                case _:
                    pass
    return found
