"""What the gate's cost grows with: fields, rules, bad records; each line should be straight.

Prints microseconds per record at each step, how far the line through first and last step is from
those between (the excess; 0% is a straight line), and with ``--plot FILE`` draws them as SVG.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from benchmarks.bench_gate import cpu_seconds, paths
from benchmarks.orders import CONTRACT, records
from lakegate.contract import loads
from lakegate.contract.stream import Stream
from lakegate.gate import compile as compile_gate

_RECORDS = 5_000
_FIELDS = (5, 10, 20, 40, 80)
_RULES = (0, 2, 4, 6, 8)
_BAD = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
Line = list[tuple[float, float]]


def main(argv: list[str]) -> None:
    """Three lines for each path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tries")
    parser.add_argument("--plot", type=Path, help="write the lines as SVG")
    asked = parser.parse_args(argv)
    tries = 3 if asked.quick else 12
    drawn: dict[str, dict[str, Line]] = {}
    for path in paths():
        lines = {
            "fields": _line(path, _FIELDS, _with_fields, tries),
            "rules on each of 10 fields": _line(path, _RULES, _with_rules, tries),
            "% of records bad": _line(path, _BAD, _with_bad, tries),
        }
        for name, line in lines.items():
            steps = "  ".join(f"{at:g}: {cost:.2f}" for at, cost in line)
            print(f"{path:6} {name}: us/record  {steps}  (excess {_excess(line):+.0%})")
        drawn[path] = lines
    if asked.plot is not None:
        asked.plot.write_text(_svg(drawn))


def _line(
    path: str,
    steps: tuple[float, ...],
    make: Callable[[float], tuple[Stream, list[bytes]]],
    tries: int,
) -> Line:
    """The least cost of each step; one try of all steps after the other, so that a busy moment of
    the machine is shared by them.
    """
    works, costs = [], [float("inf")] * len(steps)
    for step in steps:
        stream, values = make(step)
        gate = compile_gate(stream, decoder=path)  # type: ignore[arg-type]
        array = pa.array(values, pa.binary())
        works.append(lambda g=gate, a=array: g(a))
    for _ in range(tries):
        for position, work in enumerate(works):
            costs[position] = min(costs[position], cpu_seconds(work))
    shown = 100 if make is _with_bad else 1
    return [(step * shown, cost / _RECORDS * 1e6) for step, cost in zip(steps, costs, strict=True)]


def _excess(line: Line) -> float:
    """The largest part by which a step between costs more than the straight line says."""
    (x0, y0), (x1, y1) = line[0], line[-1]
    return max(y / (y0 + (y1 - y0) * (x - x0) / (x1 - x0)) - 1 for x, y in line[1:-1])


def _contract(properties: list[dict[str, object]]) -> Stream:
    document = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "wide", "name": "wide",
        "version": "1.0.0", "status": "active",
        "schema": [{"name": "wide", "logicalType": "object", "properties": properties}],
    }  # fmt: skip
    return loads(json.dumps(document)).streams[0]


def _with_fields(count: float) -> tuple[Stream, list[bytes]]:
    names = [f"field_{number:02d}" for number in range(int(count))]
    stream = _contract(
        [
            {"name": name, "logicalType": "string", "required": True,
             "logicalTypeOptions": {"maxLength": 20}}
            for name in names
        ]
    )  # fmt: skip
    values = [
        json.dumps(dict.fromkeys(names, f"value {row}"), separators=(",", ":")).encode()
        for row in range(_RECORDS)
    ]
    return stream, values


def _with_rules(count: float) -> tuple[Stream, list[bytes]]:
    def quality(name: str) -> list[dict[str, object]]:
        return [
            {"id": f"{name}_{number}", "metric": "invalidValues", "mustBe": 0,
             "arguments": {"pattern": f"^v.{{1,{30 + number}}}$"}}
            for number in range(int(count))
        ]  # fmt: skip

    names = [f"field_{number:02d}" for number in range(10)]
    stream = _contract(
        [{"name": name, "logicalType": "string", "quality": quality(name)} for name in names]
    )
    values = [
        json.dumps(dict.fromkeys(names, f"value {row}"), separators=(",", ":")).encode()
        for row in range(_RECORDS)
    ]
    return stream, values


def _with_bad(share: float) -> tuple[Stream, list[bytes]]:
    return loads(CONTRACT).streams[0], records(_RECORDS, bad=share)


_COLOURS = {"native": "#0b7285", "fast": "#e8590c"}
_WIDTH, _HEIGHT, _GAP = 280, 160, 70


def _svg(drawn: dict[str, dict[str, Line]]) -> str:
    """A row of charts for each path, each with a scale of its own."""
    columns = max(map(len, drawn.values()))
    width, height = columns * (_WIDTH + _GAP) + _GAP, len(drawn) * (_HEIGHT + _GAP) + _GAP // 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">',
        '<g font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for row, (path, lines) in enumerate(drawn.items()):
        top = _GAP // 2 + row * (_HEIGHT + _GAP)
        for column, (name, line) in enumerate(lines.items()):
            left = _GAP + column * (_WIDTH + _GAP)
            parts.append(_chart(left, top, f"{path}: {name}", line, _COLOURS[path]))
    return "\n".join([*parts, "</g></svg>\n"])


def _chart(left: int, top: int, title: str, line: Line, colour: str) -> str:
    """One line with its axes, which begin at 0."""
    bottom = top + _HEIGHT
    most_x, most_y = max(x for x, _ in line), max(y for _, y in line) * 1.1
    points = [(left + x / most_x * _WIDTH, bottom - y / most_y * _HEIGHT, x) for x, y in line]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    return "\n".join(
        [
            f'<path d="M{left} {top}V{bottom}H{left + _WIDTH}" fill="none" stroke="#868e96"/>',
            _text(left, top - 10, "start", "us per record"),
            _text(left - 6, top + 10, "end", f"{most_y:.1f}"),
            _text(left - 6, bottom, "end", "0"),
            _text(left + _WIDTH / 2, bottom + 34, "middle", title),
            *(_text(at, bottom + 16, "middle", f"{x:g}") for at, _, x in points),
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y, _ in points),
        ]
    )


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{text}</text>'


if __name__ == "__main__":
    main(sys.argv[1:])
