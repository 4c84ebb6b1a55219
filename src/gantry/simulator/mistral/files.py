"""Files: uploaded, listed, read again and deleted, in memory."""

from typing import Any

from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import Upload, read_form
from gantry.simulator.mistral.bodies import missing
from gantry.simulator.mistral.errors import literal, not_found
from gantry.simulator.mistral.paging import number, page_of
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

_SAMPLES = {"fine-tune": "instruct", "batch": "batch_request", "ocr": "ocr_input", "audio": "ocr_input"}
_PURPOSES = (*_SAMPLES, "agentic_safety")
_FILTERS = ("purpose", "source", "sample_type", "mimetypes")
_HOUR = 3600


class StoredFile(Struct, frozen=True):
    card: dict[str, Any]
    data: bytes


class Files:
    def __init__(self, owner: str) -> None:
        self._shelf: Shelf[StoredFile] = Shelf("file", owner, dashes=True)

    def table(self) -> Table:
        return (
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files", self._list),
            ("GET", "/v1/files/{id}", self._retrieve),
            ("DELETE", "/v1/files/{id}", self._delete),
            ("GET", "/v1/files/{id}/content", self._content),
            ("GET", "/v1/files/{id}/url", self._link),
        )

    def add(
        self, upload: Upload, purpose: str, sample_type: str, visibility: str = "workspace", source: str = "upload"
    ) -> dict[str, Any]:
        """Keep a file, and return its card."""
        card: dict[str, Any] = {
            "id": self._shelf.new_id(),
            "object": "file",
            "bytes": len(upload.data),
            "created_at": CREATED,
            "filename": upload.name,
            "purpose": purpose,
            "sample_type": sample_type,
            "num_lines": upload.data.count(b"\n") if upload.name.endswith(".jsonl") else 0,
            "mimetype": upload.media,
            "source": source,
            "signature": digest(upload.data),
            "expires_at": None,
            "visibility": visibility,
        }
        self._shelf.put(card["id"], StoredFile(card, upload.data))
        return card

    def known(self, name: str) -> StoredFile:
        """Return a file. Raises Refusal with a 404."""
        file = self._shelf.get(name)
        if file is None:
            raise not_found("File", name)
        return file

    def _upload(self, call: Call) -> Answer:
        form = read_form(call.request)
        given = form.uploads.get("file")
        if given is None:
            raise missing("file")
        purpose = form.get("purpose") or "fine-tune"
        if purpose not in _PURPOSES:
            raise literal(("body", "purpose"), purpose, _PURPOSES)
        visibility = form.get("visibility") or "workspace"
        return json_answer(self.add(given, purpose, _SAMPLES.get(purpose, "instruct"), visibility))

    def _list(self, call: Call) -> Answer:
        query = call.request.query
        cards = [
            file.card
            for file in self._shelf.all()
            if query.get("search", "") in file.card["filename"]
            and all(
                file.card[name.removesuffix("s")] in query.get(name, file.card[name.removesuffix("s")])
                for name in _FILTERS
            )
        ]
        total = len(cards) if query.get("include_total", "true") == "true" else None
        return json_answer({"data": page_of(call, cards), "object": "list", "total": total})

    def _retrieve(self, call: Call) -> Answer:
        return json_answer({**self.known(call.parameter).card, "deleted": False})

    def _content(self, call: Call) -> Answer:
        file = self.known(call.parameter)
        name = f'attachment; filename="{file.card["filename"]}"'.encode("latin-1", "replace")
        return Answer(200, b"application/octet-stream", (file.data,), ((b"content-disposition", name),))

    def _link(self, call: Call) -> Answer:
        """Sign a link that is good for `expiry` hours."""
        file = self.known(call.parameter)
        expires = CREATED + number(call, "expiry", 24, least=1) * _HOUR
        signature = digest(file.card["id"], str(expires))
        return json_answer(
            {"url": f"https://files.example.com/{file.card['id']}?expires={expires}&signature={signature}"}
        )

    def _delete(self, call: Call) -> Answer:
        self.known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "object": "file", "deleted": True})
