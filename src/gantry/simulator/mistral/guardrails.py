"""Guardrails: the input is moderated first, and a blocked one is a 403."""

from collections.abc import Sequence
from typing import Any

from gantry.simulator.exchange import json_answer
from gantry.simulator.mistral.judgement import moderation
from gantry.simulator.mistral.requests import Guardrail
from gantry.simulator.routes import Refusal

_THRESHOLD = 0.5


def check_guardrails(guardrails: Sequence[Guardrail] | None, text: str) -> list[dict[str, Any]] | None:
    """Return what each guardrail found in a text. Raises Refusal when one of them blocks it."""
    if not guardrails:
        return None
    results = [_judge(guardrail, text) for guardrail in guardrails]
    if any(result["blocked"] for result in results):
        error = {"message": "Input blocked by guardrails", "status": 403}
        raise Refusal(json_answer({"error": error, "guardrails": results}, 403))
    return results


def _judge(guardrail: Guardrail, text: str) -> dict[str, Any]:
    config = guardrail.moderation_llm_v2 or guardrail.moderation_llm_v1
    if config is None:
        return {"type": "none", "triggered": False, "blocked": False, "categories": {}}
    limits = config.custom_category_thresholds or {}
    scores = moderation(text)["category_scores"]
    judged = {name: score for name, score in scores.items() if name in limits or not config.ignore_other_categories}
    found = {name: score > limits.get(name, _THRESHOLD) for name, score in judged.items()}
    triggered = any(found.values())
    return {
        "type": "moderation_llm_v2" if guardrail.moderation_llm_v2 else "moderation_llm_v1",
        "triggered": triggered,
        "blocked": triggered and config.action == "block",
        "categories": found,
    }
