"""Make the dictionary that the embedded store packs bodies with: of a shop's visitors, their browsers and its backend.

    python -m loadtests.dictionary [--days 2] [--visits 800]

The demo shop's traffic is played to a collector; what it stored, and the schemas' examples, are what zstd learns from. Of the
result only what many events have in common matters: field names, libraries, devices, names of calls. It overwrites the file:
what was packed before cannot be read with another dictionary, so this is for the time before a release.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path

import zstandard

from loadtests.collector_process import CollectorProcess
from tropa_collector.demo.addresses import Addresses
from tropa_collector.demo.traffic.player import Pace, Traffic
from tropa_collector.receive.keys import Source
from tropa_collector.store.sqlite.bodies import DICTIONARY
from tropa_collector.store.sqlite.file import FILE_NAME, reading

EXAMPLES = Path(__file__).parents[1] / "schemas" / "examples" / "valid"
SIZE = 32_768
OFTEN = 20  # an example stands for a client that the shop's own traffic has not
HELD_OUT = 2_000


def bodies(directory: Path, days: int, visits: int) -> list[bytes]:
    """What a collector stored of the shop's past days, and of the examples."""
    with CollectorProcess(directory / "data", network_events_per_second=0) as collector:
        browser = Source("web", "browser", collector.browser_key, signing_secret=collector.signing_secret)
        server = Source("shop", "server", collector.server_key)
        at = Addresses("https://shop.example", collector.url, collector.admin_url, "", collector.admin_token, browser, server)
        Traffic(Pace(days, visits, 1.0, 1), print).play_past(at, time.time())
        examples = [json.loads(file.read_text("utf-8")) for file in sorted(EXAMPLES.glob("*.json"))]
        status, answer = collector.post("/v1/batch", {"batch": examples})
        assert status == 200, answer
    with reading(directory / "data" / FILE_NAME) as connection:
        stored = [body.encode() for (body,) in connection.execute("SELECT body FROM events ORDER BY id")]
    return [*stored[: -len(examples)], *OFTEN * stored[-len(examples) :]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--visits", type=int, default=800)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tropa-dictionary-") as directory:
        samples = bodies(Path(directory), options.days, options.visits)
    random.Random(1).shuffle(samples)
    held_out, learnt = samples[:HELD_OUT], samples[HELD_OUT:]
    dictionary = zstandard.train_dictionary(SIZE, list(learnt))
    packed = zstandard.ZstdCompressor(level=1, dict_data=dictionary)
    DICTIONARY.write_bytes(dictionary.as_bytes())
    share = sum(len(packed.compress(body)) for body in held_out) / sum(map(len, held_out))
    print(
        f"{DICTIONARY.name}: number {dictionary.dict_id()}, {len(dictionary)} bytes; what it did not learn from takes {share:.0%}"
    )


if __name__ == "__main__":
    main()
