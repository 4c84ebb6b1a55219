"""What is asked of logs, in ClickHouse's words.

Law: the same question has the same answer as on SQLite and PostgreSQL, and no value becomes SQL: each is bound by a
name and a type (`{p0:Int64}`), a list as one value. A log and what was said in it are one row here, so the table of
bodies is that of the logs, and joins nothing.

Types are those of the values and not of columns: a column of whole numbers may be compared with a fraction.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import ColumnClause, Executable, LargeBinary, Null
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from gantry.store.engine_sql import (
    arrived_since,
    folded,
    found_by_words,
    matches,
    member_of,
    number_in,
    ordered,
    position_in,
)
from gantry.store.log_tables import request_log_bodies, request_logs
from gantry.store.text_patterns import MATCHED_CHARACTERS, NUMBER

CONTENT: Final = "content"  # beside the columns of a log: what was said in it, as `request_log_bodies` has it
WORDS: Final = {"input": "input_words", "output": "output_words"}  # and its words, see `full_text.spaced_words`
_FUNCTIONS: Final = {">>": "bitShiftRight", "&": "bitAnd"}
_SAID_IN: Final = f"(CASE WHEN {CONTENT} IS NOT NULL THEN seq END)"


class Asked(Struct, frozen=True):
    """A statement, the values bound in it, and what its columns are called."""

    text: str
    values: dict[str, Any]
    names: Sequence[str]


def compile_select(statement: Any) -> Asked:
    """Return a SELECT, with the values that it holds."""
    compiler = statement.compile(dialect=_DIALECT)
    return Asked(str(compiler), compiler.bound, list(statement.selected_columns.keys()))


def compile_condition(condition: Any) -> tuple[str, dict[str, Any]]:
    """Return a condition on rows of logs, with the values that it holds."""
    compiler = condition.compile(dialect=_DIALECT, compile_kwargs={"include_table": False})
    return str(compiler), compiler.bound


class _Compiler(SQLCompiler):
    """SQL as ClickHouse has it."""

    def __init__(self, dialect: Any, statement: Executable | None, *args: Any, **options: Any) -> None:
        self.bound: dict[str, Any] = {}
        super().__init__(dialect, statement, *args, **options)  # type: ignore[arg-type]

    def bind(self, value: Any) -> str:
        name = f"p{len(self.bound)}"
        self.bound[name] = value
        return f"{{{name}:{_type_of(value)}}}"

    def visit_bindparam(self, bindparam: Any, *_: Any, **__: Any) -> str:
        value = bindparam.effective_value
        return f"({self.bind(list(value))})" if bindparam.expanding else self.bind(value)

    def visit_table(self, table: Any, *args: Any, **options: Any) -> Any:
        table = request_logs if table is request_log_bodies else table
        return super().visit_table(table, *args, **options)  # type: ignore[no-untyped-call]

    def visit_join(self, join: Any, asfrom: bool = False, from_linter: Any = None, **options: Any) -> Any:
        if join.right is request_log_bodies:
            return self.process(join.left, asfrom=True, **options)
        return super().visit_join(join, asfrom, from_linter, **options)  # type: ignore[no-untyped-call]

    def visit_column(self, column: Any, add_to_result_map: Any = None, *args: Any, **options: Any) -> Any:
        if column.table is not request_log_bodies:
            return super().visit_column(column, add_to_result_map, *args, **options)
        if add_to_result_map is not None:
            add_to_result_map(column.name, column.name, (column, column.name, column.key), column.type)
        return CONTENT if column.name == CONTENT else _SAID_IN

    def for_update_clause(self, select: Any, **_: Any) -> str:
        return ""  # who changes a log holds its id in SQL

    def visit_cast(self, cast: Any, **options: Any) -> str:
        return f"CAST({self.process(cast.clause, **options)}, 'Nullable(Float64)')"  # to nothing else is cast

    def visit_custom_op_binary(self, element: Any, operator: Any, **options: Any) -> str:
        left, right = (self.process(side, **options) for side in (element.left, element.right))
        return f"{_FUNCTIONS[operator.opstring]}({left}, {right})"

    def visit_floordiv_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        return f"intDiv({self.process(binary.left, **options)}, {self.process(binary.right, **options)})"

    def visit_is__binary(self, binary: Any, operator: Any, **options: Any) -> str:
        left, right = (self.process(side, **options) for side in (binary.left, binary.right))
        return f"({left} IS NULL)" if isinstance(binary.right, Null) else f"ifNull({left} = {right}, false)"

    def visit_like_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        # Backslash is the only escape that there is, and ours.
        return f"({self.process(binary.left, **options)} LIKE {self.process(binary.right, **options)})"

    def visit_length_func(self, function: Any, **options: Any) -> str:
        (text,) = function.clauses
        name = "length" if isinstance(text.type, LargeBinary) else "lengthUTF8"
        return f"{name}({self.process(text, **options)})"

    def visit_substr_func(self, function: Any, **options: Any) -> str:
        return f"substringUTF8({', '.join(self.process(one, **options) for one in function.clauses)})"


class _Dialect(DefaultDialect):
    name = "clickhouse"
    statement_compiler = _Compiler  # type: ignore[assignment]
    supports_native_boolean = True
    supports_statement_cache = False  # values are bound as a statement is compiled
    div_is_floordiv = False


_DIALECT: Final = _Dialect()


def _type_of(value: Any) -> str:
    if isinstance(value, list):
        kinds = {_type_of(one) for one in value}
        return f"Array({next(iter(kinds)) if len(kinds) == 1 else 'Float64' if kinds else 'String'})"
    if value is None:
        return "Nullable(String)"
    if isinstance(value, bool):
        return "Bool"
    if isinstance(value, int):
        return "Int64" if -(2**63) <= value < 2**63 else "Float64"
    return "Float64" if isinstance(value, float) else "String"


def _texts(element: FunctionElement[Any], compiler: Any, options: Any) -> list[str]:
    return [compiler.process(clause, **options) for clause in element.clauses]


@compiles(member_of, "clickhouse")
def _member_of(element: member_of, compiler: Any, **options: Any) -> str:
    text, name = _texts(element, compiler, options)
    raw = f"nullIf(nullIf(JSONExtractRaw({text}, {name}), ''), 'null')"
    return f"(CASE WHEN JSONType({text}, {name}) = 'String' THEN JSONExtractString({text}, {name}) ELSE {raw} END)"


@compiles(position_in, "clickhouse")
def _position_in(element: position_in, compiler: Any, **options: Any) -> str:
    return "position({}, {})".format(*_texts(element, compiler, options))


@compiles(folded, "clickhouse")
def _folded(element: folded, compiler: Any, **options: Any) -> str:
    return "lowerUTF8({})".format(*_texts(element, compiler, options))


@compiles(ordered, "clickhouse")
def _ordered(element: ordered, compiler: Any, **options: Any) -> str:
    return _texts(element, compiler, options)[0]


@compiles(number_in, "clickhouse")
def _number_in(element: number_in, compiler: Any, **options: Any) -> str:
    (text,) = _texts(element, compiler, options)
    return f"(CASE WHEN match({text}, {compiler.bind(NUMBER)}) THEN toFloat64OrNull({text}) END)"


@compiles(matches, "clickhouse")
def _matches(element: matches, compiler: Any, **options: Any) -> str:
    text, pattern = _texts(element, compiler, options)
    return f"match(substringUTF8({text}, 1, {MATCHED_CHARACTERS}), {pattern})"


@compiles(arrived_since, "clickhouse")
def _arrived_since(element: arrived_since, compiler: Any, **options: Any) -> str:
    return "true"  # partitions are of the time that a call began


@compiles(found_by_words, "clickhouse")
def _found_by_words(element: found_by_words, compiler: Any, **options: Any) -> str:
    """Each phrase as it stands between spaces; its whole words first, by the index."""
    _, which, _, *phrases = element.clauses
    assert isinstance(which, ColumnClause)
    columns = tuple(WORDS.values()) if which.name == "said" else (WORDS[which.name],)
    found = []
    for sought in phrases[1::2]:
        phrase = compiler.process(sought, **options)
        whole = f"arrayPopBack(arrayPopFront(splitByChar(' ', {phrase})))"
        either = (
            f"((empty({whole}) OR hasAllTokens({column}, {whole})) AND position({column}, {phrase}) > 0)"
            for column in columns
        )
        found.append(f"({' OR '.join(either)})")
    return f"({' AND '.join(found)})" if found else "false"
