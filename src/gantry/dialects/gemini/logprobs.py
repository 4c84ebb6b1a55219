"""Log probabilities of tokens, between Gemini's two lists and OpenAI's one.

Law: what both can say is kept: each token, its logarithm, the alternatives at its place. Token ids are Gemini's own,
and a token's bytes are OpenAI's. Spec: https://ai.google.dev/api/generate-content#LogprobsResult
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from gantry.dialects.members import UNREADABLE


class _Token(Struct, rename="camel", gc=False):
    token: str = ""
    log_probability: float = 0.0


class _Top(Struct):
    candidates: list[_Token] = []


class _Result(Struct, rename="camel"):
    chosen_candidates: list[_Token] = []
    top_candidates: list[_Top] = []


class _Said(Struct, gc=False):
    token: str
    logprob: float = 0.0


class _SaidToken(Struct):
    token: str
    logprob: float = 0.0
    top_logprobs: list[_Said] | None = None


class _SaidContent(Struct):
    content: list[_SaidToken] | None = None


_decode_result: Final = msgspec.json.Decoder(_Result).decode
_decode_said: Final = msgspec.json.Decoder(_SaidContent).decode


def logprobs_of(result: Raw) -> Raw | None:
    """Return a `logprobsResult` in OpenAI's shape; None where it holds none or cannot be read."""
    try:
        found = _decode_result(result)
    except UNREADABLE:
        return None
    if not found.chosen_candidates:
        return None
    content = []
    for number, chosen in enumerate(found.chosen_candidates):
        tops = found.top_candidates[number].candidates if number < len(found.top_candidates) else []
        content.append({**_told(chosen), "top_logprobs": [_told(top) for top in tops]})
    return Raw(msgspec.json.encode({"content": content}))


def _told(token: _Token) -> dict[str, Any]:
    return {"token": token.token, "logprob": token.log_probability, "bytes": None}


def encode_logprobs(raw: Raw | None) -> dict[str, Any]:
    """Return the fields of a candidate that say log probabilities; none where they cannot be read."""
    if raw is None:
        return {}
    try:
        tokens = _decode_said(raw).content or []
    except UNREADABLE:
        return {}
    if not tokens:
        return {}
    result: dict[str, Any] = {"chosenCandidates": [_written(token.token, token.logprob) for token in tokens]}
    if any(token.top_logprobs for token in tokens):
        result["topCandidates"] = [
            {"candidates": [_written(top.token, top.logprob) for top in token.top_logprobs or ()]} for token in tokens
        ]
    mean = sum(token.logprob for token in tokens) / len(tokens)
    return {"avgLogprobs": mean, "logprobsResult": result}


def _written(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logProbability": logprob}
