"""Batch jobs: queued when made, done when next looked at."""

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.forms import Upload
from gantry.simulator.mistral.bodies import json_object, missing
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.files import Files
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf

Perform: TypeAlias = Callable[[str, bytes], Answer]


class Batches:
    """`perform` answers one request at an endpoint, as if it had come alone."""

    def __init__(self, files: Files, perform: Perform) -> None:
        self._files, self._perform = files, perform
        self._shelf: Shelf[dict[str, Any]] = Shelf("batch", dashes=True)
        self._requests: Shelf[list[dict[str, Any]]] = Shelf("batch-requests")

    def create(self, call: Call) -> Answer:
        body = json_object(call.request.body, "endpoint")
        if not body.get("input_files") and not body.get("requests"):
            raise missing("input_files")
        requests = [*(body.get("requests") or ()), *self._lines(body.get("input_files") or [])]
        job = {
            "id": self._shelf.new_id(),
            "object": "batch",
            "input_files": body.get("input_files") or [],
            "metadata": body.get("metadata"),
            "endpoint": body["endpoint"],
            "model": body.get("model"),
            "agent_id": body.get("agent_id"),
            "output_file": None,
            "error_file": None,
            "errors": [],
            "status": "QUEUED",
            "created_at": CREATED,
            "total_requests": len(requests),
            "completed_requests": 0,
            "succeeded_requests": 0,
            "failed_requests": 0,
            "started_at": None,
            "completed_at": None,
        }
        self._shelf.put(job["id"], job)
        self._requests.put(job["id"], requests)
        return json_answer(job)

    def list_all(self, _: Call) -> Answer:
        jobs = self._shelf.all()
        return json_answer({"data": jobs, "object": "list", "total": len(jobs)})

    def retrieve(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        if job["status"] == "QUEUED":
            job = self._run(job)
        return json_answer(job)

    def cancel(self, call: Call) -> Answer:
        job = {**self._known(call.parameter), "status": "CANCELLATION_REQUESTED"}
        self._shelf.put(job["id"], job)
        return json_answer(job)

    def delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return json_answer({"id": call.parameter, "object": "batch", "deleted": True})

    def _known(self, name: str) -> dict[str, Any]:
        job = self._shelf.get(name)
        if job is None:
            raise not_found("Batch job", name)
        return job

    def _lines(self, names: list[str]) -> Iterator[dict[str, Any]]:
        for name in names:
            for line in self._files.known(name).data.splitlines():
                if line.strip():
                    yield json_object(line)

    def _run(self, job: dict[str, Any]) -> dict[str, Any]:
        results = [self._result(job, request) for request in self._requests.take(job["id"]) or ()]
        good = sum(result["response"]["status_code"] == 200 for result in results)
        data = b"".join(msgspec.json.encode(result) + b"\n" for result in results)
        output = self._files.add(Upload(f"{job['id']}.jsonl", "application/jsonl", data), "batch", source="mistral")
        done = {
            **job,
            "status": "SUCCESS",
            "output_file": output["id"],
            "completed_requests": len(results),
            "succeeded_requests": good,
            "failed_requests": len(results) - good,
            "started_at": CREATED,
            "completed_at": CREATED,
        }
        self._shelf.put(job["id"], done)
        return done

    def _result(self, job: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
        fields = dict(request.get("body") or {})
        if job["model"]:
            fields.setdefault("model", job["model"])
        answer = self._perform(job["endpoint"], msgspec.json.encode(fields))
        custom = request.get("custom_id")
        return {
            "id": "batch-" + digest(job["id"], str(custom)),
            "custom_id": custom,
            "response": {"status_code": answer.status, "body": msgspec.Raw(answer.body)},
            "error": None,
        }
