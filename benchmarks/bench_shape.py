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

from benchmarks.bench_gate import best, paths
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
    tries = 3 if asked.quick else 8
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
    line = []
    for step in steps:
        stream, values = make(step)
        gate = compile_gate(stream, decoder=path)  # type: ignore[arg-type]
        array = pa.array(values, pa.binary())
        _, cost = best(lambda: None, lambda g=gate, a=array: g(a), tries)
        shown = step * 100 if make is _with_bad else step
        line.append((shown, cost / len(values) * 1e6))
    return line


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


def _svg(drawn: dict[str, dict[str, Line]]) -> str:
    """One small chart per line, the paths over one another."""
    width, height, gap = 280, 180, 60
    names = list(next(iter(drawn.values())))
    whole = f'width="{len(names) * (width + gap) + gap}" height="{height + 110}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {whole} font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for column, name in enumerate(names):
        left, top = gap + column * (width + gap), 40
        lines = {path: lines[name] for path, lines in drawn.items()}
        most_x = max(x for line in lines.values() for x, _ in line) or 1
        most_y = max(y for line in lines.values() for _, y in line) * 1.1
        parts.append(
            f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="#868e96"/>'
            f'<text x="{left}" y="{top - 12}">us per record</text>'
            f'<text x="{left + width / 2}" y="{top + height + 36}" text-anchor="middle">'
            f"{name}</text>"
            f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{most_y:.1f}</text>'
            f'<text x="{left - 6}" y="{top + height}" text-anchor="end">0</text>'
        )
        for x, _ in next(iter(lines.values())):
            at = left + x / most_x * width
            parts.append(
                f'<text x="{at:.0f}" y="{top + height + 18}" text-anchor="middle">{x:g}</text>'
            )
        for path, line in lines.items():
            points = [
                (left + x / most_x * width, top + height - y / most_y * height) for x, y in line
            ]
            drawn_points = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            parts.append(
                f'<polyline points="{drawn_points}" fill="none" stroke="{_COLOURS[path]}" '
                'stroke-width="2"/>'
            )
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{_COLOURS[path]}"/>'
                for x, y in points
            ]
    for number, path in enumerate(drawn):
        x = gap + number * 160
        parts.append(
            f'<rect x="{x}" y="{height + 88}" width="12" height="12" fill="{_COLOURS[path]}"/>'
            f'<text x="{x + 18}" y="{height + 98}">{path}</text>'
        )
    return "".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    main(sys.argv[1:])
