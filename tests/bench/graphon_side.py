"""Runs a DSL document with graphon, the engine of Dify's own: by an interpreter that has it, Python 3.12 or newer.

    python graphon_side.py REPEATS < CASE.json      {"document": ..., "inputs": ...} -> {"s": ..., "cpu_s": ...}

It imports nothing of this repository, so that such an interpreter needs graphon alone. The times are those of the best repeat, from the
engine's construction on a document that was read once to its last event; reading it is not counted, if it can be told apart.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from graphon.dsl import loads


def run(text: str, inputs: dict[str, object]) -> tuple[float, float, list[str]]:
    engine = loads(text, credentials={}, workflow_id="bench", start_inputs=inputs)
    began, cpu = time.perf_counter(), time.process_time()
    names = [type(event).__name__ for event in engine.run()]
    return time.perf_counter() - began, time.process_time() - cpu, names


def main() -> None:
    logging.disable(logging.CRITICAL)
    given = json.load(sys.stdin)
    # JSON is YAML.
    text = json.dumps(given["document"])
    times = [run(text, given["inputs"]) for _ in range(int(sys.argv[1]))]
    events = times[0][2]
    if not any("RunSucceeded" in name for name in events):
        sys.exit(f"graphon did not bring the run to its end: {events[-3:]}")
    print(json.dumps({"s": min(s for s, _, _ in times), "cpu_s": min(cpu for _, cpu, _ in times), "events": len(events)}))


if __name__ == "__main__":
    main()
