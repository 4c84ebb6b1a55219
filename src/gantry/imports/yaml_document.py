"""A YAML document with the line of each of its members. The only module that needs PyYAML, the extra `import`.

Law: of YAML, what JSON can say: no tag makes an object. A key that stands twice is an error; PyYAML lets the last win.
"""

from collections.abc import Iterator
from typing import Any

import yaml
from msgspec import Struct

from gantry.imports.plan import ImportRefused


class YamlDocument(Struct, frozen=True):
    value: Any
    lines: dict[str, int]  # by place, as findings have it


def read_yaml(text: str) -> YamlDocument:
    """Return what a document says. Raises ImportRefused with the line that is wrong."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(None, {})
        lines = dict(_lines(node, ""))
        return YamlDocument(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        where = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ImportRefused(f"{where}{error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ImportRefused(f"this is no YAML: {error}") from None
    finally:
        loader.dispose()


def _lines(node: yaml.Node, place: str) -> Iterator[tuple[str, int]]:
    """Yield the place and the line of every member. A member that an anchor repeats has the line it is written at."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                continue
            name = str(key.value)
            if name in seen:
                raise ImportRefused(f"line {key.start_mark.line + 1}: {name!r} stands there twice")
            seen.add(name)
            inner = f"{place}.{name}" if place else name
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            inner = f"{place}[{index}]"
            yield inner, value.start_mark.line + 1
            yield from _lines(value, inner)
