"""Agents: created, listed, changed into a new version, deleted."""

from typing import Any

from gantry.simulator.exchange import Answer, empty_answer, json_answer
from gantry.simulator.mistral.bodies import CREATED_AT, json_object
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf

_CHANGEABLE = ("model", "name", "description", "instructions", "tools", "completion_args", "handoffs", "metadata")


class Agents:
    def __init__(self) -> None:
        self._shelf: Shelf[dict[str, Any]] = Shelf("agent", "ag_")

    def create(self, call: Call) -> Answer:
        body = json_object(call.request.body, "model", "name")
        agent = {
            "instructions": None,
            "tools": [],
            "completion_args": {"stop": None, "temperature": 0.3, "tool_choice": "auto"},
            "description": None,
            "handoffs": None,
            "metadata": None,
            **{key: body[key] for key in _CHANGEABLE if body.get(key) is not None},
            "object": "agent",
            "id": self._shelf.new_id(),
            "version": 0,
            "versions": [0],
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "deployment_chat": False,
            "source": "api",
        }
        self._shelf.put(agent["id"], agent)
        return json_answer(agent)

    def list_all(self, _: Call) -> Answer:
        return json_answer(self._shelf.all())

    def retrieve(self, call: Call) -> Answer:
        return json_answer(self.known(call.parameter))

    def update(self, call: Call) -> Answer:
        agent, body = self.known(call.parameter), json_object(call.request.body)
        version = agent["version"] + 1
        changed = {**agent, **{key: body[key] for key in _CHANGEABLE if key in body}}
        changed |= {"version": version, "versions": [*agent["versions"], version]}
        self._shelf.put(agent["id"], changed)
        return json_answer(changed)

    def delete(self, call: Call) -> Answer:
        self.known(call.parameter)
        self._shelf.take(call.parameter)
        return empty_answer()

    def known(self, name: str) -> dict[str, Any]:
        """Return an agent. Raises Refusal with a 404."""
        agent = self._shelf.get(name)
        if agent is None:
            raise not_found("Agent", name)
        return agent
