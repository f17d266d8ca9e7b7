//! Scores: named numbers given to an execution by an evaluator or by the workflow itself.

use serde::{Deserialize, Serialize};

/// Whether a larger or a smaller value of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Larger is better, as for accuracy.
    #[default]
    Max,
    /// Smaller is better, as for latency.
    Min,
}

impl Direction {
    /// Returns the name used in stores and in Python: `max` or `min`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Max => "max",
            Self::Min => "min",
        }
    }

    /// Parses what [`Direction::as_str`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "max" => Some(Self::Max),
            "min" => Some(Self::Min),
            _ => None,
        }
    }
}

/// One score of one execution, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreRecord {
    /// The metric's name.
    pub name: String,
    /// The value; `None` when the evaluator failed or declined. Never NaN or infinite.
    pub value: Option<f64>,
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// The evaluator that gave it; `workflow` when a node logged it.
    pub source: String,
    /// Which version of the evaluator gave it; `None` where nothing tells versions apart.
    pub version: Option<String>,
    /// Why the evaluator chose this value, if it said so.
    pub reason: Option<String>,
    /// Why there is no value, when the evaluator failed.
    pub error: Option<String>,
}

impl ScoreRecord {
    /// The source of metrics that nodes log themselves.
    pub const WORKFLOW: &'static str = "workflow";
}
