"""Mistral's tree of operations."""

from gantry.simulator.exchange import Answer, Headers, Request, json_answer
from gantry.simulator.faults import NO_FAULTS
from gantry.simulator.mistral import catalog, chat, documents, errors, judgement, responses, vectors
from gantry.simulator.mistral.agents import Agents
from gantry.simulator.mistral.audio import Voices, speak, transcribe
from gantry.simulator.mistral.batches import Batches
from gantry.simulator.mistral.conversations import Conversations
from gantry.simulator.mistral.files import Files
from gantry.simulator.mistral.libraries import Libraries
from gantry.simulator.mistral.tuning import Tuning
from gantry.simulator.oracle import digest
from gantry.simulator.routes import Call, Refusal, Routes

_LIMITS: Headers = (
    (b"x-ratelimit-limit-req-minute", b"360"),
    (b"x-ratelimit-remaining-req-minute", b"359"),
    (b"x-ratelimit-limit-tokens-minute", b"500000"),
    (b"x-ratelimit-remaining-tokens-minute", b"499900"),
    (b"x-ratelimit-tokens-query-cost", b"32"),
)
_EDGE: Headers = (
    (b"server", b"cloudflare"),
    (b"set-cookie", b"__cf_bm=simulated; path=/; HttpOnly; Secure"),
    (b"access-control-allow-origin", b"*"),
    (b"x-envoy-upstream-service-time", b"40"),
    (b"x-kong-upstream-latency", b"41"),
    (b"x-kong-proxy-latency", b"3"),
)
_METERED = ("/completions", "/embeddings", "/moderations", "/classifications", "/ocr", "/transcriptions", "/responses")


class MistralApi:
    """One simulated account at Mistral, with what it keeps."""

    error_event = errors.ERROR_EVENT

    def __init__(self) -> None:
        self.routes = Routes()
        self._add_models_and_text()
        self._add_media()
        self._add_stored()

    def _add_models_and_text(self) -> None:
        add = self.routes.add
        add("POST", "/v1/chat/completions", chat.complete_chat)
        add("POST", "/v1/agents/completions", chat.complete_agent)
        add("POST", "/v1/fim/completions", chat.complete_fim)
        add("POST", "/v1/embeddings", vectors.embed)
        add("POST", "/v1/responses", responses.respond)
        add("POST", "/v1/responses/input_tokens", responses.count_input)
        add("GET", "/v1/models", catalog.list_models)
        add("GET", "/v1/models/{id...}", catalog.retrieve_model)
        add("DELETE", "/v1/models/{id...}", catalog.delete_model)
        for path in ("/v1/moderations", "/v1/chat/moderations"):
            add("POST", path, judgement.moderate)
        for path in ("/v1/classifications", "/v1/chat/classifications"):
            add("POST", path, judgement.classify)

    def _add_media(self) -> None:
        add, voices = self.routes.add, Voices()
        add("POST", "/v1/ocr", documents.read_document)
        add("POST", "/v1/audio/transcriptions", transcribe)
        add("POST", "/v1/audio/speech", speak)
        add("GET", "/v1/audio/voices", voices.list_all)
        add("GET", "/v2/audio/voices", voices.list_all)
        add("POST", "/v1/audio/voices", voices.create)
        add("GET", "/v1/audio/voices/{id}", voices.retrieve)
        add("PATCH", "/v1/audio/voices/{id}", voices.update)
        add("DELETE", "/v1/audio/voices/{id}", voices.delete)
        add("GET", "/v1/audio/voices/{id}/sample", voices.sample)

    def _add_stored(self) -> None:
        files, agents = Files(), Agents()
        self._add_files(files)
        self._add_batches(Batches(files, self._alone))
        self._add_agents(agents)
        self._add_conversations(Conversations(agents))
        self._add_libraries(Libraries())
        self._add_tuning(Tuning())

    def _add_files(self, files: Files) -> None:
        add = self.routes.add
        add("POST", "/v1/files", files.upload)
        add("GET", "/v1/files", files.list_all)
        add("GET", "/v1/files/{id}", files.retrieve)
        add("DELETE", "/v1/files/{id}", files.delete)
        add("GET", "/v1/files/{id}/content", files.content)
        add("GET", "/v1/files/{id}/url", files.link)

    def _add_batches(self, batches: Batches) -> None:
        add = self.routes.add
        add("POST", "/v1/batch/jobs", batches.create)
        add("GET", "/v1/batch/jobs", batches.list_all)
        add("GET", "/v1/batch/jobs/{id}", batches.retrieve)
        add("DELETE", "/v1/batch/jobs/{id}", batches.delete)
        add("POST", "/v1/batch/jobs/{id}/cancel", batches.cancel)

    def _add_agents(self, agents: Agents) -> None:
        add = self.routes.add
        add("POST", "/v1/agents", agents.create)
        add("GET", "/v1/agents", agents.list_all)
        add("GET", "/v1/agents/{id}", agents.retrieve)
        add("PATCH", "/v1/agents/{id}", agents.update)
        add("DELETE", "/v1/agents/{id}", agents.delete)

    def _add_conversations(self, conversations: Conversations) -> None:
        add = self.routes.add
        add("POST", "/v1/conversations", conversations.start)
        add("GET", "/v1/conversations", conversations.list_all)
        add("POST", "/v1/conversations/{id}", conversations.append)
        add("GET", "/v1/conversations/{id}", conversations.retrieve)
        add("DELETE", "/v1/conversations/{id}", conversations.delete)
        add("POST", "/v1/conversations/{id}/restart", conversations.restart)
        add("GET", "/v1/conversations/{id}/history", conversations.history)
        add("GET", "/v1/conversations/{id}/messages", conversations.messages)

    def _add_libraries(self, libraries: Libraries) -> None:
        add = self.routes.add
        add("POST", "/v1/libraries", libraries.create)
        add("GET", "/v1/libraries", libraries.list_all)
        add("GET", "/v1/libraries/{id}", libraries.retrieve)
        add("PUT", "/v1/libraries/{id}", libraries.update)
        add("PATCH", "/v1/libraries/{id}", libraries.update)
        add("DELETE", "/v1/libraries/{id}", libraries.delete)
        add("POST", "/v1/libraries/{id}/documents", libraries.upload)
        add("GET", "/v1/libraries/{id}/documents", libraries.documents)
        document = "/v1/libraries/{id}/documents/{id}"
        add("GET", document, libraries.document)
        add("DELETE", document, libraries.delete_document)
        add("GET", document + "/status", libraries.status)
        add("GET", document + "/text_content", libraries.text)
        add("GET", document + "/signed-url", libraries.link)
        add("GET", document + "/extracted-text-signed-url", libraries.link)
        add("POST", document + "/reprocess", libraries.reprocess)

    def _add_tuning(self, tuning: Tuning) -> None:
        add = self.routes.add
        add("POST", "/v1/fine_tuning/jobs", tuning.create)
        add("GET", "/v1/fine_tuning/jobs", tuning.list_all)
        add("GET", "/v1/fine_tuning/jobs/{id}", tuning.retrieve)
        add("POST", "/v1/fine_tuning/jobs/{id}/start", tuning.start)
        add("POST", "/v1/fine_tuning/jobs/{id}/cancel", tuning.cancel)
        add("POST", "/v1/fine_tuning/models/{id}/archive", tuning.archive)
        add("DELETE", "/v1/fine_tuning/models/{id}/archive", tuning.archive)
        add("PATCH", "/v1/fine_tuning/models/{id...}", catalog.retrieve_model)

    def _alone(self, endpoint: str, body: bytes) -> Answer:
        """Answer one request of a batch."""
        handler, _, _ = self.routes.find("POST", endpoint)
        if handler is None:
            return self.missing(False)
        request = Request(b"POST", endpoint.encode(), ((b"content-type", b"application/json"),), body)
        try:
            return handler(Call(request, NO_FAULTS))
        except Refusal as refusal:
            return refusal.answer

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key."""
        authorization = request.header(b"authorization")
        scheme, _, key = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer" or not key or key.startswith(b"bad"):
            return errors.strangers(key)
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        if known:
            return json_answer({"detail": "Method Not Allowed"}, 405)
        return json_answer({"detail": "Not Found"}, 404)

    def headers(self, request: Request, path: str) -> Headers:
        name = digest(request.method, request.target, request.body)
        correlation = f"{name[:8]}-{name[8:12]}-7{name[13:16]}-a{name[17:20]}-{name[20:]}".encode()
        own = ((b"mistral-correlation-id", correlation), (b"x-kong-request-id", name.encode()))
        return own + (_LIMITS if path.endswith(_METERED) else ()) + _EDGE
