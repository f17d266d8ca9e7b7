//! Exit codes of the `wtb` command: stable, and the same whichever verb ends with them.

/// Done; all executions succeeded, or no more failed than `--max-failures` allows.
pub const DONE: i32 = 0;
/// An error inside the program, its store or its machine.
pub const INTERNAL: i32 = 1;
/// The command line, the bench file or what they name is wrong; nothing was run.
pub const USAGE: i32 = 2;
/// There is nothing to do: nothing was selected, or no batch is there to be resumed.
pub const NOTHING_SELECTED: i32 = 4;
/// More executions failed than `--max-failures` allows, the batch was given up, or the execution
/// that was resumed failed.
pub const FAILURES: i32 = 100;
/// The gate found a regression.
pub const REGRESSION: i32 = 101;
/// The gate is inconclusive.
pub const INCONCLUSIVE: i32 = 102;
/// Interrupted, and the batch can be resumed; or executions await an answer or stand still.
pub const INTERRUPTED: i32 = 130;

/// Every code with its meaning, as the reference prints them.
pub const MEANINGS: &[(i32, &str)] = &[
    (DONE, "done; no more executions failed than `--max-failures` allows"),
    (INTERNAL, "an error inside the program, its store or its machine"),
    (USAGE, "the command line, the bench file or what they name is wrong; nothing was run"),
    (NOTHING_SELECTED, "nothing was selected, or there is no batch to resume"),
    (
        FAILURES,
        "more executions failed than `--max-failures` allows, the batch was given up, or the execution that was resumed failed",
    ),
    (REGRESSION, "the gate found a regression"),
    (INCONCLUSIVE, "the gate is inconclusive"),
    (
        INTERRUPTED,
        "interrupted, and the batch can be resumed; or executions await an answer or stand still",
    ),
];
