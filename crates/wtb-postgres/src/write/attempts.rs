//! Attempts: started under a new token, ended under the live one.

use std::collections::BTreeSet;

use wtb_model::{
    AttemptStatus, ErrorInfo, ExecutionStatus, StoredValue, Timestamp, WorkspaceRecord,
};
use wtb_store::codec::{encode_optional, encode_optional_json};
use wtb_store::{AttemptStart, Change, Lease, StoreError};

use super::executions::{Execution, Outcome};
use super::staged::Staged;
use super::{Group, taken};
use crate::bulk::{Kind, Table};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, integer};

const STARTED: Table<15> = Table {
    name: "attempts",
    what: "the start of an attempt",
    columns: [
        ("execution", Kind::Int),
        ("number", Kind::Int),
        ("token", Kind::Int),
        ("worker", Kind::Text),
        ("started_at", Kind::Int),
        ("status", Kind::Text),
        ("finished_at", Kind::Int),
        ("error", Kind::Text),
        ("stdout", Kind::Bytes),
        ("stderr", Kind::Bytes),
        ("files", Kind::Bytes),
        ("rung", Kind::Text),
        ("inputs", Kind::Text),
        ("directory", Kind::Text),
        ("found", Kind::Bytes),
    ],
};

const ENDED: Table<8> = Table {
    name: "attempts",
    what: "the end of an attempt",
    columns: [
        ("execution", Kind::Int),
        ("number", Kind::Int),
        ("status", Kind::Text),
        ("finished_at", Kind::Int),
        ("error", Kind::Text),
        ("stdout", Kind::Bytes),
        ("stderr", Kind::Bytes),
        ("files", Kind::Bytes),
    ],
};

const WORKSPACES: Table<6> = Table {
    name: "attempts",
    what: "an attempt's workspace",
    columns: [
        ("execution", Kind::Int),
        ("number", Kind::Int),
        ("rung", Kind::Text),
        ("inputs", Kind::Text),
        ("directory", Kind::Text),
        ("found", Kind::Bytes),
    ],
};

/// An attempt as those who change it need to know it.
#[derive(Debug, Clone)]
struct Attempt<'group> {
    /// What is written of one that starts.
    started: Option<&'group AttemptStart>,
    token: i64,
    status: AttemptStatus,
    finished_at: Option<i64>,
    error: Option<&'group ErrorInfo>,
    stdout: Option<&'group StoredValue>,
    stderr: Option<&'group StoredValue>,
    files: Option<&'group StoredValue>,
    /// What is written of a workspace that it gets.
    workspace: Option<&'group WorkspaceRecord>,
    changed: bool,
}

impl Attempt<'_> {
    /// One as it stands before it ends.
    const fn new(token: i64, status: AttemptStatus) -> Self {
        Self {
            started: None,
            token,
            status,
            finished_at: None,
            error: None,
            stdout: None,
            stderr: None,
            files: None,
            workspace: None,
            changed: false,
        }
    }
}

/// The attempts of the executions whose attempts a group starts or ends, by execution and number.
#[derive(Debug, Default)]
pub(super) struct Attempts<'group> {
    rows: Staged<(i64, i64), Attempt<'group>>,
}

impl Attempts<'_> {
    /// Whoever changes an attempt holds the lock of its execution, so that none is needed here.
    pub(super) fn load(connection: &mut Connection, executions: &[i64]) -> Result<Self, Failure> {
        let mut attempts = Self::default();
        if executions.is_empty() {
            return Ok(attempts);
        }
        let rows = connection.query(
            "SELECT execution, number, token, status FROM @.attempts WHERE execution = ANY($1)",
            &[Value::ints(executions.iter().copied())],
            "reading attempts",
        )?;
        for row in &rows {
            let (execution, number): (i64, i64) = (get(row, 0)?, get(row, 1)?);
            let status: &str = get(row, 3)?;
            let status = AttemptStatus::parse(status).ok_or_else(|| StoreError::Unreadable {
                what: "an attempt".to_owned(),
                reason: format!("status `{status}` is not known to this program"),
            })?;
            attempts.rows.load((execution, number), Attempt::new(get(row, 2)?, status));
        }
        Ok(attempts)
    }

    /// Marks the attempts of an execution that run as lost.
    fn lose(&mut self, execution: i64, at: Timestamp) {
        let running = self.rows.iter().filter(|((of, _), attempt)| {
            *of == execution && attempt.status == AttemptStatus::Running
        });
        let lost: Vec<_> = running
            .map(|(key, attempt)| {
                let status = AttemptStatus::Lost;
                let finished_at = Some(at.as_micros());
                (*key, Attempt { status, finished_at, changed: true, ..attempt.clone() })
            })
            .collect();
        for (key, attempt) in lost {
            self.rows.set(key, attempt);
        }
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept { self.rows.keep() } else { self.rows.undo() }
    }

    /// Writes those of executions that were not removed.
    pub(super) fn flush(
        &self,
        connection: &mut Connection,
        removed: &BTreeSet<i64>,
    ) -> Result<(), Failure> {
        let changed = || {
            let changed = self.rows.iter().filter(|(_, attempt)| attempt.changed);
            changed.filter(|((execution, _), _)| !removed.contains(execution))
        };
        let started = changed().filter_map(|(key, attempt)| Some((key, attempt, attempt.started?)));
        let started = started.map(|(key, attempt, start)| {
            let [rung, inputs, directory, found] = workspace_columns(attempt.workspace);
            Ok([
                key.0.into(),
                key.1.into(),
                attempt.token.into(),
                Value::text(&start.worker),
                Value::time(start.at),
                attempt.status.as_str().into(),
                Value::Int(attempt.finished_at),
                encode_optional_json(attempt.error)?.into(),
                encode_optional(attempt.stdout).into(),
                encode_optional(attempt.stderr).into(),
                encode_optional(attempt.files).into(),
                rung,
                inputs,
                directory,
                found,
            ])
        });
        STARTED.insert(connection, started, "")?;
        let ended = changed().filter(|(_, attempt)| attempt.started.is_none());
        let ended = ended.map(|(key, attempt)| {
            Ok([
                key.0.into(),
                key.1.into(),
                attempt.status.as_str().into(),
                Value::Int(attempt.finished_at),
                encode_optional_json(attempt.error)?.into(),
                encode_optional(attempt.stdout).into(),
                encode_optional(attempt.stderr).into(),
                encode_optional(attempt.files).into(),
            ])
        });
        ENDED.update(connection, ended, 2, "")?;
        let placed = changed().filter(|(_, attempt)| attempt.started.is_none());
        let placed = placed.filter(|(_, attempt)| attempt.workspace.is_some());
        let placed = placed.map(|(key, attempt)| {
            let [rung, inputs, directory, found] = workspace_columns(attempt.workspace);
            Ok([key.0.into(), key.1.into(), rung, inputs, directory, found])
        });
        WORKSPACES.update(connection, placed, 2, "")
    }
}

fn workspace_columns(workspace: Option<&WorkspaceRecord>) -> [Value; 4] {
    let text = |part: fn(&WorkspaceRecord) -> &str| Value::optional_text(workspace.map(part));
    [
        text(|workspace| &workspace.rung),
        text(|workspace| &workspace.inputs),
        text(|workspace| &workspace.directory),
        encode_optional(workspace.map(|workspace| &workspace.files)).into(),
    ]
}

impl<'group> Group<'group> {
    pub(super) fn put_workspace(
        &mut self,
        number: u32,
        lease: &Lease,
        workspace: &'group WorkspaceRecord,
    ) -> Result<(), StoreError> {
        let what = || format!("the workspace of attempt {number}");
        self.check_lease(Some(lease), what)?;
        self.objects.check([Some(&workspace.files)])?;
        let (key, execution) = self.executions.find(&lease.execution)?;
        let place = (key, i64::from(number));
        let attempt = self.attempts.rows.get(&place);
        let attempt = attempt.filter(|attempt| attempt.token == execution.token);
        let fenced = || StoreError::Fenced { what: what(), token: lease.token };
        let attempt = attempt.ok_or_else(fenced)?;
        let attempt = Attempt { workspace: Some(workspace), changed: true, ..attempt.clone() };
        self.attempts.rows.set(place, attempt);
        Ok(())
    }

    pub(super) fn start_attempt(&mut self, start: &'group AttemptStart) -> Result<(), StoreError> {
        let (key, execution) = self.executions.find(&start.execution)?;
        let what = || format!("the start of attempt {} of {}", start.attempt, start.execution);
        // First: whatever else is wrong, that the batch was taken over is why.
        if let Some(batch) = execution.batch {
            self.check_owner_of(batch, &start.session, what)?;
        }
        let status = ExecutionStatus::Running;
        execution.status.check(status, format_args!("execution {}", start.execution))?;
        let token = integer(start.token, "a token")?;
        if token <= execution.token {
            return Err(StoreError::Fenced { what: what(), token: start.token });
        }
        let number = (key, i64::from(start.attempt));
        if self.attempts.rows.get(&number).is_some() {
            let what = format!("attempt {} of {}", start.attempt, start.execution);
            return Err(taken("starting an attempt", &what));
        }
        let execution = Execution {
            status,
            attempts: execution.attempts + 1,
            token,
            started_at: Some(start.at.as_micros()),
            finished_at: None,
            lineages: start.lineages.into(),
            ..*execution
        };
        self.executions.set(key, execution);
        let attempt = Attempt {
            started: Some(start),
            changed: true,
            ..Attempt::new(token, AttemptStatus::Running)
        };
        self.attempts.rows.set(number, attempt);
        Ok(())
    }

    /// Applies [`Change::FinishAttempt`], the only change it is called with.
    pub(super) fn finish_attempt(&mut self, change: &'group Change) -> Result<(), StoreError> {
        let Change::FinishAttempt {
            execution: id,
            attempt: number,
            token,
            status,
            next,
            dead_letter,
            outcome,
            settled,
            handed_ahead,
            at,
        } = change
        else {
            return Ok(());
        };
        let cancels = *handed_ahead && *next == ExecutionStatus::Cancelled;
        if cancels && self.executions.revoke_lease(id, *token)? {
            return self.executions.finish_idle(id, *next, *at);
        }
        let (key, execution) = self.executions.find(id)?;
        let fenced = || StoreError::Fenced {
            what: format!("the end of attempt {number} of {id}"),
            token: *token,
        };
        let live = i64::try_from(*token).is_ok_and(|token| token == execution.token);
        if execution.status != ExecutionStatus::Running || !live {
            return Err(fenced());
        }
        execution.status.check(*next, format_args!("execution {id}"))?;
        AttemptStatus::Running
            .check(*status, format_args!("attempt {number} of execution {id}"))?;
        let place = (key, i64::from(*number));
        let attempt = self.attempts.rows.get(&place);
        let attempt =
            attempt.filter(|attempt| attempt.token == execution.token).ok_or_else(fenced)?;
        self.objects.check(outcome.values())?;
        for node in &outcome.nodes {
            self.objects.check([node.input.as_ref(), node.output.as_ref()])?;
        }
        self.details.end_attempt(place, outcome)?;
        let attempt = Attempt {
            status: *status,
            finished_at: Some(at.as_micros()),
            error: outcome.error.as_ref(),
            stdout: outcome.stdout.as_ref(),
            stderr: outcome.stderr.as_ref(),
            files: outcome.files.as_ref(),
            changed: true,
            ..attempt.clone()
        };
        self.attempts.rows.set(place, attempt);
        let execution = Execution {
            status: *next,
            dead_letter: *dead_letter && !id.is_continuation(),
            settled: *settled,
            finished_at: next.is_final().then_some(at.as_micros()),
            outcome: Outcome::Delivered(outcome),
            ..*execution
        };
        self.executions.set(key, execution);
        Ok(())
    }

    /// Sends what a dead session left running back to the queue. The old tokens stay on the rows,
    /// so that the dead leases can neither finish nor be mistaken for later ones.
    pub(super) fn requeue_running(&mut self, batch: i64, at: Timestamp) {
        for (key, execution) in self.executions.running(batch) {
            self.attempts.lose(key, at);
            let execution = Execution { status: ExecutionStatus::Queued, ..execution };
            self.executions.set(key, execution);
        }
    }
}
