"""Conversations: entries kept by the server, answered whole or as named events."""

from typing import Any

from gantry.simulator.exchange import Answer, empty_answer, event, json_answer, stream_answer
from gantry.simulator.mistral.agents import Agents
from gantry.simulator.mistral.bodies import CREATED_AT, json_object, missing
from gantry.simulator.mistral.catalog import lookup
from gantry.simulator.mistral.errors import not_found
from gantry.simulator.oracle import Ask, Composition, Tool, compose, count_tokens, digest
from gantry.simulator.routes import Call
from gantry.simulator.shelf import Shelf


class Conversations:
    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._shelf: Shelf[dict[str, Any]] = Shelf("conversation", "conv_")

    def start(self, call: Call) -> Answer:
        body = json_object(call.request.body, "inputs")
        if not body.get("model") and not body.get("agent_id"):
            raise missing("model")
        agent = self._agents.known(body["agent_id"]) if body.get("agent_id") else {}
        model = body.get("model") or agent["model"]
        lookup(model)
        card = {
            "id": self._shelf.new_id(),
            "object": "conversation",
            "created_at": CREATED_AT,
            "updated_at": CREATED_AT,
            "name": body.get("name"),
            "description": body.get("description"),
            "metadata": body.get("metadata"),
            **({"agent_id": agent["id"]} if agent else {"model": model}),
        }
        state = {"card": card, "model": model, "entries": [], "tools": body.get("tools") or agent.get("tools") or []}
        return self._turn(state, body, call)

    def append(self, call: Call) -> Answer:
        return self._turn(self._known(call.parameter), json_object(call.request.body, "inputs"), call)

    def restart(self, call: Call) -> Answer:
        """Start a new conversation from the entries before the one named."""
        body = json_object(call.request.body, "inputs", "from_entry_id")
        old = self._known(call.parameter)
        kept = []
        for entry in old["entries"]:
            if entry["id"] == body["from_entry_id"]:
                break
            kept.append(entry)
        state = {**old, "card": {**old["card"], "id": self._shelf.new_id()}, "entries": kept}
        return self._turn(state, body, call)

    def list_all(self, _: Call) -> Answer:
        return json_answer([state["card"] for state in self._shelf.all()])

    def retrieve(self, call: Call) -> Answer:
        return json_answer(self._known(call.parameter)["card"])

    def history(self, call: Call) -> Answer:
        state = self._known(call.parameter)
        body = {"object": "conversation.history", "conversation_id": call.parameter, "entries": state["entries"]}
        return json_answer(body)

    def messages(self, call: Call) -> Answer:
        entries = [entry for entry in self._known(call.parameter)["entries"] if entry["type"].startswith("message.")]
        return json_answer({"object": "conversation.messages", "conversation_id": call.parameter, "messages": entries})

    def delete(self, call: Call) -> Answer:
        self._known(call.parameter)
        self._shelf.take(call.parameter)
        return empty_answer()

    def _known(self, name: str) -> dict[str, Any]:
        state = self._shelf.get(name)
        if state is None:
            raise not_found("Conversation", name)
        return state

    def _turn(self, state: dict[str, Any], body: dict[str, Any], call: Call) -> Answer:
        name = state["card"]["id"]
        given = [_input_entry(item, f"{name}/{len(state['entries'])}/{n}") for n, item in enumerate(_items(body))]
        question = next((_text(item) for item in reversed(given) if item["type"] == "message.input"), "")
        result = given[-1]["result"] if given and given[-1]["type"] == "function.result" else None
        functions = [tool["function"] for tool in state["tools"] if tool.get("type") == "function"]
        ask = Ask(
            question=question,
            prompt_tokens=sum(3 + count_tokens(_text(item)) for item in (*state["entries"], *given)),
            tool_result=result,
            tools=tuple(Tool(function["name"], function.get("parameters") or {}) for function in functions),
            length=call.faults.tokens,
        )
        composition = compose(ask)
        outputs = _outputs(composition, state["model"], f"{name}/{len(state['entries'])}")
        if body.get("store") is not False:
            self._shelf.put(name, {**state, "entries": [*state["entries"], *given, *outputs]})
        usage = {
            "prompt_tokens": ask.prompt_tokens,
            "completion_tokens": composition.output_tokens,
            "total_tokens": ask.prompt_tokens + composition.output_tokens,
            "connector_tokens": None,
            "connectors": None,
        }
        if body.get("stream"):
            return _events(name, state["model"], composition, outputs, usage)
        whole = {"conversation_id": name, "outputs": outputs, "usage": usage, "object": "conversation.response"}
        return json_answer(whole)


def _items(body: dict[str, Any]) -> list[dict[str, Any]]:
    inputs = body["inputs"]
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


def _events(
    name: str, model: str, composition: Composition, outputs: list[dict[str, Any]], usage: dict[str, Any]
) -> Answer:
    stamp = {"created_at": CREATED_AT}
    data: list[dict[str, Any]] = [{"type": "conversation.response.started", **stamp, "conversation_id": name}]
    for index, output in enumerate(outputs):
        common = {**stamp, "output_index": index, "id": output["id"], "model": model}
        if output["type"] == "function.call":
            called = {"tool_call_id": output["tool_call_id"], "name": output["name"], "arguments": output["arguments"]}
            data.append({"type": "function.call.delta", **common, **called})
            continue
        delta = {"type": "message.output.delta", **common, "content_index": 0, "role": "assistant"}
        data += [{**delta, "content": token} for token in composition.tokens]
    data.append({"type": "conversation.response.done", **stamp, "usage": usage})
    return stream_answer((event(item, item["type"]) for item in data), (1 for _ in data))
