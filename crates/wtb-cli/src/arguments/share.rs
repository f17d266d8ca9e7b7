//! Arguments of the verbs that write a batch to files: `report`, `export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `wtb report`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb report\n  \
    wtb report latest -o nightly.html --baseline plan=v1\n\n\
    The file needs no network and no other file: send it, or open it from a mail.")]
pub(crate) struct ReportArgs {
    /// The batch: an id, a unique prefix, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// Where to write it; a file that is there is replaced; `-` is standard output
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub(crate) output: PathBuf,
    /// The variant that the others are compared with
    #[arg(long, value_name = "VARIANT")]
    pub(crate) baseline: Option<String>,
    /// The primary metric
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// What the page is called. Default: the batch's name
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
}

/// `wtb export`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb export latest -o executions.csv\n  \
    wtb export latest -o tables --format parquet --what all\n  \
    wtb export latest -o junit.xml -o summary.md\n  \
    wtb export latest -o - --format markdown >> \"$GITHUB_STEP_SUMMARY\"\n  \
    wtb export latest --bundle main.wtb")]
#[command(group(clap::ArgGroup::new("where").required(true).multiple(true).args(["output", "bundle"])))]
pub(crate) struct ExportArgs {
    /// The batch: an id, a unique prefix, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// Where to write it; its ending says the format: .json, .jsonl, .csv, .parquet, .xml (JUnit), .md; `-`
    /// is standard output, and wants `--format`; may be given several times
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Vec<PathBuf>,
    /// Write its scores as one file, which can be the baseline of a gate
    #[arg(long, value_name = "FILE")]
    pub(crate) bundle: Option<PathBuf>,
    /// The format, in the place of the endings
    #[arg(long, value_enum, value_name = "NAME", requires = "output")]
    pub(crate) format: Option<ExportFormat>,
    /// Which tables: executions, nodes, scores, usage, or all
    #[arg(long, value_name = "TABLE,...", value_delimiter = ',', default_values_t = ["executions".to_owned()])]
    pub(crate) what: Vec<String>,
    /// The variant that the others are compared with
    #[arg(long, value_name = "VARIANT")]
    pub(crate) baseline: Option<String>,
    /// The primary metric
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
}

/// What a batch can be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// One document with everything
    Json,
    /// A line of JSON for each row
    Jsonl,
    /// Comma-separated values
    Csv,
    /// Apache Parquet
    Parquet,
    /// JUnit XML: a suite for each variant, a test for each case
    Junit,
    /// Markdown, for the summary of a CI job
    Markdown,
}

impl ExportFormat {
    /// Returns the name that Python knows.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }
}
