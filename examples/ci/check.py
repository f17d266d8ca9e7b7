"""The job of a CI: run the batch, judge it against the baseline, and leave reports behind.

python check.py --baseline baseline/main.wtb --out reports

It ends with 0, with 100 if an execution failed, or with the verdict's exit code: 101 for a
regression, 102 if it is inconclusive.
"""

import argparse
import sys
from pathlib import Path

import wtb
from answers import CASES, workflow

MAX_REGRESSION = 0.05
"""So much worse than the baseline the share of right answers may become."""


def main() -> int:
    """Run, judge and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--baseline", type=Path, help="a bundle; without the file nothing is judged"
    )
    parser.add_argument("--out", type=Path, default=Path("reports"), help="where reports go")
    asked = parser.parse_args()
    with wtb.TestBench() as bench:
        batch = bench.run_batch(
            workflow,
            variants=[{}],
            test_cases=CASES,
            evaluators=[wtb.evaluators.exact_match("answer")],
            retries=1,
            timeout=60,
        )
        bench.export(batch, asked.out / "junit.xml")
        bench.export(batch, asked.out / "main.wtb", format="bundle")
        (summary,) = bench.export(batch, asked.out / "summary.md")
        code = 0 if batch.status == "completed" else 100
        if asked.baseline is None or not asked.baseline.exists():
            print("There is no baseline yet: nothing is judged.")
            return code
        verdict = bench.gate(batch, baseline=asked.baseline, max_regression=MAX_REGRESSION)
        print(verdict)
        # The verdict comes first; what it rests on follows.
        found = summary.read_text("utf-8")
        summary.write_text(f"{verdict.to_markdown()}\n{found}", "utf-8")
        return code or verdict.exit_code


if __name__ == "__main__":
    sys.exit(main())
