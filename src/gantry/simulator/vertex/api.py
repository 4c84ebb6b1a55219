"""Google Cloud's edge: who may come in, and the publishers whose models it serves."""

from msgspec.structs import replace

from gantry.simulator.anthropic.errors import UNNAMED
from gantry.simulator.exchange import Answer, Request
from gantry.simulator.gemini import errors
from gantry.simulator.gemini.api import completed
from gantry.simulator.gemini.catalog import find
from gantry.simulator.gemini.content import Dress, count, generate
from gantry.simulator.oracle import digest, identifier
from gantry.simulator.routes import Call, Refusal, Routes, Table
from gantry.simulator.vertex import tokens
from gantry.simulator.vertex.claude import Claude

_SERVICE = "aiplatform.googleapis.com"
_CREATED_AT = "2026-09-21T14:13:20.000000Z"  # oracle.CREATED, as this API writes time
_DRESS = Dress({"createTime": _CREATED_AT}, {"trafficType": "ON_DEMAND"}, indexed=False)
_ANTHROPIC = "/publishers/anthropic/"


class VertexApi:
    """All projects: they differ by their names only."""

    error_event = b"data: " + errors.FAILURE + b"\r\n\r\n"

    def __init__(self) -> None:
        self._claude = Claude()
        models = "projects/{project}/locations/{location}/publishers/{publisher}/models/{model}"
        table: Table = tuple(("POST", f"/{version}/{models}", self._operate) for version in ("v1", "v1beta1"))
        self._routes = Routes(tokens.TABLE, table)

    def routes(self, _: Request) -> Routes:
        return self._routes

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no token this provider gave."""
        if request.path.endswith("/token") or tokens.is_token(request.key):
            return None
        expected = "Expected OAuth 2 access token, login cookie or other valid authentication credential."
        see = "See https://developers.google.com/identity/sign-in/web/devconsole-project."
        if not request.key:
            details = [errors.information("CREDENTIALS_MISSING", _SERVICE)]
            return errors.error(
                401, f"Request is missing required authentication credential. {expected} {see}", details
            )
        details = [errors.information("ACCESS_TOKEN_TYPE_UNSUPPORTED", _SERVICE)]
        return errors.error(401, f"Request had invalid authentication credentials. {expected} {see}", details)

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        return errors.error(404, "Requested entity was not found.")

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        if _ANTHROPIC not in path:
            return completed(answer, request, path)
        name = b"req_vrtx_01" + identifier(digest(request.target, request.body), length=22).encode()
        if answer.status >= 400:
            answer = replace(answer, parts=(answer.body.replace(UNNAMED.encode(), name),))
        return answer.with_headers(((b"request-id", name),))

    def _operate(self, call: Call) -> Answer:
        project, location, publisher, action = call.parameters
        name, _, operation = action.rpartition(":")
        match publisher, operation:
            case "anthropic", "rawPredict" | "streamRawPredict":
                return self._claude.predict(call, name)
            case "google", "generateContent" | "streamGenerateContent" | "countTokens":
                model = find(name)
                if model is None:
                    resource = f"projects/{project}/locations/{location}/publishers/google/models/{name}"
                    text = "was not found or your project does not have access to it."
                    hint = "Please ensure you are using a valid model version."
                    raise Refusal(errors.error(404, f"Publisher Model `{resource}` {text} {hint}"))
                if operation == "countTokens":
                    return count(call, model)
                return generate(call, model, _DRESS, stream=operation == "streamGenerateContent")
            case _:
                raise Refusal(errors.error(404, "Requested entity was not found."))
