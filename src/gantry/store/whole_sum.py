"""A sum of integers that SQLite adds up, too, where it leaves 64 bits: a tenant's absurd numbers are its own affair.

SQLite's `sum` of integers fails then, and with it the whole question: https://www.sqlite.org/lang_aggfunc.html#sumunc
Added up by parts, and put together by operators, which go on as REAL, it is exact as long as it can be and of the right
size beyond. PostgreSQL's sum of BIGINT is NUMERIC.
"""

from typing import Any, Final

from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_PART: Final = 10**9


class WholeSum(FunctionElement[Any]):
    """`WholeSum(column)`, in the place of `func.sum(column)`."""

    name = "whole_sum"
    inherit_cache = True


@compiles(WholeSum)
def _plainly(element: WholeSum, compiler: SQLCompiler, **more: Any) -> str:
    return f"sum({compiler.process(element.clauses, **more)})"


@compiles(WholeSum, "sqlite")
def _by_parts(element: WholeSum, compiler: SQLCompiler, **more: Any) -> str:
    summed = compiler.process(element.clauses, **more)
    return f"(sum(({summed}) / {_PART}) * {_PART} + sum(({summed}) % {_PART}))"
