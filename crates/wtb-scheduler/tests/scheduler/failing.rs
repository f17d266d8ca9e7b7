//! Failures, retries, deadlines and losses: what becomes of a cell that did not succeed.

use wtb_scheduler::{
    AttemptEnd, BatchEnd, CellEnd, CellIndex, CellStatus, Command, Config, ExpireCause, FailFast,
    FenceReason, Group, Input, Millis, Next, Phase, Token, WorkerId,
};

use crate::{FAILED, WORKER, batch, completed, ended, idle, next, send, started};

#[test]
fn a_failed_cell_waits_for_the_server_and_then_runs_before_later_cells() {
    let mut scheduler = batch(Config { retries: 1, ..Config::default() }, 3);
    send(&mut scheduler, 0, idle(1));
    let end = AttemptEnd::Failed { retryable: true, retry_after: Some(Millis(120_000)) };
    let commands = send(&mut scheduler, 10, completed(1, end));
    assert_eq!(next(&commands), Next::Retry { at: Millis(120_010) });
    assert_eq!(scheduler.next_wake(), Some(Millis(120_010)));
    assert_eq!(started(&send(&mut scheduler, 120_009, idle(1))), [(1, 1, 2)]);
    assert_eq!(started(&send(&mut scheduler, 120_010, idle(1))), [(0, 2, 3)]);
}

#[test]
fn a_spent_budget_makes_a_dead_letter_that_can_be_put_back() {
    let mut scheduler = batch(Config::default(), 2);
    send(&mut scheduler, 0, idle(1));
    let commands = send(&mut scheduler, 1, completed(1, FAILED));
    assert_eq!(next(&commands), Next::Final { end: CellEnd::Failed, dead_letter: true });
    let cell = CellIndex(0);
    send(&mut scheduler, 2, Input::Requeue { cell });
    assert_eq!(scheduler.status(cell), Some(CellStatus::Queued));
    assert_eq!(started(&send(&mut scheduler, 3, idle(1))), [(0, 2, 2)]);
}

#[test]
fn an_error_that_another_attempt_cannot_help_is_final() {
    let mut scheduler = batch(Config { retries: 5, ..Config::default() }, 1);
    send(&mut scheduler, 0, idle(1));
    let end = AttemptEnd::Failed { retryable: false, retry_after: None };
    let commands = send(&mut scheduler, 1, completed(1, end));
    assert_eq!(next(&commands), Next::Final { end: CellEnd::Failed, dead_letter: true });
}

#[test]
fn an_outcome_at_the_deadline_is_too_late() {
    let config = Config { attempt_timeout: Some(Millis(100)), retries: 1, ..Config::default() };
    let mut scheduler = batch(config, 1);
    send(&mut scheduler, 0, idle(1));
    let commands = send(&mut scheduler, 100, completed(1, AttemptEnd::Succeeded));
    let [Command::Expire { cause, next: Next::Retry { .. }, .. }, stop, fence] = commands[..]
    else {
        panic!("{commands:?}")
    };
    assert_eq!(cause, ExpireCause::Timeout);
    assert_eq!(stop, Command::Stop { token: Token(1), worker: WORKER });
    assert_eq!(fence, Command::Fence { token: Token(1), reason: FenceReason::Stale });
}

#[test]
fn the_slot_of_a_stuck_worker_is_not_used_again() {
    let config = Config { attempt_timeout: Some(Millis(10)), ..Config::default() };
    let mut scheduler = batch(config, 2);
    send(&mut scheduler, 0, idle(1));
    assert_eq!(started(&send(&mut scheduler, 10, Input::Tick)), []);
    let replacement = Input::WorkerIdle { worker: WorkerId(2), slots: 1, group: Group(0) };
    assert_eq!(started(&send(&mut scheduler, 11, replacement)), [(1, 1, 2)]);
}

#[test]
fn a_repeated_outcome_and_an_invented_one_are_told_apart() {
    let mut scheduler = batch(Config { first_token: 7, ..Config::default() }, 2);
    send(&mut scheduler, 0, idle(1));
    send(&mut scheduler, 1, completed(7, AttemptEnd::Succeeded));
    for (token, reason) in
        [(7, FenceReason::Duplicate), (8, FenceReason::Unknown), (6, FenceReason::Stale)]
    {
        let commands = send(&mut scheduler, 2, completed(token, FAILED));
        assert_eq!(commands, [Command::Fence { token: Token(token), reason }]);
    }
}

#[test]
fn a_lost_attempt_is_no_retry_but_losses_are_bounded() {
    let mut scheduler = batch(Config { max_losses: 1, ..Config::default() }, 1);
    send(&mut scheduler, 0, idle(1));
    let gone = Input::WorkerGone { worker: WORKER };
    assert_eq!(next(&send(&mut scheduler, 5, gone)), Next::Retry { at: Millis(5) });
    assert_eq!(started(&send(&mut scheduler, 6, idle(1))), [(0, 2, 2)]);
    let commands = send(&mut scheduler, 7, gone);
    assert_eq!(next(&commands), Next::Final { end: CellEnd::Failed, dead_letter: true });
}

#[test]
fn a_silent_worker_loses_its_lease_and_a_beating_one_does_not() {
    let mut scheduler = batch(Config { lease_ttl: Some(Millis(30)), ..Config::default() }, 1);
    send(&mut scheduler, 0, idle(1));
    send(&mut scheduler, 20, Input::Heartbeat { worker: WORKER });
    assert_eq!(send(&mut scheduler, 30, Input::Tick), []);
    assert_eq!(scheduler.next_wake(), Some(Millis(50)));
    let commands = send(&mut scheduler, 50, Input::Tick);
    assert!(matches!(commands[0], Command::Expire { cause: ExpireCause::LeaseExpired, .. }));
    assert_eq!(next(&commands), Next::Retry { at: Millis(50) });
}

#[test]
fn too_many_failures_end_the_batch() {
    let fail_fast = Some(FailFast::Fraction { fraction: 0.5, min_sample: 4 });
    let mut scheduler = batch(Config { fail_fast, ..Config::default() }, 100);
    send(&mut scheduler, 0, idle(8));
    for (token, end) in [(1, FAILED), (2, AttemptEnd::Succeeded), (3, FAILED)] {
        send(&mut scheduler, 1, completed(token, end));
    }
    assert_eq!(scheduler.phase(), Phase::Running);
    let commands = send(&mut scheduler, 2, completed(4, AttemptEnd::Succeeded));
    assert_eq!(commands.last(), Some(&ended(BatchEnd::FailedFast, Phase::Running)));
}
