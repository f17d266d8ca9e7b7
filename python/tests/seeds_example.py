"""The usage example that every runner with a store of its own has to run."""

from wtb import BatchTest, VariantCombination


def pipeline_comparison():
    return BatchTest(
        name="ML Pipeline Comparison",
        workflow_id="wf-ml-pipeline",
        variant_combinations=[
            VariantCombination(name="RandomForest", variants={"train": "rf"}),
            VariantCombination(name="XGBoost", variants={"train": "xgb"}),
        ],
        parallel_count=4,
    )


def check_comparison(result):
    assert result.best_combination_name is None, "a single case proves nothing"
    assert result.comparison_matrix["metrics"] == {
        "RandomForest": {"accuracy": 0.9},
        "XGBoost": {"accuracy": 0.95},
    }
