"""`make chaos SEED=n MINUTES=m`: storms over a real control plane, and what the checker says of each.

python -m tests.chaos.storm --seed 1 --minutes 1.5 --storms 20 --clouds ecs,modal --keep folder
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from tests.chaos.storm import clouds, history, rules, weather


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos.storm", description=(__doc__ or "").splitlines()[0])
    wanted.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of the first storm")
    wanted.add_argument("--minutes", type=float, default=1.5, help="that each storm blows")
    wanted.add_argument("--storms", type=int, default=1, help="how many, each with the next seed")
    wanted.add_argument("--clouds", default=",".join(clouds.NAMES), help="which local clouds; empty: none")
    wanted.add_argument(
        "--keep", type=Path, help="a folder for plans and histories; without it those of storms without a fault go"
    )
    wanted.add_argument("--judge", type=Path, nargs="+", help="only judge what was kept of storms, in these folders")
    asked = wanted.parse_args()
    if asked.judge:
        return 0 if sum(not judge(each.name, each) for each in asked.judge) == 0 else 1
    names = tuple(filter(None, asked.clouds.split(",")))
    if unknown := {*names} - {*clouds.NAMES}:
        wanted.error(f"--clouds: there is no local {', '.join(sorted(unknown))}; there are {', '.join(clouds.NAMES)}")
    good = True
    for seed in range(asked.seed, asked.seed + asked.storms):
        folder = Path(tempfile.mkdtemp(prefix=f"storm-{seed}-", dir=asked.keep))
        folder.chmod(0o755)
        try:
            is_good = blow(seed, asked.minutes * 60, names, folder)
        except Exception:  # the next ones are worth their time all the same
            traceback.print_exc()
            is_good = False
        good = good and is_good
        if is_good and not asked.keep:
            shutil.rmtree(folder)
        elif not is_good:
            print(f"  plan and history: {folder}", flush=True)
    return 0 if good else 1


def blow(seed: int, seconds: float, names: tuple[str, ...], folder: Path) -> bool:
    """One storm, and a line about it; then a line for each fault."""
    faults, acts = weather.planned(seed, seconds, names, folder)
    with weather.opened(seed, folder, names) as storm:
        storm.blow(faults, acts, seconds)
        took = storm.calm_down()
    return judge(f"seed {seed}: {seconds:g} s, {storm.begun} faults; calm after {took:.0f} s", folder)


def judge(title: str, folder: Path) -> bool:
    found = history.read(folder)
    runs = Counter(row["state_type"] for row in found.store["flow_runs"])
    states = ", ".join(f"{count} {state.lower()}" for state, count in runs.most_common())
    attempts = sum(row["kind"] == "claimed" for row in found.store["flow_run_timeline"])
    bad = [f"rule {rule}: {fault}" for rule, each in rules.judge(found).items() for fault in each]
    numbers = f"{runs.total()} runs ({states}), {attempts} attempts, {len(found.asked['thefts'])} thefts"
    print(f"{title}: {numbers}: {f'{len(bad)} FAULTS' if bad else 'rules 1 to 7 hold'}", flush=True)
    for each in bad:
        print(f"  {each}", flush=True)
    return not bad


if __name__ == "__main__":
    sys.exit(main())
