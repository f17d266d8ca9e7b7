"""The same as a test: pytest's report of a failure has the comparison and the errors.

pytest test_answers.py
"""

import wtb
from answers import CASES, workflow


def test_the_answers_are_right(wtb_bench: wtb.TestBench) -> None:
    """All executions succeed, and nearly all answers are right."""
    batch = wtb_bench.run_batch(
        workflow,
        variants=[{}],
        test_cases=CASES[:20],
        evaluators=[wtb.evaluators.exact_match("answer")],
    )
    assert batch.status == "completed"
    assert batch.comparison["baseline"]["mean"] >= 0.9
