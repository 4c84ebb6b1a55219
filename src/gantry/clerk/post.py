"""One POST by the one dialler, as a coroutine: sent, and answered by a status.

Law: redirects are not followed, and of the answer only its status counts: what an internal service might say to a
request that somebody made it receive is not shown to anybody.
"""

from collections.abc import Sequence
from typing import Final

from gantry.dial.ask import AskFailed, ask
from gantry.dial.pool import Dialler
from gantry.dial.webhook_url import WebhookURL

_MOST: Final = 64 * 1024  # bytes of an answer that are read, so that its connection can be used again


class PostFailed(Exception):
    """No good answer came; the message says why, without path, query or body. `status` is that of a bad one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


async def post(
    dialler: Dialler, url: WebhookURL, headers: Sequence[tuple[str, str]], body: bytes, seconds: float
) -> None:
    """Send a body, and return when it was taken: answered by a status of 2xx, in time. Raises PostFailed."""
    where = url.origin.authority
    try:
        answer = await ask(
            dialler, url.origin, url.target, method="POST", headers=headers, body=body, most=_MOST, seconds=seconds
        )
    except AskFailed as error:
        raise PostFailed(str(error)) from None
    if 300 <= answer.status < 400:
        raise PostFailed(f"{where} answered {answer.status}, and redirects are not followed", answer.status)
    if not 200 <= answer.status < 300:
        raise PostFailed(f"{where} answered {answer.status}", answer.status)
