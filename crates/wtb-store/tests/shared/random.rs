//! Random units against the model: what is accepted, what is refused, what is left. Each store's
//! own tests call [`check`] on what [`units`] draws.

use proptest::prelude::*;
use wtb_model::{
    AttemptStatus, BatchStatus, ExecutionId, ExecutionRecord, ExecutionStatus, SessionId,
    StatusCounts,
};
use wtb_store::conformance::Place;
use wtb_store::conformance::sample::{
    Batch, cancel_handed, continuation, finish, moment, outcome, place, score, session, session_id,
    start_by, unit,
};
use wtb_store::{Change, Lease, Store, StoreError};

use crate::model::{CELLS, Cell, EXECUTIONS, Step, World};

fn id_of(place: usize, batch: &Batch) -> ExecutionId {
    let id = batch.executions[place % CELLS].id.clone();
    if place < CELLS { id } else { id.continuation() }
}

/// The change of a step, to a world that is as the model says.
fn change(step: &Step, batch: &Batch, world: &World) -> Change {
    let id = |cell: usize| id_of(cell, batch);
    let created = &batch.executions;
    let batch = batch.record.id.clone();
    let session = |number: u64| -> SessionId { session_id(number) };
    let at = moment(1);
    match *step {
        Step::Start { session: starter, cell, lease } => {
            start_by(&session(starter), &id(cell), lease)
        }
        Step::Finish { cell, lease, status, next } => {
            finish(&id(cell), lease, (status, next), outcome(1))
        }
        Step::Cancel { cell } => {
            let status = ExecutionStatus::Cancelled;
            Change::FinishExecution { execution: id(cell), status, at }
        }
        Step::CancelHanded { cell, lease } => cancel_handed(&id(cell), lease),
        Step::Revoke { cell, token } => {
            Change::RevokeLease { lease: Lease { execution: id(cell), token } }
        }
        Step::Requeue { cell, from_head } => {
            Change::RequeueExecution { execution: id(cell), from_head }
        }
        Step::Place { cell, lineages } => place(&id(cell), lineages),
        Step::Continue { cell } => {
            let record = world.cells[cell].map_or_else(
                || continuation(&created[cell]),
                |Cell { attempts, token, lineages, .. }| {
                    let stands =
                        ExecutionRecord { attempts, token, lineages, ..created[cell].clone() };
                    continuation(&stands)
                },
            );
            Change::CreateExecution(Box::new(record))
        }
        Step::Score { cell } => {
            Change::PutScores { execution: id(cell), scores: vec![score("judge", "quality", 1.0)] }
        }
        Step::Claim { session: claimer, from } => {
            Change::ClaimBatch { batch, session: session(claimer), from: from.map(session), at }
        }
        Step::Release { session: owner } => Change::ReleaseBatch { batch, session: session(owner) },
        Step::SetStatus { session: owner, status } => {
            Change::SetBatchStatus { batch, session: session(owner), status, at }
        }
        Step::Close { session: closed } => Change::CloseSession { session: session(closed), at },
    }
}

/// Mostly the cells: what they have gone on to is not always there.
fn cell() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..CELLS, 1 => CELLS..EXECUTIONS]
}

/// A whole attempt under one lease, so that much comes to an end.
fn any_attempt() -> impl Strategy<Value = Vec<Step>> {
    let lease = (0_u32..24, 0_u64..64);
    (cell(), any::<bool>(), any::<bool>(), lease).prop_map(|(cell, requeued, from_head, lease)| {
        let (status, next) = (AttemptStatus::Succeeded, ExecutionStatus::Succeeded);
        let start = Step::Start { session: 0, cell, lease };
        let attempt = [start, Step::Finish { cell, lease, status, next }];
        let requeue = requeued.then_some(Step::Requeue { cell, from_head });
        requeue.into_iter().chain(attempt).collect()
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    let lease = || (0_u32..4, 0_u64..4);
    let ends = prop_oneof![
        4 => Just((AttemptStatus::Succeeded, ExecutionStatus::Succeeded)),
        2 => Just((AttemptStatus::Failed, ExecutionStatus::Queued)),
        2 => Just((AttemptStatus::TimedOut, ExecutionStatus::TimedOut)),
        1 => Just((AttemptStatus::Running, ExecutionStatus::Succeeded)),
        1 => Just((AttemptStatus::Succeeded, ExecutionStatus::Running)),
    ];
    let statuses = proptest::sample::select(BatchStatus::ALL);
    prop_oneof![
        9 => (0_u64..2, cell(), lease())
            .prop_map(|(session, cell, lease)| Step::Start { session, cell, lease }),
        6 => (cell(), lease(), ends)
            .prop_map(|(cell, lease, (status, next))| Step::Finish { cell, lease, status, next }),
        1 => cell().prop_map(|cell| Step::Cancel { cell }),
        2 => (cell(), lease()).prop_map(|(cell, lease)| Step::CancelHanded { cell, lease }),
        2 => (cell(), 0_u64..4).prop_map(|(cell, token)| Step::Revoke { cell, token }),
        3 => (cell(), any::<bool>())
            .prop_map(|(cell, from_head)| Step::Requeue { cell, from_head }),
        1 => (cell(), 0_u32..9).prop_map(|(cell, lineages)| Step::Place { cell, lineages }),
        2 => (0..CELLS).prop_map(|cell| Step::Continue { cell }),
        1 => cell().prop_map(|cell| Step::Score { cell }),
        1 => (0_u64..2, proptest::option::of(0_u64..2))
            .prop_map(|(session, from)| Step::Claim { session, from }),
        1 => (0_u64..2).prop_map(|session| Step::Release { session }),
        2 => (0_u64..2, statuses)
            .prop_map(|(session, status)| Step::SetStatus { session, status }),
        1 => (0_u64..2).prop_map(|session| Step::Close { session }),
    ]
}

/// What the store says, in the words of the model.
fn observe(store: &dyn Store, batch: &Batch) -> World {
    let found = store.batch(&batch.record.id).unwrap();
    let mut counts = StatusCounts::default();
    let cells = std::array::from_fn(|place| {
        let id = id_of(place, batch);
        let execution = match store.execution(&id) {
            Err(StoreError::NotFound { .. }) if place >= CELLS => return None,
            found => found.unwrap(),
        };
        let detail = store.detail(&id).unwrap();
        let own = if place < CELLS {
            *counts.of(execution.status) += 1;
            &detail.attempts[..]
        } else {
            let of_cell = store.detail(&id.known()).unwrap().attempts;
            assert!(detail.attempts.starts_with(&of_cell), "the cell's come first");
            &detail.attempts[of_cell.len()..]
        };
        let mut running = own.iter().filter(|one| one.status == AttemptStatus::Running);
        Some(Cell {
            status: execution.status,
            attempts: execution.attempts,
            token: execution.token,
            settled: execution.settled,
            dead_letter: execution.dead_letter,
            live: running.next_back().map(|attempt| attempt.number),
            used: own.iter().map(|attempt| 1 << attempt.number).sum(),
            scored: !detail.scores.is_empty(),
            lineages: execution.lineages,
            from_head: execution.from_head,
            delivered: execution.output.is_some(),
        })
    });
    assert_eq!(found.counts, counts, "the counts are those of the rows");
    let ended = [0, 1].map(|number| store.session(&session_id(number)).unwrap().ended_at.is_some());
    let owner = found.batch.session.map(|id| u64::from(id == session_id(1)));
    World { cells, owner, ended, status: found.batch.status }
}

/// Units of one to three steps each, some of them a whole attempt.
pub(crate) fn units() -> impl Strategy<Value = Vec<Vec<Step>>> {
    let unit = prop_oneof![2 => prop::collection::vec(any_step(), 1..4), 1 => any_attempt()];
    prop::collection::vec(unit, 1..60)
}

/// Submits the units, one by one or all together, and compares what becomes of them.
pub(crate) fn check(
    place: &dyn Place,
    units: &[Vec<Step>],
    together: bool,
) -> Result<(), TestCaseError> {
    let store = place.open().unwrap();
    let batch = Batch::new(1, &session_id(0), (1, u32::try_from(CELLS).unwrap(), 1));
    let sessions = [0, 1].map(|number| Change::OpenSession(session(number)));
    store.commit(unit(sessions.into_iter().chain([batch.create()]))).unwrap();

    let mut world = World::new();
    let mut tickets = Vec::new();
    for steps in units {
        // A cell goes on from where the steps before it have left it.
        let mut at = world.clone();
        let changes: Vec<_> = steps
            .iter()
            .map(|step| {
                let change = change(step, &batch, &at);
                at.apply(std::slice::from_ref(step));
                change
            })
            .collect();
        let accepted = world.apply(steps);
        let ticket = store.submit(unit(changes)).unwrap();
        if together {
            tickets.push((ticket, steps, accepted));
        } else {
            let result = ticket.wait();
            prop_assert_eq!(result.is_ok(), accepted, "{:?}: {:?}", steps, result);
            prop_assert_eq!(observe(store.as_ref(), &batch), world.clone());
        }
    }
    for (ticket, steps, accepted) in tickets {
        let result = ticket.wait();
        prop_assert_eq!(result.is_ok(), accepted, "{:?}: {:?}", steps, result);
    }
    prop_assert_eq!(observe(store.as_ref(), &batch), world.clone());
    drop(store);
    prop_assert_eq!(observe(place.open().unwrap().as_ref(), &batch), world);
    Ok(())
}
