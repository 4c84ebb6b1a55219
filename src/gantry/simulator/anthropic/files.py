"""Files, in memory. What was uploaded cannot be read again, as with the real API."""

from typing import Any

from gantry.simulator.anthropic.errors import error, invalid, not_found
from gantry.simulator.anthropic.versions import Version, version
from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import read_form
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.shelf import Shelf

_BETA = b"files-api-2025-04-14"
CREATED_AT = "2026-09-21T14:13:20Z"  # oracle.CREATED, as this API writes time


class Files:
    def __init__(self, owner: str) -> None:
        self._shelf: Shelf[dict[str, Any]] = Shelf("file", owner, "file_01")

    def table(self) -> Table:
        return (
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files", self._list),
            ("GET", "/v1/files/{id}", self._retrieve),
            ("DELETE", "/v1/files/{id}", self._delete),
            ("GET", "/v1/files/{id}/content", self._content),
        )

    def _upload(self, call: Call) -> Answer:
        _check_beta(call)
        given = read_form(call.request).uploads.get("file")
        if given is None:
            raise invalid("file: Field required")
        card: dict[str, Any] = {
            "type": "file",
            "id": self._shelf.new_id(),
            "filename": given.name,
            "mime_type": given.media,
            "size_bytes": len(given.data),
            "created_at": CREATED_AT,
            "downloadable": False,
        }
        self._shelf.put(card["id"], card)
        return json_answer(card)

    def _list(self, call: Call) -> Answer:
        _check_beta(call)
        cards = self._shelf.all()
        ends = {"first_id": cards[0]["id"], "last_id": cards[-1]["id"]} if cards else {}
        return json_answer({"data": cards, "has_more": False, **({"first_id": None, "last_id": None} | ends)})

    def _retrieve(self, call: Call) -> Answer:
        _check_beta(call)
        return json_answer(self._known(call.parameter))

    def _content(self, call: Call) -> Answer:
        _check_beta(call)
        self._known(call.parameter)
        raise Refusal(error(400, "invalid_request_error", f"File '{call.parameter}' is not downloadable."))

    def _delete(self, call: Call) -> Answer:
        _check_beta(call)
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "type": "file_deleted"})

    def _known(self, name: str) -> dict[str, Any]:
        card = self._shelf.get(name)
        if card is None:
            raise not_found(f"File not found: {name}")
        return card


def _check_beta(call: Call) -> None:
    """Before the newest version, the real API knows no files without the beta's header."""
    if version(call.request.header(b"anthropic-version")) is Version.NEWEST:
        return
    if _BETA not in (call.request.header(b"anthropic-beta") or b""):
        raise not_found("Not found")
