"""Agents: created, listed, changed into a new version, called by an alias, deleted."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, empty_answer, json_answer
from gantry.simulator.mistral.bodies import CREATED_AT, checked
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.chat import complete_agent
from gantry.simulator.mistral.errors import not_found, unprocessable
from gantry.simulator.mistral.paging import number, page_of, token_page
from gantry.simulator.mistral.schemas import AgentChanges, AgentFields
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

PRESET = "ag_1"  # an agent that every account has, for callers that cannot make one first
_CREATE = msgspec.json.Decoder(AgentFields)
_CHANGE = msgspec.json.Decoder(AgentChanges)
_PRESET_FIELDS = {"model": "mistral-medium-latest", "name": "Preset"}


class _Agent:
    """All versions of one agent, oldest first, and the aliases of some."""

    def __init__(self, first: dict[str, Any]) -> None:
        self.versions = [first]
        self.current = first
        self.aliases: dict[str, int] = {}


class Agents:
    def __init__(self, owner: str) -> None:
        self._shelf: Shelf[_Agent] = Shelf("agent", owner, "ag_")
        self._preset = _Agent(_card(PRESET, _PRESET_FIELDS))

    def table(self) -> Table:
        agent = "/v1/agents/{id}"
        return (
            ("POST", "/v1/agents/completions", self._complete),
            ("POST", "/v1/agents", self._create),
            ("GET", "/v1/agents", self._list),
            ("GET", "/v1/agents/pages", self._pages),
            ("GET", agent, self._retrieve),
            ("PATCH", agent, self._update),
            ("DELETE", agent, self._delete),
            ("PATCH", agent + "/version", self._switch),
            ("GET", agent + "/versions", self._versions),
            ("GET", agent + "/versions/{version}", self._version),
            ("GET", agent + "/aliases", self._aliases),
            ("PUT", agent + "/aliases", self._set_alias),
            ("DELETE", agent + "/aliases", self._drop_alias),
        )

    def known(self, name: str, version: int | str | None = None) -> dict[str, Any]:
        """Return an agent as it is, or as a version or an alias of it was. Raises Refusal with a 404."""
        agent = self._known(name)
        if version is None:
            return agent.current
        wanted = agent.aliases.get(str(version), version)
        for card in agent.versions:
            if str(card["version"]) == str(wanted):
                return card
        raise not_found("Agent version", str(version))

    def _known(self, name: str) -> _Agent:
        agent = self._preset if name == PRESET else self._shelf.get(name)
        if agent is None:
            raise not_found("Agent", name)
        return agent

    def _complete(self, call: Call) -> Answer:
        return complete_agent(call, lambda name: str(self.known(name)["model"]))

    def _create(self, call: Call) -> Answer:
        fields = checked(_CREATE, call.request.body)
        lookup(fields["model"])
        card = _card(self._shelf.new_id(), fields)
        self._shelf.put(card["id"], _Agent(card))
        return json_answer(card)

    def _wanted(self, call: Call) -> list[dict[str, Any]]:
        query = call.request.query
        return [
            agent.current
            for agent in self._shelf.all()
            if query.get("name") in (None, agent.current["name"])
            and query.get("id") in (None, agent.current["id"])
            and query.get("search", "") in agent.current["name"]
        ]

    def _list(self, call: Call) -> Answer:
        return json_answer(page_of(call, self._wanted(call), 20))

    def _pages(self, call: Call) -> Answer:
        found, following = token_page(call, self._wanted(call))
        return json_answer({"object": "list", "data": found, "next_page_token": following})

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self.known(call.parameter, call.request.query.get("agent_version")))

    def _update(self, call: Call) -> Answer:
        agent, changes = self._known(call.parameter), checked(_CHANGE, call.request.body)
        numbers = [card["version"] for card in agent.versions]
        version = numbers[-1] + 1
        changed = {**agent.current, **changes, "version": version, "versions": [*numbers, version]}
        agent.versions.append(changed)
        agent.current = changed
        return json_answer(changed)

    def _switch(self, call: Call) -> Answer:
        agent = self._known(call.parameter)
        agent.current = self.known(call.parameter, _version(call))
        return json_answer(agent.current)

    def _versions(self, call: Call) -> Answer:
        return json_answer(page_of(call, self._known(call.parameter).versions[::-1], 20))

    def _version(self, call: Call) -> Answer:
        return json_answer(self.known(*call.parameters))

    def _aliases(self, call: Call) -> Answer:
        aliases = self._known(call.parameter).aliases
        return json_answer([_alias(name, version) for name, version in aliases.items()])

    def _set_alias(self, call: Call) -> Answer:
        agent, name = self._known(call.parameter), _alias_name(call)
        agent.aliases[name] = self.known(call.parameter, _version(call))["version"]
        return json_answer(_alias(name, agent.aliases[name]))

    def _drop_alias(self, call: Call) -> Answer:
        if self._known(call.parameter).aliases.pop(_alias_name(call), None) is None:
            raise not_found("Alias", _alias_name(call))
        return empty_answer()

    def _delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return empty_answer()


def _version(call: Call) -> int:
    if "version" not in call.request.query:
        raise unprocessable("missing", ("query", "version"), "Field required", None)
    return number(call, "version", 0)


def _alias_name(call: Call) -> str:
    name = call.request.query.get("alias")
    if not name:
        raise unprocessable("missing", ("query", "alias"), "Field required", None)
    return name


def _alias(name: str, version: int) -> dict[str, Any]:
    return {"alias": name, "version": version, "created_at": CREATED_AT, "updated_at": CREATED_AT}


def _card(identity: str, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "instructions": None,
        "tools": [],
        "completion_args": {"stop": None, "temperature": 0.3, "tool_choice": "auto"},
        "description": None,
        "handoffs": None,
        "metadata": None,
        **{key: value for key, value in fields.items() if value is not None},
        "object": "agent",
        "id": identity,
        "version": 0,
        "versions": [0],
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT,
        "deployment_chat": False,
        "source": "api",
    }
