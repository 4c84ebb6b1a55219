"""What each kind of channel is sent, and its signatures, computed here by hand."""

import hashlib
import hmac
import json

from gantry.clerk.message import mail_text, slack_body, webhook_headers
from gantry.core.alert import EVENTS, Alert, Event, payload_of
from gantry.core.secret import Secret

ALERT = Alert(
    organization_id="o",
    event=Event.UNPRICED_MODEL,
    subject="m:1",
    message="Nobody knows the price of <m> & co.\nNobody.",
    data={"model": "m", "provider_id": None},
)
PAYLOAD = payload_of(ALERT, "a1", 1_795_000_000_000_000_000)


def test_a_webhook_is_signed_as_respan_signs_and_once_more_with_the_time() -> None:
    body = PAYLOAD.encode()
    headers = dict(webhook_headers("unpriced_model", "d1", body, Secret("s"), 1_795_000_000))
    assert headers["X-Respan-Signature"] == hmac.new(b"s", body, hashlib.sha256).hexdigest()
    timed = hmac.new(b"s", b"1795000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Gantry-Signature"] == f"t=1795000000,v1={timed}"
    assert (headers["X-Gantry-Event"], headers["X-Gantry-Delivery"]) == ("unpriced_model", "d1")
    assert headers["Content-Type"] == "application/json"


def test_slack_gets_one_text_in_which_nothing_is_markup() -> None:
    assert json.loads(slack_body(PAYLOAD)) == {
        "text": "*unpriced_model*: Nobody knows the price of &lt;m&gt; &amp; co.\nNobody."
    }


def test_an_e_mail_says_what_where_and_when() -> None:
    subject, text = mail_text(PAYLOAD)
    assert subject.startswith("[gantry] Nobody knows the price of <m> & co.")
    assert text.splitlines() == [
        "Nobody knows the price of <m> & co.",
        "Nobody.",
        "",
        "model: m",
        "provider_id: ",
        "",
        "event: unpriced_model",
        "raised at: 2026-11-18T11:06:40Z",
        "id: a1",
    ]


def test_every_event_is_in_the_table() -> None:
    assert set(EVENTS) == set(Event)
