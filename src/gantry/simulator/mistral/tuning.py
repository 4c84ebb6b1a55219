"""Fine-tuning jobs, and the models they make: a job that may start by itself is done when next looked at."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import checked
from gantry.simulator.mistral.catalog import Catalog, lookup
from gantry.simulator.mistral.errors import error, not_found
from gantry.simulator.mistral.paging import page_of
from gantry.simulator.mistral.schemas import TuningFields
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.shelf import Shelf

_CREATE = msgspec.json.Decoder(TuningFields)
_TOKENS = 10_000
_DRY = {
    "object": "job.metadata",
    "details": "A dry run: no job was made",
    "expected_duration_seconds": 600,
    "cost": 1.0,
    "cost_currency": "USD",
    "train_tokens": _TOKENS,
    "deprecated": True,
}


class Tuning:
    """`catalog` is the account's: a job that succeeds offers its model there."""

    def __init__(self, owner: str, catalog: Catalog) -> None:
        self._catalog = catalog
        self._shelf: Shelf[dict[str, Any]] = Shelf("tuning", owner, dashes=True)

    def table(self) -> Table:
        return (
            ("POST", "/v1/fine_tuning/jobs", self._create),
            ("GET", "/v1/fine_tuning/jobs", self._list),
            ("GET", "/v1/fine_tuning/jobs/{id}", self._retrieve),
            ("POST", "/v1/fine_tuning/jobs/{id}/start", self._start),
            ("POST", "/v1/fine_tuning/jobs/{id}/cancel", self._cancel),
        )

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        lookup(fields["model"])
        if call.request.query.get("dry_run") == "true":
            return json_answer(_DRY)
        auto = fields.get("auto_start") is not False
        job = {
            "id": self._shelf.new_id(),
            "object": "job",
            "job_type": fields.get("job_type") or "completion",
            "auto_start": auto,
            "model": fields["model"],
            "status": "QUEUED" if auto else "VALIDATED",
            "created_at": CREATED,
            "modified_at": CREATED,
            "training_files": [item["file_id"] for item in fields.get("training_files") or ()],
            "validation_files": fields.get("validation_files") or [],
            "hyperparameters": {"learning_rate": 0.0001, **fields["hyperparameters"]},
            "fine_tuned_model": None,
            "suffix": fields.get("suffix"),
            "integrations": [],
            "trained_tokens": None,
            "repositories": [],
            "classifier_targets": fields.get("classifier_targets") or [],
            "events": [_event("QUEUED")],
            "checkpoints": [],
        }
        self._shelf.put(job["id"], job)
        return json_answer(job)

    def _list(self, call: Call) -> Answer:
        query = call.request.query
        jobs = [
            job
            for job in reversed(self._shelf.all())
            if query.get("status") in (None, job["status"]) and query.get("model") in (None, job["model"])
        ]
        return json_answer({"data": page_of(call, jobs), "object": "list", "total": len(jobs)})

    def _retrieve(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        return json_answer(self._finish(job) if job["status"] in ("QUEUED", "RUNNING") else job)

    def _start(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        if job["status"] != "VALIDATED":
            text = f"Job {job['id']} is {job['status']}: only a validated job can be started"
            raise Refusal(error(400, text, "invalid_request_error"))
        return json_answer(self._change(job, "RUNNING", {}))

    def _cancel(self, call: Call) -> Answer:
        return json_answer(self._change(self._known(call.parameter), "CANCELLED", {}))

    def _finish(self, job: dict[str, Any]) -> dict[str, Any]:
        name = f"ft:{job['model']}:simulated:{digest(job['id'])[:8]}"
        self._catalog.add_tuned(name, job["model"], job["id"])
        return self._change(job, "SUCCESS", {"fine_tuned_model": name, "trained_tokens": _TOKENS})

    def _change(self, job: dict[str, Any], status: str, more: dict[str, Any]) -> dict[str, Any]:
        changed = {**job, **more, "status": status, "events": [_event(status), *job["events"]]}
        self._shelf.put(job["id"], changed)
        return changed

    def _known(self, name: str) -> dict[str, Any]:
        job = self._shelf.get(name)
        if job is None:
            raise not_found("Job", name)
        return job


def _event(status: str) -> dict[str, Any]:
    return {"name": "status-updated", "created_at": CREATED, "data": {"status": status}}
