"""The page about alerts: its events, with what each tells, are those of the table in `gantry.core.alert`."""

import json
from typing import Final

from gantry.clerk.deliver import FIRST_PAUSE, LONGEST_PAUSE, MOST_ATTEMPTS, MOST_FOR_CHANNEL, pause_after
from gantry.clerk.message import DELIVERY, EVENT, RESPAN_SIGNATURE, SIGNATURE
from gantry.core.alert import DEFAULT_RULES, EVENTS, Alert, Event, EventTerms, payload_of
from gantry.core.money import usd_from_nano
from gantry.store.alerts import KEPT_DEAD, KEPT_DELIVERED

_DAY: Final = 86_400_000_000_000
_EXAMPLE_AT: Final = 1_795_975_200_000_000_000
_EXAMPLE_ID: Final = "01a2289082067ece940d4096e8ab4f84"
_ORGANIZATION: Final = "01a228904eb3733eb40447f9cb39978b"


def alerts_page(notice: str) -> str:
    hours = sum(pause_after(number, 0.5) for number in range(1, MOST_ATTEMPTS)) / 3600
    return f"""{notice}# Alerts

What somebody wants to know is said once, and delivered surely: to a webhook, to Slack or what understands its webhooks,
or by e-mail.

```bash
gantry alerts channels add ops https://hooks.example.com/gantry     # prints the secret that signs, once
gantry alerts channels add chat https://hooks.slack.com/services/T0/B0/X
gantry alerts channels add mail ada@example.com,bob@example.com --env prod
gantry alerts channels add stream https://hooks.example.com/logs --events request_log
gantry alerts channels test ops
gantry alerts list
gantry alerts deliveries --dead
gantry alerts redeliver 01a2289082067ece940d4096e8ab4f84
```

A channel is told of every event but `request_log`, of both environments, unless `--events` and `--env` say otherwise.
The same is done by API with `/api/alert-channels` and `/api/alerts` (scope `manage`; for a channel that is told of
`request_log` the scope `read`, too), and in `gantry.toml`:

```toml
smtp_url = "smtp://gantry:password@mail.example.com:587"
smtp_from = "gantry@example.com"

[[alert_channels]]
name = "ops"
url = "https://hooks.example.com/gantry"
secret_env = "OPS_WEBHOOK_SECRET"
events = ["limit_blocked", "provider_errors"]
environment = "prod"

[[alert_channels]]
name = "mail"
kind = "email"
to = ["ada@example.com"]
```

A URL and a secret are sealed in the vault for their channel, and shown by nothing. A URL that comes by API may not lead
to a private address; one of the operator's (by command or in `gantry.toml`) may, but for those of clouds' metadata.
Redirects are not followed, and of an answer only its status counts.

## Events

| event | when | it is said again |
|---|---|---|
{_rows()}

Limits are told of as they are counted ([limits in the log](request-logs.md)): the percentages of a limit are its
`alerts`. The other events have rules, shown and changed with `gantry alerts rules` or `/api/alerts/rules`:

| rule | default | meaning |
|---|---|---|
{_rules()}

An hour is told of when it is above all three. Whoever has less than a week of history is measured by all hours of the
last three days; in the first day nobody is.

## What a webhook is sent

A POST of JSON, with these headers:

| header | value |
|---|---|
{_headers()}

```python
import hashlib, hmac, time


def is_ours(headers: dict[str, str], body: bytes, secret: str) -> bool:
    signed = dict(part.split("=", 1) for part in headers["{SIGNATURE}"].split(","))
    expected = hmac.new(secret.encode(), signed["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, signed["v1"]) and abs(time.time() - int(signed["t"])) < 300
```

The body of an alert; `id` stays the same for all channels and attempts, so whoever hears twice knows it by that:

```json
{_example(Event.LIMIT_THRESHOLD)}
```

`request_log` has no such frame: its body is the log, as `GET /api/request-logs/{{id}}` shows it, with the log's own
`id`. What a key's content policy withholds is not in it.

## What `data` holds

{_data()}
## Delivery

An alert and its deliveries are stored in the transaction of what is told, so a crash loses neither. Each is delivered
at least once: a clerk that dies between sending and noting it sends it again, with the same ids. What is not answered
with 2xx within ten seconds is tried again after {FIRST_PAUSE:g} seconds, then after twice as long each time up to
{LONGEST_PAUSE / 60:g} minutes, spread by half, {MOST_ATTEMPTS} times in about {hours:.1f} hours. Then it is dead, and
stays in `gantry alerts deliveries --dead` for {KEPT_DEAD // _DAY} days; one that was delivered, for
{KEPT_DELIVERED // _DAY}. Of a channel at most {MOST_FOR_CHANNEL} are under way at a time, so one that is slow holds up
no other.

A password for the mail server goes over TLS or not at all.
"""


def _rules() -> str:
    rules = DEFAULT_RULES
    rows = (
        ("off", "none", "events that are not raised at all"),
        ("error_percent", rules.error_percent, "of a deployment's last calls that failed by the provider's fault"),
        ("error_requests", rules.error_requests, "calls, fewer of which tell nothing"),
        ("error_minutes", rules.error_minutes, "that the last calls are of"),
        ("anomaly_floor", f"{usd_from_nano(rules.anomaly_floor):g}", "dollars an hour that nobody needs to hear of"),
        (
            "anomaly_deviations",
            f"{rules.anomaly_deviations:g}",
            "from the median of the same hour of the last 28 days, in median deviations (times 1.4826)",
        ),
        (
            "anomaly_ratio",
            f"{rules.anomaly_ratio:g}",
            "to the second highest of those hours and their neighbours, so that growth alarms nobody",
        ),
    )
    return "\n".join(f"| `{name}` | {value} | {means} |" for name, value, means in rows)


def _headers() -> str:
    rows = (
        (RESPAN_SIGNATURE, "hex HMAC-SHA256 of the body with the channel's secret, as Respan has it"),
        (
            SIGNATURE,
            "`t=SECONDS,v1=HEX`: when it was sent, and the HMAC of `SECONDS.BODY`. What is minutes old may be a replay",
        ),
        (EVENT, "the event"),
        (DELIVERY, "the id of the delivery, the same at each attempt"),
    )
    return "\n".join(f"| `{name}` | {value} |" for name, value in rows)


def _rows() -> str:
    return "\n".join(f"| `{event}` | {terms.means} | {terms.again} |" for event, terms in EVENTS.items())


def _data() -> str:
    return "\n".join(
        f"`{event}`:\n\n```json\n{json.dumps(terms.data, indent=2)}\n```\n"
        for event, terms in EVENTS.items()
        if terms.data
    )


def _example(event: Event) -> str:
    terms: EventTerms = EVENTS[event]
    alert = Alert(
        organization_id=_ORGANIZATION,
        event=event,
        subject="0192f0c00000700080000000000000aa:0192f0c00000700080000000000000bb:683:100000000000:80",
        message="The limit team budget is used to 80 %: 80.04 of 100 USD (month).",
        data=terms.data,
    )
    return json.dumps(json.loads(payload_of(alert, _EXAMPLE_ID, _EXAMPLE_AT)), indent=2)
