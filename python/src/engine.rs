//! The handle on an open engine: creating, taking up, reading.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use serde_json::{Value as Json, json};
use wtb_engine::{
    BatchPlan, Beginning, CasePlan, CompareRequest, Engine, EngineSettings, Extension,
    KEPT_BYTES_MAX, SinglePlan, compare_batches, session,
};
use wtb_model::{
    BatchId, BatchSpec, BatchStatus, CUSTOM_PREFIX, EventBody, ExecutionId, ExecutionStatus,
    Timestamp, VariantRecord,
};
use wtb_store::{
    BatchFilter, BatchSummary, Change, ExecutionFilter, JournalFilter, Page, Store, StoreError,
    UnitOfWork,
};

use crate::active::ActiveBatchRef;
use crate::errors::{Result, invalid};
use crate::outcome::{ScoreTuple, score_record};
use crate::payload::Payload;
use crate::rows::{self, ValueRef, value_ref};
use crate::saver::CheckpointsRef;

/// `(id, group, tags, input, expected, answers, workspace)`.
type CaseTuple = (
    String,
    Option<String>,
    Vec<String>,
    Payload,
    Option<Payload>,
    Option<Payload>,
    Option<String>,
);
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

/// An open store and the session that works with it.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct EngineRef(Arc<Engine>);

impl EngineRef {
    pub(crate) fn engine(&self) -> &Arc<Engine> {
        &self.0
    }

    /// The store, for the process that opened it: its connections do not survive a fork.
    pub(crate) fn store(&self) -> Result<&Arc<dyn Store>> {
        self.0.check_process()?;
        Ok(self.0.store())
    }

    fn with_store<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn Store) -> std::result::Result<T, StoreError> + Send,
    ) -> Result<T> {
        let store = self.store()?;
        Ok(py.detach(|| work(store.as_ref()))?)
    }

    fn handle(&self, active: Arc<wtb_engine::ActiveBatch>) -> ActiveBatchRef {
        ActiveBatchRef::new(active, Arc::clone(self.0.store()))
    }

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
    #[new]
    #[pyo3(signature = (url, workspaces=None, kept_bytes_max=KEPT_BYTES_MAX, objects=None))]
    fn new(
        py: Python<'_>,
        url: &str,
        workspaces: Option<PathBuf>,
        kept_bytes_max: u64,
        objects: Option<PathBuf>,
    ) -> Result<Self> {
        let settings = EngineSettings { workspaces, kept_bytes_max, objects };
        Ok(Self(py.detach(|| Engine::open_with(url, settings))?))
    }

    #[getter]
    fn url(&self) -> &str {
        self.0.store().url()
    }

    fn close(&self, py: Python<'_>) -> Result<()> {
        Ok(py.detach(|| self.0.close())?)
    }

    fn check_process(&self) -> Result<()> {
        Ok(self.0.check_process()?)
    }

    #[expect(clippy::too_many_arguments, reason = "one call carries a whole batch")]
    fn submit(
        &self,
        py: Python<'_>,
        name: Option<String>,
        workflow: String,
        reference: Option<String>,
        spec: &str,
        variants: Vec<(String, String)>,
        cases: Vec<CaseTuple>,
    ) -> Result<ActiveBatchRef> {
        let plan = BatchPlan {
            name,
            workflow,
            reference,
            spec: serde_json::from_str::<BatchSpec>(spec).map_err(unreadable)?,
            variants: variant_records(variants)?,
            cases: case_plans(cases),
        };
        let active = py.detach(|| self.0.submit(plan))?;
        Ok(self.handle(active))
    }

    #[expect(clippy::too_many_arguments, reason = "one call carries a whole execution")]
    fn submit_single(
        &self,
        py: Python<'_>,
        workflow: String,
        variant: String,
        input: Payload,
        seed: u64,
        timeout_ms: Option<u64>,
        checkpointed: bool,
        workspace: &str,
        front: &str,
    ) -> Result<ActiveBatchRef> {
        let plan = SinglePlan {
            workflow,
            variant,
            input: input.0,
            seed,
            timeout_ms,
            checkpointed,
            workspace: serde_json::from_str(workspace).map_err(unreadable)?,
            front: serde_json::from_str(front).map_err(unreadable)?,
        };
        let active = py.detach(|| self.0.submit_single(plan))?;
        Ok(self.handle(active))
    }

    /// Takes up a batch that an earlier session left; `spec` is what is asked of it from now on, as JSON,
    /// if that has changed.
    fn resume(&self, py: Python<'_>, batch: &str, spec: Option<&str>) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let spec = spec.map(serde_json::from_str).transpose();
        let spec = spec.map_err(|error| invalid(error.to_string()))?;
        let active = py.detach(|| match spec {
            None => self.0.resume(&batch),
            Some(spec) => self.0.resume_as(&batch, spec),
        })?;
        Ok(self.handle(active))
    }

    fn retry(
        &self,
        py: Python<'_>,
        batch: &str,
        executions: Vec<String>,
        from_head: bool,
    ) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let executions =
            executions.iter().map(|id| execution_id(id)).collect::<Result<Vec<_>>>()?;
        let active = py.detach(|| self.0.retry(&batch, &executions, beginning(from_head)))?;
        Ok(self.handle(active))
    }

    /// Returns the checkpoints of all executions.
    fn checkpoints(&self) -> Result<CheckpointsRef> {
        Ok(CheckpointsRef::new(Arc::clone(self.store()?), None, None))
    }

    fn extend(
        &self,
        py: Python<'_>,
        batch: &str,
        variants: Vec<(String, String)>,
        cases: Vec<CaseTuple>,
        repeats: u32,
    ) -> Result<ActiveBatchRef> {
        let batch = batch_id(batch)?;
        let (variants, cases) = (variant_records(variants)?, case_plans(cases));
        let extension = Extension { variants, cases, repeats };
        let active = py.detach(|| self.0.extend(&batch, extension))?;
        Ok(self.handle(active))
    }

    /// Returns the handle on a batch that this session drives.
    fn active(&self, batch: &str) -> Result<Option<ActiveBatchRef>> {
        Ok(self.0.active(&batch_id(batch)?).map(|active| self.handle(active)))
    }

    fn put_scores(&self, py: Python<'_>, execution: &str, scores: Vec<ScoreTuple>) -> Result<()> {
        let execution = execution_id(execution)?;
        let scores = scores.into_iter().map(score_record).collect::<Result<Vec<_>>>()?;
        Ok(py.detach(|| self.0.put_scores(&execution, scores))?)
    }

    fn set_spec(&self, py: Python<'_>, batch: &str, spec: &str) -> Result<()> {
        let spec = Box::new(serde_json::from_str(spec).map_err(unreadable)?);
        let change = Change::SetBatchSpec { batch: batch_id(batch)?, spec };
        self.with_store(py, |store| store.commit(UnitOfWork::silent(change)))?;
        Ok(())
    }

    fn flush(&self, py: Python<'_>) -> Result<()> {
        self.with_store(py, |store| store.flush())
    }

    /// Writes an event of the user's own into the journal; returns its sequence number.
    fn publish(
        &self,
        py: Python<'_>,
        kind: String,
        data: &str,
        batch: Option<&str>,
        execution: Option<&str>,
    ) -> Result<u64> {
        if !kind.starts_with(CUSTOM_PREFIX) {
            return Err(invalid(format!("`{kind}`: kinds of your own begin with `custom.`")));
        }
        let data = serde_json::from_str(data).map_err(unreadable)?;
        let batch = batch.map(batch_id).transpose()?;
        let execution = execution.map(execution_id).transpose()?;
        let body = EventBody::Custom { name: kind, data };
        Ok(py.detach(|| self.0.publish(batch.as_ref(), execution.as_ref(), body))?)
    }

    fn report_subscriber(
        &self,
        py: Python<'_>,
        subscriber: String,
        sequence: u64,
        error: String,
    ) -> Result<()> {
        let body = EventBody::SubscriberFailed { subscriber, sequence, error };
        py.detach(|| self.0.publish(None, None, body))?;
        Ok(())
    }

    /// Returns journal entries as one JSON array.
    #[expect(clippy::too_many_arguments, reason = "one argument for each way to filter")]
    fn journal(
        &self,
        py: Python<'_>,
        after: u64,
        limit: u64,
        batch: Option<&str>,
        execution: Option<&str>,
        kinds: Vec<String>,
        since: Option<f64>,
        until: Option<f64>,
    ) -> Result<String> {
        let filter = JournalFilter {
            batch: batch.map(batch_id).transpose()?,
            execution: execution.map(execution_id).transpose()?,
            kinds,
            since: since.map(timestamp),
            until: until.map(timestamp),
        };
        py.detach(|| {
            let entries = self.0.journal(&filter, after, limit)?;
            let entries: Vec<_> = entries.iter().map(rows::entry).collect();
            Ok(Json::from(entries).to_string())
        })
    }

    fn last_sequence(&self, py: Python<'_>) -> Result<u64> {
        self.with_store(py, |store| store.last_sequence())
    }

    /// Waits until something was journaled after `after`, or the timeout is over.
    fn wait_journal(&self, py: Python<'_>, after: u64, timeout_s: f64) -> Result<u64> {
        let timeout = Duration::from_secs_f64(timeout_s.max(0.0));
        self.with_store(py, |store| Ok(store.wait_journal(after, timeout)))
    }

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
        let page = limit.map_or(Page::ALL, Page::first);
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

    /// Compares the variants of batches; returns the comparison as JSON and as a table.
    fn compare(
        &self,
        py: Python<'_>,
        batches: Vec<String>,
        metric: Option<String>,
        baseline: Option<String>,
    ) -> Result<(String, String)> {
        let batches = batches.iter().map(|id| batch_id(id)).collect::<Result<Vec<_>>>()?;
        let request = CompareRequest { metric, baseline };
        let store = self.store()?;
        let comparison = py.detach(|| compare_batches(store.as_ref(), &batches, &request))?;
        let text = wtb_cli::render_comparison(&comparison);
        Ok((serde_json::to_string(&comparison).map_err(unreadable)?, text))
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

fn case_plans(cases: Vec<CaseTuple>) -> Vec<CasePlan> {
    let plan = |(id, group, tags, input, expected, answers, workspace): CaseTuple| CasePlan {
        id,
        group,
        tags,
        input: input.0,
        expected: expected.map(|given| given.0),
        answers: answers.map(|given| given.0),
        workspace,
    };
    cases.into_iter().map(plan).collect()
}

fn variant_records(variants: Vec<(String, String)>) -> Result<Vec<VariantRecord>> {
    let record = |(name, description): (String, String)| {
        let description = serde_json::from_str(&description).map_err(unreadable)?;
        Ok(VariantRecord { name, description })
    };
    variants.into_iter().map(record).collect()
}

pub(crate) fn unreadable(error: serde_json::Error) -> crate::errors::Failure {
    invalid(error.to_string())
}

pub(crate) const fn beginning(from_head: bool) -> Beginning {
    if from_head { Beginning::Head } else { Beginning::Input }
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

pub(crate) fn batch_id(text: &str) -> Result<BatchId> {
    text.parse().map_err(|error| invalid(format!("{error}")))
}

pub(crate) fn execution_id(text: &str) -> Result<ExecutionId> {
    text.parse().map_err(|error| invalid(format!("{error}")))
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds of any real date fit")]
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}
