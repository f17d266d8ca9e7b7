"""The same workflow through the runner classes: a batch test built by hand, on a thread pool."""

import wtb
from ml_pipeline import workflow


def main() -> None:
    """Run two variants on one initial state."""
    # Create runner
    runner = wtb.ThreadPoolBatchTestRunner(wtb_db_url="sqlite:///data/wtb.db")
    runner.register(workflow)

    # Create batch test
    batch_test = wtb.BatchTest(
        name="ML Pipeline Comparison",
        workflow_id="wf-ml-pipeline",
        variant_combinations=[
            wtb.VariantCombination(name="RandomForest", variants={"train": "rf"}),
            wtb.VariantCombination(name="XGBoost", variants={"train": "xgb"}),
        ],
        initial_state={"dataset": "digits", "split_seed": 0},
        parallel_count=4,
    )

    # Execute
    result = runner.run_batch_test(batch_test)

    # Check results
    print(f"Best: {result.best_combination_name}")
    print(f"Matrix: {result.comparison_matrix}")

    # Cleanup
    runner.shutdown()


if __name__ == "__main__":
    main()
