"""Files: uploaded, listed, read again and deleted, in memory."""

from typing import Any

from msgspec import Struct

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import Upload, read_form
from gantry.simulator.mistral.bodies import missing
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf

_SAMPLES = {"fine-tune": "instruct", "batch": "batch_request", "ocr": "ocr_input", "audio": "ocr_input"}


class StoredFile(Struct, frozen=True):
    card: dict[str, Any]
    data: bytes


class Files:
    def __init__(self) -> None:
        self._shelf: Shelf[StoredFile] = Shelf("file", dashes=True)

    def upload(self, call: Call) -> Answer:
        form = read_form(call.request)
        given = form.uploads.get("file")
        if given is None:
            raise missing("file")
        purpose = form.fields.get("purpose") or "fine-tune"
        return json_answer(self.add(given, purpose, form.fields.get("visibility")))

    def add(
        self, upload: Upload, purpose: str, visibility: str | None = None, source: str = "upload"
    ) -> dict[str, Any]:
        """Keep a file, and return its card."""
        card: dict[str, Any] = {
            "id": self._shelf.new_id(),
            "object": "file",
            "bytes": len(upload.data),
            "created_at": CREATED,
            "filename": upload.name,
            "purpose": purpose,
            "sample_type": "batch_result" if source == "mistral" else _SAMPLES.get(purpose, "instruct"),
            "num_lines": upload.data.count(b"\n") if upload.name.endswith(".jsonl") else 0,
            "mimetype": upload.media,
            "source": source,
            "signature": digest(upload.data),
            "expires_at": None,
            "visibility": visibility or "workspace",
        }
        self._shelf.put(card["id"], StoredFile(card, upload.data))
        return card

    def list_all(self, call: Call) -> Answer:
        purpose = call.request.query.get("purpose")
        cards = [file.card for file in self._shelf.all() if purpose in (None, file.card["purpose"])]
        return json_answer({"data": cards, "object": "list", "total": len(cards)})

    def retrieve(self, call: Call) -> Answer:
        return json_answer({**self.known(call.parameter).card, "deleted": False})

    def content(self, call: Call) -> Answer:
        return Answer(200, b"application/octet-stream", (self.known(call.parameter).data,))

    def link(self, call: Call) -> Answer:
        self.known(call.parameter)
        return json_answer({"url": f"https://files.example.com/{call.parameter}?signature=simulated"})

    def delete(self, call: Call) -> Answer:
        self.known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "object": "file", "deleted": True})

    def known(self, name: str) -> StoredFile:
        """Return a file. Raises Refusal with a 404."""
        file = self._shelf.get(name)
        if file is None:
            raise not_found("File", name)
        return file
