"""Prompts and skills: named definitions in versions, under /v2."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import CREATED_AT, checked
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.paging import token_page
from gantry.simulator.mistral.schemas import RegistryChanges, RegistryFields, RegistryNotes, RegistryVersion
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

_CREATE = msgspec.json.Decoder(RegistryFields)
_CHANGE = msgspec.json.Decoder(RegistryChanges)
_VERSION = msgspec.json.Decoder(RegistryVersion)
_NOTES = msgspec.json.Decoder(RegistryNotes)


class _Entry:
    def __init__(self, card: dict[str, Any]) -> None:
        self.card = card
        self.versions: list[dict[str, Any]] = []

    def add(self, fields: dict[str, Any]) -> int:
        """Keep a version, and return its number."""
        kept = {"definition": fields["definition"], "notes": fields.get("notes"), "aliases": fields.get("aliases")}
        self.versions.append({**kept, "version": len(self.versions) + 1, "createdAt": CREATED_AT})
        return len(self.versions)

    def shown(self, version: dict[str, Any] | None = None) -> dict[str, Any]:
        latest = version or self.versions[-1]
        return {**self.card, **latest, "latestVersion": len(self.versions), "versionCreatedAt": latest["createdAt"]}


class Registry:
    """`kind` is "prompt" or "skill"."""

    def __init__(self, owner: str, kind: str) -> None:
        self._kind = kind
        self._shelf: Shelf[_Entry] = Shelf(kind, owner, dashes=True)

    def table(self) -> Table:
        base = f"/v2/{self._kind}s"
        versions = base + "/{id}/versions"
        return (
            ("POST", base, self._create),
            ("GET", base, self._list),
            ("GET", base + "/{id}", self._retrieve),
            ("PATCH", base + "/{id}", self._update),
            ("DELETE", base + "/{id}", self._delete),
            ("POST", versions, self._add_version),
            ("GET", versions, self._versions),
            ("GET", versions + "/{version}", self._version),
            ("PATCH", versions + "/{version}", self._update_version),
        )

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        card = {key: fields.get(key) for key in ("name", "title", "description", "sharingScope")}
        entry = _Entry({**card, "id": self._shelf.new_id(), "createdAt": CREATED_AT, "updatedAt": CREATED_AT})
        entry.add(fields)
        self._shelf.put(entry.card["id"], entry)
        return json_answer(entry.shown())

    def _list(self, call: Call) -> Answer:
        found, following = token_page(call, [entry.shown() for entry in self._shelf.all()])
        return json_answer({"data": found, "nextPageToken": following})

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter).shown())

    def _update(self, call: Call) -> Answer:
        entry = self._known(call.parameter)
        changes = checked(_CHANGE, call.request.body)
        entry.card.update(changes)
        return json_answer(entry.shown())

    def _delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({})

    def _add_version(self, call: Call) -> Answer:
        entry, fields = self._known(call.parameter), checked(_VERSION, call.request.body)
        if entry.versions[-1]["definition"] == fields["definition"]:
            return json_answer({"version": len(entry.versions), "deduplicated": True})
        return json_answer({"version": entry.add(fields), "deduplicated": False})

    def _versions(self, call: Call) -> Answer:
        return json_answer({"data": self._known(call.parameter).versions[::-1]})

    def _version(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter).shown(self._known_version(call)))

    def _update_version(self, call: Call) -> Answer:
        version = self._known_version(call)
        changes = checked(_NOTES, call.request.body)
        if isinstance(changes.get("aliases"), dict):
            changes["aliases"] = changes["aliases"].get("values") or []
        version.update(changes)
        return json_answer(self._known(call.parameter).shown(version))

    def _known(self, name: str) -> _Entry:
        entry = self._shelf.get(name)
        if entry is None:
            raise not_found(self._kind.capitalize(), name)
        return entry

    def _known_version(self, call: Call) -> dict[str, Any]:
        name, version = call.parameters
        for known in self._known(name).versions:
            if version == str(known["version"]):
                return known
        raise not_found("Version", version)
