"""The door of posted logs: ids, answers, and what may be kept under each content policy."""

import json
from typing import Any

import pytest

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import ContentPolicy
from gantry.dialects.posted import AcceptedLog, accept_posted, log_id_of
from gantry.dialects.posted_log import read_posted

RECEIVED_AT = 1_795_341_600_000_000_000

BODY: dict[str, Any] = {
    "model": "mistral/mistral-large-latest",
    "prompt_messages": [{"role": "user", "content": "a secret question"}],
    "completion_message": {"role": "assistant", "content": "a secret answer"},
    "cost": 0.001,
    "generation_time": 1.2,
    "customer_params": {"customer_identifier": "user_123"},
    "metadata": {"feature": "search"},
    "api_key": "canary",
    "unknown_field": "a secret",
}


def accept(body: dict[str, Any], policy: ContentPolicy = ContentPolicy.FULL) -> AcceptedLog:
    return accept_posted(
        json.dumps(body).encode(),
        organization_id="org",
        environment="prod",
        content_policy=policy,
        received_at=RECEIVED_AT,
        new_id="n" * 32,
    )


def test_the_answer_is_respans_object_and_a_message() -> None:
    assert accept(BODY).answer == {
        "id": "n" * 32,
        "unique_id": "n" * 32,
        "organization_id": "org",
        "customer_identifier": "user_123",
        "status": "success",
        "cost": 0.001,
        "timestamp": "2026-11-22T10:00:00Z",
        "environment": "prod",
        "latency": 1.2,
        "time_to_first_token": None,
        "prompt_cache_creation_tokens": 0,
        "prompt_cache_hit_tokens": 0,
        "message": "log successful",
    }


def test_the_answer_carries_the_time_that_was_posted() -> None:
    assert accept({"timestamp": "2026-11-21T10:00:00Z"}).answer["timestamp"] == "2026-11-21T10:00:00Z"


def test_a_unique_id_makes_the_post_idempotent() -> None:
    first, again = accept({**BODY, "unique_id": "mine"}), accept({**BODY, "unique_id": "mine", "cost": 2})
    assert first.log_id == again.log_id == first.answer["id"]
    assert first.log_id != accept({**BODY, "unique_id": "other"}).log_id


def test_a_log_id_is_a_uuid_of_version_8_and_its_organizations_own() -> None:
    log_id = log_id_of("org", "mine")
    assert len(log_id) == 32
    assert (log_id[12], log_id[16] in "89ab") == ("8", True)
    assert log_id_of("another", "mine") != log_id


def test_in_full_everything_but_credentials_is_kept() -> None:
    kept = json.loads(accept(BODY).body)
    assert kept == {name: value for name, value in BODY.items() if name != "api_key"}


@pytest.mark.parametrize("body", [BODY, {**BODY, "disable_log": True}], ids=["by policy", "by request"])
def test_without_content_only_measures_and_labels_are_kept(body: dict[str, Any]) -> None:
    policy = ContentPolicy.FULL if body.get("disable_log") else ContentPolicy.METADATA
    accepted = accept(body, policy)
    assert b"secret" not in accepted.body
    posted = read_posted(accepted.body)
    assert (posted.cost, posted.labels.customer_identifier) == (1_000_000, "user_123")
    assert posted.labels.metadata is not None


def test_redacted_content_keeps_its_labels() -> None:
    body = {
        "input": "I am jane@example.com",
        "customer_params": {"customer_identifier": "jane@example.com"},
        "usage": {"prompt_tokens": 4},
        "note": "of joe@example.com",
        "respan_params": {"output": "Hello jane@example.com"},
    }
    posted = read_posted(accept(body, ContentPolicy.REDACTED).body)
    assert (posted.input, posted.output, posted.note) == ("I am [email]", "Hello [email]", "of [email]")
    assert (posted.labels.customer_identifier, posted.usage.input_tokens) == ("jane@example.com", 4)
    withheld = accept({**body, "disable_log": True}, ContentPolicy.REDACTED)
    assert b"[email]" not in withheld.body
    assert b"Hello" not in withheld.body


def test_with_nothing_kept_labels_are_gone_too() -> None:
    accepted = accept(BODY, ContentPolicy.NOTHING)
    assert b"secret" not in accepted.body
    assert b"user_123" not in accepted.body
    assert read_posted(accepted.body).cost == 1_000_000


def test_nested_parameters_are_withheld_alike() -> None:
    accepted = accept({"respan_params": {"input": "a secret", "cost": 2}}, ContentPolicy.METADATA)
    assert json.loads(accepted.body) == {"cost": 2}


def test_usage_in_a_withheld_answer_is_kept() -> None:
    response = {"model": "m", "choices": [{"message": {"content": "a secret"}}], "usage": {"prompt_tokens": 4}}
    posted = read_posted(accept({"full_response": response}, ContentPolicy.NOTHING).body)
    assert (posted.model, posted.usage.input_tokens, posted.output) == ("m", 4, None)


def test_a_wrong_body_is_refused_at_the_door() -> None:
    with pytest.raises(InvalidRequest, match="`cost`"):
        accept({"cost": "dear"})


@pytest.mark.parametrize("policy", ContentPolicy)
@pytest.mark.parametrize(
    "body",
    [
        {"respan_params": {"gantry_params": "no object", "model": "m"}},
        {"respan_params": {"gantry_params": {"total_tokens": "none"}, "model": "m"}},
        {"model": "m", "full_response": {"choices": [], "usage": [1]}},
        {"model": "m", "full_response": {"choices": [], "usage": "none"}},
    ],
)
def test_what_was_taken_in_can_be_read_again(body: dict[str, Any], policy: ContentPolicy) -> None:
    assert read_posted(accept(body, policy).body).model == "m"
