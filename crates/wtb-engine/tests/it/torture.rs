//! Many small worlds in which workers fail, hang, vanish and repeat themselves, and owners pause,
//! stop and resume, at random. Whatever happens, the store is consistent at the end.
//!
//! `WTB_TORTURE_SEED=17 cargo test -p wtb-engine --test it torture` replays one world's dice (the
//! threads still race as they like).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use wtb_engine::{ActiveBatch, Beginning, Extension, Group, Poll, Scoring, Task, WorkerKey};
use wtb_model::BatchId;
use wtb_scheduler::SplitMix64;
use wtb_store::Store;

use crate::audit::audit;
use crate::support::{
    Bench, POLL, case, ended, events, eventually, executions, failure, judged, plan, score, success,
};

const WORLDS: u64 = 24;
const WORKERS: u32 = 4;
const SESSIONS_MAX: u32 = 40;

#[test]
fn every_world_ends_consistent() {
    let replayed = std::env::var("WTB_TORTURE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seeds = replayed.map_or(0..WORLDS, |seed: u64| seed..seed + 1);
    for seed in seeds {
        let replay = format!("WTB_TORTURE_SEED={seed} cargo test -p wtb-engine --test it torture");
        let world = std::thread::spawn(move || world(seed));
        assert!(world.join().is_ok(), "world {seed} broke; replay it by: {replay}");
    }
}

fn world(seed: u64) {
    let mut dice = SplitMix64::new(seed);
    let mut bench = Bench::new();
    let (variants, cases) = (1 + dice.below(3), 3 + dice.below(30));
    let planned = plan(variants, cases, |spec| {
        spec.seed = seed;
        spec.repeats = 1 + dice.below(2);
        spec.retries = dice.below(3);
        spec.timeout_ms = Some(30);
        spec.window = 2 + dice.below(8);
        spec.max_workers = 1 + dice.below(WORKERS);
        if dice.below(2) == 0 {
            spec.evaluators = judged();
        }
    });
    let active = bench.engine.submit(planned).unwrap();
    let id = active.id().unwrap().clone();
    to_the_end(&mut bench, &id, active, &mut dice);
    let store = bench.engine.store().clone();
    let all = executions(store.as_ref(), &id).into_iter();
    let bad = all.filter(|one| one.status.is_error()).map(|one| one.id).collect::<Vec<_>>();
    let active = if dice.below(2) == 0 {
        bench.engine.retry(&id, &bad, Beginning::Input).unwrap()
    } else {
        let extension = Extension { cases: vec![case("more")], ..Extension::default() };
        bench.engine.extend(&id, extension).unwrap()
    };
    to_the_end(&mut bench, &id, active, &mut dice);
    let kinds = ["backpressure.applied", "backpressure.released"];
    let [applied, released] = kinds.map(|kind| events(store_of(&bench), &id, kind).len());
    assert_eq!(applied, released, "backpressure that is applied is released");
}

/// Goes from session to session until nothing is left to do.
fn to_the_end(
    bench: &mut Bench,
    id: &BatchId,
    mut active: Arc<ActiveBatch>,
    dice: &mut SplitMix64,
) {
    for session in 0.. {
        // The last sessions are left in peace, so that the world ends.
        live(&active, dice.next_u64(), session < SESSIONS_MAX);
        audit(store_of(bench), id);
        if !ended(&active).resumable {
            break;
        }
        if dice.below(3) == 0 {
            bench.reopen();
        }
        active = bench.engine.resume(id).unwrap();
    }
    assert_eq!(store_of(bench).batch(id).unwrap().counts.outstanding(), 0);
}

fn store_of(bench: &Bench) -> &dyn Store {
    bench.engine.store().as_ref()
}

/// One session: workers, their supervisor, an evaluator, and an owner who meddles.
fn live(active: &ActiveBatch, seed: u64, disturbed: bool) {
    let names = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let spawn = |replaces: Option<String>| {
            let number = names.fetch_add(1, Ordering::SeqCst);
            let name = format!("w{number}");
            let key = active.join(&name, 0, replaces.as_deref(), Group(0)).unwrap();
            let dice = SplitMix64::new(seed ^ u64::from(number) << 32);
            scope.spawn(move || misbehave(active, key, dice));
        };
        (0..WORKERS).for_each(|_| spawn(None));
        scope.spawn(move || evaluate(active, SplitMix64::new(seed ^ 1)));
        let mut dice = SplitMix64::new(seed ^ 2);
        eventually("the session to end", || {
            for stuck in active.stuck(Duration::from_millis(10)) {
                let Some(name) = active.worker_name(stuck) else {
                    continue;
                };
                active.fail(stuck, "stuck").unwrap();
                spawn(Some(name));
            }
            if vanished(active, names.load(Ordering::SeqCst)) {
                spawn(None);
            }
            if disturbed {
                meddle(active, &mut dice);
            }
            !active.is_under_way()
        });
    });
}

/// Whether no worker is left that could go on.
fn vanished(active: &ActiveBatch, joined: u32) -> bool {
    (1..=u64::from(joined)).all(|key| active.worker_name(WorkerKey(key)).is_none())
}

/// Works, badly.
fn misbehave(active: &ActiveBatch, key: WorkerKey, mut dice: SplitMix64) {
    loop {
        let task = match active.poll(key, POLL).unwrap() {
            Poll::Task(task) => task,
            Poll::Idle => continue,
            Poll::Released => break,
        };
        match dice.below(20) {
            0..=2 => drop(active.complete(&task, failure("unlucky")).unwrap()),
            3 => hang(active, &task),
            7 => {
                // Stays in user code until its place is taken.
                eventually("the replacement", || {
                    active.worker_name(key).is_none() || !active.is_under_way()
                });
                assert!(!active.complete(&task, success()).unwrap(), "a zombie writes nothing");
                return;
            }
            4 => {
                active.fail(key, "vanished").unwrap();
                assert!(!active.complete(&task, success()).unwrap(), "a zombie writes nothing");
                return;
            }
            5 => {
                active.complete(&task, success()).unwrap();
                let again = active.complete(&task, failure("again")).unwrap();
                assert!(!again, "a second outcome is refused");
            }
            6 => return active.leave(key).unwrap(),
            _ => drop(active.complete(&task, success()).unwrap()),
        }
    }
    active.leave(key).unwrap();
}

/// Outlives the deadline, and delivers all the same.
fn hang(active: &ActiveBatch, task: &Task) {
    eventually("the attempt to be stopped", || task.is_stopped());
    assert!(!active.complete(task, success()).unwrap(), "a late outcome is refused");
}

fn evaluate(active: &ActiveBatch, mut dice: SplitMix64) {
    loop {
        match active.poll_scoring(POLL).unwrap() {
            Scoring::Task(task) => {
                active.complete_scoring(&task, vec![score(1.0)]).unwrap();
                if dice.below(8) == 0 {
                    active.complete_scoring(&task, vec![score(0.5)]).unwrap();
                }
            }
            Scoring::Idle => {}
            Scoring::Done => return,
        }
    }
}

/// What an owner may ask for at any time; what makes no sense at the moment is refused.
fn meddle(active: &ActiveBatch, dice: &mut SplitMix64) {
    match dice.below(40) {
        0..=2 if active.pause().is_ok() => {
            std::thread::sleep(Duration::from_millis(2));
            drop(active.resume());
        }
        3 => active.drain().unwrap(),
        4 => active.abandon().unwrap(),
        5 => {
            let all = active.executions();
            let index = dice.below(u32::try_from(all.len()).unwrap()) as usize;
            if let Some(execution) = all.get(index) {
                drop(active.cancel_execution(execution));
            }
        }
        6 if dice.below(10) == 0 => drop(active.cancel()),
        _ => {}
    }
}
