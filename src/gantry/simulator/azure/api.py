"""Azure's edge: its two trees of paths, keys in a header of their own, and models behind deployments.

`/openai/deployments/{name}/…?api-version=` is the older tree: the path names the deployment, and the body's model does
not count. `/openai/v1/…` is OpenAI's own tree. A deployment called as a model of OpenAI serves it, one that begins with
`no-` was never made, and any other serves `gpt-4o`, or `text-embedding-3-small`.
"""

from typing import Any

import msgspec

from gantry.simulator.accounts import Accounts
from gantry.simulator.azure import errors
from gantry.simulator.azure.filters import annotated
from gantry.simulator.exchange import Answer, Headers, Request
from gantry.simulator.openai import chat, vectors
from gantry.simulator.openai.api import tables
from gantry.simulator.openai.bodies import decode
from gantry.simulator.openai.catalog import check_model
from gantry.simulator.openai.errors import ERROR_EVENT
from gantry.simulator.oracle import uuid
from gantry.simulator.routes import Call, Handler, Refusal, Routes, Table

_OLDER = "/openai/deployments/"
_UNDEPLOYED = "no-"
_LIMITS: Headers = (
    (b"x-ratelimit-limit-requests", b"250"),
    (b"x-ratelimit-limit-tokens", b"250000"),
    (b"x-ratelimit-remaining-requests", b"249"),
    (b"x-ratelimit-remaining-tokens", b"249993"),
    (b"x-ms-region", b"Sweden Central"),
)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class AzureApi:
    """All resources, by their keys."""

    error_event = ERROR_EVENT

    def __init__(self) -> None:
        self._accounts = Accounts(_routes)

    def routes(self, request: Request) -> Routes:
        return self._accounts.of(_key(request))

    def refuse(self, request: Request) -> Answer | None:
        """Return an error if the request has no usable key, or names no version where it has to."""
        key = _key(request)
        if not key or key.startswith("bad"):
            return errors.error(401)
        if _OLDER in request.path and not request.query.get("api-version"):
            return errors.error(404)
        return None

    def error(self, status: int, code: str) -> Answer:
        return errors.simulated(status, code)

    def missing(self, known: bool) -> Answer:
        return errors.error(405, "405", "Method not allowed") if known else errors.error(404)

    def complete(self, answer: Answer, request: Request, path: str) -> Answer:
        identity = uuid(request.method, request.target, request.body).encode()
        limits = _LIMITS if path.endswith(("/completions", "/embeddings", "/responses")) else ()
        return answer.with_headers(((b"apim-request-id", identity), (b"x-request-id", identity), *limits))


def _key(request: Request) -> str:
    given = request.header(b"api-key")
    return request.key if given is None else given.decode("latin-1")


def _routes(owner: str) -> Routes:
    newer: list[Table] = []
    for table in tables(owner):
        newer.append(tuple((method, "/openai" + pattern, handler) for method, pattern, handler in table))
    filtered: Table = (("POST", "/openai/v1/chat/completions", _filtered(chat.complete)),)
    older: Table = (
        ("POST", _OLDER + "{deployment}/chat/completions", _deployed(_filtered(chat.complete), "gpt-4o")),
        ("POST", _OLDER + "{deployment}/embeddings", _deployed(vectors.embed, "text-embedding-3-small")),
    )
    return Routes(*newer, filtered, older)


def _filtered(handler: Handler) -> Handler:
    def answer(call: Call) -> Answer:
        return errors.filtered() if call.faults.refusal else annotated(handler(call))

    return answer


def _deployed(handler: Handler, model: str) -> Handler:
    """Return the handler behind a deployment, whose name takes the place of the body's model."""

    def answer(call: Call) -> Answer:
        name = call.parameter
        if name.startswith(_UNDEPLOYED):
            return errors.no_deployment()
        try:
            check_model(name)
        except Refusal:
            name = model
        given = decode(_OBJECT, call.request.body)
        body = msgspec.json.encode({**given, "model": name})
        return handler(Call(msgspec.structs.replace(call.request, body=body), call.faults, call.parameters))

    return answer
