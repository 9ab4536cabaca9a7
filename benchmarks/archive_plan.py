"""How long an archive takes and what it costs on many machines that fail: a calculation.

    python -m benchmarks.archive_plan --conversations 50e6 --rate 3.5 --workers 200 --price 0.09

Workers take a file at a time. A machine fails after a random time (exponential, `--hours-to-failure`
on average), loses the file it was at, and is back after `--minutes-to-return`; on spot machines that
is the rule. `--rate` is a worker's conversations a second, as `tools.summarize` shows it, `--price`
a worker's in dollars an hour. Prints a Markdown table over sizes of files, a mean of `--trials`.
"""

import argparse
import heapq
import random
import statistics

from stages.common.cli import run

SIZES = (300, 1_000, 3_000, 10_000, 30_000, 100_000)  # conversations a file


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.archive_plan")
    parser.add_argument("--conversations", type=float, default=50e6)
    parser.add_argument("--rate", type=float, default=3.5)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--price", type=float, default=0.09)
    parser.add_argument("--hours-to-failure", type=float, default=12.0)
    parser.add_argument("--minutes-to-return", type=float, default=5.0)
    parser.add_argument("--start-seconds", type=float, default=20.0, help="to load the model")
    parser.add_argument("--trials", type=int, default=5)
    args = parser.parse_args()
    ideal = args.conversations / args.rate / args.workers / 3600
    print(f"Without failures and waits: {ideal:.1f} h, ${ideal * args.workers * args.price:,.0f}\n")
    print("| conversations a file | hours a file | hours | failures | work lost | dollars |")
    print("|---:|---:|---:|---:|---:|---:|")
    for size in SIZES:
        runs = [simulate(size, args, random.Random(seed)) for seed in range(args.trials)]
        hours, failures, lost, dollars = map(statistics.mean, zip(*runs, strict=True))
        each = size / args.rate / 3600
        print(
            f"| {size:,} | {each:.2f} | {hours:.1f} | {failures:.0f} | {lost:.1%} | {dollars:,.0f} |"
        )


def simulate(size: int, args: argparse.Namespace, chance: random.Random) -> tuple[float, ...]:
    """Hours until the last file is there, failures, share of work lost, and dollars."""
    files = round(args.conversations / size)
    each, mean = size / args.rate, args.hours_to_failure * 3600
    # When each worker is next free, when it fails, and which it is.
    free = [(args.start_seconds, chance.expovariate(1 / mean), w) for w in range(args.workers)]
    heapq.heapify(free)
    failures = lost = end = paid = 0.0
    while files:
        at, fails, worker = heapq.heappop(free)
        if at + each <= fails:
            files -= 1
            end = max(end, at + each)
            heapq.heappush(free, (at + each, fails, worker))
            continue
        failures += 1
        lost += max(0.0, fails - at)
        back = fails + args.minutes_to_return * 60
        paid -= args.minutes_to_return * 60
        again = back + chance.expovariate(1 / mean)
        heapq.heappush(free, (back + args.start_seconds, again, worker))
    paid += end * args.workers
    work = args.conversations / args.rate
    return end / 3600, failures, lost / (work + lost), paid / 3600 * args.price


if __name__ == "__main__":
    run(main)
