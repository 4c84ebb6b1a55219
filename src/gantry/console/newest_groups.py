"""Pages of traces and of threads: what a request asks of them, and the links of the answer.

Law: the newest come first and nothing else is offered: any other order would read all of them. A link to the next page
carries the place where this one ended, and the count that was found with the first.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import Request
from msgspec import Meta, structs

from gantry.console.caller import Caller
from gantry.console.log_question import Mark, Question, write_mark
from gantry.console.parameters import ENVIRONMENTS, Moment, Parameter, documented
from gantry.console.request_logs import question_of
from gantry.console.state import ConsoleState
from gantry.core.errors import InvalidRequest
from gantry.store.group_sums import Viewer
from gantry.store.log_query import MAX_PAGE_SIZE
from gantry.store.newest_groups import COUNT_BOUND, NewestGroups, Place

_ORDERS: Final = ("-id", "-timestamp", "-start_time")
RANGE: Final = (
    Parameter("start_time", Moment, "With a log from this time on. Default: one hour ago."),
    Parameter("end_time", Moment, "With a log before this time. Default: now."),
    *ENVIRONMENTS,
)
PAGED: Final = documented(
    *RANGE,
    Parameter("search", str, "Words that an input or output says."),
    Parameter("sort_by", _ORDERS, "By the newest log; there is no other order."),
    Parameter("page", Annotated[int, Meta(ge=1)], "Follow `next` instead: it does not count from the start."),
    Parameter("page_size", Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)], "Default: 100."),
)


def newest_question(request: Request, state: ConsoleState, caller: Caller, body: bytes) -> Question:
    """Return what is asked of groups by their logs. Raises InvalidRequest."""
    order = request.query_params.get("sort_by", _ORDERS[0])
    if order not in _ORDERS:
        raise InvalidRequest(f"`sort_by` must be one of: {', '.join(_ORDERS)}.", param="sort_by")
    question = question_of(request, state, caller, body, apart=("sort_by",))
    if question.mark is not None and not isinstance(question.mark.value, str):
        raise InvalidRequest("`cursor` is not one of this list. Follow its links as they are.", param="cursor")
    if question.query.page * question.query.page_size > COUNT_BOUND:
        raise InvalidRequest(f"Pages are counted up to the {COUNT_BOUND}th; beyond, follow `next`.", param="page")
    return question


def at_any_time(request: Request, question: Question) -> Question:
    """Return the question without the range of time that none was given for."""
    if "start_time" in request.query_params:
        return question
    return structs.replace(question, query=structs.replace(question.query, since=None))


def place_in(question: Question) -> Place | None:
    """Return where the page before has ended."""
    mark = question.mark
    return None if mark is None else Place(mark.seq, str(mark.value))


def viewer_of(question: Question) -> Viewer:
    query = question.query
    return Viewer(query.organization_id, query.environment, query.key_id)


def newest_page(request: Request, question: Question, found: NewestGroups, items: Sequence[Any]) -> dict[str, Any]:
    """Return a page as it is answered."""
    mark = question.mark
    count, exact = (found.count, found.exact) if mark is None else (mark.count, mark.exact)
    url = request.url.replace(path=request.scope["path"] + "/").remove_query_params("cursor")
    following = previous = None
    if found.next is not None:
        place = write_mark(Mark(found.next.name, found.next.began, False, count, exact))
        following = str(url.include_query_params(page=question.page + 1, cursor=place))
    if question.page > 1:  # counted from the start
        previous = str(url.include_query_params(page=question.page - 1))
    return {
        "count": count,
        "count_is_exact": exact,
        "next": following,
        "previous": previous,
        "results": items,
    }
