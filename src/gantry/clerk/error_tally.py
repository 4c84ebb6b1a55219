"""How many of each deployment's last calls failed by the provider's fault: counted by the minute, attempt by attempt.

Law: bounded and forgetful: it begins anew with the clerk, and of too many deployments the one that was counted longest
ago goes. Time is that of the calls, so that a backlog is judged as it was. What failed by the caller's fault, or the
caller's credential's, counts as an answer; an attempt that another one was faster than counts as nothing.
"""

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from gantry.core.alert import Alert, AlertRules, Event
from gantry.core.logged_attempt import LoggedAttempt, read_attempts
from gantry.core.request_log import RequestLog
from gantry.core.vocabulary import LogMethod, Outcome

_MINUTE: Final = 60_000_000_000
_MINUTES_OF_AN_HOUR: Final = 60
_MOST: Final = 2000  # deployments
_FAILED: Final = frozenset((Outcome.UPSTREAM_UNREACHABLE, Outcome.UPSTREAM_BROKE, Outcome.TIMEOUT))
_AT_FAULT: Final = frozenset((401, 402, 403, 408, 429))  # beside 5xx
# Python 3.11 reads an enum's member through a descriptor, and this is asked of each attempt.
_INFERENCE: Final = LogMethod.INFERENCE
_SUCCESS: Final = Outcome.SUCCESS.value
_CANCELLED: Final = Outcome.CANCELLED.value
# What stands in JSON but in no text within it. Of a call that was answered at the first try, which nearly all are, the
# log itself names the deployment, and its attempts need not be read.
_ATTEMPT: Final = '{"'
_ANSWERED: Final = f'"outcome":"{_SUCCESS}"'
_OF_MODEL: Final = '"upstream_model":"'


class Deployment(NamedTuple):
    organization_id: str
    provider_id: str
    name: str
    model: str


class _Minute:
    __slots__ = ("errors", "number", "requests")

    def __init__(self, number: int) -> None:
        self.number = number
        self.requests = 0
        self.errors = 0


class ErrorTally:
    def __init__(self) -> None:
        self._minutes: OrderedDict[tuple[str, str, str, str], deque[_Minute]] = OrderedDict()

    def count(self, log: RequestLog, rules: AlertRules) -> Sequence[Alert]:
        """Count the attempts of a log, and return what there is to tell of those deployments."""
        attempts = log.attempts
        if attempts is None or log.log_method is not _INFERENCE:
            return ()
        minute = log.ended_at // _MINUTE
        if _ANSWERED in attempts and _OF_MODEL in attempts and attempts.count(_ATTEMPT) == 1:
            named = (log.organization_id, log.provider_id or "", log.deployment_name or "", log.model or "")
            self._add(named, minute, failed=False)
            return ()
        troubled: list[Deployment] = []
        for attempt in read_attempts(attempts):
            if attempt.outcome == _CANCELLED:
                continue
            model = attempt.upstream_model or ""
            deployment = (log.organization_id, attempt.provider_id, attempt.credential_name, model)
            failed = attempt.outcome != _SUCCESS and _is_at_fault(attempt)
            self._add(deployment, minute, failed=failed)
            if failed:
                troubled.append(Deployment(*deployment))
        if not troubled:
            return ()
        return [alert for one in dict.fromkeys(troubled) for alert in self._judge(one, minute, rules, log)]

    def _add(self, deployment: tuple[str, str, str, str], minute: int, *, failed: bool) -> None:
        minutes = self._minutes.get(deployment)
        if minutes is None:
            if len(self._minutes) >= _MOST:
                self._minutes.popitem(last=False)
            minutes = self._minutes[deployment] = deque(maxlen=_MINUTES_OF_AN_HOUR)
        else:
            self._minutes.move_to_end(deployment)
        last = minutes[-1] if minutes else None
        if last is None or last.number < minute:  # one that is late is counted with the latest
            last = _Minute(minute)
            minutes.append(last)
        last.requests += 1
        last.errors += failed

    def _judge(self, deployment: Deployment, minute: int, rules: AlertRules, log: RequestLog) -> list[Alert]:
        last = [one for one in self._minutes[deployment] if one.number > minute - rules.error_minutes]
        requests, errors = sum(one.requests for one in last), sum(one.errors for one in last)
        if requests < rules.error_requests or errors * 100 < rules.error_percent * requests:
            return []
        name = f"{deployment.provider_id}/{deployment.name}/{deployment.model}".rstrip("/")
        return [
            Alert(
                organization_id=deployment.organization_id,
                event=Event.PROVIDER_ERRORS,
                subject=f"{name}:{minute // _MINUTES_OF_AN_HOUR}",
                message=f"{errors} of {name}'s last {requests} calls failed, in {rules.error_minutes} minutes.",
                data={
                    "provider_id": deployment.provider_id,
                    "deployment_name": deployment.name,
                    "model": deployment.model or None,
                    "requests": requests,
                    "errors": errors,
                    "error_rate": round(errors / requests, 4),
                    "minutes": rules.error_minutes,
                },
            )
        ]


def _is_at_fault(attempt: LoggedAttempt) -> bool:
    if attempt.outcome == Outcome.UPSTREAM_ERROR:
        status = attempt.status or 0
        return status >= 500 or status in _AT_FAULT
    return attempt.outcome in _FAILED
