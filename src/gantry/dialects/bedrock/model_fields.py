"""What a request asks of the model's maker: thinking and top-k, and what thinking does to the other knobs.

Law: Claude thinks within the answer's bound, at temperature 1 and without top-k, and goes on after a tool only from the
thinking that led to the call; a request that breaks one of these is refused by the API, so it is mended here and said.
"""

from typing import Any, Final

from gantry.core.chat import ChatRequest, Effort, Reasoning, Role, Thinking, ToolCall
from gantry.core.vocabulary import Dialect
from gantry.dialects.bedrock.blocks import SIGNERS
from gantry.dialects.bedrock.families import Family, ThinkingForm
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, defaulted, dropped
from gantry.dialects.codec import Target
from gantry.dialects.effort import SMALLEST_BUDGET, budget_of, effort_of

_OWN: Final = "additionalModelRequestFields"
_LEAST_TOP_P: Final = 0.95  # with thinking
_THREE_EFFORTS: Final = {
    Effort.NONE: Effort.LOW,
    Effort.MINIMAL: Effort.LOW,
    Effort.XHIGH: Effort.HIGH,
    Effort.MAX: Effort.HIGH,
}


class ModelFields:
    """`fields` for additionalModelRequestFields, and the knobs as thinking leaves them."""

    __slots__ = ("_changes", "_request", "_target", "fields", "max_tokens", "temperature", "top_k", "top_p")

    def __init__(self, request: ChatRequest, family: Family, target: Target, changes: list[Change]) -> None:
        self._request = request
        self._target = target
        self._changes = changes
        self.fields: Any = {}
        self.max_tokens = request.max_tokens
        self.temperature = request.temperature
        self.top_p = request.top_p
        self.top_k = request.top_k
        if request.dialect is Dialect.BEDROCK:
            self.fields = request.extra.get(_OWN)
            return
        if request.reasoning is not None:
            self._think(request.reasoning, family)
        if self.top_k is not None:
            self._pick(self.top_k, family)

    def _name(self, parameter: str) -> str:
        return caller_name(self._request.dialect, parameter)

    def _pick(self, top_k: int, family: Family) -> None:
        if not family.top_k:
            self._changes.append(dropped(self._name("top_k"), "the provider has no word for it with this model"))
            return
        place = self.fields
        for step in family.top_k[:-1]:
            place = place.setdefault(step, {})
        place[family.top_k[-1]] = top_k

    def _think(self, reasoning: Reasoning, family: Family) -> None:
        effort = effort_of(reasoning)
        match family.thinking:
            case ThinkingForm.BUDGET:
                self._think_by_budget(reasoning)
            case ThinkingForm.EFFORT if effort is not None:
                self.fields["reasoning_effort"] = self._of_three(effort)
            case ThinkingForm.NESTED_EFFORT if effort is not None:
                self.fields["reasoning"] = {"effort": effort}
            case ThinkingForm.NOVA if effort is Effort.NONE:
                self.fields["reasoningConfig"] = {"type": "disabled"}
            case ThinkingForm.NOVA if effort is not None:
                self.fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": self._of_three(effort)}
            case _ if effort not in (None, Effort.NONE):
                why = "the provider has no word for it with this model"
                self._changes.append(dropped(self._name("reasoning"), why))
            case _:
                pass

    def _of_three(self, effort: Effort) -> Effort:
        nearest = _THREE_EFFORTS.get(effort, effort)
        if nearest is not effort:
            self._changes.append(converted(self._name("reasoning"), f"to {nearest}"))
        return nearest

    def _think_by_budget(self, reasoning: Reasoning) -> None:
        name = self._name("reasoning")
        budget = budget_of(reasoning)
        if budget is None:
            if self._request.dialect is Dialect.ANTHROPIC:
                self._begin_thinking({"type": "adaptive"})
            return
        if budget <= 0:
            return
        if reasoning.budget is None:
            self._changes.append(converted(name, f"to a budget of {budget} tokens"))
        elif budget < SMALLEST_BUDGET:
            budget = SMALLEST_BUDGET
            self._changes.append(clamped(name, budget))
        if self.max_tokens is None:
            self.max_tokens = budget + self._target.max_tokens
            self._changes.append(defaulted(self._name("max_tokens"), f"to {self.max_tokens}"))
        elif self.max_tokens <= budget:
            budget = self.max_tokens - 1
            if budget < SMALLEST_BUDGET:
                bound = f"`{self._name('max_tokens')}` leaves no room for it"
                self._changes.append(dropped(name, bound))
                return
            self._changes.append(clamped(name, budget))
        self._begin_thinking({"type": "enabled", "budget_tokens": budget})

    def _begin_thinking(self, thinking: dict[str, Any]) -> None:
        if _continues_without_thinking(self._request):
            why = "the call before this result came without thinking that can be sent back"
            self._changes.append(dropped(self._name("reasoning"), why))
            self.max_tokens = self._request.max_tokens
            return
        self.fields["thinking"] = thinking
        if self.temperature is not None and self.temperature != 1:
            self._drop("temperature")
        if self.top_p is not None and self.top_p < _LEAST_TOP_P:
            self._drop("top_p")
        if self.top_k is not None:
            self._drop("top_k")

    def _drop(self, parameter: str) -> None:
        setattr(self, parameter, None)
        self._changes.append(dropped(self._name(parameter), "not with thinking"))


def _continues_without_thinking(request: ChatRequest) -> bool:
    """Say whether the conversation stands at results of calls whose message has no thinking to go on from."""
    if not request.messages or request.messages[-1].role is not Role.TOOL:
        return False
    caller = next((message for message in reversed(request.messages) if message.role is Role.ASSISTANT), None)
    if caller is None or not any(isinstance(part, ToolCall) for part in caller.parts):
        return False
    return not any(isinstance(part, Thinking) and part.dialect in SIGNERS for part in caller.parts)
