"""The models the simulated Mistral serves, and their cards."""

from typing import Any

from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import MARK, base_model
from gantry.simulator.mistral.errors import invalid_model
from gantry.simulator.oracle import CREATED
from gantry.simulator.routes import Call, Refusal


class Model(Struct, frozen=True):
    """One model; `names` are its id and its aliases."""

    names: tuple[str, ...]
    context: int = 131_072
    chat: bool = True
    fim: bool = False
    tools: bool = True
    vision: bool = False
    audio: bool = False
    ocr: bool = False
    thinks: bool = False
    may_think: bool = False
    nine_letter_ids: bool = False  # tokenizers before v13 refuse any other id of a tool call
    dimension: int = 0
    largest_dimension: int = 0
    replacement: str | None = None


_MODELS = (
    Model(("mistral-large-2512", "mistral-large-latest", "mistral-large-3"), 262_144, vision=True),
    Model(("mistral-large-4", "mistral-large-4-0"), 1_048_576, vision=True, may_think=True),
    Model(
        ("mistral-medium-2604", "mistral-medium-latest", "mistral-medium-3-5", "mistral-medium-3", "mistral-medium"),
        262_144,
        vision=True,
        may_think=True,
    ),
    Model(("mistral-medium-2508",), vision=True, replacement="mistral-medium-latest"),
    Model(("mistral-small-2603", "mistral-small-latest"), 262_144, vision=True, may_think=True),
    Model(("ministral-14b-2512", "ministral-14b-latest"), 262_144, vision=True),
    Model(("ministral-8b-2512", "ministral-8b-latest"), 262_144, vision=True),
    Model(("ministral-3b-2512", "ministral-3b-latest"), vision=True),
    Model(("codestral-2508", "codestral-latest"), 131_072, fim=True, nine_letter_ids=True),
    Model(("devstral-2512", "devstral-latest", "devstral-medium-latest"), 262_144),
    Model(("devstral-small-latest",), replacement="devstral-latest"),
    Model(("magistral-medium-2509", "magistral-medium-latest"), thinks=True),
    Model(("magistral-small-2509", "magistral-small-latest"), thinks=True),
    Model(
        ("pixtral-large-2411", "pixtral-large-latest"),
        vision=True,
        nine_letter_ids=True,
        replacement="mistral-large-latest",
    ),
    Model(("pixtral-12b-2409", "pixtral-12b-latest", "pixtral-12b"), vision=True, nine_letter_ids=True),
    Model(("open-mistral-nemo", "open-mistral-nemo-2407", "mistral-tiny-latest"), nine_letter_ids=True),
    Model(("voxtral-small-2507", "voxtral-small-latest"), 32_768, audio=True),
    Model(("voxtral-mini-2602", "voxtral-mini-latest"), 32_768, chat=False, tools=False, audio=True),
    Model(("voxtral-mini-tts-2603", "voxtral-mini-tts-latest"), 32_768, chat=False, tools=False),
    Model(("mistral-ocr-2512", "mistral-ocr-latest", "mistral-ocr-4"), 32_768, chat=False, tools=False, ocr=True),
    Model(("mistral-moderation-2603", "mistral-moderation-latest"), 32_768, chat=False, tools=False),
    Model(
        ("mistral-embed-2312", "mistral-embed"), 8_192, chat=False, tools=False, dimension=1024, largest_dimension=1024
    ),
    Model(
        ("codestral-embed-2505", "codestral-embed"),
        8_192,
        chat=False,
        tools=False,
        dimension=1536,
        largest_dimension=3072,
    ),
)
_BY_NAME = {name: model for model in _MODELS for name in model.names}
_ANYTHING = Model(
    ("sim",), fim=True, vision=True, audio=True, ocr=True, may_think=True, dimension=1024, largest_dimension=3072
)


def lookup(name: str) -> Model:
    """Return the model called so. Raises Refusal with Mistral's "Invalid model"."""
    base = base_model(name)
    model = _BY_NAME.get(base)
    if model is None and base.startswith((MARK, "ft:")):
        model = _ANYTHING
    if model is None:
        raise invalid_model(name)
    return model


def list_models(_: Call) -> Answer:
    return json_answer({"object": "list", "data": [_card(name) for name in _BY_NAME]})


def retrieve_model(call: Call) -> Answer:
    try:
        lookup(call.parameter)
    except Refusal:
        raise Refusal(json_answer({"detail": f"Model {call.parameter} not found"}, 404)) from None
    return json_answer(_card(call.parameter))


def delete_model(call: Call) -> Answer:
    return json_answer({"id": call.parameter, "object": "model", "deleted": True})


def _card(name: str) -> dict[str, Any]:
    model = lookup(name)
    return {
        "id": name,
        "object": "model",
        "created": CREATED,
        "owned_by": "mistralai",
        "capabilities": {
            "completion_chat": model.chat,
            "completion_fim": model.fim,
            "function_calling": model.tools,
            "fine_tuning": False,
            "vision": model.vision,
            "ocr": model.ocr,
            "classification": False,
            "moderation": "moderation" in model.names[0],
            "audio": model.audio,
            "audio_transcription": model.audio and not model.chat,
        },
        "name": model.names[0],
        "description": f"Simulated {model.names[0]}",
        "max_context_length": model.context,
        "aliases": [alias for alias in model.names if alias != name],
        "deprecation": "2026-12-31T00:00:00Z" if model.replacement else None,
        "deprecation_replacement_model": model.replacement,
        "default_model_temperature": 0.3 if model.chat else None,
        "type": "base",
    }
