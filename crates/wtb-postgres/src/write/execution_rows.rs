//! The rows of executions as they are written.

use wtb_model::{AttemptOutcome, ErrorInfo, ExecutionId, ExecutionRecord, StoredValue};
use wtb_store::StoreError;
use wtb_store::codec::{encode_list, encode_optional, encode_optional_json};

use super::executions::{Execution, Outcome};
use crate::bulk::{Kind, Table, cells, columns};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::{Value, integer};

const KEY: (&str, Kind) = ("key", Kind::Int);

/// What stays as it was created.
const FIXED: [(&str, Kind); 14] = [
    ("id", Kind::Text),
    ("batch", Kind::Int),
    ("workflow", Kind::Text),
    ("variant", Kind::Text),
    ("case_id", Kind::Text),
    ("repeat", Kind::Int),
    ("variant_index", Kind::Int),
    ("case_index", Kind::Int),
    ("seed", Kind::Int),
    ("created_at", Kind::Int),
    ("input", Kind::Bytes),
    ("parent", Kind::Text),
    ("origin", Kind::Int),
    ("front", Kind::Text),
];

/// What every step may change.
const STEP: [(&str, Kind); 9] = [
    ("status", Kind::Text),
    ("attempts", Kind::Int),
    ("token", Kind::Int),
    ("dead_letter", Kind::Bool),
    ("settled", Kind::Bool),
    ("started_at", Kind::Int),
    ("finished_at", Kind::Int),
    ("lineages", Kind::Int),
    ("from_head", Kind::Bool),
];

/// What the end of an attempt brings.
const OUTCOME: [(&str, Kind); 7] = [
    ("duration_us", Kind::Int),
    ("output", Kind::Bytes),
    ("state", Kind::Bytes),
    ("interrupts", Kind::Bytes),
    ("error", Kind::Text),
    ("usage", Kind::Text),
    ("warnings", Kind::Text),
];

const CREATED: Table<31> = Table {
    name: "executions",
    what: "an execution",
    columns: columns(&[&[KEY], &FIXED, &STEP, &OUTCOME]),
};

const STEPPED: Table<10> = Table {
    name: "executions",
    what: "a step of an execution",
    columns: columns(&[&[KEY], &STEP]),
};

const ENDED: Table<17> = Table {
    name: "executions",
    what: "the outcome of an execution",
    columns: columns(&[&[KEY], &STEP, &OUTCOME]),
};

/// Writes executions that were created or changed.
pub(super) fn flush_executions<'rows, 'group: 'rows>(
    connection: &mut Connection,
    changed: impl Iterator<Item = (&'rows i64, &'rows Execution<'group>)> + Clone,
) -> Result<(), Failure> {
    let created = changed.clone().filter_map(|(key, row)| Some((*key, row, row.created?)));
    let created = created.map(|(key, row, created)| created_row(key, row, created));
    CREATED.insert(connection, created, "")?;
    let known = changed.filter(|(_, row)| row.created.is_none());
    let stepped = known.clone().filter(|(_, row)| matches!(row.outcome, Outcome::Kept));
    let stepped = stepped.map(|(key, row)| cells([Value::from(*key)].into_iter().chain(step(row))));
    STEPPED.update(connection, stepped, 1, "")?;
    let ended = known.filter_map(|(key, row)| Some((*key, row, Brought::by(row.outcome)?)));
    let ended = ended.map(|(key, row, outcome)| {
        let outcome = outcome_cells(&outcome)?;
        cells([Value::from(key)].into_iter().chain(step(row)).chain(outcome))
    });
    ENDED.update(connection, ended, 1, "")
}

fn created_row(
    key: i64,
    row: &Execution<'_>,
    (record, origin): (&ExecutionRecord, Option<i64>),
) -> Result<[Value; 31], StoreError> {
    let fixed = [
        key.into(),
        record.id.as_str().into(),
        Value::Int(row.batch),
        Value::text(&record.workflow),
        Value::text(&record.variant),
        Value::text(&record.case_id),
        record.repeat.into(),
        record.variant_index.into(),
        record.case_index.into(),
        integer(record.seed, "a seed")?.into(),
        Value::time(record.created_at),
        encode_optional(record.input.as_ref()).into(),
        Value::optional_text(record.parent.as_ref().map(ExecutionId::as_str)),
        Value::Int(origin),
        encode_optional_json(record.front.as_ref())?.into(),
    ];
    let outcome = Brought::by(row.outcome).unwrap_or_else(|| Brought::recorded(record));
    cells(fixed.into_iter().chain(step(row)).chain(outcome_cells(&outcome)?))
}

/// The cells of `STEP`.
fn step(row: &Execution<'_>) -> [Value; 9] {
    [
        row.status.as_str().into(),
        row.attempts.into(),
        row.token.into(),
        row.dead_letter.into(),
        row.settled.into(),
        Value::Int(row.started_at),
        Value::Int(row.finished_at),
        row.lineages.into(),
        row.from_head.into(),
    ]
}

/// What an attempt brought, or what an execution was created with.
#[derive(Default)]
struct Brought<'group> {
    duration_us: Option<u64>,
    values: [Option<&'group StoredValue>; 3],
    error: Option<&'group ErrorInfo>,
    usage: Option<&'group serde_json::Value>,
    warnings: &'group [String],
}

impl<'group> Brought<'group> {
    /// What takes the place of the outcome in the row, unless that stays.
    fn by(outcome: Outcome<'group>) -> Option<Self> {
        match outcome {
            Outcome::Kept => None,
            Outcome::Delivered(outcome) => Some(Self::delivered(outcome)),
            Outcome::Dropped => Some(Self::default()),
        }
    }

    fn delivered(outcome: &'group AttemptOutcome) -> Self {
        Self {
            duration_us: Some(outcome.duration_us),
            values: [&outcome.output, &outcome.state, &outcome.interrupts].map(Option::as_ref),
            error: outcome.error.as_ref(),
            usage: outcome.usage.as_ref(),
            warnings: &outcome.warnings,
        }
    }

    fn recorded(record: &'group ExecutionRecord) -> Self {
        Self {
            duration_us: record.duration_us,
            values: [&record.output, &record.state, &record.interrupts].map(Option::as_ref),
            error: record.error.as_ref(),
            usage: record.usage.as_ref(),
            warnings: &record.warnings,
        }
    }
}

/// The cells of `OUTCOME`.
fn outcome_cells(outcome: &Brought<'_>) -> Result<[Value; 7], StoreError> {
    let duration = outcome.duration_us.map(|duration| integer(duration, "a duration"));
    let [output, state, interrupts] = outcome.values.map(encode_optional);
    Ok([
        Value::Int(duration.transpose()?),
        output.into(),
        state.into(),
        interrupts.into(),
        encode_optional_json(outcome.error)?.into(),
        encode_optional_json(outcome.usage)?.into(),
        encode_list(outcome.warnings)?.into_owned().into(),
    ])
}
