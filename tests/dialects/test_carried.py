"""Proofs of thoughts through clients of other formats: what the maker gave is what the maker gets back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.chat import ChatAnswer, ChatRequest, Choice, Effort, Finish, FinishReason, Reasoning, Text, Thinking
from gantry.core.vocabulary import Dialect
from gantry.dialects.carried import pack_proof, unpack_proof
from gantry.dialects.codec import Asking
from gantry.dialects.codecs import CODECS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
THOUGHTS = [
    Thinking("t", "s", dialect=Dialect.ANTHROPIC),
    Thinking(sealed="redacted", dialect=Dialect.ANTHROPIC),
    Thinking("t", sealed="encrypted", dialect=Dialect.OPENAI_RESPONSES, id="rs_1"),
    Thinking("t", "s", dialect=Dialect.GEMINI),
    Thinking(sealed="of the text", dialect=Dialect.GEMINI),
    Thinking("t", "s", dialect=Dialect.MISTRAL),
    Thinking("t"),
]


@given(TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.sampled_from(Dialect), st.integers(1, 30))
def test_a_proof_comes_back_whole_or_not_at_all(
    text: str, signature: str | None, sealed: str | None, thought_id: str | None, maker: Dialect, cut: int
) -> None:
    thought = Thinking(text, signature, sealed, maker, thought_id)
    packed = pack_proof(thought)
    if packed is None:
        assert signature is sealed is None
        return
    assert unpack_proof(packed, Thinking(text)) == thought
    assert unpack_proof(packed[:-cut], Thinking(text)) in (thought, Thinking(text))


@pytest.mark.parametrize("client", [Dialect.MISTRAL, Dialect.ANTHROPIC, Dialect.OPENAI_RESPONSES])
@pytest.mark.parametrize("thought", THOUGHTS)
def test_a_client_brings_it_back(client: Dialect, thought: Thinking) -> None:
    codec = CODECS[client]
    asked = ChatRequest(dialect=client, model="m", messages=(), reasoning=Reasoning(Effort.HIGH, shown=True))
    choice = Choice(0, (thought, Text("Hi")), Finish(FinishReason.STOP))
    answer = json.loads(
        codec.encode_answer(ChatAnswer(dialect=Dialect.COHERE, choices=(choice,)), Asking(asked, 1, "i"))
    )
    if client is Dialect.OPENAI_RESPONSES:
        turn = {"input": answer["output"]}
    else:
        told = answer["choices"][0]["message"] if client is Dialect.MISTRAL else answer
        turn = {"messages": [{"role": "assistant", "content": told["content"]}]}
    [message] = codec.decode_request(json.dumps({"model": "m", **turn}).encode()).messages
    found = message.parts[0]
    assert isinstance(found, Thinking)
    if thought.dialect is None:
        assert found.text == "t"
    else:
        assert found == thought
