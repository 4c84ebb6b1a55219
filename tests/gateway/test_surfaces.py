"""The route table as a table: method and path to door, operation and dialects."""

from pathlib import Path

import pytest

from gantry.core.errors import InvalidRequest
from gantry.core.vocabulary import Dialect, Operation
from gantry.gateway.surfaces import Door, Family, family_of, match_surface, routes

MISTRAL, OPENAI, EITHER = (Dialect.MISTRAL,), (Dialect.OPENAI_CHAT,), (Dialect.OPENAI_CHAT, Dialect.MISTRAL)
RESPONSES, ANTHROPIC, GEMINI = (Dialect.OPENAI_RESPONSES,), (Dialect.ANTHROPIC,), (Dialect.GEMINI,)
STYLED = (Dialect.OPENAI_CHAT, Dialect.OPENAI_CHAT)  # OpenAI's, but for a client that says it is Mistral's
CALL, MODELS, CONSOLE, UNKNOWN = Door.CALL, Door.MODELS, Door.CONSOLE, Door.UNKNOWN

TABLE = [
    ("GET", "/healthz", Door.HEALTH, None, None),
    ("HEAD", "/healthz", Door.HEALTH, None, None),
    ("GET", "/readyz", Door.READY, None, None),
    ("GET", "/metrics", Door.METRICS, None, None),
    ("POST", "/chat/completions", CALL, Operation.CHAT, STYLED),
    ("POST", "/responses", CALL, Operation.RESPONSES, RESPONSES),
    ("POST", "/embeddings", CALL, Operation.EMBEDDINGS, OPENAI),
    ("POST", "/moderations", CALL, Operation.MODERATION, OPENAI),
    ("POST", "/audio/transcriptions", CALL, Operation.TRANSCRIPTION, OPENAI),
    ("POST", "/audio/transcription", CALL, Operation.TRANSCRIPTION, OPENAI),
    ("POST", "/audio/speech", CALL, Operation.SPEECH, OPENAI),
    ("GET", "/models", MODELS, Operation.MODELS, EITHER),
    ("HEAD", "/models", MODELS, Operation.MODELS, EITHER),
    ("GET", "/models/mistral-large-latest", MODELS, Operation.MODEL, EITHER),
    ("GET", "/models/public", CONSOLE, None, None),
    ("POST", "/models", CONSOLE, None, None),
    ("POST", "/models/list", CONSOLE, None, None),
    ("POST", "/models/summary", CONSOLE, None, None),
    ("PATCH", "/models/team/fast", CONSOLE, None, None),
    ("DELETE", "/models/fast", CONSOLE, None, None),
    ("GET", "/providers", CONSOLE, None, None),
    ("GET", "/limits", CONSOLE, None, None),
    ("PATCH", "/limits/x", CONSOLE, None, None),
    ("PATCH", "/books", CONSOLE, None, None),
    ("GET", "/credit-transactions/list", CONSOLE, None, None),
    ("POST", "/caches", CONSOLE, None, None),
    ("POST", "/caches/summary", CONSOLE, None, None),
    ("DELETE", "/caches/bulk", CONSOLE, None, None),
    ("GET", "/cache/7", CONSOLE, None, None),
    ("GET", "/alerts/deliveries", CONSOLE, None, None),
    ("POST", "/alert-channels/ops/test", CONSOLE, None, None),
    ("POST", "/session", CONSOLE, None, None),
    ("PATCH", "/people/me", CONSOLE, None, None),
    ("DELETE", "/members/p1", CONSOLE, None, None),
    ("POST", "/invitations", CONSOLE, None, None),
    ("GET", "/organizations", CONSOLE, None, None),
    ("GET", "/audit-log", CONSOLE, None, None),
    ("POST", "/api-keys/k1/rotate", CONSOLE, None, None),
    ("POST", "/saved-views", CONSOLE, None, None),
    ("POST", "/log_threads", CONSOLE, None, None),
    ("GET", "/threads/t1", CONSOLE, None, None),
    ("GET", "/traces/list", CONSOLE, None, None),
    ("PATCH", "/retention", CONSOLE, None, None),
    ("POST", "/erasures", CONSOLE, None, None),
    ("POST", "/playground/keys", CONSOLE, None, None),
    ("GET", "/prices", CONSOLE, None, None),
    ("GET", "/system", CONSOLE, None, None),
    ("PUT", "/providers/acme", CONSOLE, None, None),
    ("PATCH", "/credentials/mistral/default", CONSOLE, None, None),
    ("GET", "/routing", CONSOLE, None, None),
    ("GET", "/routing/versions/3", CONSOLE, None, None),
    ("POST", "/routing/rollback", CONSOLE, None, None),
    ("POST", "/load-balance-groups", CONSOLE, None, None),
    ("DELETE", "/load-balance-groups/fast", CONSOLE, None, None),
    ("POST", "/routings", UNKNOWN, None, None),
    ("GET", "/health/deployments", CONSOLE, None, None),
    ("POST", "/health/deployments/reset", CONSOLE, None, None),
    ("POST", "/temporary-keys", CONSOLE, None, None),
    ("POST", "/temporary-keys/7/rotate", CONSOLE, None, None),
    ("GET", "/users", CONSOLE, None, None),
    ("PATCH", "/users/a%2Fb", CONSOLE, None, None),
    ("POST", "/dashboard/llm-metrics/summary", CONSOLE, None, None),
    ("GET", "/dashboard", CONSOLE, None, None),
    ("GET", "/platform-stats", CONSOLE, None, None),
    ("GET", "/health-check", CONSOLE, None, None),
    ("GET", "/health", UNKNOWN, None, None),
    ("GET", "/healthz/deployments", UNKNOWN, None, None),
    ("POST", "/v1/chat/completions", CALL, Operation.CHAT, EITHER),
    ("POST", "/v1/responses", CALL, Operation.RESPONSES, RESPONSES),
    ("POST", "/v1/embeddings", CALL, Operation.EMBEDDINGS, EITHER),
    ("POST", "/v1/moderations", CALL, Operation.MODERATION, EITHER),
    ("POST", "/v1/audio/transcriptions", CALL, Operation.TRANSCRIPTION, EITHER),
    ("POST", "/v1/audio/speech", CALL, Operation.SPEECH, EITHER),
    ("GET", "/v1/responses/resp_1", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("HEAD", "/v1/responses/resp_1", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("GET", "/v1/responses/resp_1/input_items", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("DELETE", "/v1/responses/resp_1", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("GET", "/responses/resp_1", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("DELETE", "/responses/resp_1", Door.RESPONSE, Operation.RESPONSE, RESPONSES),
    ("POST", "/v1/responses/input_tokens", CALL, Operation.OPAQUE, MISTRAL),
    ("GET", "/v1/models", MODELS, Operation.MODELS, EITHER),
    ("GET", "/v1/models/mistral%2Fmistral-large", MODELS, Operation.MODEL, EITHER),
    ("HEAD", "/v1/models/mistral-large", MODELS, Operation.MODEL, EITHER),
    ("DELETE", "/v1/models/ft:x", CALL, Operation.FINE_TUNING, MISTRAL),
    ("POST", "/v1/fim/completions", CALL, Operation.FIM, MISTRAL),
    ("POST", "/v1/agents/completions", CALL, Operation.AGENT_CHAT, MISTRAL),
    ("POST", "/v1/chat/moderations", CALL, Operation.CHAT_MODERATION, MISTRAL),
    ("POST", "/v1/classifications", CALL, Operation.CLASSIFICATION, MISTRAL),
    ("POST", "/v1/chat/classifications", CALL, Operation.CHAT_CLASSIFICATION, MISTRAL),
    ("POST", "/v1/ocr", CALL, Operation.OCR, MISTRAL),
    ("GET", "/v1/audio/transcriptions/realtime", CALL, Operation.REALTIME, MISTRAL),
    ("GET", "/v1/audio/speech/realtime", CALL, Operation.REALTIME, MISTRAL),
    ("POST", "/v1/audio/voices", CALL, Operation.VOICES, MISTRAL),
    ("GET", "/v1/audio/voices/v1/sample", CALL, Operation.VOICES, MISTRAL),
    ("GET", "/v2/audio/voices", CALL, Operation.VOICES, MISTRAL),
    ("POST", "/v1/files", CALL, Operation.FILES, MISTRAL),
    ("GET", "/v1/files/f1/content", CALL, Operation.FILES, MISTRAL),
    ("GET", "/v1/filesystem", CALL, Operation.OPAQUE, MISTRAL),
    ("POST", "/v1/batch/jobs/b1/cancel", CALL, Operation.BATCHES, MISTRAL),
    ("POST", "/v1/conversations", CALL, Operation.CONVERSATIONS, MISTRAL),
    ("DELETE", "/v1/conversations/c1", CALL, Operation.CONVERSATIONS, MISTRAL),
    ("PATCH", "/v1/agents/a1", CALL, Operation.AGENTS, MISTRAL),
    ("POST", "/v1/libraries/l1/documents", CALL, Operation.LIBRARIES, MISTRAL),
    ("PATCH", "/v1/fine_tuning/models/m1", CALL, Operation.FINE_TUNING, MISTRAL),
    ("POST", "/v1/responses/input_tokens", CALL, Operation.OPAQUE, MISTRAL),
    ("PUT", "/v1/chat/completions", CALL, Operation.OPAQUE, MISTRAL),
    ("GET", "/v1/workflows/w1", CALL, Operation.OPAQUE, MISTRAL),
    ("GET", "/v2/prompts", CALL, Operation.OPAQUE, MISTRAL),
    ("POST", "/v1/messages", CALL, Operation.CHAT, ANTHROPIC),
    ("POST", "/messages", CALL, Operation.CHAT, ANTHROPIC),
    ("POST", "/anthropic/v1/messages", CALL, Operation.CHAT, ANTHROPIC),
    ("POST", "/anthropic/messages", CALL, Operation.CHAT, ANTHROPIC),
    ("POST", "/anthropic/v1/messages/count_tokens", CALL, Operation.COUNT_TOKENS, ANTHROPIC),
    ("POST", "/v1/messages/count_tokens", CALL, Operation.COUNT_TOKENS, ANTHROPIC),
    ("GET", "/anthropic/v1/messages/batches/b1", CALL, Operation.BATCHES, ANTHROPIC),
    ("POST", "/v1/messages/batches", CALL, Operation.BATCHES, ANTHROPIC),
    ("POST", "/anthropic/v1/files", CALL, Operation.FILES, ANTHROPIC),
    ("GET", "/anthropic/v1/models", CALL, Operation.OPAQUE, ANTHROPIC),
    ("GET", "/google/gemini/v1beta/models", CALL, Operation.OPAQUE, GEMINI),
    ("POST", "/google/gemini/v1beta/models/gemini-2.5-flash:generateContent", CALL, Operation.CHAT, GEMINI),
    ("POST", "/google/vertexai/v1/caches", CALL, Operation.OPAQUE, GEMINI),
    ("POST", "/v1beta/cachedContents", CALL, Operation.OPAQUE, GEMINI),
    ("POST", "/completions", CALL, Operation.COMPLETIONS, OPENAI),
    ("POST", "/v1/completions", CALL, Operation.COMPLETIONS, OPENAI),
    ("POST", "/rerank", CALL, Operation.RERANK, OPENAI),
    ("POST", "/v1/rerank", CALL, Operation.RERANK, OPENAI),
    ("POST", "/v2/rerank", CALL, Operation.RERANK, (Dialect.COHERE,)),
    ("POST", "/images/generations", CALL, Operation.IMAGES, OPENAI),
    ("POST", "/v1/images/generations", CALL, Operation.IMAGES, OPENAI),
    ("POST", "/images/edits", CALL, Operation.IMAGE_EDITS, OPENAI),
    ("POST", "/v1/images/edits", CALL, Operation.IMAGE_EDITS, OPENAI),
    ("POST", "/images/variations", CALL, Operation.IMAGE_VARIATIONS, OPENAI),
    ("POST", "/v1/images/variations", CALL, Operation.IMAGE_VARIATIONS, OPENAI),
    ("POST", "/v1beta/models/gemini-embedding-001:embedContent", CALL, Operation.EMBEDDING, GEMINI),
    ("POST", "/v1beta/models/gemini-embedding-001:batchEmbedContents", CALL, Operation.EMBEDDINGS, GEMINI),
    ("POST", "/route/explain", Door.EXPLAIN, None, None),
    ("POST", "/routing/simulate", Door.EXPLAIN, None, None),
    ("POST", "/request-logs", Door.POST_LOG, None, None),
    ("POST", "/request-logs/create", Door.POST_LOG, None, None),
    ("GET", "/request-logs", UNKNOWN, None, EITHER),
    ("POST", "/request-logs/list", CONSOLE, None, None),
    ("GET", "/request-logs/1", CONSOLE, None, None),
    ("POST", "/v2/traces", CONSOLE, None, None),
    ("POST", "/v1/traces/ingest", CONSOLE, None, None),
    ("POST", "/traces/ingest", CONSOLE, None, None),
    ("GET", "/ui", CONSOLE, None, None),
    ("GET", "/ui/assets/x.js", CONSOLE, None, None),
    ("GET", "/uix", UNKNOWN, None, EITHER),
    ("POST", "/v1/v1/chat/completions", UNKNOWN, None, EITHER),
    ("GET", "/chat/completions", UNKNOWN, None, EITHER),
    ("POST", "/nothing/here", UNKNOWN, None, EITHER),
    ("GET", "/", UNKNOWN, None, EITHER),
    ("GET", "/v3/models", UNKNOWN, None, EITHER),
]
FAMILIES = {Family.UNKNOWN: EITHER, Family.MISTRAL: MISTRAL, Family.OPENAI: OPENAI}


def spellings(path: str) -> list[str]:
    doubled = path.replace("/", "//")
    return [path, f"/api{path}", f"{path}/", f"/api{path}/", doubled, f"//api/{path}//", f"{path}?a=/v1/files&b=%00"]


MISTRALS_RESPONSES = (Dialect.OPENAI_RESPONSES, Dialect.MISTRAL)


def expected_dialects(dialects: tuple[Dialect, ...], family: Family, own: tuple[Dialect, ...]) -> tuple[Dialect, ...]:
    if dialects == STYLED:
        return MISTRAL if family is Family.MISTRAL else OPENAI
    if dialects == RESPONSES and family is Family.MISTRAL:
        return MISTRALS_RESPONSES
    return own if dialects == EITHER else dialects


GOOGLE = "/v1beta/models/gemini-2.5-flash"
VERTEX = "/google/vertexai/v1/projects/p/locations/l/publishers"
NAMED = [
    (f"{GOOGLE}:generateContent", "", "gemini-2.5-flash", False, ""),
    (f"/google/gemini{GOOGLE}:streamGenerateContent?alt=sse", "/google/gemini", "gemini-2.5-flash", True, "alt=sse"),
    (
        f"/google/gemini{GOOGLE}:streamGenerateContent?key=gk_x&alt=sse",
        "/google/gemini",
        "gemini-2.5-flash",
        True,
        "alt=sse",
    ),
    (f"{GOOGLE}:streamGenerateContent", "", "gemini-2.5-flash", True, ""),
    ("/models/gemini-2.5-flash:generateContent", "", "gemini-2.5-flash", False, ""),
    ("/v1beta/models/mistral/mistral-large-latest:generateContent", "", "mistral/mistral-large-latest", False, ""),
    ("/v1beta/models/mistral%2Fmistral-large-latest:generateContent", "", "mistral/mistral-large-latest", False, ""),
    # Vercel's Google factory writes a name with a slash without `models/`.
    ("/mistral/mistral-large-latest:generateContent", "", "mistral/mistral-large-latest", False, ""),
    ("/v1beta/google/gemini-2.5-flash:generateContent", "", "google/gemini-2.5-flash", False, ""),
    ("/google/gemini-2.5-flash:generateContent", "", "google/gemini-2.5-flash", False, ""),
    ("/v1beta/models/ft:open-mistral:x:generateContent", "", "ft:open-mistral:x", False, ""),
    (f"{VERTEX}/google/models/gemini-2.5-pro:generateContent", "/google/vertexai", "gemini-2.5-pro", False, ""),
    (f"{VERTEX}/mistral/models/large:generateContent", "/google/vertexai", "mistral/large", False, ""),
]


@pytest.mark.parametrize(("target", "root", "model", "stream", "query"), NAMED)
def test_a_path_may_name_the_model_and_what_is_asked_of_it(
    target: str, root: str, model: str, stream: bool, query: str
) -> None:
    for spelling in (target, f"/api{target}"):
        surface = match_surface("POST", spelling.encode(), Family.UNKNOWN)
        assert (surface.door, surface.dialects, surface.operation) == (CALL, GEMINI, Operation.CHAT)
        assert (surface.root, surface.model, surface.stream, surface.query) == (root, model, stream, query)


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/tunedModels/mine-x1:generateContent",
        "/google/gemini/v1beta/tunedModels/mine-x1:generateContent",
        "/google/vertexai/v1/projects/p/locations/l/endpoints/123:streamGenerateContent",
    ],
)
def test_what_was_tuned_at_google_is_called_in_its_own_place(path: str) -> None:
    surface = match_surface("POST", path.encode(), Family.UNKNOWN)
    assert (surface.dialects, surface.operation, surface.model) == (GEMINI, Operation.OPAQUE, None)


AGENTS = [
    ({b"user-agent": b"mistral-client-python/1.12.4"}, Family.MISTRAL),
    ({b"user-agent": b"mistral-client-typescript/2.7.0"}, Family.MISTRAL),
    ({b"user-agent": b"undici", b"x-mistral-user-agent": b"mistral-client-typescript/2.7.0"}, Family.MISTRAL),
    ({b"user-agent": b"ai-sdk-mistral/4.0.87 ai-sdk-provider-utils/5.0.81 node.js/v22"}, Family.MISTRAL),
    ({b"user-agent": b"ai/5.0.9 ai-sdk/mistral/2.0.4 ai-sdk/provider-utils/3.0.3 runtime/node.js/22"}, Family.MISTRAL),
    ({b"user-agent": b"ai-sdk-openai/4.0.118 ai-sdk-provider-utils/5.0.81 node.js/v22"}, Family.UNKNOWN),
    ({b"user-agent": b"OpenAI/JS 7.59.0", b"x-stainless-lang": b"js"}, Family.OPENAI),
    ({b"user-agent": b"curl/8"}, Family.UNKNOWN),
    ({}, Family.UNKNOWN),
]


@pytest.mark.parametrize(("fields", "family"), AGENTS)
def test_a_client_is_known_by_what_it_says_of_itself(fields: dict[bytes, bytes], family: Family) -> None:
    assert family_of(fields) is family


@pytest.mark.parametrize(("method", "path", "door", "operation", "dialects"), TABLE)
def test_every_path_in_every_spelling_for_every_family(
    method: str, path: str, door: Door, operation: Operation | None, dialects: tuple[Dialect, ...] | None
) -> None:
    for spelling in spellings(path):
        for family, own in FAMILIES.items():
            surface = match_surface(method, spelling.encode(), family)
            assert surface.door is door, spelling
            if operation is not None:
                assert surface.operation is operation, spelling
            if dialects is not None:
                assert surface.dialects == expected_dialects(dialects, family, own), spelling
            if door not in (Door.HEALTH, Door.READY, Door.METRICS):
                assert surface.path == path, spelling


def test_the_table_here_knows_every_row_of_the_product() -> None:
    for method, path, surface in routes():
        example = path.replace("/**", "")
        assert any(
            (row[0] == method or method == "*") and row[1].startswith(example) and row[2] is surface.door
            for row in TABLE
        ) or example in ("/health-check", "/openapi.json"), path


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/../ui", b"/v1/%2e%2e/ui", b"/v1/.%2E/ui", b"/v1/files/..%2fui", b"/v1/files/%2F..", b"/v1/./x",
        b"/v1/x%00", b"/v1/x%0d%0aHost:%20y", b"/v1/x%5c..%5cy", b"/v1/a\\b", b"http://h/v1/models", b"*", b"",
        b"/v1/..;/ui", b"v1/models", b"/v1/files/\xc3\xa9", b"/v1/chat/completions\xff",
    ],
)  # fmt: skip
def test_a_path_that_could_mean_two_things_is_refused(target: bytes) -> None:
    with pytest.raises(InvalidRequest):
        match_surface("POST", target, Family.UNKNOWN)


OF_OURS = {"/v1/models", "/v1/models/{model_id}"}


@pytest.mark.parametrize("major", ["1", "2", "3"])
def test_every_path_of_the_sdks_leads_to_the_native_surface(shared: Path, major: str) -> None:
    text = (shared / f"reference/mistral-recordings/paths-{major}.tsv").read_text()
    rows = [line.split("\t") for line in text.splitlines()]
    assert len(rows) > 70
    for row in rows:
        method, path = row[2], row[3].partition("#")[0]
        surface = match_surface(method, f"/api{path}".encode(), Family.MISTRAL)
        assert surface.door in (CALL, MODELS), row
        assert surface.dialects == (MISTRALS_RESPONSES if path == "/v1/responses" else MISTRAL), row
        assert (surface.door is MODELS) == (method == "GET" and path in OF_OURS), row
