"""A YAML document with the line of each of its members. The only module that needs PyYAML, the extra `import`.

Law: of YAML, what JSON can say: no tag makes an object, a number is finite, a text has no half characters. A key that
stands twice is an error; PyYAML lets the last win. What anchors repeat counts as often as it is repeated, before any of
it is made: nine lines can say a billion members.
"""

from collections.abc import Iterator
from typing import Any, Final

import yaml
from msgspec import Struct

from gantry.imports.amounts import number_in
from gantry.imports.plan import ImportRefused

_MOST_MEMBERS: Final = 1_000_000


class YamlDocument(Struct, frozen=True):
    value: Any
    lines: dict[str, int]  # by place, as findings have it


def read_yaml(text: str) -> YamlDocument:
    """Return what a document says. Raises ImportRefused with the line that is wrong."""
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ImportRefused(f"line {line}: a character that is no text, U+{error.character:04X}") from None
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(None, {})
        if _size(node, {}) > _MOST_MEMBERS:
            raise ImportRefused(f"with what its anchors repeat it has more than {_MOST_MEMBERS:,} members")
        lines = dict(_lines(node, "", loader))
        return YamlDocument(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ImportRefused(f"{where}{error.problem or error.context}") from None
    except RecursionError:
        raise ImportRefused("it is nested too deeply for a configuration") from None
    except yaml.YAMLError as error:
        raise ImportRefused(f"this is no YAML: {error}") from None
    finally:
        loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Return how many members a node has with all within it. `known` has those that were counted, 0 while they are."""
    if id(node) in known:
        if not known[id(node)]:
            raise ImportRefused(f"line {node.start_mark.line + 1}: an anchor that is repeated within itself")
        return known[id(node)]
    known[id(node)] = 0
    inner = node.value if isinstance(node, yaml.SequenceNode) else ()
    if isinstance(node, yaml.MappingNode):
        inner = [one for pair in node.value for one in pair]
    known[id(node)] = 1 + sum(_size(one, known) for one in inner)
    return known[id(node)]


def _lines(node: yaml.Node, place: str, loader: yaml.SafeLoader) -> Iterator[tuple[str, int]]:
    """Yield the place and the line of every member. A member that an anchor repeats has the line it is written at."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            if isinstance(key, yaml.ScalarNode):
                _check_scalar(key, loader)
            name = str(key.value)
            if name in seen:
                raise ImportRefused(f"line {key.start_mark.line + 1}: {name!r} stands there twice")
            seen.add(name)
            inner = f"{place}.{name}" if place else name
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner, loader)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = f"{place}[{index}]"
            yield inner, value.start_mark.line + 1
            yield from _lines(value, inner, loader)
    else:
        _check_scalar(node, loader)


def _check_scalar(node: yaml.Node, loader: yaml.SafeLoader) -> None:
    """Raise ImportRefused for what JSON cannot say."""
    where = f"line {node.start_mark.line + 1}"
    try:
        value = loader.construct_object(node)
    except ValueError as error:
        raise ImportRefused(f"{where}: {error}") from None
    if isinstance(value, int | float) and not isinstance(value, bool) and number_in(value) is None:
        raise ImportRefused(f"{where}: no number that can be counted with")
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        raise ImportRefused(f"{where}: half a character, which is no text")
