"""What a limit may say. Pure: whoever writes one, by command, API or gantry.toml, is told the same words."""

from typing import Final

from gantry.core.limits import ANY_SUBJECT, Limit, LimitScope, LimitUnit
from gantry.core.periods import Period

MOST_AMOUNT: Final = 10**18  # a billion dollars, in nano-dollars
MOST_ALERTS: Final = 10
_LARGEST_PERCENT: Final = 1000
_LONGEST_NAME: Final = 100
_LONGEST_SUBJECT: Final = 254
# As `limit_info` and messages call what is no limit of this kind.
RESERVED_NAMES: Final = frozenset(("org_credits", "customer_budget", "customer_total", "customer_rate"))


class LimitRefused(ValueError):
    """A limit that cannot be; `param` names the member that is wrong."""

    def __init__(self, param: str, reason: str) -> None:
        super().__init__(f"{param}: {reason}")
        self.param = param
        self.reason = reason


def check_limit(limit: Limit) -> Limit:
    """Return a limit with its alerts in order, and a name. Raises LimitRefused."""
    _check_subject(limit)
    if limit.unit is LimitUnit.CONCURRENCY and limit.period is not Period.LIFETIME:
        raise LimitRefused("period", "calls under way are counted at every moment: concurrency has no period")
    if not _least(limit) <= limit.amount <= MOST_AMOUNT:
        raise LimitRefused(
            "amount", f"it must be at least {_least_in_words(limit)}, and at most {_most_in_words(limit)}"
        )
    alerts = tuple(sorted(set(limit.alerts)))
    if len(alerts) > MOST_ALERTS or any(not 1 <= percent <= _LARGEST_PERCENT for percent in alerts):
        raise LimitRefused("alerts", f"they are up to {MOST_ALERTS} percentages from 1 to {_LARGEST_PERCENT}")
    name = limit.name or default_name(limit)
    if len(name) > _LONGEST_NAME or not name.isprintable() or name.strip() != name:
        raise LimitRefused("name", f"it must be one line of at most {_LONGEST_NAME} characters")
    if name in RESERVED_NAMES:
        raise LimitRefused("name", f"{name} is what something else is called in logs; choose another")
    return Limit(
        limit.id,
        limit.scope,
        limit.subject,
        limit.unit,
        limit.period,
        limit.amount,
        limit.action,
        name,
        limit.environment,
        alerts,
    )


def default_name(limit: Limit) -> str:
    """Return what a limit is called that nobody named: `api_key_cost_month`."""
    parts = [limit.scope.value, limit.unit.value]
    if limit.unit is not LimitUnit.CONCURRENCY:
        parts.append(limit.period.value)
    return "_".join(parts)


def _check_subject(limit: Limit) -> None:
    subject = limit.subject
    if limit.scope is LimitScope.ORGANIZATION:
        if subject:
            raise LimitRefused("subject", "an organization's limit counts all its calls, and names nobody")
        return
    if not subject:
        raise LimitRefused("subject", f"a limit of scope {limit.scope} must say whose it is; `{ANY_SUBJECT}` is each")
    if len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise LimitRefused("subject", f"it must be one line of at most {_LONGEST_SUBJECT} characters")


def _least(limit: Limit) -> int:
    """Return the least amount. Nothing at all may cost something; what fills up again steadily must fill up."""
    return 0 if limit.unit is LimitUnit.COST and limit.period is not Period.MINUTE else 1


def _least_in_words(limit: Limit) -> str:
    return "0" if not _least(limit) else "a nano-dollar" if limit.unit is LimitUnit.COST else "1"


def _most_in_words(limit: Limit) -> str:
    return "a billion dollars" if limit.unit is LimitUnit.COST else f"{MOST_AMOUNT}"
