//! Draining, resuming and cancelling: how a batch ends before it is through.

use wtb_scheduler::{
    AttemptEnd, BatchEnd, CellEnd, CellIndex, Command, Config, ExpireCause, FenceReason, Group,
    Input, Millis, Next, Phase, Prior, Scheduler, Token, WorkerId,
};

use crate::{FAILED, WORKER, batch, completed, ended, idle, next, send, started};

#[test]
fn a_drained_batch_lets_attempts_finish_and_can_be_resumed() {
    let mut scheduler = batch(Config::default(), 3);
    send(&mut scheduler, 0, idle(1));
    let other = Input::WorkerIdle { worker: WorkerId(2), slots: 1, group: Group(0) };
    let commands = send(&mut scheduler, 1, Input::Drain);
    assert_eq!(commands, [Command::Phase { from: Phase::Running, to: Phase::Draining }]);
    assert_eq!(send(&mut scheduler, 2, other), [Command::Release { worker: WorkerId(2) }]);
    let commands = send(&mut scheduler, 3, completed(1, AttemptEnd::Succeeded));
    assert_eq!(commands[1], ended(BatchEnd::Drained, Phase::Draining));

    let done = Prior { attempts: 1, end: Some(CellEnd::Succeeded), ..Prior::default() };
    let config = Config { first_token: 2, ..Config::default() };
    let mut second = Scheduler::resume(config, [done, Prior::default(), Prior::default()]).unwrap();
    assert_eq!(started(&send(&mut second, 0, idle(3))), [(1, 1, 2), (2, 1, 3)]);
}

#[test]
fn stopping_at_once_leaves_the_batch_resumable() {
    let mut scheduler = batch(Config::default(), 2);
    send(&mut scheduler, 0, idle(1));
    send(&mut scheduler, 1, Input::Drain);
    let commands = send(&mut scheduler, 2, Input::WorkerGone { worker: WORKER });
    assert_eq!(next(&commands), Next::Retry { at: Millis(2) });
    assert_eq!(commands[1], ended(BatchEnd::Drained, Phase::Draining));
    assert_eq!(scheduler.counts().queued, 2);
}

#[test]
fn a_resumed_cell_keeps_its_numbering_and_its_spent_budget() {
    let prior = Prior { attempts: 4, failures: 2, losses: 1, ..Prior::default() };
    let config = Config { retries: 2, first_token: 50, ..Config::default() };
    let mut scheduler = Scheduler::resume(config, [prior]).unwrap();
    assert_eq!(started(&send(&mut scheduler, 0, idle(1))), [(0, 5, 50)]);
    let commands = send(&mut scheduler, 1, completed(50, FAILED));
    assert_eq!(next(&commands), Next::Final { end: CellEnd::Failed, dead_letter: true });
}

#[test]
fn cancelling_ends_everything_and_fences_what_still_comes() {
    let mut scheduler = batch(Config::default(), 1_000);
    send(&mut scheduler, 0, idle(1));
    let commands = send(&mut scheduler, 1, Input::Cancel);
    assert!(matches!(commands[0], Command::Expire { cause: ExpireCause::Cancelled, .. }));
    assert_eq!(commands[1], Command::Stop { token: Token(1), worker: WORKER });
    let (first, end) = (CellIndex(1), CellEnd::Cancelled);
    assert_eq!(commands[2], Command::Finish { first, count: 999, end });
    assert_eq!(commands[3], ended(BatchEnd::Cancelled, Phase::Running));
    let commands = send(&mut scheduler, 2, completed(1, AttemptEnd::Succeeded));
    assert_eq!(commands, [Command::Fence { token: Token(1), reason: FenceReason::Stale }]);
    assert_eq!(scheduler.counts().cancelled, 1_000);
}

#[test]
fn a_cancelled_cell_leaves_the_others_alone() {
    let mut scheduler = batch(Config::default(), 3);
    let cell = CellIndex(1);
    let commands = send(&mut scheduler, 0, Input::CancelCell { cell });
    assert_eq!(commands, [Command::Finish { first: cell, count: 1, end: CellEnd::Cancelled }]);
    assert_eq!(started(&send(&mut scheduler, 1, idle(3))), [(0, 1, 1), (2, 1, 2)]);
}
