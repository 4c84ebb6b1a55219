"""Conversations: entries kept by the server, answered whole or as named events."""

from typing import Any

import msgspec

from gantry.simulator.exchange import Answer, empty_answer, event, json_answer, stream_answer
from gantry.simulator.mistral.agents import Agents
from gantry.simulator.mistral.bodies import CREATED_AT, checked, missing
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.mistral.paging import page_of
from gantry.simulator.mistral.schemas import Append, Restart, Start
from gantry.simulator.oracle import Ask, Composition, Tool, compose, count_tokens, digest
from gantry.simulator.routes import Call, Table
from gantry.simulator.shelf import Shelf

_START = msgspec.json.Decoder(Start)
_APPEND = msgspec.json.Decoder(Append)
_RESTART = msgspec.json.Decoder(Restart)
_CONNECTORS = ("web_search", "web_search_premium", "code_interpreter", "image_generation", "document_library")
_CONNECTOR_TOKENS = 250
_TOLD = ("tool_call_id", "name", "arguments", "model")
_CARD_FIELDS = ("name", "description", "metadata", "instructions", "tools", "completion_args", "guardrails")


class Conversations:
    def __init__(self, owner: str, agents: Agents) -> None:
        self._agents = agents
        self._shelf: Shelf[dict[str, Any]] = Shelf("conversation", owner, "conv_")

    def table(self) -> Table:
        conversation = "/v1/conversations/{id}"
        return (
            ("POST", "/v1/conversations", self._start),
            ("GET", "/v1/conversations", self._list),
            ("POST", conversation, self._append),
            ("GET", conversation, self._retrieve),
            ("DELETE", conversation, self._delete),
            ("POST", conversation + "/restart", self._restart),
            ("GET", conversation + "/history", self._history),
            ("GET", conversation + "/messages", self._messages),
        )

    def _start(self, call: Call) -> Answer:
        fields = checked(_START, call.request.body)
        if not fields.get("model") and not fields.get("agent_id"):
            raise missing("model")
        agent = self._agents.known(fields["agent_id"], fields.get("agent_version")) if fields.get("agent_id") else {}
        model = fields.get("model") or agent["model"]
        lookup(model)
        card = {
            **{key: fields.get(key) for key in _CARD_FIELDS},
            "tools": fields.get("tools") or agent.get("tools") or [],
            "completion_args": fields.get("completion_args") or {},
            "id": self._shelf.new_id(),
            "object": "conversation",
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            **({"agent_id": agent["id"], "agent_version": agent["version"]} if agent else {"model": model}),
        }
        return self._turn({"card": card, "model": model, "entries": []}, fields, call)

    def _append(self, call: Call) -> Answer:
        return self._turn(self._known(call.parameter), checked(_APPEND, call.request.body), call)

    def _restart(self, call: Call) -> Answer:
        """Start a new conversation from the entries before the one named."""
        fields = checked(_RESTART, call.request.body)
        old = self._known(call.parameter)
        names = [entry["id"] for entry in old["entries"]]
        if fields["from_entry_id"] not in names:
            raise not_found("Entry", fields["from_entry_id"])
        kept = old["entries"][: names.index(fields["from_entry_id"])]
        state = {**old, "card": {**old["card"], "id": self._shelf.new_id()}, "entries": kept}
        return self._turn(state, fields, call)

    def _list(self, call: Call) -> Answer:
        return json_answer(page_of(call, [state["card"] for state in self._shelf.all()]))

    def _retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter)["card"])

    def _history(self, call: Call) -> Answer:
        state = self._known(call.parameter)
        body = {"object": "conversation.history", "conversation_id": call.parameter, "entries": state["entries"]}
        return json_answer(body)

    def _messages(self, call: Call) -> Answer:
        entries = [entry for entry in self._known(call.parameter)["entries"] if entry["type"].startswith("message.")]
        return json_answer({"object": "conversation.messages", "conversation_id": call.parameter, "messages": entries})

    def _delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return empty_answer()

    def _known(self, name: str) -> dict[str, Any]:
        state = self._shelf.get(name)
        if state is None:
            raise not_found("Conversation", name)
        return state

    def _turn(self, state: dict[str, Any], fields: dict[str, Any], call: Call) -> Answer:
        name = state["card"]["id"]
        seed = f"{name}/{len(state['entries'])}"
        given = [_input_entry(item, f"{seed}/{number}") for number, item in enumerate(_items(fields))]
        ask = _ask(state, given, fields, call)
        composition = compose(ask)
        used = [] if composition.calls else _connectors(state["card"]["tools"], ask.question)
        outputs = [*_executions(used, state["model"], seed), *_outputs(composition, state["model"], seed)]
        if fields.get("store") is not False:
            self._shelf.put(name, {**state, "entries": [*state["entries"], *given, *outputs]})
        usage = _usage(ask, composition, used)
        if fields.get("stream"):
            return _events(name, composition, outputs, usage)
        whole = {"conversation_id": name, "outputs": outputs, "usage": usage, "object": "conversation.response"}
        return json_answer(whole)


def _ask(state: dict[str, Any], given: list[dict[str, Any]], fields: dict[str, Any], call: Call) -> Ask:
    functions = [tool["function"] for tool in state["card"]["tools"] if tool.get("type") == "function"]
    arguments = fields.get("completion_args") or state["card"]["completion_args"] or {}
    stop = arguments.get("stop") or ()
    form = arguments.get("response_format") or {}
    return Ask(
        question=next((_text(item) for item in reversed(given) if item["type"] == "message.input"), ""),
        prompt_tokens=sum(3 + count_tokens(_text(item)) for item in (*state["entries"], *given)),
        tool_result=given[-1]["result"] if given and given[-1]["type"] == "function.result" else None,
        tools=tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions),
        must_call=arguments.get("tool_choice") in ("any", "required"),
        schema=(form.get("json_schema") or {}).get("schema"),
        json_object=form.get("type") == "json_object",
        max_tokens=arguments.get("max_tokens"),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        length=call.faults.tokens,
        text_bytes=call.faults.body_bytes,
    )


def _usage(ask: Ask, composition: Composition, used: list[str]) -> dict[str, Any]:
    connected = _CONNECTOR_TOKENS * len(used)
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": composition.output_tokens,
        "total_tokens": ask.prompt_tokens + composition.output_tokens + connected,
        "connector_tokens": connected or None,
        "connectors": dict.fromkeys(used, 1) or None,
    }


def _items(fields: dict[str, Any]) -> list[dict[str, Any]]:
    inputs = fields.get("inputs") or []
    return [{"role": "user", "content": inputs}] if isinstance(inputs, str) else list(inputs)


def _input_entry(item: dict[str, Any], seed: str) -> dict[str, Any]:
    kind = item.get("type") or "message.input"
    prefix = "msg_" if kind.startswith("message.") else "fc_"
    return {
        "object": "entry",
        "created_at": CREATED_AT,
        "completed_at": None,
        **item,
        "type": kind,
        "id": prefix + digest(seed),
    }


def _text(entry: dict[str, Any]) -> str:
    content = entry.get("content") or entry.get("result") or ""
    if isinstance(content, list):
        return "".join(chunk.get("text", "") for chunk in content)
    return str(content)


def _connectors(tools: list[dict[str, Any]], question: str) -> list[str]:
    """Use the tools of Mistral's own that the question names."""
    asked = question.lower().replace("_", " ")
    return [name for name in (tool.get("type", "") for tool in tools) if name in _CONNECTORS and _spoken(name) in asked]


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def _executions(used: list[str], model: str, seed: str) -> list[dict[str, Any]]:
    base = {"object": "entry", "type": "tool.execution", "created_at": CREATED_AT, "completed_at": CREATED_AT}
    return [
        {**base, "id": "tool_exec_" + digest(seed, name), "name": name, "arguments": "{}", "model": model, "info": {}}
        for name in used
    ]


def _outputs(composition: Composition, model: str, seed: str) -> list[dict[str, Any]]:
    base = {"object": "entry", "created_at": CREATED_AT, "completed_at": CREATED_AT, "model": model}
    if composition.calls:
        return [
            {
                **base,
                "type": "function.call",
                "id": "fc_" + digest(seed, use.id),
                "tool_call_id": use.id,
                "name": use.name,
                "arguments": use.arguments,
            }
            for use in composition.calls
        ]
    message = {"type": "message.output", "id": "msg_" + digest(seed), "role": "assistant", "content": composition.text}
    return [{**base, **message}]


def _events(name: str, composition: Composition, outputs: list[dict[str, Any]], usage: dict[str, Any]) -> Answer:
    stamp = {"created_at": CREATED_AT}
    data: list[dict[str, Any]] = [{"type": "conversation.response.started", **stamp, "conversation_id": name}]
    for index, output in enumerate(outputs):
        place = {**stamp, "output_index": index, "id": output["id"]}
        shared: dict[str, Any] = {key: output[key] for key in _TOLD if key in output}
        match output["type"]:
            case "function.call":
                data.append({"type": "function.call.delta", **place, **shared})
            case "tool.execution":
                data.append({"type": "tool.execution.started", **place, **shared})
                data.append({"type": "tool.execution.done", **place, "name": output["name"], "info": {}})
            case _:
                delta = {"type": "message.output.delta", **place, **shared, "content_index": 0, "role": "assistant"}
                data += [{**delta, "content": token} for token in composition.tokens]
    data.append({"type": "conversation.response.done", **stamp, "usage": usage})
    return stream_answer((event(item, item["type"]) for item in data), (1 for _ in data))
