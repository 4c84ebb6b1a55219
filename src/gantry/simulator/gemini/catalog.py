"""The models the simulated Google serves, and what each can."""

from typing import Any

from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import base_model
from gantry.simulator.gemini.errors import error, invalid, unknown_model
from gantry.simulator.routes import Call, Refusal, Table

VERSIONS = ("v1", "v1beta", "v1alpha")  # the official clients moved from the second to the first
_CHAT = ("generateContent", "countTokens", "createCachedContent", "batchGenerateContent")
_EMBED = ("embedContent", "countTextTokens", "countTokens", "asyncBatchEmbedContent")


class Model(Struct, frozen=True):
    """`always`: thinking cannot be turned off. `levels`: it has levels, and its signatures must come back."""

    name: str
    title: str
    thinks: bool = True
    always: bool = False
    levels: bool = False
    dimension: int = 0  # of an embedding model

    @property
    def chat(self) -> bool:
        return not self.dimension


_MODELS = (
    Model("gemini-2.0-flash", "Gemini 2.0 Flash", thinks=False),
    Model("gemini-2.5-flash", "Gemini 2.5 Flash"),
    Model("gemini-2.5-flash-lite", "Gemini 2.5 Flash-Lite"),
    Model("gemini-2.5-pro", "Gemini 2.5 Pro", always=True),
    Model("gemini-3-flash-preview", "Gemini 3 Flash", levels=True),
    Model("gemini-3-pro-preview", "Gemini 3 Pro", always=True, levels=True),
    Model("gemini-3.1-pro-preview", "Gemini 3.1 Pro", always=True, levels=True),
    Model("gemini-3.5-flash", "Gemini 3.5 Flash", levels=True),
    Model("gemini-embedding-001", "Gemini Embedding 001", thinks=False, dimension=3072),
    Model("gemini-embedding-2", "Gemini Embedding 2", thinks=False, dimension=3072),
    Model("text-embedding-004", "Text Embedding 004", thinks=False, dimension=768),
)


def lookup(name: str, operation: str, version: str = VERSIONS[0]) -> Model:
    """Return the model called so. Raises Refusal with a 404 if there is none, or it does not take the operation."""
    embeds = operation.startswith(("embed", "batchEmbed"))
    model = find(name.removeprefix("models/"), embeds=embeds)
    if model is None:
        base = base_model(name.removeprefix("models/"))
        raise unknown_model(base, "embedContent" if embeds else operation, version)
    return model


def find(name: str, *, embeds: bool = False) -> Model | None:
    """Return the model called so that embeds, or the one that does not."""
    base = base_model(name)
    if base.startswith("sim-"):
        return Model(base, "Simulated", thinks=False, dimension=768 if embeds else 0)
    for model in _MODELS:
        if base in (model.name, model.name + "-latest", model.name + "-001") and model.chat is not embeds:
            return model
    return None


def _list(call: Call) -> Answer:
    query = call.request.query
    size, start = query.get("pageSize", "50"), query.get("pageToken", "0")
    if not size.isdigit() or not start.isdigit():
        raise invalid("Request contains an invalid argument.")
    first, last = int(start), int(start) + min(int(size) or 50, 1000)
    cards = [_card(model) for model in _MODELS[first:last]]
    return json_answer({"models": cards, **({"nextPageToken": str(last)} if last < len(_MODELS) else {})})


def _retrieve(call: Call) -> Answer:
    for model in _MODELS:
        if model.name == call.parameter:
            return json_answer(_card(model))
    raise Refusal(error(404, f"Model is not found: models/{call.parameter} for api version v1"))


def _card(model: Model) -> dict[str, Any]:
    card: dict[str, Any] = {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.title,
        "description": f"Simulated {model.title}",
        "inputTokenLimit": 1_048_576 if model.chat else 2048,
        "outputTokenLimit": 65_536 if model.chat else 1,
        "supportedGenerationMethods": _CHAT if model.chat else _EMBED,
    }
    if model.chat:
        card |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": model.thinks}
    return card


TABLE: Table = tuple(
    row
    for version in VERSIONS
    for row in (("GET", f"/{version}/models", _list), ("GET", f"/{version}/models/{{model}}", _retrieve))
)
