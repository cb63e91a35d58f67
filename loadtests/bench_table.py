"""The benchmark's figures against their targets, as the README shows them."""

from __future__ import annotations

from typing import Any

from loadtests.growth import EMPTY_BYTES_TARGET, FULL_BYTES_TARGET, GROWTH_TARGET, RETURNING_RATIO, SMALL_EVENTS
from loadtests.oracle.table import Row

SINGLE_RATIO, BATCH_RATIO = 0.55, 3.0
P50_MS, P99_MS = 5.0, 20.0
IDLE_MIB, LOADED_MIB = 110, 250
START_SECONDS = 1.5
PARSE_RATIO = 2.2
MIX_RATIO = 2.0
BENCH = "speed"


def rows(found: dict[str, Any]) -> list[Row]:
    """One for each figure that has a target."""
    return [*_throughput(found), *_mixes(found), *_latency(found), *_memory(found), *_costs(found)]


def _throughput(found: dict[str, Any]) -> list[Row]:
    single, batch = (found["saturation"]["medians"][shape] for shape in ("single", "batch"))
    done = f"median of {len(found['saturation']['rounds']) // 2} interleaved rounds"
    return [
        _least("single events to requests of a do-nothing handler", done, single, SINGLE_RATIO),
        _least("events in batches of 100 to the same", done, batch, BATCH_RATIO),
        Row(
            "the barest collector to the same",
            "nothing checked, enriched, recognised or resolved: parse, insert, synced commit",
            f"single {single['barest_ratio']:.2f}, batches {batch['barest_ratio']:.2f}",
            "",
            True,
        ),
    ]


def _least(test: str, done: str, median: dict[str, float], target: float) -> Row:
    figure = f"{median['ratio']:.2f} ({median['events_per_second']:,.0f} events/s of {median['do_nothing']:,.0f})"
    return Row(test, done, figure, f"≥ {target}", median["ratio"] >= target)


def _mixes(found: dict[str, Any]) -> list[Row]:
    mixes, back = found["mixes"], found["growth"]["returning"]
    new = mixes["usual"]["events_per_second"] / mixes["strangers"]["events_per_second"]
    hot = mixes["hot"]["p50_ms"] / mixes["usual"]["p50_ms"]
    stored = f"batches, {back['stored']:,} events and {back['identifiers']:,} identifiers stored"
    figure = f"{back['ratio']:.2f} ({back['events_per_second']:,} events/s)"
    return [
        Row(
            "returning visitors to the do-nothing handler", stored, figure, f"≥ {RETURNING_RATIO}", back["ratio"] >= RETURNING_RATIO
        ),
        Row(
            "each event a new visitor",
            "time of an event to the usual mix's",
            f"{new:.2f} ×",
            f"≤ {MIX_RATIO:g} ×",
            new <= MIX_RATIO,
        ),
        Row(
            "nine of ten events one contact's",
            "time of a batch to the usual mix's",
            f"{hot:.2f} ×",
            f"≤ {MIX_RATIO:g} ×",
            hot <= MIX_RATIO,
        ),
    ]


def _latency(found: dict[str, Any]) -> list[Row]:
    shown = []
    for row in found["latency"]:
        if not row["synced"]:
            continue
        done = f"{row['shape']}, {row['load']:.0%} of saturation ({row['requests_per_second']:,} requests/s)"
        figure, target, holds = f"p50 {row['p50_ms']:.1f} ms, p99 {row['p99_ms']:.1f} ms", "", True
        if row["load"] == 0.5:
            same = [one for one in found["latency"] if (one["shape"], one["load"]) == (row["shape"], row["load"])]
            unsynced = next(one for one in same if not one["synced"])
            figure += f"; without syncs {unsynced['p50_ms']:.1f} and {unsynced['p99_ms']:.1f}"
        if row["load"] == 0.5 and row["shape"] == "single":
            target, holds = f"≤ {P50_MS:g} and {P99_MS:g} ms", row["p50_ms"] <= P50_MS and row["p99_ms"] <= P99_MS
        shown.append(Row("latency of an answer after its commit", done, figure, target, holds))
    return shown


def _memory(found: dict[str, Any]) -> list[Row]:
    memory, start = found["saturation"]["memory"], found["start_seconds"]
    return [
        Row("memory of both processes", "idle", f"{memory['idle_mib']} MiB", f"≤ {IDLE_MIB} MiB", memory["idle_mib"] <= IDLE_MIB),
        Row(
            "memory of both processes",
            "loaded",
            f"{memory['loaded_mib']} MiB",
            f"≤ {LOADED_MIB} MiB",
            memory["loaded_mib"] <= LOADED_MIB,
        ),
        Row("start", "from the command to /ready", f"{start} s", f"≤ {START_SECONDS} s", start <= START_SECONDS),
    ]


def _costs(found: dict[str, Any]) -> list[Row]:
    stages, growth = found["stages"], found["growth"]
    parse = stages["validate (with the walk)"] / stages["orjson.loads"] + stages["parse"] / stages["orjson.loads"]
    first, last = growth["costs"][0], growth["costs"][-1]
    ratio = growth["ratio"]
    return [
        Row(
            "parse, walk and validate",
            "to orjson.loads of the same bytes",
            f"{parse:.2f}",
            f"≤ {PARSE_RATIO}",
            parse <= PARSE_RATIO,
        ),
        Row(
            "growth",
            f"processor time of an event at {last['stored']:,} stored to that at {SMALL_EVENTS:,}",
            f"{ratio:.2f} ×",
            f"≤ {GROWTH_TARGET} ×",
            ratio <= GROWTH_TARGET,
        ),
        _device(first, "on the empty store", EMPTY_BYTES_TARGET),
        _device(last, f"at {last['stored']:,} stored", FULL_BYTES_TARGET),
    ]


def _device(cost: dict[str, float], done: str, target: float) -> Row:
    ratio = cost["device_ratio"]
    return Row("device bytes for each byte of event", done, f"{ratio:.1f}", f"≤ {target:g}", ratio <= target)
