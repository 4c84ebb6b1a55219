"""Routing documents: what is refused says where and what; what is named in vain is told apart; edits are values."""

from typing import Any

import pytest
from msgspec.structs import replace

from gantry.core.routing_document import (
    MOST_BYTES,
    MOST_TYPED,
    Document,
    Fault,
    RulesRefused,
    RulesWorld,
    changed,
    decode_document,
    encode_document,
    find_faults,
    find_group,
    new_refusals,
    read_rules,
    with_group,
    without_group,
)
from gantry.core.routing_rules import NO_ROUTING_RULES, LoadBalanceGroup, Member, RetryRule, Strategy

WORLD = RulesWorld(
    providers={"mistral": "mistral", "vertex": "vertex_ai", "acme": "acme"},
    claims=lambda name: name.startswith("gpt-"),
    customs=frozenset(("team/fast",)),
    listed=frozenset(("own-model", "llama-*")),
    credentials=frozenset((("mistral", "default"), ("mistral", "second"), ("vertex_ai", "eu"))),
)


def group(*members: Document, **fields: Any) -> Document:
    return {"id": "g", "members": list(members) or [{"model": "mistral/x"}], **fields}


def test_a_document_means_rules() -> None:
    document = {
        "groups": [group({"model": "mistral/x", "weight": 0}, {"model": "y", "credential": "z"}, strategy="cheapest")],
        "retries": {"num_retries": 0},
    }
    rules = read_rules(document)
    members = (Member("mistral/x", 0.0), Member("y", credential="z"))
    assert rules.groups == (LoadBalanceGroup(id="g", strategy=Strategy.CHEAPEST, members=members),)
    assert rules.retries == RetryRule(num_retries=0)
    assert read_rules({}) == NO_ROUTING_RULES


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "Expected `object`, got `array`"),
        ({"gruops": []}, "there is no `gruops` here; did you mean `groups`?"),
        ({"zzz": []}, "there is no `zzz` here; known are groups, fallback_models, retries, models, cache"),
        ({"groups": [group(stratgy="x")]}, "groups[0]: there is no `stratgy` here; did you mean `strategy`?"),
        ({"groups": [group({"model": "m", "key": "k"})]}, "groups[0].members[0]: there is no `key` here; known are"),
        (
            {"models": [{"match": "*", "retries": {"count": 1}}]},
            "models[0].retries: there is no `count` here; known are num_retries, retry_after",
        ),
        (
            {"groups": [group(strategy="fastest")]},
            "groups[0].strategy: Invalid enum value 'fastest'; known are weighted, least_latency, least_busy, cheapest",
        ),
        ({"models": [{"match": "*", "affinity": 1}]}, "models[0].affinity: Expected `str | null`, got `int`"),
        (
            {"groups": [group(affinity="x")]},
            "groups[0].affinity: Invalid enum value 'x'; known are auto, always, never",
        ),
        ({"groups": [{"id": "g", "members": []}]}, "groups[0].members: Expected `array` of length >= 1"),
        ({"groups": [{"id": "g"}]}, "groups[0]: Object missing required field `members`"),
        ({"groups": [group(id="-a")]}, "groups[0].id: an id is up to 64 letters"),
        ({"groups": [group(id="a\n")]}, "groups[0].id: must be one line of text"),
        ({"groups": [group({"model": "m", "weight": -1})]}, "groups[0].members[0].weight: Expected `float` >= 0.0"),
        ({"groups": [group({"model": "m", "weight": float("nan")})]}, "groups[0].members[0].weight: Expected"),
        ({"groups": [group({"model": "m", "weight": True})]}, "groups[0].members[0].weight: Expected `float`"),
        ({"groups": [group({"model": " m"})]}, "groups[0].members[0].model: must be one line of text"),
        ({"groups": [group({"model": "m", "credential": "a\x00"})]}, "groups[0].members[0].credential: must be one"),
        ({"groups": [group(name="a\ud800")]}, "groups[0].name: must be one line of text"),
        ({"groups": [group(), group()]}, "groups[1].id: g is the id of groups[0] already"),
        (
            {"groups": [group({"model": "m", "weight": 0}, {"model": "n", "weight": 0.0})]},
            "groups[0].members: every member of g has weight 0: nobody is left to be called",
        ),
        (
            {"models": [{"match": "a"}, {"match": "b"}, {"match": "a"}]},
            "models[2].match: a is what models[0] matches already, and the first holds",
        ),
        ({"fallback_models": ["a", "b\t"]}, "fallback_models[1]: must be one line of text"),
        ({"fallback_models": ["m"] * 21}, "fallback_models: Expected `array` of length <= 20"),
        ({"models": [{"match": "a", "fallback_models": ["\n"]}]}, "models[0].fallback_models[0]: must be one line"),
        ({"retries": {"num_retries": 13}}, "retries.num_retries: Expected `int` <= 12"),
        ({"models": [{"match": "a", "hedge": {"after": 0}}]}, "models[0].hedge.after: Expected `float` > 0.0"),
        ({"cache": {"ttl": 0}}, "cache.ttl: Expected `int` >= 1"),
    ],
)
def test_what_is_refused_says_where_and_what(document: Any, says: str) -> None:
    with pytest.raises(RulesRefused) as raised:
        read_rules(document)
    assert str(raised.value).startswith(says)
    assert not raised.value.place or says.startswith(raised.value.place)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "this is no JSON: Input data was truncated"),
        (b"\xff", "this is no JSON"),
        ("[" * 5000, "this is no JSON"),
        (" " * (MOST_TYPED + 1), f"a routing document is at most {MOST_BYTES} bytes"),
    ],
)
def test_what_is_no_document(text: str | bytes, says: str) -> None:
    with pytest.raises(RulesRefused, match=says):
        decode_document(text)


def test_a_document_is_bounded() -> None:
    document = {"models": [{"match": f"{number}" * 40} for number in range(MOST_BYTES // 40)]}
    with pytest.raises(RulesRefused, match="at most"):
        encode_document(document)


@pytest.mark.parametrize(
    ("document", "faults"),
    [
        ({"groups": [group()]}, []),
        ({"groups": [group({"model": "vertex/x", "credential": "vertex_ai/eu"})]}, []),
        (
            {
                "groups": [
                    group({"model": "gpt-5"}, {"model": "team/fast"}, {"model": "own-model"}, {"model": "llama-3"})
                ]
            },
            [],
        ),
        ({"groups": [group({"model": "gpt-5", "credential": "eu"})]}, []),
        (
            {"groups": [group({"model": "mistral/x", "credential": "third"})]},
            [Fault("the group g names the credential third, and there is none; see `gantry providers list`", True)],
        ),
        (
            {"groups": [group({"model": "mistral/x", "credential": "eu"})]},
            [Fault("the group g names the credential eu for mistral/x; it is one for vertex_ai", True)],
        ),
        (
            {"groups": [group({"model": "acme/x"})]},
            [Fault("the group g names acme/x, and there is no credential for acme yet")],
        ),
        (
            {"groups": [group({"model": "mistral/x"}, {"model": "mistral/x"})]},
            [Fault("the group g has mistral/x twice; once with the sum of their weights is enough")],
        ),
        ({"groups": [group({"model": "mistral/x"}, {"model": "mistral/x", "credential": "second"})]}, []),
        (
            {"fallback_models": ["mistrall/x"]},
            [
                Fault(
                    "fallback_models names mistrall/x, and no provider is known to have it: write it as PROVIDER/MODEL"
                )
            ],
        ),
        (
            {"models": [{"match": "a*", "fallback_models": ["who", "who"]}]},
            [Fault("the rule for a* names who, and no provider is known to have it: write it as PROVIDER/MODEL")],
        ),
    ],
)
def test_what_is_named_in_vain_is_said(document: Document, faults: list[Fault]) -> None:
    assert find_faults(read_rules(document), WORLD) == faults


def test_the_only_provider_there_is_takes_every_name() -> None:
    alone = replace(WORLD, credentials=frozenset((("acme", "default"),)))
    assert find_faults(read_rules({"fallback_models": ["Qwen/Qwen3-8B"]}), alone) == []


def test_a_change_need_not_mend_what_is_wrong_already() -> None:
    gone: Document = {"groups": [group({"model": "mistral/x", "credential": "third"})]}
    beside = {**gone, "groups": [group(id="first"), *gone["groups"]]}
    assert new_refusals(read_rules(beside), gone, WORLD) == []
    assert new_refusals(read_rules(gone), {}, WORLD) == [find_faults(read_rules(gone), WORLD)[0].words]
    assert len(new_refusals(read_rules(gone), {"of a newer version": 1}, WORLD)) == 1


def test_a_document_is_edited_in_its_order_and_the_rest_stays_as_it_is() -> None:
    document: Document = {"groups": [group(id="a"), group(id="b", strategy="weighted")], "fallback_models": ["m"]}
    before = encode_document(document)
    other = with_group(document, group(id="a", name="A"))
    assert [each["id"] for each in other["groups"]] == ["a", "b"]
    assert find_group(other, "a") == group(id="a", name="A")
    assert find_group(other, "b") is document["groups"][1]
    assert [each["id"] for each in with_group(other, group(id="c"))["groups"]] == ["a", "b", "c"]
    assert without_group(other, "a")["groups"] == [document["groups"][1]]
    assert without_group(without_group(other, "a"), "b") == {"fallback_models": ["m"]}
    assert changed(document, {"groups": None, "retries": {}}) == {"fallback_models": ["m"], "retries": {}}
    assert encode_document(document) == before
