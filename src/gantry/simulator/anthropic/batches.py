"""Batches of messages. A batch is done when it has been looked at as often as the fault `polls` says."""

from typing import Any

import msgspec
from msgspec import Struct

from gantry.simulator.anthropic.blocks import Closed
from gantry.simulator.anthropic.bodies import decode
from gantry.simulator.anthropic.errors import invalid, not_found
from gantry.simulator.anthropic.files import CREATED_AT
from gantry.simulator.anthropic.messages import Messages
from gantry.simulator.anthropic.requests import MESSAGE
from gantry.simulator.exchange import Answer, Request, json_answer
from gantry.simulator.routes import Call, Refusal, Table
from gantry.simulator.shelf import Shelf

_EXPIRES_AT = "2026-09-22T14:13:20Z"
_LINES = b"application/x-jsonl"


class Line(Closed, frozen=True):
    custom_id: str
    params: dict[str, Any]


class BatchRequest(Closed, frozen=True):
    requests: list[Line]


class _Batch(Struct):
    name: str
    lines: list[Line]
    polls: int
    canceled: bool = False
    results: list[dict[str, Any]] | None = None


_DECODER = msgspec.json.Decoder(BatchRequest)


class Batches:
    def __init__(self, owner: str, messages: Messages) -> None:
        self._shelf: Shelf[_Batch] = Shelf("batch", owner, "msgbatch_01")
        self._messages = messages

    def table(self) -> Table:
        return (
            ("POST", "/v1/messages/batches", self._create),
            ("GET", "/v1/messages/batches", self._list),
            ("GET", "/v1/messages/batches/{id}", self._retrieve),
            ("DELETE", "/v1/messages/batches/{id}", self._delete),
            ("POST", "/v1/messages/batches/{id}/cancel", self._cancel),
            ("GET", "/v1/messages/batches/{id}/results", self._results),
        )

    def _create(self, call: Call) -> Answer:
        lines = decode(_DECODER, call.request.body).requests
        if not lines:
            raise invalid("requests: List should have at least 1 item")
        names = [line.custom_id for line in lines]
        if len(set(names)) < len(names):
            raise invalid("requests: custom_id must be unique within a batch")
        batch = _Batch(self._shelf.new_id(), lines, call.faults.polls)
        self._shelf.put(batch.name, batch)
        return json_answer(_card(batch, call))

    def _list(self, call: Call) -> Answer:
        cards = [_card(batch, call) for batch in reversed(self._shelf.all())]
        ends = {"first_id": cards[0]["id"], "last_id": cards[-1]["id"]} if cards else {}
        return json_answer({"data": cards, "has_more": False, **({"first_id": None, "last_id": None} | ends)})

    def _retrieve(self, call: Call) -> Answer:
        batch = self._known(call.parameter)
        batch.polls -= 1
        if batch.polls <= 0 and batch.results is None:
            batch.results = [self._result(line, batch, call) for line in batch.lines]
        return json_answer(_card(batch, call))

    def _result(self, line: Line, batch: _Batch, call: Call) -> dict[str, Any]:
        if batch.canceled:
            return {"custom_id": line.custom_id, "result": {"type": "canceled"}}
        body = msgspec.json.encode({**line.params, "stream": False})
        try:
            request = Request(b"POST", b"/v1/messages", call.request.headers, body)
            answer = self._messages.answer(decode(MESSAGE, body), Call(request, call.faults))
            result = {"type": "succeeded", "message": msgspec.json.decode(answer.body)}
        except Refusal as refusal:
            result = {"type": "errored", "error": msgspec.json.decode(refusal.answer.body)}
        return {"custom_id": line.custom_id, "result": result}

    def _cancel(self, call: Call) -> Answer:
        batch = self._known(call.parameter)
        batch.canceled = True
        return json_answer(_card(batch, call))

    def _results(self, call: Call) -> Answer:
        batch = self._known(call.parameter)
        if batch.results is None:
            raise not_found(f"Batch {batch.name} has no available results.")
        return Answer(200, _LINES, tuple(msgspec.json.encode(result) + b"\n" for result in batch.results))

    def _delete(self, call: Call) -> Answer:
        batch = self._known(call.parameter)
        if batch.results is None:
            raise invalid(f"Batch {batch.name} cannot be deleted while it is still processing.")
        self._shelf.take(batch.name)
        return json_answer({"id": batch.name, "type": "message_batch_deleted"})

    def _known(self, name: str) -> _Batch:
        batch = self._shelf.get(name)
        if batch is None:
            raise not_found(f"Batch {name} not found")
        return batch


def _card(batch: _Batch, call: Call) -> dict[str, Any]:
    kinds = [result["result"]["type"] for result in batch.results or ()]
    counts = {kind: kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
    host = (call.request.header(b"host") or b"localhost").decode("latin-1")
    prefix = call.request.path.partition("/v1/")[0]
    ended = batch.results is not None
    return {
        "id": batch.name,
        "type": "message_batch",
        "processing_status": "ended" if ended else "canceling" if batch.canceled else "in_progress",
        "request_counts": {"processing": 0 if ended else len(batch.lines), **counts},
        "ended_at": CREATED_AT if ended else None,
        "created_at": CREATED_AT,
        "expires_at": _EXPIRES_AT,
        "archived_at": None,
        "cancel_initiated_at": CREATED_AT if batch.canceled else None,
        "results_url": f"http://{host}{prefix}/v1/messages/batches/{batch.name}/results" if ended else None,
    }
