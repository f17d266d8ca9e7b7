//! The bench file: what a batch is made of, in TOML.
//!
//! Reads and checks the file. Importing what it names, loading cases and naming variants is
//! Python's business.

mod keys;
mod read;
mod schema;
mod shape;

#[cfg(test)]
mod tests;

pub(crate) use keys::{CHECKPOINTS, RUNNERS};
pub(crate) use schema::bench_schema;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use toml::de::DeTable;

use crate::error::CliError;
use read::Problem;

/// A bench file as it was written: what is not in it is `None` or empty.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BenchFile {
    pub(crate) name: Option<String>,
    pub(crate) workflow: String,
    pub(crate) cases: Value,
    #[serde(default)]
    pub(crate) variants: Vec<VariantEntry>,
    pub(crate) grid: Option<GridEntry>,
    #[serde(default)]
    pub(crate) evaluators: Vec<EvaluatorEntry>,
    pub(crate) metric: Option<String>,
    pub(crate) repeats: Option<u32>,
    pub(crate) runner: Option<String>,
    #[serde(default)]
    pub(crate) process: Map<String, Value>,
    #[serde(default)]
    pub(crate) ray: Map<String, Value>,
    pub(crate) max_workers: Option<u32>,
    pub(crate) timeout: Option<f64>,
    pub(crate) retries: Option<u32>,
    pub(crate) seed: Option<u64>,
    pub(crate) fail_fast: Option<Value>,
    pub(crate) error: Option<String>,
    pub(crate) limit: Option<u32>,
    pub(crate) window: Option<u32>,
    pub(crate) checkpoints: Option<String>,
    #[serde(default)]
    pub(crate) breakpoints: Vec<String>,
    pub(crate) on_interrupt: Option<String>,
    pub(crate) workspace: Option<WorkspaceEntry>,
    pub(crate) store: Option<String>,
    pub(crate) object_store: Option<PathBuf>,
}

/// The files of executions as a bench file describes them.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum WorkspaceEntry {
    /// The directory of inputs.
    Inputs(String),
    /// The same, and more.
    Table(WorkspaceTable),
}

/// What a bench file says of workspaces.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkspaceTable {
    /// The directory of inputs.
    pub inputs: Option<String>,
    /// The column of the file of cases that names those of a case.
    pub column: Option<String>,
    /// How workspaces are made.
    pub rung: Option<String>,
    /// Which of them stay.
    pub keep: Option<String>,
}

impl WorkspaceEntry {
    /// Returns what is said, with the inputs as a path from `directory`.
    pub(crate) fn at(self, directory: &Path) -> WorkspaceTable {
        let table = match self {
            Self::Inputs(inputs) => {
                WorkspaceTable { inputs: Some(inputs), ..WorkspaceTable::default() }
            }
            Self::Table(table) => table,
        };
        let inputs = table.inputs.map(|inputs| directory.join(inputs).display().to_string());
        WorkspaceTable { inputs, ..table }
    }
}

/// A variant as a bench file describes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VariantEntry {
    /// Its name; `None` for the one that its substitutions make.
    pub name: Option<String>,
    /// Node to implementation, as text.
    pub nodes: Map<String, Value>,
    /// Entries of the graph's config.
    pub config: Map<String, Value>,
    /// Entries of the graph's runtime context.
    pub context: Map<String, Value>,
    /// Arguments of the graph's factory.
    pub params: Map<String, Value>,
    /// `module:attribute` of a whole other graph.
    pub graph: Option<String>,
    /// What it needs of where it runs.
    pub environment: Map<String, Value>,
}

/// A grid as a bench file describes it: each entry is an axis with its list of values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GridEntry {
    /// Node to its implementations, as text.
    pub nodes: Map<String, Value>,
    /// Entry of the graph's config to its values.
    pub config: Map<String, Value>,
    /// Entry of the graph's runtime context to its values.
    pub context: Map<String, Value>,
    /// Argument of the graph's factory to its values.
    pub params: Map<String, Value>,
}

/// An evaluator as a bench file names it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluatorEntry {
    /// A built-in evaluator's name, or `module:attribute`.
    #[serde(rename = "use")]
    pub name: String,
    /// What it is called with.
    pub arguments: Map<String, Value>,
}

/// Where a file was found: as the user named it, and as it is.
pub(crate) struct Location {
    pub(crate) shown: String,
    pub(crate) path: PathBuf,
}

impl Location {
    /// The directory that the file's own paths start from.
    pub(crate) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }
}

/// Reads a bench file.
pub(crate) fn load(location: &Location) -> Result<BenchFile, CliError> {
    let text = std::fs::read_to_string(&location.path).map_err(|error| {
        let unread = CliError::usage(format!("cannot read the bench file `{}`", location.shown))
            .caused_by(error.to_string());
        if error.kind() == std::io::ErrorKind::NotFound {
            unread.hint("`wtb init` writes one; `wtb run FILE` names another")
        } else {
            unread
        }
    })?;
    parse(&text, location)
}

/// Reads the text of a bench file.
pub(crate) fn parse(text: &str, location: &Location) -> Result<BenchFile, CliError> {
    let read = DeTable::parse(text)
        .map_err(|error| Problem {
            at: error.span(),
            message: error.message().to_owned(),
            hint: None,
        })
        .and_then(|table| read::read_file(&table, keys::BENCH, location.directory()))
        .map_err(|problem| point_out(&problem, text, &location.shown))?;
    serde_json::from_value(read)
        .map_err(|error| CliError::internal(format!("cannot take `{}`: {error}", location.shown)))
}

/// Makes an error that shows the line and marks the place.
fn point_out(problem: &Problem, text: &str, file: &str) -> CliError {
    let with_hint = |error: CliError| match &problem.hint {
        Some(hint) => error.hint(hint),
        None => error,
    };
    let Some(at) = problem.at.as_ref() else {
        return with_hint(CliError::usage(format!("{file}: {}", problem.message)));
    };
    let start = floor_boundary(text, at.start);
    let line_start = text[..start].rfind('\n').map_or(0, |index| index + 1);
    let line = text[line_start..].lines().next().unwrap_or_default();
    let row = text[..start].matches('\n').count() + 1;
    let column = text[line_start..start].chars().count() + 1;
    let end = floor_boundary(text, at.end.clamp(start, line_start + line.len()).max(start));
    let marked = crate::text::width(&text[start..end]).max(1);
    let number = row.to_string();
    let gutter = " ".repeat(number.len());
    let indent = " ".repeat(crate::text::width(&text[line_start..start]));
    let mut error =
        CliError::usage(format!("{file}:{row}:{column}: {}", problem.message.replace('\n', "; ")));
    error.excerpt =
        Some(format!("{gutter} |\n{number} | {line}\n{gutter} | {indent}{}\n", "^".repeat(marked)));
    with_hint(error)
}

fn floor_boundary(text: &str, index: usize) -> usize {
    let index = index.min(text.len());
    (0..=index).rev().find(|index| text.is_char_boundary(*index)).unwrap_or(0)
}
