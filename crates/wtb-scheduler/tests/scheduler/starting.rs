//! Which cell starts when, on whom, and what holds it back.

use wtb_scheduler::{
    AttemptEnd, BatchEnd, CellIndex, Command, Config, Group, Input, Millis, Phase, Prior,
    Scheduler, WorkerId,
};

use crate::{batch, completed, ended, idle, send, started};

#[test]
fn cells_start_in_order_up_to_the_limit() {
    let mut scheduler = batch(Config { max_in_flight: 2, ..Config::default() }, 5);
    let commands = send(&mut scheduler, 0, idle(4));
    assert_eq!(started(&commands), [(0, 1, 1), (1, 1, 2)]);
    assert_eq!(commands[2], Command::BackpressureApplied { pending: 2, limit: 2 });
    let commands = send(&mut scheduler, 1, completed(1, AttemptEnd::Succeeded));
    assert_eq!(started(&commands), [(2, 1, 3)]);
}

#[test]
fn an_empty_batch_completes_at_the_first_tick() {
    let mut scheduler = batch(Config::default(), 0);
    let commands = send(&mut scheduler, 0, Input::Tick);
    assert_eq!(commands, [ended(BatchEnd::Completed, Phase::Running)]);
}

#[test]
fn work_is_dealt_out_in_turn() {
    let mut scheduler = batch(Config::default(), 4);
    send(&mut scheduler, 0, Input::Pause);
    send(&mut scheduler, 0, idle(3));
    send(&mut scheduler, 0, Input::WorkerIdle { worker: WorkerId(2), slots: 3, group: Group(0) });
    let commands = send(&mut scheduler, 0, Input::Resume);
    let workers = commands.iter().filter_map(|command| match command {
        Command::Start { worker, .. } => Some(worker.0),
        _ => None,
    });
    assert_eq!(workers.collect::<Vec<_>>(), [1, 2, 1, 2]);
}

#[test]
fn a_worker_is_given_what_its_group_can_do() {
    let (first, second) = (Group(0), Group(1));
    let groups = [first, first, second, first, second];
    let cells = groups.map(|group| Prior { group, ..Prior::default() });
    let mut scheduler = Scheduler::resume(Config::default(), cells).unwrap();
    let other = Input::WorkerIdle { worker: WorkerId(2), slots: 3, group: second };
    assert_eq!(started(&send(&mut scheduler, 0, other)), [(2, 1, 1), (4, 1, 2)]);
    assert_eq!((scheduler.outstanding(first), scheduler.outstanding(second)), (3, 2));
    assert_eq!(started(&send(&mut scheduler, 0, idle(2))), [(0, 1, 3), (1, 1, 4)]);
    send(&mut scheduler, 1, completed(1, AttemptEnd::Succeeded));
    assert_eq!((scheduler.outstanding(first), scheduler.outstanding(second)), (3, 1));
}

#[test]
fn asking_again_is_not_asking_for_more() {
    let mut scheduler = batch(Config::default(), 4);
    send(&mut scheduler, 0, Input::Pause);
    for _ in 0..3 {
        send(&mut scheduler, 0, idle(1));
    }
    assert_eq!(started(&send(&mut scheduler, 0, Input::Resume)).len(), 1);
}

#[test]
fn unsettled_cells_fill_the_window() {
    let mut scheduler = batch(Config { window: 1, settle: true, ..Config::default() }, 2);
    send(&mut scheduler, 0, idle(1));
    send(&mut scheduler, 1, completed(1, AttemptEnd::Succeeded));
    let commands = send(&mut scheduler, 2, idle(1));
    assert_eq!(commands, [Command::BackpressureApplied { pending: 1, limit: 1 }]);
    let commands = send(&mut scheduler, 3, Input::Settled { cell: CellIndex(0) });
    assert_eq!(started(&commands), [(1, 1, 2)]);
    assert_eq!(commands[1], Command::BackpressureReleased { pending: 1 });
}

#[test]
fn a_batch_that_settles_is_over_when_the_last_evaluator_is() {
    let mut scheduler = batch(Config { settle: true, ..Config::default() }, 1);
    send(&mut scheduler, 0, idle(1));
    send(&mut scheduler, 1, completed(1, AttemptEnd::Succeeded));
    assert_eq!(scheduler.phase(), Phase::Running);
    let commands = send(&mut scheduler, 2, Input::Settled { cell: CellIndex(0) });
    assert_eq!(commands, [ended(BatchEnd::Completed, Phase::Running)]);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let config = Config { attempt_timeout: Some(Millis(10)), ..Config::default() };
    let mut scheduler = batch(config, 1);
    send(&mut scheduler, 1_000, Input::Tick);
    let commands = send(&mut scheduler, 5, idle(1));
    assert!(matches!(commands[0], Command::Start { deadline: Some(Millis(1_010)), .. }));
}
