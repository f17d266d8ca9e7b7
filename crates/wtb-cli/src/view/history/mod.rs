//! Histories as Python reads them from checkpoints: which document that is, and how it is printed.
//!
//! `tree` lays checkpoints out in the order of their history, `page` prints them, `standing` prints
//! where an execution stands.

mod page;
mod standing;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use page::render;
pub(crate) use standing::render as render_standing;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::value::Question;

/// An execution, as far as its history is concerned.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Whose {
    pub(crate) id: String,
    pub(crate) status: String,
    pub(crate) variant: String,
    pub(crate) case: String,
    /// The execution that it was forked from.
    pub(crate) parent: Option<String>,
    /// How many lineages it has; it stands in the last of them.
    pub(crate) lineages: u32,
}

/// An execution with checkpoints.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct History {
    #[serde(flatten)]
    pub(crate) whose: Whose,
    /// Oldest first, lineage by lineage; what lineages share is there once.
    pub(crate) checkpoints: Vec<Step>,
}

/// An execution with the checkpoint at which it stands.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Standing {
    #[serde(flatten)]
    pub(crate) whose: Whose,
    pub(crate) checkpoint: Step,
}

/// A checkpoint.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Step {
    /// What `--at` takes; a checkpoint of a subgraph has none of its own.
    pub(crate) at: Option<String>,
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    /// The checkpoint of the graph itself that it belongs to.
    pub(crate) root: String,
    /// The numbers of the lineages that share it.
    pub(crate) lineages: Vec<u32>,
    /// The subgraph that it belongs to.
    pub(crate) path: String,
    pub(crate) source: String,
    pub(crate) nodes: Vec<String>,
    pub(crate) next: Vec<String>,
    pub(crate) changes: Vec<String>,
    pub(crate) created_at: Option<String>,
    pub(crate) is_head: bool,
    #[serde(default)]
    pub(crate) interrupts: Vec<Question>,
    /// The changed values, where they are asked for.
    #[serde(default)]
    pub(crate) values: Map<String, Value>,
}

impl Step {
    /// What led to it, in a word or by nodes.
    fn after(&self) -> String {
        if self.nodes.is_empty() {
            // The graph's own step 0 runs no node: it makes the input the state.
            let word = if self.source == "loop" { "start" } else { self.source.as_str() };
            return match self.path.as_str() {
                "" => word.to_owned(),
                path => format!("{path}: {word}"),
            };
        }
        let names = self.nodes.iter().map(|node| match self.path.as_str() {
            "" => node.clone(),
            path => format!("{path}/{node}"),
        });
        names.collect::<Vec<_>>().join(", ")
    }

    /// The nodes that run next, without LangGraph's own.
    fn next(&self) -> Option<String> {
        let names: Vec<_> = self.next.iter().filter(|name| !name.starts_with("__")).collect();
        let joined = names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then_some(joined)
    }
}
