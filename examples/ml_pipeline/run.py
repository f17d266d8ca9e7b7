"""The comparison of `bench.toml`, by the Python API."""

from pathlib import Path

import wtb
from ml_pipeline import workflow


def main() -> None:
    """Run the batch and print what came out."""
    with wtb.TestBench() as bench:
        batch = bench.run_batch(
            workflow,
            variants=[
                wtb.Variant("baseline"),
                wtb.Variant("rf", nodes={"train": "rf"}),
                wtb.Variant("xgb", nodes={"train": "xgb"}),
            ],
            test_cases=wtb.load_cases(Path(__file__).with_name("cases.jsonl")),
            metric="accuracy",
            max_workers=2,
            timeout=120,
            retries=1,
            name="ML Pipeline Comparison",
            progress=True,
        )
    print(batch.comparison)
    print(f"Best: {batch.best_combination_name}")


if __name__ == "__main__":
    main()
