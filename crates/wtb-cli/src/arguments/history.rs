//! Arguments of the verbs that look at histories, go back in them, and go on.

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::run::OutcomeArgs;

/// `wtb checkpoints`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb checkpoints e_2f4c            # what each step changed, and where it stands\n  \
    wtb checkpoints e_2f4c --all      # also what it was rolled back from, as a tree\n  \
    wtb checkpoints e_2f4c --values   # with the values that changed\n\n\
    The first column is what `--at` of `wtb rollback` and `wtb fork` takes: `2` is step 2 of the \
    lineage that the execution stands in, `1/2` is step 2 of its lineage 1. The full ids of \
    checkpoints are in the output of `--json` and `--verbose`.")]
pub(crate) struct CheckpointsArgs {
    /// The execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// Show the checkpoints of all of its lineages as one tree: where it was rolled back
    #[arg(long)]
    pub(crate) all: bool,
    /// Print the values of the keys that changed, too
    #[arg(long)]
    pub(crate) values: bool,
}

/// A place in the history of an execution.
#[derive(Debug, Args)]
#[command(next_help_heading = "Place")]
#[group(id = "place", multiple = false)]
pub(crate) struct PlaceArgs {
    /// A checkpoint: its step (`2`), its lineage and step (`1/2`), its id, or a unique prefix of
    /// that
    #[arg(long, value_name = "CHECKPOINT", allow_negative_numbers = true)]
    pub(crate) at: Option<String>,
    /// The checkpoint from which this node ran; `agent/tools` in a subgraph
    #[arg(long, value_name = "NODE")]
    pub(crate) before: Option<String>,
    /// The checkpoint that this node led to
    #[arg(long, value_name = "NODE")]
    pub(crate) after: Option<String>,
}

/// Which of several places is meant.
#[derive(Debug, Args)]
#[command(next_help_heading = "Place")]
pub(crate) struct OccurrenceArgs {
    /// Which of several such checkpoints of a node: 0 is the first, -1 the latest. Default: -1
    #[arg(
        long,
        value_name = "N",
        allow_negative_numbers = true,
        requires = "place",
        conflicts_with = "at"
    )]
    pub(crate) occurrence: Option<i32>,
}

/// `wtb rollback`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb rollback e_2f4c --before generate\n  \
    wtb rollback e_2f4c --at 2\n  \
    wtb resume e_2f4c\n\n\
    What came after stays in the store, so that one can go back to it in the same way. A cell of a \
    batch goes on beside the result that its batch keeps. Effects outside of the state (databases, \
    mail) are not undone.")]
pub(crate) struct RollbackArgs {
    /// The execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) occurrence: OccurrenceArgs,
}

/// `wtb fork`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb fork e_2f4c --before generate --variant generate=short --resume\n  \
    wtb fork e_2f4c --at 2 --update '{\"question\": \"why?\"}'\n  \
    wtb fork e_2f4c --before generate --config temperature=0.2\n\n\
    Where no place is named, the fork begins where the execution stands.")]
pub(crate) struct ForkArgs {
    /// The execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) occurrence: OccurrenceArgs,
    /// What a node could return, as JSON: it is applied to the state there
    #[arg(long, value_name = "JSON", value_parser = update, help_heading = "Changes")]
    pub(crate) update: Option<Value>,
    /// The node that is to have returned the update. Default: the one that ran last
    #[arg(long, value_name = "NODE", requires = "update", help_heading = "Changes")]
    pub(crate) as_node: Option<String>,
    /// Run this node by another implementation: a registered name, or `module:function`; may be
    /// given several times
    #[arg(long = "variant", value_name = "NODE=IMPLEMENTATION", value_parser = substitution,
          help_heading = "Changes")]
    pub(crate) nodes: Vec<(String, String)>,
    /// Set an entry of the graph's config; a value that is no JSON is a text. May be given several
    /// times
    #[arg(long, value_name = "KEY=VALUE", value_parser = entry, help_heading = "Changes")]
    pub(crate) config: Vec<(String, Value)>,
    /// Run the fork at once, and show it as `wtb show` does
    #[arg(long)]
    pub(crate) resume: bool,
}

/// `wtb resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb resume                             # the newest unfinished batch\n  \
    wtb resume e_2f4c                      # an execution that is paused, or failed\n  \
    wtb resume e_2f4c --answer yes         # one that asks a question\n  \
    wtb resume e_2f4c --update '{\"n\": 3}'  # with another state\n\n\
    The exit code of a resumed execution is 0 if it succeeded, 130 if it awaits an answer or stands \
    still again, and 100 if it failed.")]
pub(crate) struct ResumeArgs {
    /// A batch `b_...` or an execution `e_...`: its id, a unique prefix of it, or `latest` for the
    /// newest unfinished batch
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// What a node could return, as JSON: it is applied to the state first
    #[arg(long, value_name = "JSON", value_parser = update, help_heading = "Executions")]
    pub(crate) update: Option<Value>,
    /// The answer to what the execution asks: JSON, or else a plain text. One of several questions is
    /// named before it, `ID=ANSWER`; may be given several times
    #[arg(
        long = "answer",
        value_name = "ANSWER",
        allow_hyphen_values = true,
        help_heading = "Executions"
    )]
    pub(crate) answers: Vec<String>,
    #[command(flatten)]
    pub(crate) outcome: OutcomeArgs,
}

/// `wtb diff`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  \
    wtb diff e_2f4c e_7k1m\n\n\
    Nodes are compared in the order in which they ran, without what two executions share because one \
    was forked from the other. Ids of messages are not compared: they are made anew each time.")]
pub(crate) struct DiffArgs {
    /// An execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "A")]
    pub(crate) a: String,
    /// The execution to compare it with
    #[arg(value_name = "B")]
    pub(crate) b: String,
}

/// `wtb files`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb files e_2f4c                # what it has left\n  \
    wtb files e_2f4c --at 2         # as they were at step 2\n  \
    wtb files e_2f4c --changes      # what differs from its inputs\n  \
    wtb files e_2f4c --since 1 --at 2\n\n\
    What `.wtbignore` in the inputs names is not stored, nor are caches such as `__pycache__`: \
    `wtb show` says so where it happens.")]
pub(crate) struct FilesArgs {
    /// The execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// As they were at this checkpoint (see `wtb rollback`), or at its `start`. Default: where it stands
    #[arg(long, value_name = "CHECKPOINT", allow_negative_numbers = true)]
    pub(crate) at: Option<String>,
    /// Show what has changed since this checkpoint
    #[arg(
        long,
        value_name = "CHECKPOINT",
        allow_negative_numbers = true,
        conflicts_with = "changes"
    )]
    pub(crate) since: Option<String>,
    /// Show what has changed since its start
    #[arg(long)]
    pub(crate) changes: bool,
}

/// `wtb restore`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb restore e_2f4c result/\n  \
    wtb restore e_2f4c before/ --at start\n\n\
    The directory is prepared beside its place and switched in at once.")]
pub(crate) struct RestoreArgs {
    /// The execution: its id, a unique prefix of it, or `latest`
    #[arg(value_name = "ID")]
    pub(crate) id: String,
    /// A new directory, or an empty one
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
    /// As they were at this checkpoint (see `wtb rollback`), or at its `start`. Default: where it stands
    #[arg(long, value_name = "CHECKPOINT", allow_negative_numbers = true)]
    pub(crate) at: Option<String>,
    /// Replace a directory that is not empty
    #[arg(long)]
    pub(crate) force: bool,
}

/// Reads an update, which is JSON.
fn update(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(Value::Null) => Err("null updates nothing".to_owned()),
        Ok(value) => Ok(value),
        Err(error) => {
            Err(format!("this is no JSON: {error}; write for example '{{\"key\": \"value\"}}'"))
        }
    }
}

fn substitution(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((node, implementation)) if !node.is_empty() && !implementation.is_empty() => {
            Ok((node.to_owned(), implementation.to_owned()))
        }
        _ => Err("write NODE=IMPLEMENTATION, for example generate=short".to_owned()),
    }
}

fn entry(text: &str) -> Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => {
            let read = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            Ok((key.to_owned(), read))
        }
        _ => Err("write KEY=VALUE, for example temperature=0.2".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_update_is_json_and_an_entry_may_be_a_text() {
        assert_eq!(update("{\"a\": [1]}"), Ok(json!({"a": [1]})));
        assert!(update("a text").unwrap_err().contains("no JSON"));
        assert!(update("null").is_err());
        assert_eq!(entry("k=0.5"), Ok(("k".to_owned(), json!(0.5))));
        assert_eq!(entry("k=a=b"), Ok(("k".to_owned(), json!("a=b"))));
        assert!(entry("k").is_err());
        assert_eq!(substitution("a=m:f"), Ok(("a".to_owned(), "m:f".to_owned())));
        assert!(substitution("=x").is_err());
    }
}
