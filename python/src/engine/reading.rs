//! What is in the store, by the handle on an open engine.

use pyo3::prelude::*;
use serde_json::{Value as Json, json};
use wtb_engine::session;
use wtb_model::{BatchStatus, ExecutionStatus};
use wtb_store::{BatchFilter, BatchSummary, ExecutionFilter, Page};

use super::{EngineRef, batch_id, execution_id};
use crate::errors::{Result, invalid};
use crate::rows::{self, ValueRef, value_ref};

/// `(json, input, output, state, interrupts)`.
type ExecutionRow =
    (String, Option<ValueRef>, Option<ValueRef>, Option<ValueRef>, Option<ValueRef>);
/// `(json, stdout, stderr)`.
type AttemptRow = (String, Option<ValueRef>, Option<ValueRef>);
/// `(json, input, output)`.
type NodeRow = (String, Option<ValueRef>, Option<ValueRef>);
/// `(id, group, tags, input, expected, answers, workspace)`.
type CaseRow = (
    String,
    Option<String>,
    Vec<String>,
    ValueRef,
    Option<ValueRef>,
    Option<ValueRef>,
    Option<String>,
);

impl EngineRef {
    fn summary(&self, summary: &BatchSummary) -> Result<Json> {
        let owner = summary.batch.session.as_ref().filter(|_| !summary.batch.status.is_final());
        let alive = match owner {
            Some(owner) => {
                let store = self.store()?;
                session::is_alive(store.as_ref(), &store.session(owner)?)?
            }
            None => false,
        };
        Ok(rows::batch(&summary.batch, &summary.counts, alive))
    }
}

#[pymethods]
impl EngineRef {
    fn find_batch(&self, text: &str) -> Result<String> {
        Ok(self.store()?.find_batch(text)?.into())
    }

    /// Returns the id that people know.
    fn find_execution(&self, text: &str) -> Result<String> {
        Ok(self.store()?.find_execution(text)?.known().into())
    }

    /// Returns the id under which the store keeps the execution as it stands now.
    fn find_standing(&self, text: &str) -> Result<String> {
        Ok(self.store()?.find_execution(text)?.into())
    }

    fn batch(&self, py: Python<'_>, id: &str) -> Result<String> {
        let id = batch_id(id)?;
        py.detach(|| Ok(self.summary(&self.store()?.batch(&id)?)?.to_string()))
    }

    fn batches(
        &self,
        py: Python<'_>,
        workflow: Option<String>,
        status: Option<&str>,
        name_contains: Option<String>,
        limit: Option<u64>,
    ) -> Result<String> {
        let status = parse_status(status, "batch", BatchStatus::parse)?;
        let filter = BatchFilter { workflow, status, name_contains };
        py.detach(|| {
            let page = limit.map_or(Page::ALL, Page::first);
            let summaries = self.store()?.batches(&filter, page)?;
            let batches = summaries.iter().map(|summary| self.summary(summary));
            Ok(Json::from(batches.collect::<Result<Vec<_>>>()?).to_string())
        })
    }

    /// Returns `(name, description as JSON)` of each variant.
    fn variants(&self, py: Python<'_>, batch: &str) -> Result<Vec<(String, String)>> {
        let batch = batch_id(batch)?;
        let variants = self.with_store(py, |store| store.variants(&batch))?;
        let pairs = variants.into_iter();
        Ok(pairs.map(|variant| (variant.name, variant.description.to_string())).collect())
    }

    fn cases(&self, py: Python<'_>, batch: &str) -> Result<Vec<CaseRow>> {
        let batch = batch_id(batch)?;
        let cases = self.with_store(py, |store| store.cases(&batch))?;
        let row = |case: wtb_model::CaseRecord| {
            (
                case.id,
                case.group,
                case.tags,
                ValueRef(case.input),
                value_ref(case.expected),
                value_ref(case.answers),
                case.workspace,
            )
        };
        Ok(cases.into_iter().map(row).collect())
    }

    fn execution(&self, py: Python<'_>, id: &str) -> Result<ExecutionRow> {
        let id = execution_id(id)?;
        Ok(execution_row(self.with_store(py, |store| store.execution(&id))?))
    }

    #[pyo3(signature = (batch, single, statuses, variant, case_id, workflow, dead_letter, limit, offset=0))]
    #[expect(clippy::too_many_arguments, reason = "one argument for each way to filter")]
    fn executions(
        &self,
        py: Python<'_>,
        batch: Option<&str>,
        single: bool,
        statuses: Vec<String>,
        variant: Option<String>,
        case_id: Option<String>,
        workflow: Option<String>,
        dead_letter: bool,
        limit: Option<u64>,
        offset: u64,
    ) -> Result<Vec<ExecutionRow>> {
        let parse = |status: &String| {
            parse_status(Some(status.as_str()), "execution", ExecutionStatus::parse)
        };
        let statuses = statuses.iter().map(parse).collect::<Result<Vec<_>>>()?;
        let filter = ExecutionFilter {
            batch: batch.map(batch_id).transpose()?,
            single,
            statuses: statuses.into_iter().flatten().collect(),
            variant,
            case_id,
            workflow,
            dead_letter,
            unsettled: false,
        };
        let page = Page { offset, limit: limit.unwrap_or(Page::ALL.limit) };
        let rows = self.with_store(py, |store| store.executions(&filter, page))?;
        Ok(rows.into_iter().map(execution_row).collect())
    }

    /// Returns the attempts, the scores as a JSON array, and the nodes.
    fn detail(&self, py: Python<'_>, id: &str) -> Result<(Vec<AttemptRow>, String, Vec<NodeRow>)> {
        let id = execution_id(id)?;
        let detail = self.with_store(py, |store| store.detail(&id))?;
        let attempts = detail.attempts.into_iter().map(|one| {
            (rows::attempt(&one).to_string(), value_ref(one.stdout), value_ref(one.stderr))
        });
        let scores: Vec<_> = detail.scores.iter().map(rows::score).collect();
        let nodes = detail.nodes.into_iter().map(|node| {
            (rows::node(&node).to_string(), value_ref(node.input), value_ref(node.output))
        });
        Ok((attempts.collect(), Json::from(scores).to_string(), nodes.collect()))
    }

    /// Returns all scores of a batch as a JSON object from execution id to its scores.
    fn scores(&self, py: Python<'_>, batch: &str) -> Result<String> {
        let batch = batch_id(batch)?;
        py.detach(|| {
            let mut by_execution = serde_json::Map::new();
            for (execution, score) in self.store()?.scores(&batch)? {
                let own = by_execution.entry(String::from(execution)).or_insert_with(|| json!([]));
                if let Some(own) = own.as_array_mut() {
                    own.push(rows::score(&score));
                }
            }
            Ok(Json::from(by_execution).to_string())
        })
    }

    /// Returns a stored value's `(type, bytes)`, checked against its hash.
    fn load<'py>(
        &self,
        py: Python<'py>,
        value: &ValueRef,
    ) -> PyResult<(String, Bound<'py, pyo3::types::PyBytes>)> {
        let loaded = self.with_store(py, |store| store.value(&value.0))?;
        Ok((loaded.kind, pyo3::types::PyBytes::new(py, &loaded.bytes)))
    }
}

fn execution_row(record: wtb_model::ExecutionRecord) -> ExecutionRow {
    let json = rows::execution(&record).to_string();
    (
        json,
        value_ref(record.input),
        value_ref(record.output),
        value_ref(record.state),
        value_ref(record.interrupts),
    )
}

fn parse_status<T>(
    text: Option<&str>,
    what: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>> {
    let Some(text) = text else { return Ok(None) };
    match parse(text) {
        Some(status) => Ok(Some(status)),
        None => Err(invalid(format!("`{text}` is no status of {what}s"))),
    }
}
