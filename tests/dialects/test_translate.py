"""What holds for every format alike, whoever asks and whoever answers."""

import pytest

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation
from gantry.dialects.codecs import CODECS
from gantry.dialects.gemini.token_count import decode_count_request
from gantry.dialects.question import Question, read_question
from gantry.dialects.translate import decode_request

# What is kept as its bytes and decoded late: parameters that are not understood, schemas, arguments.
NO_UTF8 = {
    Dialect.MISTRAL: b'{"model":"m","messages":[],"safety":"\xff"}',
    Dialect.OPENAI_CHAT: b'{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":'
    b'{"name":"n","schema":{"title":"\xff"}}}}',
    Dialect.OPENAI_RESPONSES: b'{"model":"m","input":[{"role":"assistant","content":[{"type":"output_text","text":"t",'
    b'"annotations":[{"type":"url_citation","url":"\xff"}]}]}]}',
    Dialect.ANTHROPIC: b'{"model":"m","messages":[],"tools":[{"name":"n","input_schema":{"title":"\xff"}}]}',
    Dialect.GEMINI: b'{"contents":[{"parts":[{"functionCall":{"name":"n","args":{"a":"\xff"}}}]}]}',
    Dialect.BEDROCK: b'{"messages":[{"role":"user","content":[{"toolUse":{"toolUseId":"1","name":"n","input":'
    b'{"a":"\xff"}}}]}]}',
    Dialect.COHERE: b'{"model":"m","messages":[{"role":"tool","tool_call_id":"1","content":[{"type":"document",'
    b'"document":{"data":{"a":"\xff"}}}]}]}',
}


@pytest.mark.parametrize("dialect", CODECS)
def test_a_body_that_is_not_utf8_is_refused(dialect: Dialect) -> None:
    body = NO_UTF8[dialect]
    with pytest.raises(InvalidRequest, match=f"byte {body.index(255)}"):
        decode_request(dialect, body, None, stream=None)
    assert isinstance(read_question(Operation.CHAT, "application/json", body, dialect), Question)


def test_nor_is_it_counted() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        decode_count_request(NO_UTF8[Dialect.GEMINI])
    assert isinstance(
        read_question(Operation.COUNT_TOKENS, "application/json", NO_UTF8[Dialect.GEMINI], Dialect.GEMINI), Question
    )
