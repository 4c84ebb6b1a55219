"""The wish to think, in the form that the model takes: an effort, or a budget below the bound of the answer.

Law: a caller of Anthropic's gets what it wrote. For others the wish is a tuning knob: it gives way to a bound on the
answer, to a forced tool, and to a history that Anthropic could not check, and each time that is said.
https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking
"""

from typing import Any, Final

from msgspec import Struct

from gantry.core.chat import ChatRequest, Effort, Reasoning
from gantry.core.vocabulary import Dialect
from gantry.dialects.anthropic.generation import Generation
from gantry.dialects.caller_names import caller_name
from gantry.dialects.changes import Change, clamped, converted, defaulted, dropped
from gantry.dialects.effort import SMALLEST_BUDGET, budget_of, effort_of

_DISABLED: Final = "disabled"


class Thought(Struct):
    """`thinking` and `output_config.effort` as they are sent, and the bound of the answer."""

    max_tokens: int
    thinking: dict[str, Any] | None = None
    effort: Effort | None = None

    @property
    def thinks(self) -> bool:
        return self.thinking is not None and self.thinking["type"] != _DISABLED


class Circumstances(Struct, frozen=True):
    """What a wish to think has to live with."""

    generation: Generation
    default_max_tokens: int
    forced_tool: bool
    unsigned_calls: bool  # the last turns hold calls without the thinking that led to them


def write_thinking(request: ChatRequest, given: Circumstances, changes: list[Change]) -> Thought:
    """Return how to think, and the bound of the answer, which has to be larger than a budget."""
    max_tokens = request.max_tokens
    thought = Thought(given.default_max_tokens if max_tokens is None else max_tokens)
    if request.reasoning is not None:
        if request.dialect is Dialect.ANTHROPIC:
            _as_written(thought, request.reasoning, given)
        else:
            _as_wished(thought, request, request.reasoning, given, changes)
    if max_tokens is None:
        changes.append(defaulted(caller_name(request.dialect, "max_tokens"), f"to {thought.max_tokens}"))
    return thought


def _as_written(thought: Thought, reasoning: Reasoning, given: Circumstances) -> None:
    if reasoning.effort is Effort.NONE:
        thought.thinking = {"type": _DISABLED}
        return
    if reasoning.budget is not None:
        thought.thinking = {"type": "enabled", "budget_tokens": reasoning.budget}
    elif reasoning.shown is not None:
        thought.thinking = {"type": "adaptive"}
    thought.effort = reasoning.effort
    _display(thought, reasoning, given)


def _as_wished(
    thought: Thought, request: ChatRequest, reasoning: Reasoning, given: Circumstances, changes: list[Change]
) -> None:
    name = caller_name(request.dialect, "reasoning")
    effort = effort_of(reasoning)
    if effort is None:
        return
    if effort is not Effort.NONE and not given.generation.thinks:
        changes.append(dropped(name, "this model does not think"))
    elif given.generation.adaptive:
        _by_effort(thought, reasoning, effort, name, given, changes)
    elif effort is not Effort.NONE:
        _by_budget(thought, request, reasoning, name, given, changes)


def _by_effort(
    thought: Thought, reasoning: Reasoning, effort: Effort, name: str, given: Circumstances, changes: list[Change]
) -> None:
    taken = effort
    match effort:
        case Effort.NONE if not given.generation.always_thinks:
            thought.thinking = {"type": _DISABLED}
            return
        case Effort.NONE | Effort.MINIMAL:
            taken = Effort.LOW
        case Effort.XHIGH if not given.generation.extra_high:
            taken = Effort.HIGH
    thought.effort = taken
    if taken is not effort or reasoning.effort is None:
        changes.append(converted(name, f"to the effort {taken}"))
    if given.forced_tool:
        changes.append(converted(name, "to an effort without thinking, because a tool is forced"))
        return
    thought.thinking = {"type": "adaptive"}
    _display(thought, reasoning, given)


def _by_budget(
    thought: Thought,
    request: ChatRequest,
    reasoning: Reasoning,
    name: str,
    given: Circumstances,
    changes: list[Change],
) -> None:
    if given.forced_tool:
        changes.append(dropped(name, "a tool is forced"))
        return
    if given.unsigned_calls:
        changes.append(dropped(name, "the last tool calls come without Anthropic's thinking before them"))
        return
    wanted = max(budget_of(reasoning) or 0, SMALLEST_BUDGET)
    if request.max_tokens is None:
        thought.max_tokens = wanted + given.default_max_tokens
    elif request.max_tokens <= SMALLEST_BUDGET:
        changes.append(dropped(name, f"thinking takes {SMALLEST_BUDGET} tokens, more than the answer may have"))
        return
    budget = wanted if wanted < thought.max_tokens else max(SMALLEST_BUDGET, thought.max_tokens // 2)
    if reasoning.budget is None:
        changes.append(converted(name, f"to a budget of {budget} tokens"))
    elif budget != reasoning.budget:
        changes.append(clamped(name, budget))
    thought.thinking = {"type": "enabled", "budget_tokens": budget}
    _display(thought, reasoning, given)


def _display(thought: Thought, reasoning: Reasoning, given: Circumstances) -> None:
    """Ask for the thinking to be shown where models do not show it unasked; older ones may not know the word."""
    if thought.thinking is None:
        return
    if reasoning.shown is False:
        thought.thinking["display"] = "omitted"
    elif reasoning.shown and given.generation.silent:
        thought.thinking["display"] = "summarized"
