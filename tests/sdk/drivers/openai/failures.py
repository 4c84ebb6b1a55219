"""What goes wrong: every error class, retries, deadlines, and streams that break."""

import os
from typing import Any

from tests.sdk.drivers.cases import Case
from tests.sdk.drivers.openai.common import MODEL, QUESTION, client, folded, httpx, joined


def troubled(faults: str, times: int = 1_000, **changes: Any) -> tuple[Any, list[int]]:
    """Return a client that asks the simulator for trouble on its first requests, and the statuses it will see."""
    asked, statuses = [0], []

    def before(request: Any) -> None:
        asked[0] += 1
        if asked[0] <= times:
            request.headers["x-simulate"] = faults
        else:
            request.headers.pop("x-simulate", None)

    hooks = {"request": [before], "response": [lambda response: statuses.append(response.status_code)]}
    return client(http_client=httpx.Client(event_hooks=hooks), **changes), statuses


def asked(faults: str, **terms: Any) -> Any:
    openai, _ = troubled(faults)
    return joined(openai.chat.completions.create(model=MODEL, messages=QUESTION, **terms))


def streamed(faults: str) -> Any:
    openai, _ = troubled(faults)
    return folded(openai.chat.completions.create(model=MODEL, messages=QUESTION, stream=True))


def error_400() -> Any:
    return asked("status=400")


def error_401() -> Any:
    return client(api_key=os.environ["BAD_KEY"]).chat.completions.create(model=MODEL, messages=QUESTION)


def error_403() -> Any:
    return asked("status=403")


def error_404() -> Any:
    return client(base_url=os.environ["BASE_URL"] + "/nowhere").chat.completions.create(model=MODEL, messages=QUESTION)


def error_model() -> Any:
    return client().chat.completions.create(model=os.environ["UNKNOWN_MODEL"], messages=QUESTION)


def error_422() -> Any:
    return asked("status=422")


def error_429() -> Any:
    return asked("status=429; retry-after=7")


def error_500() -> Any:
    return asked("status=500")


def error_503_stream() -> Any:
    return streamed("status=503")


def error_timeout() -> Any:
    return asked("hang", timeout=0.4)


def error_refused() -> Any:
    return client(base_url="http://127.0.0.1:9").chat.completions.create(model=MODEL, messages=QUESTION)


def error_closed() -> Any:
    return asked("close")


def retried() -> Any:
    openai, statuses = troubled("status=503", times=2, max_retries=2)
    return {**joined(openai.chat.completions.create(model=MODEL, messages=QUESTION)), "statuses": statuses}


def retried_429() -> Any:
    openai, statuses = troubled("status=429; retry-after=1", times=1, max_retries=1)
    return {**joined(openai.chat.completions.create(model=MODEL, messages=QUESTION)), "statuses": statuses}


def unretried() -> Any:
    openai, statuses = troubled("status=503", times=1)
    try:
        openai.chat.completions.create(model=MODEL, messages=QUESTION)
    except Exception as error:  # noqa: BLE001 - the count of requests is what matters
        return {"statuses": statuses, "error": type(error).__name__}
    return {"statuses": statuses, "error": None}


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


def stream_with_comments() -> Any:
    return streamed("comments; crlf")


CASES: tuple[Case, ...] = (
    error_400,
    error_401,
    error_403,
    error_404,
    error_model,
    error_422,
    error_429,
    error_500,
    error_503_stream,
    error_timeout,
    error_refused,
    error_closed,
    retried,
    retried_429,
    unretried,
    stream_cut_in_an_event,
    stream_cut_between_events,
    stream_reset,
    stream_malformed_chunk,
    stream_error_event,
    stream_with_comments,
)
