"""What is delivered to each kind of channel, and how a webhook's receiver knows that it is ours.

Law: pure. `X-Respan-Signature` is the hex HMAC-SHA256 of the JSON text, as Respan's webhooks have it. It would be good
again if somebody sent the same text later, so `X-Gantry-Signature` signs the time of sending with it:
`t=SECONDS,v1=HEX`, HEX over `SECONDS.TEXT`. A receiver refuses one whose time is minutes away from its own.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from gantry import __version__
from gantry.core.secret import Secret

RESPAN_SIGNATURE: Final = "X-Respan-Signature"
SIGNATURE: Final = "X-Gantry-Signature"
EVENT: Final = "X-Gantry-Event"
DELIVERY: Final = "X-Gantry-Delivery"
_SLACK: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_SUBJECT: Final = 120  # characters


def webhook_headers(event: str, delivery_id: str, body: bytes, secret: Secret, seconds: int) -> list[tuple[str, str]]:
    """Return the headers of a delivery to a webhook, sent at a time in seconds since the epoch."""
    headers = [*plain_headers(), (EVENT, event), (DELIVERY, delivery_id)]
    key = secret.reveal().encode()
    if key:
        timed = hmac.digest(key, f"{seconds}.".encode() + body, hashlib.sha256).hex()
        headers.append((RESPAN_SIGNATURE, hmac.digest(key, body, hashlib.sha256).hex()))
        headers.append((SIGNATURE, f"t={seconds},v1={timed}"))
    return headers


def plain_headers() -> list[tuple[str, str]]:
    return [("Content-Type", "application/json"), ("User-Agent", f"gantry/{__version__}"), ("Accept", "*/*")]


def slack_body(payload: str) -> bytes:
    """Return an alert as an incoming webhook of Slack's, Mattermost's or Discord's (`/slack`) takes it."""
    alert = read_payload(payload)
    title, message = (str(alert[name]).translate(_SLACK) for name in ("event", "message"))
    return msgspec.json.encode({"text": f"*{title}*: {message}"})


def mail_text(payload: str) -> tuple[str, str]:
    """Return the subject and the text of an alert's e-mail."""
    alert = read_payload(payload)
    lines = [f"{name}: {'' if value is None else value}" for name, value in alert["data"].items()]
    about = [f"event: {alert['event']}", f"raised at: {alert['raised_at']}", f"id: {alert['id']}"]
    text = "\n".join([str(alert["message"]), "", *lines, "", *about, ""])
    return f"[gantry] {alert['message']}"[:_SUBJECT], text


def read_payload(payload: str) -> Mapping[str, Any]:
    """Return an alert's payload decoded."""
    return msgspec.json.decode(payload, type=dict[str, Any])
