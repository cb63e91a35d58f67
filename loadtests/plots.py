"""The benchmark's figures as pictures: what the table says, at a glance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from loadtests.bench_table import BATCH_RATIO, P50_MS, P99_MS, SINGLE_RATIO
from loadtests.growth import EMPTY_BYTES_TARGET, FULL_BYTES_TARGET, GROWTH_TARGET

Found = dict[str, Any]
INK, QUIET, GOOD, OTHER = "#1f2933", "#9aa5b1", "#2f6f4f", "#b4552d"
_STYLE: Any = {
    "svg.hashsalt": "tropa",  # the same figures make the same file
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
    "figure.facecolor": "white",
}


def draw_all(found: Found, results: Path) -> list[Path]:
    """Every picture, as SVG."""
    with mpl.rc_context(_STYLE):
        return [_save(draw, found, results / f"{name}.svg") for name, draw in PICTURES.items()]


def _save(draw: Callable[[Found], Any], found: Found, path: Path) -> Path:
    figure = draw(found)
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return path


def _target(axes: Axes, value: float, text: str, *, color: str = INK) -> None:
    axes.axhline(value, color=color, linestyle=(0, (4, 3)), linewidth=1)
    axes.annotate(
        text, (1, value), xycoords=("axes fraction", "data"), xytext=(-2, 3), textcoords="offset points", ha="right", color=color
    )


def throughput(found: Found) -> Any:
    """Every round as a dot, the median as a bar, the target as a line."""
    figure, both = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
    for axes, shape, target in zip(both, ("single", "batch"), (SINGLE_RATIO, BATCH_RATIO), strict=True):
        ratios = [one["ratio"] for one in found["saturation"]["rounds"] if one["shape"] == shape]
        median = found["saturation"]["medians"][shape]
        axes.bar([0], [median["ratio"]], width=0.5, color=GOOD, alpha=0.85)
        axes.plot([0.02 * (place - len(ratios) / 2) for place in range(len(ratios))], ratios, "o", color=INK, markersize=4)
        _target(axes, target, f"target {target:g}")
        axes.set_xlim(-0.8, 0.8)
        axes.set_ylim(0, 1.15 * max(target, *ratios))
        axes.set_xticks([0], [f"{median['events_per_second']:,.0f} events/s"])
        axes.set_title("single events" if shape == "single" else "batches of 100")
    both[0].set_ylabel("events to requests of\na do-nothing handler")
    return figure


def latency(found: Found) -> Any:
    """p50 and p99 over the load; hollow: the same with commits that are not synced."""
    figure, both = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
    for axes, shape in zip(both, ("single", "batch"), strict=True):
        rows = [one for one in found["latency"] if one["shape"] == shape]
        for name, color in (("p50_ms", GOOD), ("p99_ms", OTHER)):
            synced = [(100 * one["load"], one[name]) for one in rows if one["synced"]]
            axes.plot(*zip(*synced, strict=True), "o-", color=color, label=name.removesuffix("_ms"))
            for one in rows:
                if not one["synced"]:
                    axes.plot(100 * one["load"], one[name], "o", markerfacecolor="white", color=color)
        for target, color in ((P50_MS, GOOD), (P99_MS, OTHER)) if shape == "single" else ():
            axes.hlines(target, 42, 58, color=color, linestyle=(0, (2, 1)), linewidth=2)
            axes.annotate(f"target {target:g}", (42, target), xytext=(-3, -3), textcoords="offset points", ha="right", color=color)
        axes.set_title("single events" if shape == "single" else "batches of 100")
        axes.set_xlabel("% of saturation (hollow: without syncs)")
        axes.set_xticks([10, 50, 80])
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
    both[0].set_ylabel("milliseconds to the answer")
    both[1].legend(frameon=False)
    return figure


def stages(found: Found) -> Any:
    """Microseconds an event."""
    shown = {name: value for name, value in found["stages"].items() if not name.startswith("(")}
    figure, axes = plt.subplots(figsize=(7.5, 0.42 * len(shown) + 0.8), layout="constrained")
    bars = axes.barh(
        list(shown), list(shown.values()), color=[OTHER if name.startswith("writer") else GOOD for name in shown], height=0.6
    )
    axes.bar_label(bars, fmt="%.1f µs", padding=4)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * max(shown.values()))
    axes.set_xlabel("processor time of an event, in one process")
    return figure


def growth(found: Found) -> Any:
    """What an event costs with more and more of them stored."""
    costs = found["growth"]["costs"]
    stored = [cost["stored"] for cost in costs]
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 3.2), layout="constrained")
    parts = [[cost[name] for cost in costs] for name in ("collector_us", "writer_us")]
    left.stackplot(stored, parts, colors=(GOOD, OTHER), alpha=0.85)
    _target(left, GROWTH_TARGET * sum(part[0] for part in parts), f"target {GROWTH_TARGET:g} × the first")
    left.set_ylabel("µs of processor an event")
    for height, name in ((parts[0][0] / 2, "collector"), (parts[0][0] + parts[1][0] / 2, "writer")):
        left.annotate(name, (stored[0], height), xytext=(6, -3), textcoords="offset points", color="white")
    right.plot(stored, [cost["device_ratio"] for cost in costs], "o-", color=INK)
    _target(right, EMPTY_BYTES_TARGET, f"target {EMPTY_BYTES_TARGET:g}, empty", color=QUIET)
    _target(right, FULL_BYTES_TARGET, f"target {FULL_BYTES_TARGET:g}, full")
    right.set_ylabel("device bytes a byte of event")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks(stored, [f"{number / 1000:,.0f} k" for number in stored])
        axes.set_xlabel("events stored")
    return figure


PICTURES: dict[str, Callable[[Found], Any]] = {"throughput": throughput, "latency": latency, "stages": stages, "growth": growth}
