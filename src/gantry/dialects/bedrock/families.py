"""What differs between the makers of Bedrock's models: how each is asked to think, and its word for top-k.

Law: everything a maker wants otherwise than Converse does is a row here, by a name in the model's id. A model of no
row, and one behind an inference profile whose name says nothing, is asked for nothing that Converse has no field for,
and given back the thinking that it may have signed.
Spec: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct


class ThinkingForm(StrEnum):
    NONE = "none"
    BUDGET = "budget"  # {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    EFFORT = "effort"  # {"reasoning_effort": "low"}
    NESTED_EFFORT = "nested_effort"  # {"reasoning": {"effort": "low"}}
    NOVA = "nova"  # {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}


class Family(Struct, frozen=True):
    name: str  # in the model's id
    thinking: ThinkingForm = ThinkingForm.NONE
    top_k: tuple[str, ...] = ()  # the path of its top-k in additionalModelRequestFields
    signs: bool = False  # its thinking, and so takes it back


_TOP_K: Final = ("top_k",)
_FAMILIES: Final = (
    Family("anthropic.claude", ThinkingForm.BUDGET, _TOP_K, signs=True),
    Family("amazon.nova-2", ThinkingForm.NOVA, ("inferenceConfig", "topK")),
    Family("amazon.nova", ThinkingForm.NONE, ("inferenceConfig", "topK")),
    Family("openai.gpt-oss", ThinkingForm.EFFORT),
    Family("openai.gpt", ThinkingForm.NESTED_EFFORT),
    Family("mistral.", ThinkingForm.NONE, _TOP_K),
)
_UNKNOWN: Final = Family("", signs=True)


def family_of(model: str) -> Family:
    """Return what is known of the family of a model, by the id that Bedrock knows it by."""
    return next((family for family in _FAMILIES if family.name in model), _UNKNOWN)
