"""Cards of models as every SDK reads them: one that is OpenAI's and Mistral's, and Respan's in a list beside it.

Law: a card keeps what the provider said; only what breaks an SDK is added or set right. Mistral's Python clients need
`type` and `capabilities`, its TypeScript client takes no null, OpenAI's wants `object`, `created` and `owned_by`.
A card is read once, when its provider's answer is here. A list is joined from the bytes of its cards, because there are
thousands of them, and the loop that joins them carries everybody's calls.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.core.errors import UpstreamBroke
from gantry.dialects.members import NULL, UNREADABLE, Members, decode_items, decode_members, decode_text, decode_whole

_MAX_CARDS: Final = 5000
_CAPABILITIES: Final = {
    "completion_chat": True,
    "completion_fim": False,
    "function_calling": True,
    "fine_tuning": False,
    "vision": False,
}
_CONTEXT_LENGTH: Final = 32_768  # what Mistral's SDKs assume where nothing is said
_CONTEXT_NAMES: Final = ("context_length", "context_window", "max_model_len", "max_input_tokens", "inputTokenLimit")
_GEMINIS: Final = "models/"  # before the names in Gemini's list
_FINE_TUNED: Final = "fine-tuned"  # Mistral's SDKs tell such cards from "base", and know no other type
_OF_FINE_TUNED: Final = frozenset(("job", "root"))  # without which they cannot read such a card


class Owner(Struct, frozen=True):
    """Whose models a list names."""

    provider_id: str
    provider_name: str
    credential_fields: tuple[str, ...] = ()


class Hint(Struct, frozen=True):
    """What is known of a model beside what its provider says, which goes before it."""

    context_window: int | None = None
    capabilities: dict[str, bool] = {}
    retires: str | None = None  # an ISO date
    replacement: str | None = None
    respan: dict[str, Any] = {}  # members of Respan's card


class ModelCard(Struct, frozen=True, gc=False):
    """A model as its provider listed it, ready to go under any of its names."""

    model: str  # as its provider calls it
    aliases: tuple[str, ...]
    fine_tuned: bool
    members: bytes  # of the card, after its id
    respan_members: bytes  # of Respan's card, after its names

    @property
    def size(self) -> int:
        return len(self.members) + len(self.respan_members)


class _Known(Struct):
    """The members of a card whose type matters to an SDK, with what stands in for an absent or a strange one."""

    object: str = "model"
    created: int = 0
    owned_by: str = ""
    type: str = "base"
    capabilities: dict[str, Any] = msgspec.field(default_factory=lambda: dict(_CAPABILITIES))
    name: str = ""
    description: str = ""
    max_context_length: int = _CONTEXT_LENGTH
    aliases: list[str] = []


NO_HINT: Final = Hint()
_decode_list: Final = msgspec.json.Decoder(Members | list[Raw]).decode
_encode: Final = msgspec.json.Encoder().encode
_KNOWN_DECODERS: Final = {field.name: msgspec.json.Decoder(field.type) for field in msgspec.structs.fields(_Known)}


def read_cards(body: bytes, owner: Owner, hint_of: Callable[[str], Hint] = lambda _: NO_HINT) -> tuple[ModelCard, ...]:
    """Return the cards in a provider's list of models; `hint_of` tells what else is known of one.

    Raises UpstreamBroke.
    """
    try:
        given = _read_list(body)
        if len(given) > _MAX_CARDS:
            raise UpstreamBroke(f"{owner.provider_name} lists more than the {_MAX_CARDS} models that are read")
        named = [(decode_text(card["id"]), card) for card in given]
        return tuple(_read_card(name, card, owner, hint_of(name)) for name, card in named)
    except (KeyError, *UNREADABLE):
        raise UpstreamBroke(f"the list of models of {owner.provider_name} could not be read") from None


def plain_card(model: str, owner: Owner, hint: Hint = NO_HINT) -> ModelCard:
    """Return the card of a model of which its provider has said nothing but its name."""
    return _read_card(model, {}, owner, hint)


def encode_models(named: Sequence[tuple[str, ModelCard]], *, respan: bool) -> bytes:
    """Return cards under their names as a list, with Respan's list beside it where that is asked for."""
    cards = b",".join([encode_model(name, card) for name, card in named])
    models = b",".join(_encode_respan(named)) if respan else b""
    return b'{"object":"list","data":[%b]%b}' % (cards, b',"models":[%b]' % models if respan else b"")


def encode_model(name: str, card: ModelCard, *, respan: bool = False) -> bytes:
    """Return a card under a name; `respan` adds the members of Respan's card that are not in it."""
    text = _encode(name)
    if not respan:
        return b'{"id":%b,%b' % (text, card.members)
    members, more = decode_members(b"{" + card.members), decode_members(b"{" + card.respan_members)
    return b'{"id":%b,"model_name":%b,%b' % (text, text, _encode({**more, **members})[1:])


def _encode_respan(named: Iterable[tuple[str, ModelCard]]) -> Iterator[bytes]:
    for name, card in named:
        text = _encode(name)
        yield b'{"id":%b,"model_name":%b,%b' % (text, text, card.respan_members)


def _read_list(body: bytes) -> list[Members]:
    listed = _decode_list(body)
    if isinstance(listed, list):
        return decode_items(body)
    if "data" not in listed:
        return [_from_gemini(card) for card in decode_items(listed["models"])]
    return decode_items(listed["data"])


def _from_gemini(card: Members) -> Members:
    """Return a card of Gemini's with the members that others' have: https://ai.google.dev/api/models#Model."""
    name = decode_text(card["name"]).removeprefix(_GEMINIS)
    return {**card, "id": Raw(_encode(name)), "name": card.get("displayName", Raw(_encode(name)))}


def _read_card(model: str, card: Members, owner: Owner, hint: Hint) -> ModelCard:
    said = {name: value for name, value in card.items() if name != "id" and value != NULL}
    understood = _understand(said)
    known = _Known(
        **{
            "owned_by": owner.provider_id,
            "name": model,
            "max_context_length": _context_length(said, hint),
            "capabilities": {**_CAPABILITIES, **hint.capabilities},
            **understood,
        }
    )
    fine_tuned = known.type == _FINE_TUNED
    if not (fine_tuned and said.keys() >= _OF_FINE_TUNED):
        known.type = "base"
    # What was understood goes on in the provider's own bytes.
    own = {name: value for name, value in msgspec.structs.asdict(known).items() if name not in understood}
    members = {**_deprecation(hint), **said, **own, "type": known.type}
    return ModelCard(
        model,
        tuple(known.aliases),
        fine_tuned or model.startswith("ft:"),
        _encode(members)[1:],
        _encode({**_respan_card(known, owner), **hint.respan})[1:],
    )


def _understand(said: Members) -> dict[str, Any]:
    """Return the known members that are of the type SDKs expect."""
    understood: dict[str, Any] = {}
    for name, decoder in _KNOWN_DECODERS.items():
        if name in said:
            try:
                understood[name] = decoder.decode(said[name])
            except UNREADABLE:
                continue
    return understood


def _deprecation(hint: Hint) -> dict[str, Any]:
    """Return the end of a model in Mistral's words."""
    if hint.retires is None:
        return {}
    replaced = {} if hint.replacement is None else {"deprecation_replacement_model": hint.replacement}
    return {"deprecation": f"{hint.retires}T00:00:00Z", **replaced}


def _context_length(said: Members, hint: Hint) -> int:
    """Return the context length that a provider states in a word of its own, or that is known of the model."""
    for name in _CONTEXT_NAMES:
        try:
            return decode_whole(said[name])
        except (KeyError, *UNREADABLE):
            continue
    return hint.context_window or _CONTEXT_LENGTH


def _respan_card(known: _Known, owner: Owner) -> dict[str, Any]:
    """Return a card as Respan lists models, without its names. A price that nobody knows is null, never 0."""
    return {
        "display_name": known.name,
        "max_context_window": known.max_context_length,
        "input_cost": None,
        "output_cost": None,
        "prompt_cost": None,
        "completion_cost": None,
        "streaming_support": int(bool(known.capabilities.get("completion_chat"))),
        "function_call": int(bool(known.capabilities.get("function_calling"))),
        "image_support": int(bool(known.capabilities.get("vision"))),
        "provider": {
            "id": owner.provider_id,
            "provider_name": owner.provider_name,
            "provider_id": owner.provider_id,
            "moderation": "",
            "credential_fields": owner.credential_fields,
        },
    }
