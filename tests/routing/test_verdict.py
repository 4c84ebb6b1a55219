"""What a provider's error says: tables of what came, by provider, and the kind of failure that it is."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gantry.core.vocabulary import Dialect
from gantry.providers.failures import FailureKind, FailureRule
from gantry.providers.spec import custom_spec, load_catalog
from gantry.routing.verdict import judge

CATALOG = load_catalog()
CALLER, CREDENTIAL, LIMIT = FailureKind.CALLER, FailureKind.CREDENTIAL, FailureKind.LIMIT
CAPACITY, MODEL, TRANSIENT = FailureKind.CAPACITY, FailureKind.MODEL, FailureKind.TRANSIENT
FOLDERS = {"azure": "azure_openai", "gemini": "google_gemini_ai"}


def mistral(code: str | int | None, kind: str | None, message: Any) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


def openai(code: str | int | None, kind: str | None, message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic(kind: str, message: str, **more: Any) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "req_1"}


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


def quota(*ids: str) -> dict[str, Any]:
    violations = [{"quotaMetric": "generate_content_free_tier_requests", "quotaId": name} for name in ids]
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violations}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name, "domain": "googleapis.com"}


def exception(name: str) -> dict[str, str]:
    return {"x-amzn-errortype": f"{name}:http://internal.amazon.com/coral/com.amazon.bedrock/"}


OVERLOADED = "Our servers are currently overloaded. Please try again later."
TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens."
MESSAGE = "Sorry."

TABLE: list[tuple[str, int, dict[str, str], Any, FailureKind]] = [
    ("mistral", 429, {}, mistral("3505", "service_tier_capacity_exceeded", "Service tier capacity exceeded"), CAPACITY),
    ("mistral", 429, {}, mistral(3505, None, "Service tier capacity exceeded for this model."), CAPACITY),
    ("mistral", 429, {}, mistral("1300", "rate_limited", "Rate limit exceeded"), LIMIT),
    ("mistral", 429, {}, {"message": "Requests rate limit exceeded"}, LIMIT),
    ("mistral", 429, {"x-ratelimit-limit-req-minute": "0"}, mistral("1300", "rate_limited", MESSAGE), CREDENTIAL),
    ("mistral", 429, {"x-ratelimit-limit-req-minute": "60"}, mistral("1300", "rate_limited", MESSAGE), LIMIT),
    ("mistral", 400, {}, mistral("1500", "invalid_model", "Invalid model: x"), MODEL),
    ("mistral", 400, {}, mistral(None, "invalid_model", "Invalid model: x"), MODEL),
    (
        "mistral",
        400,
        {},
        mistral("3051", "invalid_request_error", "Prompt contains 40000 tokens, too large for model with 32768 maximum "
                "context length"),
        MODEL,
    ),
    ("mistral", 400, {}, mistral("3230", "invalid_request_message_order", "Unexpected role"), CALLER),
    ("mistral", 403, {}, {"error": {"message": "Content blocked by guardrail", "status": 403}}, CALLER),
    ("mistral", 403, {}, {"message": "This model is not in your plan"}, CREDENTIAL),
    ("mistral", 401, {}, {"message": "Unauthorized", "request_id": "1"}, CREDENTIAL),
    ("mistral", 401, {}, {"detail": "Unauthorized"}, CREDENTIAL),
    ("mistral", 404, {}, {"detail": "Not Found"}, MODEL),
    ("mistral", 422, {}, {"detail": [{"type": "extra_forbidden", "loc": ["body"], "msg": "no", "input": 1}]}, CALLER),
    ("mistral", 422, {}, mistral(None, "invalid_request_error", {"detail": [{"loc": ["body"], "msg": "no"}]}), CALLER),
    ("mistral", 500, {}, mistral("1000", "internal_server_error", MESSAGE), TRANSIENT),
    ("mistral", 503, {"content-type": "text/html"}, "<html>upstream connect error</html>", TRANSIENT),
    ("openai", 429, {}, openai("insufficient_quota", "insufficient_quota", MESSAGE), CREDENTIAL),
    ("openai", 429, {}, openai("project_spend_limit_exceeded", "insufficient_quota", MESSAGE), CREDENTIAL),
    ("openai", 400, {}, openai("billing_hard_limit_reached", "invalid_request_error", MESSAGE), CREDENTIAL),
    ("openai", 429, {}, openai("rate_limit_exceeded", "tokens", "Rate limit reached for gpt-4o"), LIMIT),
    ("openai", 400, {}, openai("context_length_exceeded", "invalid_request_error", TOO_LONG), MODEL),
    ("openai", 403, {}, openai("model_not_found", "invalid_request_error", "Project does not have access"), MODEL),
    ("openai", 400, {}, openai("content_policy_violation", "invalid_request_error", MESSAGE), CALLER),
    ("openai", 503, {}, openai("server_is_overloaded", "service_unavailable_error", OVERLOADED), CAPACITY),
    ("openai", 503, {}, openai("slow_down", "server_error", "Slow Down"), CAPACITY),
    ("openai", 503, {}, openai(None, "server_error", "The engine is currently overloaded"), CAPACITY),
    ("openai", 500, {}, openai("server_error", "server_error", OVERLOADED), TRANSIENT),
    ("openai", 403, {}, openai("unsupported_country_region_territory", "request_forbidden", MESSAGE), CREDENTIAL),
    ("anthropic", 529, {}, anthropic("overloaded_error", "Overloaded"), CAPACITY),
    ("anthropic", 529, {}, "", CAPACITY),
    ("anthropic", 400, {}, anthropic("invalid_request_error", "Your credit balance is too low to access"), CREDENTIAL),
    ("anthropic", 402, {}, anthropic("billing_error", MESSAGE), CREDENTIAL),
    ("anthropic", 429, {}, anthropic("rate_limit_error", MESSAGE), LIMIT),
    (
        "anthropic",
        429,
        {},
        anthropic("rate_limit_error", MESSAGE, details={"error_code": "enforced_spend_limit_reached"}),
        CREDENTIAL,
    ),
    ("anthropic", 413, {}, anthropic("request_too_large", "Request exceeds the maximum size"), CALLER),
    ("anthropic", 400, {}, anthropic("invalid_request_error", "prompt is too long: 210000 tokens > 200000"), MODEL),
    ("anthropic", 403, {}, anthropic("permission_error", MESSAGE), CREDENTIAL),
    ("google_gemini_ai", 429, {}, google(429, "RESOURCE_EXHAUSTED", MESSAGE), LIMIT),
    (
        "google_gemini_ai",
        429,
        {},
        google(429, "RESOURCE_EXHAUSTED", MESSAGE, quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier")),
        LIMIT,
    ),
    (
        "google_gemini_ai",
        429,
        {},
        google(429, "RESOURCE_EXHAUSTED", MESSAGE, quota("PerMinute-x", "GenerateRequestsPerDayPerProjectPerModel")),
        CREDENTIAL,
    ),
    ("google_gemini_ai", 400, {}, google(400, "INVALID_ARGUMENT", MESSAGE, reason("API_KEY_INVALID")), CREDENTIAL),
    ("google_gemini_ai", 400, {}, google(400, "FAILED_PRECONDITION", "User location is not supported"), CREDENTIAL),
    ("google_gemini_ai", 403, {}, google(403, "PERMISSION_DENIED", MESSAGE), CREDENTIAL),
    ("google_gemini_ai", 503, {}, google(503, "UNAVAILABLE", "The model is overloaded."), CAPACITY),
    ("google_gemini_ai", 503, {}, [google(503, "UNAVAILABLE", "The model is overloaded.")], CAPACITY),
    ("google_gemini_ai", 500, {}, google(500, "INTERNAL", MESSAGE), TRANSIENT),
    (
        "google_gemini_ai",
        400,
        {},
        google(400, "INVALID_ARGUMENT", "The input token count (2) exceeds the maximum number of tokens allowed (1)."),
        MODEL,
    ),
    ("google_vertex_ai", 429, {}, google(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again"), CAPACITY),
    ("google_vertex_ai", 429, {}, google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for aiplatform"), LIMIT),
    ("google_vertex_ai", 529, {}, anthropic("overloaded_error", "Overloaded"), CAPACITY),
    ("azure_openai", 404, {}, {"error": {"code": "DeploymentNotFound", "message": MESSAGE}}, MODEL),
    (
        "azure_openai",
        400,
        {},
        {"error": {"code": "content_filter", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
        CALLER,
    ),
    ("azure_openai", 429, {}, openai("429", None, "Requests have exceeded call rate limit"), LIMIT),
    ("azure_openai", 429, {}, openai("429", None, "The system is experiencing high demand"), CAPACITY),
    ("azure_openai", 401, {}, {"error": {"code": "401", "message": "invalid subscription key"}}, CREDENTIAL),
    ("bedrock", 429, exception("ThrottlingException"), {"message": "Too many tokens, please wait"}, LIMIT),
    ("bedrock", 429, exception("ModelNotReadyException"), {"message": MESSAGE}, CAPACITY),
    ("bedrock", 503, exception("ServiceUnavailableException"), {"message": MESSAGE}, CAPACITY),
    ("bedrock", 400, exception("ServiceQuotaExceededException"), {"message": MESSAGE}, LIMIT),
    ("bedrock", 400, {}, {"__type": "com.amazon.coral#AccessDeniedException", "Message": MESSAGE}, CREDENTIAL),
    ("bedrock", 400, exception("IncompleteSignatureException"), {"Message": MESSAGE}, CREDENTIAL),
    ("bedrock", 403, exception("ExpiredTokenException"), {"message": MESSAGE}, CREDENTIAL),
    ("bedrock", 400, exception("ValidationException"), {"message": MESSAGE}, CALLER),
    ("bedrock", 400, exception("ValidationException"), {"message": "Input is too long for requested model."}, MODEL),
    ("bedrock", 424, exception("ModelErrorException"), {"message": MESSAGE}, TRANSIENT),
    ("bedrock", 408, exception("ModelTimeoutException"), {"message": MESSAGE}, TRANSIENT),
    ("openrouter", 402, {}, {"error": {"code": 402, "message": "Insufficient credits"}}, CREDENTIAL),
    ("openrouter", 502, {}, {"error": {"code": 502, "message": "Provider returned error"}}, CAPACITY),
    ("openrouter", 403, {}, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {}}}, CALLER),
    ("openrouter", 403, {}, {"error": {"code": 403, "message": "Key limit exceeded (total limit)"}}, CREDENTIAL),
    ("openrouter", 429, {}, {"error": {"code": 429, "message": "Rate limit exceeded: free-models-per-min"}}, LIMIT),
    ("groq", 498, {}, openai("capacity_exceeded", "invalid_request_error", MESSAGE), CAPACITY),
    ("groq", 413, {}, openai("rate_limit_exceeded", "tokens", "Request too large for model"), MODEL),
    ("groq", 413, {}, openai("request_too_large", "invalid_request_error", "Request Entity Too Large"), CALLER),
    ("groq", 429, {}, openai("rate_limit_exceeded", "tokens", "Rate limit reached"), LIMIT),
    ("deepseek", 402, {}, openai("invalid_request_error", "unknown_error", "Insufficient Balance"), CREDENTIAL),
    ("deepseek", 503, {}, openai(None, "server_error", MESSAGE), CAPACITY),
    ("togetherai", 403, {}, openai(None, None, "Input token count + `max_tokens` must be less than"), MODEL),
    ("togetherai", 422, {}, openai(None, None, "`inputs` tokens + `max_new_tokens` must be <= 4097"), MODEL),
    ("togetherai", 403, {}, openai(None, None, "Forbidden"), CREDENTIAL),
    ("fireworks", 412, {}, openai(None, None, "Account is suspended"), CREDENTIAL),
    ("cerebras", 429, {}, mistral("queue_exceeded", "too_many_requests_error", MESSAGE), CAPACITY),
    ("cerebras", 429, {}, mistral("request_quota_exceeded", "too_many_requests_error", MESSAGE), LIMIT),
    ("perplexity", 401, {}, openai(401, "insufficient_quota", "You exceeded your current quota"), CREDENTIAL),
    ("cohere", 400, {}, {"message": "too many tokens: total number of tokens in the prompt cannot exceed 4081"}, MODEL),
    ("cohere", 429, {}, {"message": "You are using a Trial key, limited to 40 API calls / minute."}, LIMIT),
    ("cohere", 429, {}, {"message": "You are using a Trial key, limited to 1000 API calls / month."}, CREDENTIAL),
    ("voyage", 503, {}, {"detail": MESSAGE}, CAPACITY),
    ("voyage", 403, {}, {"detail": "Forbidden"}, CREDENTIAL),
    ("moonshot", 429, {}, openai(None, "exceeded_current_quota_error", MESSAGE), CREDENTIAL),
    ("moonshot", 429, {}, openai(None, "engine_overloaded_error", MESSAGE), CAPACITY),
    ("moonshot", 429, {}, openai(None, "rate_limit_reached_error", MESSAGE), LIMIT),
    ("zai", 429, {}, {"error": {"code": "1113", "message": "Insufficient balance"}}, CREDENTIAL),
    ("zai", 429, {}, {"error": {"code": "1302", "message": "High concurrency"}}, LIMIT),
    ("zai", 429, {}, {"error": {"code": "1312", "message": MESSAGE}}, CAPACITY),
    ("zai", 400, {}, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, MODEL),
    ("alibaba", 400, {}, openai("Arrearage", "Arrearage", "make sure your account is in good standing"), CREDENTIAL),
    ("alibaba", 429, {}, openai("insufficient_quota", "insufficient_quota", MESSAGE), LIMIT),
    ("alibaba", 400, {}, openai("data_inspection_failed", "data_inspection_failed", MESSAGE), CALLER),
    ("llamacpp", 400, {}, {"error": {"code": 400, "type": "exceed_context_size_error", "message": MESSAGE}}, MODEL),
    ("github", 429, {}, openai("RateLimitReached", None, "Rate limit of 50 per 86400s exceeded"), CREDENTIAL),
    ("github", 429, {}, openai("RateLimitReached", None, "Rate limit of 10 per 60s exceeded"), LIMIT),
    ("cloudflare", 429, {}, {"success": False, "errors": [{"code": 3036, "message": MESSAGE}]}, CREDENTIAL),
    ("cloudflare", 429, {}, {"success": False, "errors": [{"code": 3040, "message": MESSAGE}]}, CAPACITY),
    ("vllm", 400, {}, openai(400, "BadRequestError", TOO_LONG), MODEL),
]  # fmt: skip


@pytest.mark.parametrize(("provider", "status", "fields", "body", "kind"), TABLE)
def test_what_an_answer_says(provider: str, status: int, fields: dict[str, str], body: Any, kind: FailureKind) -> None:
    sent = {name.encode(): value.encode() for name, value in fields.items()}
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    assert judge(CATALOG[provider].failures, status, sent, raw) is kind


# Recorded errors that are not what their status says; all others are.
RECORDED = {
    "bedrock/bedrock_converse/009-bedrock-error": MODEL,
    "bedrock/bedrock_converse/051-model-ids-bare-profile-only-model-id-is-reject": MODEL,
    "bedrock/bedrock_converse/061-chat-real-error-scenarios-bedrock-amazon-nova-": MODEL,
    "deepseek/openai_chat/044-wire-shape-matrix-chat-completion-rejects-an-u": MODEL,
    "deepseek/openai_chat/056-chat-real-error-scenarios-deepseek-deepseek-ch": MODEL,
    "gemini/gemini_generate/139-chat-error-handling-with-gemini-gemini-2-5-fla": CREDENTIAL,
    "groq/openai_chat/005-tool-use-failed-error-with-text-0": TRANSIENT,
    "llamacpp/openai_chat/008-multimodal-matrix-image-without-mmproj": MODEL,
    "llamacpp/openai_embeddings/002-error-matrix-embeddings-without-the-flag": MODEL,
    "mistral/mistral_chat/007-page-studio-conversations-moderation-4": CALLER,
    "mistral/mistral_chat/058-response-identity-edge-blocking-error-carries-": MODEL,
    "mistral/mistral_chat/060-response-identity-edge-streaming-error-carries": MODEL,
    "ollama/openai_chat/019-chat-real-error-scenarios-ollama-cloud-gpt-oss": MODEL,
    "openai/openai_responses/034-model-not-found-stream-openai-gpt-4o-responses": MODEL,
    "openai/openai_responses/035-model-not-found-stream-openai-gpt-4o-responses": MODEL,
    "openai/openai_responses/118-error-identity-edge-extractor-failure-surfaces": MODEL,
    "openai/openai_responses/128-response-identity-edge-provider-error-response": MODEL,
    "openrouter/openai_chat/009-openrouter-errors-raised-0": CAPACITY,
    "openrouter/openai_chat/010-openrouter-errors-raised-1": CAPACITY,
    "openrouter/openai_chat/011-openrouter-errors-raised-2": CAPACITY,
    "openrouter/openai_chat/048-response-identity-edge-routed-failure-error-sh": MODEL,
    "perplexity/openai_chat/008-chat-real-error-scenarios-perplexity-sonar-han": MODEL,
    "xai/openai_responses/011-response-identity-auth-rejection-classifies-wi": CREDENTIAL,
    "xai/openai_responses/012-response-identity-provider-error-classifies-wi": MODEL,
}


def test_recorded_errors(shared: Path) -> None:
    told = {}
    count = 0
    for path in sorted((shared / "recordings").glob("*/*/*.json")):
        recording = json.loads(path.read_bytes())
        response = recording["response"]
        provider = FOLDERS.get(recording["provider"], recording["provider"])
        if response["status"] < 400 or provider not in CATALOG:
            continue
        count += 1
        body = json.dumps(response["body"]) if response.get("body") is not None else response.get("text") or ""
        fields = {name.encode(): value.encode() for name, value in (response.get("headers") or {}).items()}
        kind = judge(CATALOG[provider].failures, response["status"], fields, body.encode())
        if kind is not judge((), response["status"]):
            told["/".join((*path.parts[-3:-1], path.stem[:50]))] = kind
    assert count > 60
    assert told == RECORDED


@pytest.mark.parametrize(
    ("provider", "event", "kind"),
    [
        ("mistral", mistral("3505", "service_tier_capacity_exceeded", MESSAGE), CAPACITY),
        ("mistral", mistral("1300", "rate_limited", MESSAGE), LIMIT),
        ("mistral", mistral("3230", "invalid_request_error", MESSAGE), CALLER),
        ("openai", {"type": "error", "error": openai("server_is_overloaded", None, OVERLOADED)["error"]}, CAPACITY),
        ("openai", {"type": "error", "code": "rate_limit_exceeded", "message": MESSAGE}, LIMIT),
        (
            "openai",
            {"type": "response.failed", "response": {"status": "failed", "error": {"code": "insufficient_quota"}}},
            CREDENTIAL,
        ),
        ("openai", openai(None, "invalid_request_error", MESSAGE), CALLER),
        ("openai", openai("context_length_exceeded", "invalid_request_error", TOO_LONG), MODEL),
        ("openai", openai(None, "server_error", MESSAGE), TRANSIENT),
        ("openai", openai(None, None, "upstream went away"), TRANSIENT),
        ("anthropic", anthropic("overloaded_error", "Overloaded"), CAPACITY),
        ("anthropic", anthropic("invalid_request_error", "Your credit balance is too low to access"), CREDENTIAL),
        ("anthropic", anthropic("invalid_request_error", MESSAGE), CALLER),
        ("anthropic", anthropic("api_error", MESSAGE), TRANSIENT),
        ("google_gemini_ai", google(503, "UNAVAILABLE", MESSAGE), CAPACITY),
        ("google_gemini_ai", google(429, "RESOURCE_EXHAUSTED", MESSAGE, quota("GenerateRequestsPerDay")), CREDENTIAL),
        (
            "openrouter",
            {"id": "x", "choices": [], "error": {"code": 502, "message": "Provider returned error"}},
            CAPACITY,
        ),
        ("openrouter", {"error": {"code": "429", "message": "Provider returned error"}}, CAPACITY),
        ("fireworks", openai(None, None, MESSAGE), TRANSIENT),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_own_words(
    provider: str, event: dict[str, Any], kind: FailureKind
) -> None:
    assert judge(CATALOG[provider].failures, None, {}, json.dumps(event).encode()) is kind


def test_no_answer_says_that_the_same_could_go_through() -> None:
    for spec in CATALOG.values():
        assert judge(spec.failures, None) is TRANSIENT


def test_a_rule_fits_what_has_all_that_it_says() -> None:
    rule = FailureRule(kind=CAPACITY, status=400, code="7", type="full", message="no ROOM", header="x-room: none left")
    body = b'{"error": {"code": 7, "type": "full", "message": "There is No Room."}}'
    fields = {b"x-room": b" None Left "}
    assert judge((rule,), 400, fields, body) is CAPACITY
    for status, headers, text in (
        (422, fields, body),
        (400, {}, body),
        (400, {b"x-room": b"none left at all"}, body),
        (400, fields, body.replace(b"7", b"70")),
        (400, fields, body.replace(b"full", b"fuller")),
        (400, fields, body.replace(b"No", b"Much")),
    ):
        assert judge((rule,), status, headers, text) is CALLER


def test_the_first_rule_that_fits_wins() -> None:
    rules = (FailureRule(kind=MODEL, code="1"), FailureRule(kind=LIMIT, status=400))
    assert judge(rules, 400, {}, b'{"code": 1}') is MODEL
    assert judge(rules, 400, {}, b'{"code": 2}') is LIMIT


def test_the_callers_own_words_in_an_error_are_not_the_providers() -> None:
    said = "your credit balance is too low"
    rules = CATALOG["anthropic"].failures
    refused = {"detail": [{"type": "string_type", "loc": ["body"], "msg": "wrong", "input": said}]}
    assert judge(rules, 400, {}, json.dumps(refused).encode()) is CALLER
    cut = json.dumps({"detail": [{"input": said, "msg": "wrong"}]}).encode()[:-5]
    assert judge(rules, 400, {}, cut) is CALLER


NESTED = b'{"error":' * 5000 + b"1" + b"}" * 5000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b'{"error": {"code": "3505"',
        b"[]",
        b"[[[[[[]]]]]]",
        b"null",
        b'"text"',
        NESTED,
        b"[" * 60_000,
        b'{"detail": [{"loc": ' + b"[" * 900 + b"]" * 900 + b', "msg": "x"}]}',
        b'{"error": {"code": true, "type": 5, "message": {"message": {"message": {"message": {"message": "x"}}}}}}',
        b'{"code": "' + b"x" * 300 + b'"}',
        b'{"error": null, "errors": "none", "response": 7, "details": {"violations": 1}}',
        b'{"code": "3505", "pad": "' + b"x" * 70_000 + b'"}',
        b"overloaded " * 100_000,
    ],
)
def test_odd_bodies_are_judged_by_their_status(body: bytes) -> None:
    assert judge(CATALOG["mistral"].failures, 429, {}, body) is LIMIT
    assert judge(CATALOG["mistral"].failures, None, {}, body) is TRANSIENT


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["error", "errors", "response", "code", "type", "status", "message", "detail", "details", "loc",
                         "msg", "violations", "reason", "quotaId", "__type", "raw_status_code"]),
        inner,
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip


@given(JSON, st.none() | st.integers(400, 599), st.integers(0, 200))
def test_no_body_is_too_odd(value: Any, status: int | None, cut: int) -> None:
    body = json.dumps(value).encode()
    for spec in (CATALOG["mistral"], CATALOG["google_vertex_ai"], CATALOG["bedrock"]):
        assert judge(spec.failures, status, {}, body) in FailureKind
        assert judge(spec.failures, status, {}, body[:-cut]) in FailureKind


def test_every_provider_knows_what_its_formats_have_in_common() -> None:
    for spec in (*CATALOG.values(), custom_spec("own", "Own", "https://own.example")):
        if Dialect.OPENAI_CHAT in spec.paths and spec.id != "alibaba":
            body = json.dumps(openai("insufficient_quota", "insufficient_quota", MESSAGE)).encode()
            assert judge(spec.failures, 429, {}, body) is CREDENTIAL, spec.id
        if Dialect.ANTHROPIC in spec.paths:
            assert judge(spec.failures, 529) is CAPACITY, spec.id
