"""Batch jobs: queued when made, running when looked at, done when looked at often enough (the fault `polls`)."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import Upload
from gantry.simulator.mistral.bodies import checked, decode, missing
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.files import Files
from gantry.simulator.mistral.paging import page_of
from gantry.simulator.mistral.schemas import BatchFields, BatchLine
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

Perform: TypeAlias = Callable[[str, bytes], Answer]
_CREATE = msgspec.json.Decoder(BatchFields)
_LINE = msgspec.json.Decoder(BatchLine)
_OPEN = ("QUEUED", "RUNNING")


class _Job:
    """A job as it is shown, what it is to do, and how often it must be looked at until it is done."""

    def __init__(self, card: dict[str, Any], lines: list[dict[str, Any]], polls: int) -> None:
        self.card, self.lines, self.polls = card, lines, polls
        self.outputs: list[dict[str, Any]] = []


class Batches:
    """`perform` answers one request at an endpoint, as if it had come alone."""

    def __init__(self, owner: str, files: Files, perform: Perform) -> None:
        self._files, self._perform = files, perform
        self._shelf: Shelf[_Job] = Shelf("batch", owner, dashes=True)

    def table(self) -> Table:
        return (
            ("POST", "/v1/batch/jobs", self._create),
            ("GET", "/v1/batch/jobs", self._list),
            ("GET", "/v1/batch/jobs/{id}", self._retrieve),
            ("DELETE", "/v1/batch/jobs/{id}", self._delete),
            ("POST", "/v1/batch/jobs/{id}/cancel", self._cancel),
        )

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        inputs = fields.get("input_files") or []
        if not inputs and not fields.get("requests"):
            raise missing("input_files")
        if fields.get("model"):
            lookup(fields["model"])
        lines = [*(fields.get("requests") or ()), *self._lines(inputs)]
        card = {
            "id": self._shelf.new_id(),
            "object": "batch",
            "input_files": inputs,
            "metadata": fields.get("metadata"),
            "endpoint": fields["endpoint"],
            "model": fields.get("model"),
            "agent_id": fields.get("agent_id"),
            "output_file": None,
            "error_file": None,
            "errors": [],
            "status": "QUEUED",
            "created_at": CREATED,
            "total_requests": len(lines),
            "completed_requests": 0,
            "succeeded_requests": 0,
            "failed_requests": 0,
            "started_at": None,
            "completed_at": None,
        }
        self._shelf.put(card["id"], _Job(card, lines, call.faults.polls))
        return json_answer(card)

    def _list(self, call: Call) -> Answer:
        query = call.request.query
        cards = [
            job.card
            for job in reversed(self._shelf.all())
            if job.card["status"] in query.get("status", job.card["status"])
            and query.get("model") in (None, job.card["model"])
            and query.get("agent_id") in (None, job.card["agent_id"])
        ]
        if query.get("order_by") == "created":
            cards.reverse()
        return json_answer({"data": page_of(call, cards), "object": "list", "total": len(cards)})

    def _retrieve(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        if job.card["status"] in _OPEN:
            job.polls -= 1
            if job.polls <= 0:
                self._run(job)
            else:
                job.card = {**job.card, "status": "RUNNING", "started_at": CREATED}
        elif job.card["status"] == "CANCELLATION_REQUESTED":
            job.card = {**job.card, "status": "CANCELLED", "completed_at": CREATED}
        shown = {"outputs": job.outputs} if call.request.query.get("inline") == "true" else {}
        return json_answer({**job.card, **shown})

    def _cancel(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        if job.card["status"] in _OPEN:
            job.card = {**job.card, "status": "CANCELLATION_REQUESTED"}
        return json_answer(job.card)

    def _delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "object": "batch", "deleted": True})

    def _known(self, name: str) -> _Job:
        job = self._shelf.get(name)
        if job is None:
            raise not_found("Batch job", name)
        return job

    def _lines(self, names: list[str]) -> Iterator[dict[str, Any]]:
        for name in names:
            for line in self._files.known(name).data.splitlines():
                if line.strip():
                    given = decode(_LINE, line)
                    yield {"custom_id": given.custom_id, "body": given.body}

    def _run(self, job: _Job) -> None:
        card = job.card
        results = [self._result(card, number, line) for number, line in enumerate(job.lines)]
        good = [result for result in results if result["response"]["status_code"] == 200]
        bad = [result for result in results if result["response"]["status_code"] != 200]
        job.outputs = results
        job.card = {
            **card,
            "status": "SUCCESS" if good or not bad else "FAILED",
            "output_file": self._write(card, good, "batch_result"),
            "error_file": self._write(card, bad, "batch_error"),
            "errors": [{"message": "Some requests failed", "count": len(bad)}] if bad else [],
            "completed_requests": len(results),
            "succeeded_requests": len(good),
            "failed_requests": len(bad),
            "started_at": CREATED,
            "completed_at": CREATED,
        }

    def _write(self, card: dict[str, Any], results: list[dict[str, Any]], kind: str) -> str | None:
        if not results:
            return None
        data = b"".join(msgspec.json.encode(result) + b"\n" for result in results)
        upload = Upload(f"{card['id']}-{kind}.jsonl", "application/jsonl", data)
        return str(self._files.add(upload, "batch", kind, source="mistral")["id"])

    def _result(self, card: dict[str, Any], number: int, line: dict[str, Any]) -> dict[str, Any]:
        fields = dict(line["body"])
        for name in ("model", "agent_id"):
            if card[name]:
                fields.setdefault(name, card[name])
        answer = self._perform(card["endpoint"], msgspec.json.encode(fields))
        return {
            "id": "batch-" + digest(card["id"], str(number)),
            "custom_id": line.get("custom_id"),
            "response": {"status_code": answer.status, "body": msgspec.json.decode(answer.body)},
            "error": None,
        }
