"""Libraries and their documents."""

from typing import Any

from gantry.simulator.exchange import Answer, empty_answer, json_answer
from gantry.simulator.forms import read_form
from gantry.simulator.mistral.bodies import CREATED_AT, json_object, missing
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf

_OWNER = "simulated-user"


class Libraries:
    def __init__(self) -> None:
        self._libraries: Shelf[dict[str, Any]] = Shelf("library", dashes=True)
        self._documents: Shelf[dict[str, Any]] = Shelf("document", dashes=True)

    def create(self, call: Call) -> Answer:
        body = json_object(call.request.body, "name")
        library: dict[str, Any] = {
            "id": self._libraries.new_id(),
            "name": body["name"],
            "description": body.get("description"),
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "owner_id": _OWNER,
            "owner_type": "User",
            "total_size": 0,
            "nb_documents": 0,
            "chunk_size": body.get("chunk_size"),
        }
        self._libraries.put(library["id"], library)
        return json_answer(library, 201)

    def list_all(self, _: Call) -> Answer:
        data = self._libraries.all()
        return json_answer({"data": data, "pagination": _page(len(data))})

    def retrieve(self, call: Call) -> Answer:
        return json_answer(self._library(call.parameter))

    def update(self, call: Call) -> Answer:
        body = json_object(call.request.body)
        changes: dict[str, Any] = {key: body[key] for key in ("name", "description") if key in body}
        library = {**self._library(call.parameter), **changes}
        self._libraries.put(library["id"], library)
        return json_answer(library)

    def delete(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        self._libraries.take(call.parameter)
        return json_answer(library)

    def upload(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        given = read_form(call.request).uploads.get("file")
        if given is None:
            raise missing("file")
        document = {
            "id": self._documents.new_id(),
            "library_id": library["id"],
            "hash": digest(given.data),
            "mime_type": given.media,
            "extension": given.name.rpartition(".")[2],
            "size": len(given.data),
            "name": given.name,
            "created_at": CREATED_AT,
            "uploaded_by_id": _OWNER,
            "uploaded_by_type": "User",
            "process_status": "done",
            "processing_status": "Completed",
            "tokens_processing_total": len(given.data) // 4,
            "number_of_pages": 1,
        }
        self._documents.put(document["id"], document)
        counted = {**library, "nb_documents": library["nb_documents"] + 1}
        self._libraries.put(library["id"], {**counted, "total_size": library["total_size"] + len(given.data)})
        return json_answer(document, 201)

    def documents(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        data = [item for item in self._documents.all() if item["library_id"] == library["id"]]
        return json_answer({"pagination": _page(len(data)), "data": data})

    def document(self, call: Call) -> Answer:
        return json_answer(self._document(call))

    def status(self, call: Call) -> Answer:
        document = self._document(call)
        kept = {key: document[key] for key in ("process_status", "processing_status")}
        return json_answer({"document_id": document["id"], **kept})

    def text(self, call: Call) -> Answer:
        return json_answer({"text": f"Simulated text of {self._document(call)['name']}"})

    def link(self, call: Call) -> Answer:
        return json_answer(f"https://files.example.com/{self._document(call)['id']}?signature=simulated")

    def reprocess(self, call: Call) -> Answer:
        self._document(call)
        return empty_answer()

    def delete_document(self, call: Call) -> Answer:
        self._document(call)
        self._documents.take(call.parameters[1])
        return empty_answer()

    def _library(self, name: str) -> dict[str, Any]:
        library = self._libraries.get(name)
        if library is None:
            raise not_found("Library", name)
        return library

    def _document(self, call: Call) -> dict[str, Any]:
        library, name = call.parameters
        document = self._documents.get(name)
        if document is None or document["library_id"] != library:
            raise not_found("Document", name)
        return document


def _page(total: int) -> dict[str, Any]:
    return {"total_items": total, "total_pages": 1, "current_page": 0, "page_size": 100, "has_more": False}
