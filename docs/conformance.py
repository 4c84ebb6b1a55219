"""The conformance matrix: which client format reaches which provider how, and what each pair carries.

Law: nothing here is written by hand but the scenarios. A cell is what the planner and the codecs do with the scenario,
as a client of that format would send it; the page and the tests read the same cells.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple

from msgspec import Raw, structs

from gantry.core.chat import (
    AnswerFormat,
    CacheMark,
    ChatRequest,
    Effort,
    FormatKind,
    FunctionTool,
    Media,
    MediaKind,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolChoice,
    ToolMode,
    ToolResult,
)
from gantry.core.errors import GatewayError, InvalidRequest
from gantry.core.secret import Secret
from gantry.core.vocabulary import Dialect, Operation, Tier
from gantry.dialects.adapt import ADAPTABLE, adapt
from gantry.dialects.changes import Action, Change
from gantry.dialects.codec import Target
from gantry.dialects.codecs import CODECS
from gantry.dialects.translate import decode_request
from gantry.providers.spec import ProviderSpec, load_catalog
from gantry.routing.plan import Route, Wish
from gantry.routing.resolve import find_route
from gantry.routing.snapshot import Body, CredentialRecord, KeyTable, Snapshot, build_key_table

CLIENTS: Final = {
    Dialect.OPENAI_CHAT: ("OpenAI Chat", Operation.CHAT),
    Dialect.OPENAI_RESPONSES: ("OpenAI Responses", Operation.RESPONSES),
    Dialect.MISTRAL: ("Mistral", Operation.CHAT),
    Dialect.ANTHROPIC: ("Anthropic", Operation.CHAT),
    Dialect.GEMINI: ("Gemini", Operation.CHAT),
}
TARGETS: Final = {
    Dialect.OPENAI_CHAT: "OpenAI Chat",
    Dialect.OPENAI_RESPONSES: "OpenAI Responses",
    Dialect.MISTRAL: "Mistral",
    Dialect.ANTHROPIC: "Anthropic",
    Dialect.GEMINI: "Gemini",
    Dialect.BEDROCK: "Bedrock",
    Dialect.COHERE: "Cohere",
}
# A model of each target's, whose family decides what its format says of thinking.
_MODELS: Final = {
    Dialect.OPENAI_CHAT: "gpt-5.4",
    Dialect.OPENAI_RESPONSES: "gpt-5.4",
    Dialect.MISTRAL: "mistral-medium-latest",
    Dialect.ANTHROPIC: "claude-sonnet-4-5",
    Dialect.GEMINI: "gemini-2.5-flash",
    Dialect.BEDROCK: "anthropic.claude-sonnet-4-5-20250929-v1:0",
    Dialect.COHERE: "command-a-03-2025",
}
_PIXEL: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_SCHEMA: Final = Raw(b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')


class Mark(Enum):
    """What became of a scenario on its way."""

    SAME = "="  # the client's own format: its bytes pass
    CARRIED = "✓"
    CHANGED = "~"  # said in other words, clamped or filled in, and named
    DROPPED = "○"  # a tuning knob was left out, and named; strict callers are refused
    REFUSED = "✗"  # 400 that names the field
    UNSAYABLE = "-"  # the client's format has no words for it


class Cell(NamedTuple):
    mark: Mark
    note: str = ""


class Scenario(NamedTuple):
    """One thing a client may ask for."""

    name: str
    request: ChatRequest


def _ask(*parts: Part) -> Message:
    return Message(Role.USER, parts or (Text("Where is it raining?"),))


def _request(*messages: Message, **fields: object) -> ChatRequest:
    base = ChatRequest(dialect=Dialect.OPENAI_CHAT, model="m", messages=messages or (_ask(),), max_tokens=900)
    return structs.replace(base, **fields)


_WEATHER: Final = FunctionTool("weather", "Tells the weather of a city", _SCHEMA)
_TIME: Final = FunctionTool("clock", "Tells the time in a city", _SCHEMA)
_CALLED: Final = Message(Role.ASSISTANT, (ToolCall("callaaaa1", "weather", '{"city":"Paris"}'),))
_TWICE: Final = Message(
    Role.ASSISTANT,
    (ToolCall("callaaaa1", "weather", '{"city":"Paris"}'), ToolCall("callaaaa2", "clock", '{"city":"Paris"}')),
)


def _result(call: str, *parts: Text | Media, failed: bool = False) -> Message:
    return Message(Role.TOOL, (ToolResult(call, parts or (Text("rain"),), is_error=failed),))


_TOOLS: Final[Mapping[str, object]] = {"tools": (_WEATHER, _TIME)}
_IMAGE: Final = Media(MediaKind.IMAGE, "image/png", data=_PIXEL)

SCENARIOS: Final[Sequence[Scenario]] = (
    Scenario("text", _request()),
    Scenario("system prompt", _request(Message(Role.SYSTEM, (Text("Be brief."),)), _ask())),
    Scenario("several turns", _request(_ask(), Message(Role.ASSISTANT, (Text("In Paris."),)), _ask(Text("And now?")))),
    Scenario("image, as data", _request(_ask(Text("What is it?"), _IMAGE))),
    Scenario(
        "image, by URL", _request(_ask(Text("?"), Media(MediaKind.IMAGE, "image/png", url="https://x.org/a.png")))
    ),
    Scenario(
        "document, as data",
        _request(_ask(Text("?"), Media(MediaKind.DOCUMENT, "application/pdf", data=_PIXEL, name="a.pdf"))),
    ),
    Scenario("sound, as data", _request(_ask(Text("?"), Media(MediaKind.AUDIO, "audio/wav", data=_PIXEL)))),
    Scenario("tools", _request(**_TOOLS)),
    Scenario("one tool forced", _request(tool_choice=ToolChoice(ToolMode.REQUIRED, ("weather",)), **_TOOLS)),
    Scenario("some tool forced", _request(tool_choice=ToolChoice(ToolMode.REQUIRED), **_TOOLS)),
    Scenario("tools, none allowed", _request(tool_choice=ToolChoice(ToolMode.NONE), **_TOOLS)),
    Scenario("one call at a time", _request(parallel_tool_calls=False, **_TOOLS)),
    Scenario("tool result", _request(_ask(), _CALLED, _result("callaaaa1"), **_TOOLS)),
    Scenario(
        "results of parallel calls", _request(_ask(), _TWICE, _result("callaaaa1"), _result("callaaaa2"), **_TOOLS)
    ),
    Scenario("tool result that failed", _request(_ask(), _CALLED, _result("callaaaa1", failed=True), **_TOOLS)),
    Scenario("tool result with an image", _request(_ask(), _CALLED, _result("callaaaa1", _IMAGE), **_TOOLS)),
    Scenario("answer as JSON", _request(format=AnswerFormat(FormatKind.JSON))),
    Scenario(
        "answer by a JSON schema", _request(format=AnswerFormat(FormatKind.JSON_SCHEMA, _SCHEMA, "place", strict=True))
    ),
    Scenario("thinking", _request(reasoning=Reasoning(Effort.HIGH), max_tokens=30000)),
    Scenario("no thinking", _request(reasoning=Reasoning(Effort.NONE))),
    Scenario("temperature", _request(temperature=0.5)),
    Scenario("top_p", _request(top_p=0.5)),
    Scenario("top_k", _request(top_k=20)),
    Scenario("stop sequences", _request(stop=("END",))),
    Scenario("seed", _request(seed=7)),
    Scenario("penalties", _request(presence_penalty=0.5, frequency_penalty=0.5)),
    Scenario("several choices", _request(choices=2)),
    Scenario("log probabilities", _request(logprobs=True, top_logprobs=2)),
    Scenario("cache marks", _request(_ask(Text("A long text", cache=CacheMark())))),
    Scenario("no bound of the answer", _request(max_tokens=None)),
    Scenario("user id", _request(user="u7")),
)


def cell(scenario: Scenario, client: Dialect, target: Dialect) -> Cell:
    """Return what becomes of a scenario between a client's format and a provider's."""
    try:
        sent = CODECS[client].encode_request(structs.replace(scenario.request, dialect=client), Target(_MODELS[target]))
    except InvalidRequest:
        return Cell(Mark.UNSAYABLE)
    if any(change.action is Action.DROPPED for change in sent.changes):
        return Cell(Mark.UNSAYABLE)
    if client is target:
        return Cell(Mark.SAME)
    try:
        changes = _on_its_way(sent.body, client, target)
    except GatewayError as error:
        return Cell(Mark.REFUSED, error.message)
    return _judge([change for change in changes if not _is_default(change, scenario)])


def _on_its_way(body: bytes, client: Dialect, target: Dialect) -> Sequence[Change]:
    operation = CLIENTS[client][1]
    if operation in ADAPTABLE.get((client, target), ()):
        return adapt(operation, client, target, body).changes
    in_path = _MODELS[target] if client in (Dialect.GEMINI,) else None
    request = decode_request(client, body, in_path, stream=None)
    return CODECS[target].encode_request(request, Target(_MODELS[target])).changes


def _is_default(change: Change, scenario: Scenario) -> bool:
    """Say whether a change is about what the scenario does not ask: a bound that some formats demand."""
    return change.action is Action.DEFAULTED and scenario.request.max_tokens is not None


def _judge(changes: Sequence[Change]) -> Cell:
    told = [change for change in changes if change.action is not Action.RENAMED]
    note = "; ".join(str(change) for change in told)
    if any(change.action is Action.DROPPED for change in told):
        return Cell(Mark.DROPPED, note)
    return Cell(Mark.CHANGED if told else Mark.CARRIED, note)


def routes_of(client: Dialect, catalog: Mapping[str, ProviderSpec]) -> Mapping[str, Route]:
    """Return how a client of this format reaches each provider that chats."""
    routes = {}
    for spec in catalog.values():
        try:
            routes[spec.id] = find_route(_snapshot(catalog, spec), _wish(client, spec))
        except GatewayError:
            continue
    return routes


def _wish(client: Dialect, spec: ProviderSpec) -> Wish:
    model = f"{spec.prefixes[0] if spec.prefixes else spec.id}/a-model"
    return Wish("org", "prod", (client,), CLIENTS[client][1], "", model)


def _snapshot(catalog: Mapping[str, ProviderSpec], spec: ProviderSpec) -> Snapshot:
    secrets = {item.name: Secret("x") for item in spec.fields}
    credential = CredentialRecord("c", "org", spec.id, "main", spec.base_url or "https://x.org", secrets)
    body = Body(1, 0, "t", tuple(catalog.values()), (credential,), {})
    return Snapshot(body, KeyTable("t", build_key_table([]), {}))


def conformance_page(notice: str) -> str:
    catalog = load_catalog()
    roads = {client: routes_of(client, catalog) for client in CLIENTS}
    chatting = [spec for spec in catalog.values() if any(spec.id in routes for routes in roads.values())]
    sections = "\n".join(_pair_section(client) for client in CLIENTS)
    return f"""{notice}# What each client carries to each provider

Five client formats reach every provider that chats. Where a provider speaks the client's own format, the call is
**relayed** and its bytes pass; within the family of OpenAI and Mistral it is **adapted** field by field; else it is
**translated**. Each parameter that is renamed, converted, clamped, defaulted or dropped is named in the header
`X-Gantry-Changes` and in the log, and a strict key (`gantry keys create … --strict`, or `strict_parameters`) is refused
instead of having one dropped.

## How each provider is reached

| provider | {" | ".join(name for name, _ in CLIENTS.values())} |
|---|{"---|" * len(CLIENTS)}
{_rows(_road_row(spec, roads) for spec in chatting)}

## What each pair of formats carries

{_legend()}

The models behind the columns are
{", ".join(f"`{model}`" for model in dict.fromkeys(_MODELS.values()))}.
Another model of the same provider may take less, and then says so itself. A provider's own rules come on top: they are
in [its row](providers.md).

{sections}"""


def _legend() -> str:
    meanings = {
        Mark.SAME: "the client's own format: relayed as it is",
        Mark.CARRIED: "carried",
        Mark.CHANGED: "carried in other words, which are named",
        Mark.DROPPED: "a tuning knob is dropped, and named",
        Mark.REFUSED: "refused with a 400 that names the field",
        Mark.UNSAYABLE: "the client's format has no words for it",
    }
    return "\n".join(f"- `{mark.value}` {meaning}" for mark, meaning in meanings.items())


def _road_row(spec: ProviderSpec, roads: Mapping[Dialect, Mapping[str, Route]]) -> str:
    cells = [_road(routes.get(spec.id)) for routes in roads.values()]
    return f"| {spec.name} | {' | '.join(cells)} |"


def _road(route: Route | None) -> str:
    if route is None:
        return ""
    return "relay" if route.tier is Tier.RELAY else f"{route.tier} to {TARGETS[route.dialect]}"


def _pair_section(client: Dialect) -> str:
    columns = list(TARGETS)
    notes: dict[str, int] = {}
    rows = []
    for scenario in SCENARIOS:
        cells = [cell(scenario, client, target) for target in columns]
        if all(one.mark is Mark.UNSAYABLE for one in cells):
            continue
        rows.append(f"| {scenario.name} | {' | '.join(_shown(one, notes) for one in cells)} |")
    head = f"| a client of {CLIENTS[client][0]} asks for | {' | '.join(TARGETS.values())} |"
    told = "\n".join(f"{number}. {note}" for note, number in notes.items())
    return f"### {CLIENTS[client][0]}\n\n{head}\n|---|{':-:|' * len(columns)}\n" + "\n".join(rows) + f"\n\n{told}\n"


def _shown(one: Cell, notes: dict[str, int]) -> str:
    if not one.note:
        return one.mark.value
    number = notes.setdefault(_plain(one.note), len(notes) + 1)
    return f"{one.mark.value} {number}"


def _plain(note: str) -> str:
    return note.replace("|", "\\|").replace("\n", " ")


def _rows(rows: Iterable[str]) -> str:
    return "\n".join(rows)
