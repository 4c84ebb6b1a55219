"""The models the simulated Mistral serves, and their cards."""

from typing import Any

from msgspec import Struct, json

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.faults import MARK, base_model
from gantry.simulator.mistral.bodies import checked
from gantry.simulator.mistral.errors import error, invalid_model, not_found
from gantry.simulator.mistral.requests import Closed
from gantry.simulator.oracle import CREATED
from gantry.simulator.routes import Call, Refusal, Table


class ModelChanges(Closed, frozen=True):
    name: str | None = None
    description: str | None = None


_CHANGES = json.Decoder(ModelChanges)


class Model(Struct, frozen=True):
    """One model; `names` are its id and its aliases."""

    names: tuple[str, ...]
    context: int = 131_072
    chat: bool = True
    fim: bool = False
    tools: bool = True
    vision: bool = False
    audio: bool = False
    realtime: bool = False
    speech: bool = False
    moderation: bool = False
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
    Model(
        ("voxtral-mini-transcribe-realtime-2602", "voxtral-mini-realtime-latest"),
        32_768,
        chat=False,
        tools=False,
        realtime=True,
    ),
    Model(("voxtral-mini-tts-2603", "voxtral-mini-tts-latest"), 32_768, chat=False, tools=False, speech=True),
    Model(("mistral-ocr-2512",), 32_768, chat=False, tools=False, ocr=True),
    Model(("mistral-ocr-4-1", "mistral-ocr-4", "mistral-ocr-latest"), 32_768, chat=False, tools=False, ocr=True),
    Model(("mistral-moderation-2603", "mistral-moderation-latest"), 32_768, chat=False, tools=False, moderation=True),
    Model(("mistral-moderation-2411",), 8_192, chat=False, tools=False, moderation=True),
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
    ("sim",),
    fim=True,
    vision=True,
    audio=True,
    realtime=True,
    speech=True,
    moderation=True,
    ocr=True,
    may_think=True,
    dimension=1024,
    largest_dimension=3072,
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


class Catalog:
    """The models an account can use: those of everybody, and those it tuned."""

    def __init__(self) -> None:
        self._tuned: dict[str, dict[str, Any]] = {}

    def table(self) -> Table:
        return (
            ("GET", "/v1/models", self._list),
            ("GET", "/v1/models/{id...}", self._retrieve),
            ("DELETE", "/v1/models/{id...}", self._delete),
            ("POST", "/v1/fine_tuning/models/{id}/archive", self._archive),
            ("DELETE", "/v1/fine_tuning/models/{id}/archive", self._archive),
            ("PATCH", "/v1/fine_tuning/models/{id...}", self._update),
        )

    def add_tuned(self, name: str, root: str, job: str) -> None:
        """Offer a model that a job has made."""
        card = _card(root)
        self._tuned[name] = {
            **card,
            "id": name,
            "name": None,
            "owned_by": "simulated-account",
            "description": None,
            "aliases": [],
            "type": "fine-tuned",
            "job": job,
            "root": root,
            "root_version": card["name"],
            "workspace_id": "simulated-workspace",
            "archived": False,
            "model_type": "completion",
        }

    def _list(self, _: Call) -> Answer:
        return json_answer({"object": "list", "data": [*(_card(name) for name in _BY_NAME), *self._tuned.values()]})

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter))

    def _delete(self, call: Call) -> Answer:
        if call.parameter in _BY_NAME:
            raise Refusal(error(403, "Only models of your own can be deleted", "forbidden"))
        self._known(call.parameter)
        self._tuned.pop(call.parameter, None)
        return json_answer({"id": call.parameter, "object": "model", "deleted": True})

    def _archive(self, call: Call) -> Answer:
        archived = call.request.method == b"POST"
        card = self._known(call.parameter)
        if call.parameter in self._tuned:
            self._tuned[call.parameter] = {**card, "archived": archived}
        return json_answer({"id": call.parameter, "object": "model", "archived": archived})

    def _update(self, call: Call) -> Answer:
        changes = checked(_CHANGES, call.request.body)
        card = {**self._known(call.parameter), **changes}
        if call.parameter in self._tuned:
            self._tuned[call.parameter] = card
        return json_answer(card)

    def _known(self, name: str) -> dict[str, Any]:
        card = self._tuned.get(name)
        if card is not None:
            return card
        try:
            return _card(name)
        except Refusal:
            raise not_found("Model", name) from None


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
            "reasoning": model.thinks or model.may_think,
            "fine_tuning": False,
            "vision": model.vision,
            "ocr": model.ocr,
            "classification": False,
            "moderation": model.moderation,
            "audio": model.audio,
            "audio_transcription": model.audio and not model.chat,
            "audio_transcription_realtime": model.realtime,
            "audio_speech": model.speech,
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
