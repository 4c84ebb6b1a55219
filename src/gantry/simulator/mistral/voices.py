"""Voices: two presets that everybody has, and those an account made."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import CREATED_AT, checked
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.paging import number, token_page
from gantry.simulator.mistral.schemas import VoiceChanges, VoiceFields
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf
from gantry.simulator.sound import waveform

_CREATE = msgspec.json.Decoder(VoiceFields)
_CHANGE = msgspec.json.Decoder(VoiceChanges)
_KEPT = ("name", "slug", "languages", "gender", "age", "tags", "color", "description", "retention_notice")
PRESETS = (("Paul", "en_paul_neutral"), ("Marie", "fr_marie_neutral"))


class Voices:
    def __init__(self, owner: str) -> None:
        self._shelf: Shelf[dict[str, Any]] = Shelf("voice", owner, dashes=True)
        presets: Shelf[dict[str, Any]] = Shelf("preset voice", "", dashes=True)
        for name, slug in PRESETS:
            self._store(presets.new_id(), {"name": name, "slug": slug, "languages": [slug[:2]]}, None)

    def table(self) -> Table:
        return (
            ("GET", "/v1/audio/voices", self._list),
            ("GET", "/v2/audio/voices", self._search),
            ("POST", "/v1/audio/voices", self._create),
            ("GET", "/v1/audio/voices/{id}", self._retrieve),
            ("PATCH", "/v1/audio/voices/{id}", self._update),
            ("DELETE", "/v1/audio/voices/{id}", self._delete),
            ("GET", "/v1/audio/voices/{id}/sample", self._sample),
        )

    def _list(self, call: Call) -> Answer:
        items = self._wanted(call)
        limit, offset = number(call, "limit", 10, least=1), number(call, "offset", 0)
        page = {
            "items": items[offset : offset + limit],
            "total": len(items),
            "page": offset // limit + 1,
            "page_size": limit,
            "total_pages": -(-len(items) // limit),
        }
        return json_answer(page)

    def _search(self, call: Call) -> Answer:
        found, following = token_page(call, self._wanted(call))
        return json_answer({"data": found, "next_page_token": following})

    def _wanted(self, call: Call) -> list[dict[str, Any]]:
        kind, words = call.request.query.get("type", "all"), call.request.query.get("search", "").lower()
        return [
            voice for voice in self._shelf.all() if kind in ("all", voice["type"]) and words in voice["name"].lower()
        ]

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        return json_answer(self._store(self._shelf.new_id(), fields, "simulated-user"))

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter))

    def _update(self, call: Call) -> Answer:
        voice = self._known(call.parameter) | checked(_CHANGE, call.request.body)
        self._shelf.put(voice["id"], voice)
        return json_answer(voice)

    def _delete(self, call: Call) -> Answer:
        voice = self._known(call.parameter)
        self._shelf.take(voice["id"])
        return json_answer(voice)

    def _sample(self, call: Call) -> Answer:
        return Answer(200, b"audio/wav", (waveform(self._known(call.parameter)["name"]),))

    def _known(self, name: str) -> dict[str, Any]:
        """Return a voice by its id or slug. Raises Refusal with a 404."""
        for voice in self._shelf.all():
            if name in (voice["id"], voice.get("slug")):
                return voice
        raise not_found("Voice", name)

    def _store(self, identity: str, fields: dict[str, Any], user: str | None) -> dict[str, Any]:
        kept: dict[str, Any] = {key: fields[key] for key in _KEPT if fields.get(key) is not None}
        kind = "preset" if user is None else "custom"
        voice = {**kept, "type": kind, "id": identity, "created_at": CREATED_AT, "user_id": user}
        self._shelf.put(identity, voice)
        return voice
