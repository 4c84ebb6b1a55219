"""Fine-tuning jobs, and the models they make."""

from typing import Any

from gantry.simulator.exchange import Answer, json_answer
from gantry.simulator.mistral.bodies import json_object
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.oracle import CREATED, digest
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf


class Tuning:
    def __init__(self) -> None:
        self._shelf: Shelf[dict[str, Any]] = Shelf("tuning", dashes=True)

    def create(self, call: Call) -> Answer:
        body = json_object(call.request.body, "model", "hyperparameters")
        lookup(body["model"])
        files = [item["file_id"] if isinstance(item, dict) else item for item in body.get("training_files") or ()]
        job = {
            "id": self._shelf.new_id(),
            "object": "job",
            "job_type": body.get("job_type") or "completion",
            "auto_start": body.get("auto_start") is not False,
            "model": body["model"],
            "status": "QUEUED",
            "created_at": CREATED,
            "modified_at": CREATED,
            "training_files": files,
            "validation_files": body.get("validation_files") or [],
            "hyperparameters": body["hyperparameters"],
            "fine_tuned_model": None,
            "suffix": body.get("suffix"),
            "integrations": body.get("integrations") or [],
            "repositories": [],
            "events": [{"name": "status-updated", "created_at": CREATED, "data": {"status": "QUEUED"}}],
            "checkpoints": [],
        }
        self._shelf.put(job["id"], job)
        return json_answer(job)

    def list_all(self, _: Call) -> Answer:
        jobs = self._shelf.all()
        return json_answer({"data": jobs, "object": "list", "total": len(jobs)})

    def retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter))

    def start(self, call: Call) -> Answer:
        job = self._known(call.parameter)
        model = f"ft:{job['model']}:simulated:{digest(job['id'])[:8]}"
        return self._change(job, {"status": "SUCCESS", "fine_tuned_model": model})

    def cancel(self, call: Call) -> Answer:
        return self._change(self._known(call.parameter), {"status": "CANCELLED"})

    def archive(self, call: Call) -> Answer:
        return json_answer({"id": call.parameter, "object": "model", "archived": call.request.method == b"POST"})

    def _change(self, job: dict[str, Any], changes: dict[str, Any]) -> Answer:
        changed = {**job, **changes}
        self._shelf.put(job["id"], changed)
        return json_answer(changed)

    def _known(self, name: str) -> dict[str, Any]:
        job = self._shelf.get(name)
        if job is None:
            raise not_found("Job", name)
        return job
