"""Points go in, and a picture that says what they are comes out."""

from xml.etree import ElementTree

from bench.graphs import Panel, draw

SVG = "{http://www.w3.org/2000/svg}"
MEMORY = Panel("Memory", "MB", {"worker <0>": [(0.0, 50.0), (1.0, 60.0)], "clerk": [(0.0, 80.0), (1.0, 80.0)]})
RATE = Panel("Calls", "calls a second", {"calls": [(minute / 10, 7.0) for minute in range(1000)]})


def drawn(*panels: Panel, marks: dict[str, list[float]] | None = None) -> ElementTree.Element:
    return ElementTree.fromstring(draw("A soak & more", panels, marks or {}))


def texts(picture: ElementTree.Element) -> list[str | None]:
    return [text.text for text in picture.iter(f"{SVG}text")]


def points(picture: ElementTree.Element, line: int) -> list[tuple[float, float]]:
    said = [polyline.get("points", "") for polyline in picture.iter(f"{SVG}polyline")][line]
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in said.split())]


def test_each_line_is_drawn_and_named() -> None:
    picture = drawn(MEMORY, RATE)
    assert [title.text for title in picture.iter(f"{SVG}title")] == ["worker <0>", "clerk", "calls"]
    assert {"A soak & more", "Memory (MB)", "Calls (calls a second)", "worker <0>", "clerk"} <= set(texts(picture))


def test_more_is_higher_and_later_is_further_right() -> None:
    (x1, y1), (x2, y2) = points(drawn(MEMORY), 0)
    assert x1 < x2
    assert y1 > y2


def test_axes_have_numbers_and_minutes() -> None:
    said = texts(drawn(MEMORY))
    assert {"0", "20", "80", "0 min", "1 min"} <= set(said)


def test_a_peak_among_many_points_is_kept() -> None:
    line = [(number / 10, 1000.0 if number == 501 else 7.0) for number in range(1000)]
    kept = points(drawn(Panel("Calls", "calls a second", {"calls": line})), 0)
    assert len(kept) < 300
    heights = sorted(y for _, y in kept)
    assert heights[0] < heights[1]


def test_what_was_done_is_marked_when_it_was() -> None:
    picture = drawn(MEMORY, marks={"rotation": [0.25, 0.75], "export": [0.5]})
    circles = [(float(one.get("cx", "")), one.get("cy")) for one in picture.iter(f"{SVG}circle")]
    assert len(circles) == 3
    assert circles[0][0] < circles[2][0] < circles[1][0]
    assert {"rotation", "export"} <= set(texts(picture))


def test_nothing_measured_is_an_empty_picture() -> None:
    assert texts(drawn(Panel("Memory", "MB", {"clerk": []})))
