"""What goes wrong: every error class, retries, deadlines, and streams that break."""

import asyncio
import os
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.mistral.common import CHAT, QUESTION, WEATHER, client, folded, httpx, joined

try:
    from mistralai.client.utils import BackoffStrategy, RetryConfig
except ImportError:
    from mistralai.utils import BackoffStrategy, RetryConfig

RETRIES = RetryConfig("backoff", BackoffStrategy(10, 50, 1.1, 3_000), True)
BLOCKING = {"block_on_error": True, "moderation_llm_v2": {"action": "block"}}
IDEAS = [{"role": "user", "content": "violence"}]


class Trouble:
    """A client's HTTP client that asks the simulator for trouble on its first requests, and counts all."""

    def __init__(self, faults: str, times: int = 1_000) -> None:
        self.requests = 0
        self.answers: list[tuple[int, str | None]] = []
        self._faults, self._times = faults, times
        hooks = {"request": [self._before], "response": [self._after]}
        self.client = httpx.Client(event_hooks=hooks, follow_redirects=True)

    def _before(self, request: Any) -> None:
        self.requests += 1
        if self.requests <= self._times:
            request.headers["x-simulate"] = self._faults
        else:
            request.headers.pop("x-simulate", None)  # a retry sends the same request again

    def _after(self, response: Any) -> None:
        self.answers.append((response.status_code, response.headers.get("retry-after")))


def asked(faults: str, **terms: Any) -> Any:
    """Ask a question that gets an answer with these faults."""
    return joined(client(client=Trouble(faults).client).chat.complete(model=CHAT, messages=QUESTION, **terms))


def streamed(faults: str) -> Any:
    with client(client=Trouble(faults).client).chat.stream(model=CHAT, messages=QUESTION) as events:
        return folded(events)


def error_401() -> Any:
    return client(api_key=os.environ["BAD_KEY"]).chat.complete(model=CHAT, messages=QUESTION)


def error_401_async() -> Any:
    async def run() -> Any:
        async with client(api_key=os.environ["BAD_KEY"]) as mistral:
            return await mistral.chat.complete_async(model=CHAT, messages=QUESTION)

    return asyncio.run(run())


def error_401_stream() -> Any:
    with client(api_key=os.environ["BAD_KEY"]).chat.stream(model=CHAT, messages=QUESTION) as events:
        return folded(events)


def error_400() -> Any:
    return client().chat.complete(model="mistral-no-such-model", messages=QUESTION)


def error_400_order() -> Any:
    return client().chat.complete(model=CHAT, messages=[*QUESTION, {"role": "assistant", "content": "Yes?"}])


def error_403() -> Any:
    return asked("status=403")


def error_403_guardrail() -> Any:
    return client().chat.complete(model=CHAT, messages=IDEAS, guardrails=[BLOCKING])


def error_404() -> Any:
    return client().files.retrieve(file_id="00000000-0000-0000-0000-00000000dead")


def error_404_path() -> Any:
    return client(server_url=os.environ["BASE_URL"] + "/v1").models.list()


def error_422() -> Any:
    return client().chat.complete(model=CHAT, messages=QUESTION, temperature=9.0)


def error_422_stream() -> Any:
    with client().chat.stream(model=CHAT, messages=QUESTION, temperature=9.0) as events:
        return folded(events)


def error_429() -> Any:
    return asked("status=429; retry-after=7")


def error_429_capacity() -> Any:
    return asked("status=429; code=3505")


def error_500() -> Any:
    return asked("status=500")


def error_503_stream() -> Any:
    return streamed("status=503")


def error_closed() -> Any:
    """The provider hangs up instead of answering."""
    return asked("close")


def error_refused() -> Any:
    """Nobody listens where the provider should be."""
    return client(server_url="http://127.0.0.1:9").chat.complete(model=CHAT, messages=QUESTION)


def error_html() -> Any:
    return asked("content-type=text/html")


def error_malformed() -> Any:
    return asked("malformed-json")


def error_timeout() -> Any:
    return asked("hang", timeout_ms=400)


def unretried() -> Any:
    trouble = Trouble("status=503", times=1)
    try:
        client(client=trouble.client).chat.complete(model=CHAT, messages=QUESTION)
    except Exception as error:  # noqa: BLE001 - the count of requests is what matters
        return {"requests": trouble.requests, "error": type(error).__name__}
    return {"requests": trouble.requests, "error": None}


def retried(faults: str, **terms: Any) -> Any:
    trouble = Trouble(faults, times=2)
    answer = client(client=trouble.client).chat.complete(model=CHAT, messages=QUESTION, retries=RETRIES, **terms)
    return {"answers": trouble.answers, **joined(answer)}


def retried_429() -> Any:
    trouble = Trouble("status=429; retry-after=1", times=1)
    answer = client(client=trouble.client, retry_config=RETRIES).chat.complete(model=CHAT, messages=QUESTION)
    return {"answers": trouble.answers, **joined(answer)}


def retried_500() -> Any:
    return retried("status=500")


def retried_502() -> Any:
    return retried("status=502")


def retried_503() -> Any:
    return retried("status=503")


def retried_stream() -> Any:
    trouble = Trouble("status=504", times=2)
    with client(client=trouble.client).chat.stream(model=CHAT, messages=QUESTION, retries=RETRIES) as events:
        return {"answers": trouble.answers, **folded(events)}


def unretried_400() -> Any:
    trouble = Trouble("status=400", times=1)
    try:
        client(client=trouble.client).chat.complete(model=CHAT, messages=QUESTION, retries=RETRIES)
    except Exception as error:  # noqa: BLE001 - the count of requests is what matters
        return {"requests": trouble.requests, "error": type(error).__name__}
    return {"requests": trouble.requests, "error": None}


def stream_cut_in_an_event() -> Any:
    return streamed("cut=mid-event")


def stream_cut_between_events() -> Any:
    return streamed("cut=between-events")


def stream_reset() -> Any:
    return streamed("reset-mid")


def stream_malformed_chunk() -> Any:
    return streamed("malformed-chunk")


def stream_error_event() -> Any:
    return streamed("error-event")


def stream_without_end() -> Any:
    return streamed("no-done")


def stream_with_comments() -> Any:
    return streamed("comments; crlf")


def stream_of_a_deprecated_model() -> Any:
    return streamed("deprecation")


def stream_with_null_ids() -> Any:
    trouble = Trouble("tool-calls=null-ids")
    names = []
    terms = {"tools": [WEATHER], "tool_choice": "any"}
    with client(client=trouble.client).chat.stream(model=CHAT, messages=QUESTION, **terms) as events:
        for event in events:
            names += [call.function.name for call in event.data.choices[0].delta.tool_calls or ()]
    return {"name": "".join(names)}


CASES: tuple[Case, ...] = (
    error_400,
    error_400_order,
    error_401,
    error_401_async,
    error_401_stream,
    error_403,
    error_403_guardrail,
    error_404,
    error_404_path,
    error_422,
    error_422_stream,
    error_429,
    error_429_capacity,
    error_500,
    error_503_stream,
    error_closed,
    error_refused,
    error_html,
    error_malformed,
    error_timeout,
    unretried,
    unretried_400,
    retried_429,
    retried_500,
    retried_502,
    retried_503,
    retried_stream,
    stream_cut_in_an_event,
    stream_cut_between_events,
    stream_reset,
    stream_malformed_chunk,
    stream_error_event,
    stream_without_end,
    stream_with_comments,
    stream_of_a_deprecated_model,
    stream_with_null_ids,
)
