"""Draws the picture of docs/gates.md: intervals beside a threshold, and what n samples can show.

    python tools/gates_picture.py --write

Without ``--write`` it says whether the picture is the one that it would draw.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from pytest_vlmrobust.core.exact import exact_difference
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.resolution import detectable_drop
from pytest_vlmrobust.core.verdicts import reach_verdict

PICTURE = Path(__file__).parents[1] / "docs" / "gates.svg"
THRESHOLD = 0.05
N = 200
RUNS = ((1, 1), (7, 2), (10, 0), (17, 3), (30, 3))
"""How many of N samples are lost and gained in each of the runs that are drawn."""

COLORS = {"pass": "#1a7f37", "inconclusive": "#9a6700", "fail": "#cf222e"}
WIDTH, HEIGHT = 900, 330
LEFT, RIGHT, TOP, BOTTOM = 110, 400, 60, 270
CURVE_LEFT, CURVE_RIGHT = 545, 870
SIZES = (50, 100, 200, 400, 800, 1600)
MOST = 0.35


def draw() -> str:
    """The picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13" fill="#1f2328">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *_intervals(),
        *_curve(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _intervals() -> list[str]:
    def across(drop: float) -> float:
        return LEFT + (drop + 0.04) / 0.26 * (RIGHT - LEFT)

    parts = [_text(LEFT - 90, 20, f"Five runs of {N} samples, max_accuracy_drop = {THRESHOLD:g}", weight=600)]
    edge = across(THRESHOLD)
    parts.append(_line(edge, TOP - 14, edge, BOTTOM, dashed=True))
    parts.append(_text(edge, TOP - 18, "threshold", anchor="middle"))
    parts.append(_text(LEFT - 90, TOP - 1, "estimate", color="#59636e"))
    parts.append(_text(RIGHT + 8, TOP - 1, "confident", color="#59636e"))
    for index, (lost, gained) in enumerate(RUNS):
        value, interval = (lost - gained) / N, exact_difference(lost, gained, N)
        y = TOP + 26 + index * 38
        estimate, sure = _verdicts(value, interval)
        color = COLORS[sure]
        parts.append(_text(LEFT - 90, y + 4, estimate, color=COLORS[estimate]))
        parts.append(_line(across(interval.low), y, across(interval.high), y, color=color, width=3))
        parts.append(f'<circle cx="{across(value):.1f}" cy="{y}" r="5.5" fill="{color}"/>')
        parts.append(_text(RIGHT + 8, y + 4, sure, color=color))
    parts.append(_line(LEFT, BOTTOM, RIGHT, BOTTOM))
    for tick in (0.0, 0.05, 0.1, 0.15, 0.2):
        parts.append(_line(across(tick), BOTTOM, across(tick), BOTTOM + 5))
        parts.append(_text(across(tick), BOTTOM + 20, f"{tick:g}", anchor="middle"))
    title = "accuracy drop and its 95 % interval"
    parts.append(_text((LEFT + RIGHT) / 2, BOTTOM + 42, title, anchor="middle"))
    return parts


def _verdicts(value: float, interval: Interval) -> tuple[str, str]:
    estimate = reach_verdict(value, interval, threshold=THRESHOLD, bound="max")
    return estimate, reach_verdict(value, interval, threshold=THRESHOLD, bound="max", mode="confident")


def _curve() -> list[str]:
    def across(n: float) -> float:
        first, last = math.log(SIZES[0]), math.log(SIZES[-1])
        return CURVE_LEFT + (math.log(n) - first) / (last - first) * (CURVE_RIGHT - CURVE_LEFT)

    def up(drop: float) -> float:
        return BOTTOM - drop / MOST * (BOTTOM - TOP)

    points = []
    for step in range(61):
        n = round(SIZES[0] * (SIZES[-1] / SIZES[0]) ** (step / 60))
        found = detectable_drop(n, THRESHOLD, gained_rate=0.02)
        if found is not None and found <= MOST:
            points.append(f"{across(n):.1f},{up(found):.1f}")
    title = "The smallest true drop that n samples show, 4 times in 5"
    parts = [_text(CURVE_LEFT - 40, 20, title, weight=600)]
    parts.append(_line(CURVE_LEFT, up(THRESHOLD), CURVE_RIGHT, up(THRESHOLD), dashed=True))
    parts.append(_text(CURVE_RIGHT, up(THRESHOLD) + 16, "threshold", anchor="end"))
    parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="#0969da" stroke-width="3"/>')
    parts += [_line(CURVE_LEFT, BOTTOM, CURVE_RIGHT, BOTTOM), _line(CURVE_LEFT, TOP, CURVE_LEFT, BOTTOM)]
    for size in SIZES:
        parts.append(_line(across(size), BOTTOM, across(size), BOTTOM + 5))
        parts.append(_text(across(size), BOTTOM + 20, f"{size:,}", anchor="middle"))
    for tick in (0.0, 0.1, 0.2, 0.3):
        parts.append(_line(CURVE_LEFT - 5, up(tick), CURVE_LEFT, up(tick)))
        parts.append(_text(CURVE_LEFT - 10, up(tick) + 4, f"{tick:g}", anchor="end"))
    parts.append(_text((CURVE_LEFT + CURVE_RIGHT) / 2, BOTTOM + 42, "samples, n", anchor="middle"))
    return parts


def _text(x: float, y: float, text: str, *, anchor: str = "start", color: str = "", weight: int = 400) -> str:
    fill = f' fill="{color}"' if color else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{fill}{bold}>{text}</text>'


def _line(
    x: float,
    y: float,
    to_x: float,
    to_y: float,
    *,
    color: str = "#59636e",
    width: int = 1,
    dashed: bool = False,
) -> str:
    dash = ' stroke-dasharray="5 4"' if dashed else ""
    return (
        f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{color}" '
        f'stroke-width="{width}"{dash}/>'
    )


def main() -> int:
    """Write the picture, or say whether it is up to date."""
    if "--write" in sys.argv[1:]:
        PICTURE.write_text(draw(), encoding="utf-8")
        return 0
    if PICTURE.read_text(encoding="utf-8") == draw():
        return 0
    print("docs/gates.svg is not up to date: run python tools/gates_picture.py --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
