"""Everything that is measured here, one after the other; about ten minutes on two quiet cores.

    python benchmarks/all.py                            prints all tables, and writes nothing
    python benchmarks/all.py --from FOLDER              with the public implementations that are cloned there
    python benchmarks/all.py --write                    writes the tables into benchmarks/README.md
    python benchmarks/all.py --record                   records the studies of chapter 6 anew that are about speed

A part that fails says so and the others go on; the exit code then is 1.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "gencourse" / "studies" / "results"
STUDIES = ("levers", "step_time")


def run(title: str, *command: str) -> bool:
    """One part, in a process of its own; whether it went well."""
    print(f"\n==== {title}", flush=True)
    start = time.perf_counter()
    paths = os.pathsep.join(filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    done = subprocess.run([sys.executable, *command], env=environment, check=False)
    print(f"==== {title}: {time.perf_counter() - start:.0f} s, exit code {done.returncode}", flush=True)
    return done.returncode == 0


def record(study: str) -> bool:
    """A study anew: its old record is put back if the new one fails."""
    path = RESULTS / f"{study}.json"
    old = path.read_bytes()
    path.unlink()
    done = run(f"study {study}", "-m", "gencourse", "reproduce", study)
    if not done:
        path.write_bytes(old)
    return done


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--from", dest="source", help="folder with the public implementations")
    parser.add_argument("--write", action="store_true", help="write the tables into benchmarks/README.md")
    parser.add_argument("--record", action="store_true", help="record levers and step_time anew")
    args = parser.parse_args()
    write = ["--write"] if args.write else []
    good = [run("training", str(HERE / "training.py"), *write)]
    if args.source:
        good.append(run("public", str(HERE / "public.py"), "--from", args.source, *write))
    if args.record:
        good += [record(study) for study in STUDIES]
    good.append(run("scaling", str(HERE / "scaling.py"), *write))
    good.append(run("streaming", str(HERE / "streaming.py"), *write))
    return 0 if all(good) else 1


if __name__ == "__main__":
    raise SystemExit(main())
