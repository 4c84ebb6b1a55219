"""Libraries, their documents, and whom they are shared with."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, empty_answer, json_answer
from gantry.simulator.forms import read_form
from gantry.simulator.mistral.bodies import CREATED_AT, checked, missing
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.paging import page_of, pagination
from gantry.simulator.mistral.schemas import DocumentChanges, LibraryChanges, LibraryFields, ShareFields
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

_OWNER = "simulated-user"
_CREATE = msgspec.json.Decoder(LibraryFields)
_CHANGE = msgspec.json.Decoder(LibraryChanges)
_CHANGE_DOCUMENT = msgspec.json.Decoder(DocumentChanges)
_SHARE = msgspec.json.Decoder(ShareFields)


class Libraries:
    def __init__(self, owner: str) -> None:
        self._libraries: Shelf[dict[str, Any]] = Shelf("library", owner, dashes=True)
        self._documents: Shelf[dict[str, Any]] = Shelf("document", owner, dashes=True)
        self._shares: dict[str, dict[str, dict[str, Any]]] = {}

    def table(self) -> Table:
        library = "/v1/libraries/{id}"
        document = library + "/documents/{id}"
        return (
            ("POST", "/v1/libraries", self._create),
            ("GET", "/v1/libraries", self._list),
            ("GET", library, self._retrieve),
            ("PUT", library, self._update),
            ("PATCH", library, self._update),
            ("DELETE", library, self._delete),
            ("GET", library + "/share", self._shared),
            ("PUT", library + "/share", self._share),
            ("DELETE", library + "/share", self._unshare),
            ("POST", library + "/documents", self._upload),
            ("GET", library + "/documents", self._list_documents),
            ("GET", document, self._retrieve_document),
            ("PUT", document, self._update_document),
            ("PATCH", document, self._update_document),
            ("DELETE", document, self._delete_document),
            ("GET", document + "/status", self._status),
            ("GET", document + "/text_content", self._text),
            ("GET", document + "/signed-url", self._link),
            ("GET", document + "/extracted-text-signed-url", self._link),
            ("POST", document + "/reprocess", self._reprocess),
        )

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        library: dict[str, Any] = {
            "id": self._libraries.new_id(),
            "name": fields["name"],
            "description": fields.get("description"),
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "owner_id": _OWNER,
            "owner_type": fields.get("owner_type") or "User",
            "total_size": 0,
            "nb_documents": 0,
            "chunk_size": fields.get("chunk_size"),
        }
        self._libraries.put(library["id"], library)
        return json_answer(library, 201)

    def _list(self, call: Call) -> Answer:
        words = call.request.query.get("search", "")
        found = [library for library in self._libraries.all() if words in library["name"]]
        return json_answer({"data": page_of(call, found), "pagination": pagination(call, len(found))})

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._library(call.parameter))

    def _update(self, call: Call) -> Answer:
        library = {**self._library(call.parameter), **checked(_CHANGE, call.request.body)}
        self._libraries.put(library["id"], library)
        return json_answer(library)

    def _delete(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        self._libraries.take(call.parameter)
        return json_answer(library)

    def _shared(self, call: Call) -> Answer:
        self._library(call.parameter)
        return json_answer({"data": list(self._shares.get(call.parameter, {}).values())})

    def _share(self, call: Call) -> Answer:
        self._library(call.parameter)
        fields = checked(_SHARE, call.request.body)
        share = {
            "library_id": call.parameter,
            "user_id": None,
            "org_id": fields.get("org_id") or "simulated-organization",
            "role": fields.get("level") or "Viewer",
            "share_with_type": fields["share_with_type"],
            "share_with_uuid": fields["share_with_uuid"],
        }
        self._shares.setdefault(call.parameter, {})[fields["share_with_uuid"]] = share
        return json_answer(share)

    def _unshare(self, call: Call) -> Answer:
        self._library(call.parameter)
        name = checked(_SHARE, call.request.body)["share_with_uuid"]
        share = self._shares.get(call.parameter, {}).pop(name, None)
        if share is None:
            raise not_found("Share", name)
        return json_answer(share)

    def _upload(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        given = read_form(call.request).uploads.get("file")
        if given is None:
            raise missing("file")
        tokens = len(given.data) // 4
        document = {
            "id": self._documents.new_id(),
            "library_id": library["id"],
            "hash": digest(given.data),
            "mime_type": given.media,
            "extension": given.name.rpartition(".")[2],
            "size": len(given.data),
            "name": given.name,
            "summary": f"Simulated summary of {given.name}",
            "created_at": CREATED_AT,
            "last_processed_at": CREATED_AT,
            "uploaded_by_id": _OWNER,
            "uploaded_by_type": "User",
            "process_status": "done",
            "processing_status": "Completed",
            "tokens_processing_main_content": tokens,
            "tokens_processing_summary": 0,
            "tokens_processing_total": tokens,
            "number_of_pages": 1,
            "attributes": {},
        }
        self._documents.put(document["id"], document)
        self._count(library, 1, len(given.data))
        return json_answer(document, 201)

    def _list_documents(self, call: Call) -> Answer:
        library = self._library(call.parameter)
        words = call.request.query.get("search", "")
        found = [
            item for item in self._documents.all() if item["library_id"] == library["id"] and words in item["name"]
        ]
        return json_answer({"pagination": pagination(call, len(found)), "data": page_of(call, found)})

    def _retrieve_document(self, call: Call) -> Answer:
        return json_answer(self._document(call))

    def _update_document(self, call: Call) -> Answer:
        document = {**self._document(call), **checked(_CHANGE_DOCUMENT, call.request.body)}
        self._documents.put(document["id"], document)
        return json_answer(document)

    def _delete_document(self, call: Call) -> Answer:
        document = self._document(call)
        self._documents.take(document["id"])
        self._count(self._library(call.parameters[0]), -1, -document["size"])
        return empty_answer()

    def _status(self, call: Call) -> Answer:
        document = self._document(call)
        kept = {key: document[key] for key in ("process_status", "processing_status")}
        return json_answer({"document_id": document["id"], **kept})

    def _text(self, call: Call) -> Answer:
        return json_answer({"text": f"Simulated text of {self._document(call)['name']}"})

    def _link(self, call: Call) -> Answer:
        return json_answer(f"https://files.example.com/{self._document(call)['id']}?signature=simulated")

    def _reprocess(self, call: Call) -> Answer:
        self._document(call)
        return empty_answer()

    def _count(self, library: dict[str, Any], documents: int, size: int) -> None:
        changed = {"nb_documents": library["nb_documents"] + documents, "total_size": library["total_size"] + size}
        self._libraries.put(library["id"], {**library, **changed})

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
