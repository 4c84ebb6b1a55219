"""Google's edge for API keys, and its one pattern: `models/{name}:{operation}`."""

from msgspec.structs import replace

from gantry.simulator.exchange import Answer, Headers, Request
from gantry.simulator.gemini import catalog, errors, vectors
from gantry.simulator.gemini.content import Dress, count, generate
from gantry.simulator.routes import Call, Refusal, Routes, Table

SERVICE = "generativelanguage.googleapis.com"
MEDIA = b"application/json; charset=UTF-8"
_EDGE: Headers = (
    (b"vary", b"Origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"server", b"scaffolding on HTTPServer2"),
    (b"server-timing", b"gfet4t7; dur=40"),
)
_PLAIN = Dress(usage={"serviceTier": "standard"})


class GeminiApi:
    """The Gemini API for developers. It keeps nothing."""

    error_event = b"data: " + errors.FAILURE + b"\r\n\r\n"

    def __init__(self) -> None:
        self._routes = Routes(catalog.TABLE, _TABLE)

    def routes(self, _: Request) -> Routes:
        return self._routes

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key, in its header or its query."""
        given = request.header(b"x-goog-api-key")
        key = given.decode("latin-1") if given is not None else request.query.get("key", "")
        if not key:
            text = "Method doesn't allow unregistered callers (callers without established identity)."
            return errors.error(403, f"{text} Please use API Key or other form of API consumer identity.")
        if key.startswith("bad"):
            text = "API key not valid. Please pass a valid API key."
            return errors.error(400, text, [errors.information("API_KEY_INVALID", SERVICE)])
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        return errors.error(404, "Requested entity was not found.")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        return completed(answer, request, path)


def completed(answer: Answer, request: Request, path: str) -> Answer:
    """Return an answer as Google's edge sends it: where an array was asked for, an error is in one too."""
    if answer.status >= 400 and path.endswith(":streamGenerateContent") and request.query.get("alt") != "sse":
        answer = replace(answer, parts=(b"[" + answer.body + b"\n]\n",))
    if not answer.streamed and answer.status != 204:
        answer = replace(answer, media=MEDIA)
    return answer.with_headers(_EDGE)


def _operate(call: Call) -> Answer:
    name, _, operation = call.parameter.rpartition(":")
    if operation not in (
        "generateContent",
        "streamGenerateContent",
        "countTokens",
        "embedContent",
        "batchEmbedContents",
    ):
        raise Refusal(errors.error(404, "Requested entity was not found."))
    model = catalog.lookup(name, operation, call.request.path.rpartition("/models/")[0].rpartition("/")[2])
    match operation:
        case "countTokens":
            return count(call, model)
        case "embedContent":
            return vectors.embed(call, model)
        case "batchEmbedContents":
            return vectors.embed_batch(call, model)
        case _:
            return generate(call, model, _PLAIN, stream=operation == "streamGenerateContent")


_TABLE: Table = tuple(("POST", f"/{version}/models/{{model}}", _operate) for version in catalog.VERSIONS)
