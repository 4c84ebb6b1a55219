"""The parameters of a custom provider, which are Respan's `extra_kwargs`: what there are, and what becomes of each.

Law: nothing is taken and then passed over. A knob of a chat is what chats have unless they say otherwise; what is not
acted on yet is kept, and said to be so; anything else is refused by its name.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from gantry.dialects.rules import RequestRules

_Tokens = Annotated[int, Meta(ge=1, lt=2**31)] | UnsetType
_Share = Annotated[float, Meta(ge=0, le=1)] | UnsetType
_Penalty = Annotated[float, Meta(ge=-2, le=2)] | UnsetType


class _Parameters(Struct, forbid_unknown_fields=True):
    temperature: Annotated[float, Meta(ge=0, le=2)] | UnsetType = UNSET
    top_p: _Share = UNSET
    top_k: Annotated[int, Meta(ge=-1, lt=2**31)] | UnsetType = UNSET  # -1 is all of them
    min_p: _Share = UNSET
    max_tokens: _Tokens = UNSET
    max_completion_tokens: _Tokens = UNSET
    presence_penalty: _Penalty = UNSET
    frequency_penalty: _Penalty = UNSET
    repetition_penalty: Annotated[float, Meta(gt=0)] | UnsetType = UNSET
    seed: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | UnsetType = UNSET
    stop: str | list[str] | UnsetType = UNSET
    reasoning_effort: str | UnsetType = UNSET
    timeout: Annotated[float, Meta(gt=0)] | UnsetType = UNSET


PARAMETERS: Final = _Parameters.__struct_fields__
_NOT_YET: Final[Mapping[str, str]] = {
    "timeout": "the deadlines of calls are those of the settings, for all providers alike",
}
# Two spellings of one parameter. A provider takes the one that it was given a value for, and callers write either.
_SPELLINGS: Final = (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens"))


class ParameterRefused(ValueError):
    """A parameter is none, or has no such value."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


# Learnt here, before there are threads (providers/spec.py says why).
_learnt: Final = msgspec.json.Decoder(_Parameters)


def check_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as they are kept. Raises ParameterRefused."""
    for name in given:
        if name not in PARAMETERS:
            raise ParameterRefused(name, f"{name} is no parameter that can be set; known are {', '.join(PARAMETERS)}")
    if all(name in given for name in _SPELLINGS[0]):
        raise ParameterRefused("max_tokens", f"{' and '.join(_SPELLINGS[0])} are one parameter: set the one it takes")
    kept: dict[str, Any] = {}
    for name, value in given.items():
        try:
            kept |= msgspec.to_builtins(msgspec.convert({name: value}, _Parameters))
        except msgspec.ValidationError as error:
            raise ParameterRefused(name, f"{name}: {str(error).partition(' - at ')[0]}") from None
    return kept


def chat_rules(parameters: Mapping[str, Any]) -> RequestRules:
    """Return what a provider's parameters do to the chats that it is asked."""
    defaults = {name: value for name, value in parameters.items() if name not in _NOT_YET}
    return RequestRules(rename={other: own for own, other in _SPELLINGS if own in defaults}, default=defaults)


def explain_not_yet(parameters: Mapping[str, Any]) -> list[str]:
    """Return, in words, which parameters are kept and not acted on."""
    return [f"{name} is kept, and not acted on yet: {why}" for name, why in _NOT_YET.items() if name in parameters]
