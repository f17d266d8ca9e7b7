//! Attempts that are handed ahead to supervisors elsewhere: taken back, started, lost, cancelled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wtb_engine::{ActiveBatch, Group, Handout, Outpost, Poll, Report, Source, Task, WorkerKey};
use wtb_model::{AttemptStatus, BatchId, EventBody, ExecutionStatus};
use wtb_scheduler::SplitMix64;

use crate::support::{Bench, eventually, executions, journal, plan, success};

/// A supervisor that a batch hands attempts to.
struct Post {
    outpost: Outpost,
    key: WorkerKey,
}

impl Post {
    fn of(active: &ActiveBatch, name: &str) -> Self {
        let outpost = Outpost::open(active.outpost_plan().unwrap()).unwrap();
        Self { outpost, key: active.join(name, 0, None, Group(0)).unwrap() }
    }

    /// Gives it as much as it can take, and returns how much that is.
    fn fill(&self, active: &ActiveBatch, slots: u32) -> Handout {
        let handout = active.hand_out(self.key, slots).unwrap();
        self.outpost.hand(handout.clone());
        handout
    }

    fn begin(&self) -> Option<Task> {
        let worker = self.outpost.join("worker", 0, None, Group(0)).unwrap();
        match self.outpost.poll(worker, Duration::ZERO).unwrap() {
            Poll::Task(task) => Some(task),
            Poll::Idle | Poll::Released => None,
        }
    }

    fn end(&self, task: &Task) {
        assert!(self.outpost.complete(task, success()).unwrap());
    }

    fn news(&self) -> Report {
        self.outpost.store().flush().unwrap();
        self.outpost.exchange(Handout::default(), Duration::ZERO).unwrap()
    }
}

fn start(bench: &Bench, cells: u32) -> Arc<ActiveBatch> {
    let plan = plan(1, cells, |spec| {
        "ray".clone_into(&mut spec.runner);
        spec.max_workers = 64;
    });
    bench.engine.submit(plan).unwrap()
}

/// How each execution stands, with the states of its attempts.
fn standing(bench: &Bench, batch: &BatchId) -> Vec<(ExecutionStatus, Vec<AttemptStatus>)> {
    let store = bench.engine.store();
    let found = executions(store.as_ref(), batch);
    let attempts = |id| store.detail(id).unwrap().attempts.into_iter().map(|one| one.status);
    found.iter().map(|one| (one.status, attempts(&one.id).collect())).collect()
}

#[test]
fn what_is_handed_out_ahead_has_no_attempt_until_it_begins() {
    let bench = Bench::new();
    let active = start(&bench, 3);
    let post = Post::of(&active, "one");
    assert_eq!(post.fill(&active, 3).tasks.len(), 3);
    let queued = (ExecutionStatus::Queued, vec![]);
    assert_eq!(standing(&bench, active.id().unwrap()), [queued.clone(), queued.clone(), queued]);
    assert_eq!(active.progress().counts.running, 0);
    while let Some(task) = post.begin() {
        post.end(&task);
        active.report(post.news()).unwrap();
    }
    assert!(active.wait(Duration::from_secs(9)).unwrap().is_some());
    let ended = (ExecutionStatus::Succeeded, vec![AttemptStatus::Succeeded]);
    assert_eq!(standing(&bench, active.id().unwrap()), [ended.clone(), ended.clone(), ended]);
}

#[test]
fn of_a_supervisor_that_is_lost_only_what_has_begun_is() {
    let bench = Bench::new();
    let active = start(&bench, 3);
    let (lost, next) = (Post::of(&active, "lost"), Post::of(&active, "next"));
    lost.fill(&active, 3);
    let begun = lost.begin().unwrap();
    active.fail(lost.key, "it is silent").unwrap();
    assert!(lost.begin().is_none(), "what was taken back must not begin");
    let mut numbers = HashMap::new();
    eventually("the batch to end", || {
        // What was lost a moment ago may not start before its loss is written, and is handed back.
        next.fill(&active, 3);
        while let Some(task) = next.begin() {
            numbers.insert(task.execution.clone(), (task.attempt, task.thread.clone()));
            next.end(&task);
        }
        active.report(next.news()).unwrap();
        !active.is_under_way()
    });
    for (execution, (attempt, thread)) in numbers {
        let expected = if execution == begun.execution { 2 } else { 1 };
        assert_eq!((attempt, thread), (expected, Some(execution.thread(expected))));
    }
    // It was not dead: what it says comes too late.
    lost.end(&begun);
    active.report(lost.news()).unwrap();
    let states = standing(&bench, active.id().unwrap());
    let succeeded = states.iter().filter(|one| one.0 == ExecutionStatus::Succeeded).count();
    let lost = states.iter().filter(|one| one.1.contains(&AttemptStatus::Lost)).count();
    assert_eq!((succeeded, lost), (3, 1));
}

#[test]
fn what_is_cancelled_before_or_after_its_start_ends_once() {
    let bench = Bench::new();
    let active = start(&bench, 3);
    let post = Post::of(&active, "one");
    post.fill(&active, 2);
    // Nobody has been told of its start.
    let begun = post.begin().unwrap();
    active.cancel().unwrap();
    assert!(active.wait(Duration::from_secs(9)).unwrap().is_some());
    let told = post.fill(&active, 0);
    assert!(told.is_last && told.stops.len() == 2, "{told:?}");
    assert!(begun.is_stopped());
    assert!(post.begin().is_none());
    let states = standing(&bench, active.id().unwrap());
    assert!(states.iter().all(|one| one.0 == ExecutionStatus::Cancelled), "{states:?}");
    let attempts: Vec<_> = states.iter().flat_map(|one| &one.1).collect();
    assert_eq!(attempts, [&AttemptStatus::Cancelled]);
}

#[test]
fn a_batch_that_is_left_can_be_taken_up() {
    let mut bench = Bench::new();
    let active = start(&bench, 3);
    let post = Post::of(&active, "one");
    post.fill(&active, 3);
    let begun = post.begin().unwrap();
    active.abandon().unwrap();
    assert!(post.begin().is_none(), "the session has let go of it");
    let batch = active.id().unwrap().clone();
    let attempts: Vec<_> = standing(&bench, &batch).into_iter().flat_map(|one| one.1).collect();
    assert_eq!(
        attempts,
        [AttemptStatus::Cancelled],
        "it costs nothing that nobody had heard of it"
    );
    drop(active);
    bench.reopen();
    let again = bench.engine.resume(&batch).unwrap();
    post.end(&begun);
    again.report(post.news()).unwrap();
    let next = Post::of(&again, "next");
    assert_eq!(next.fill(&again, 3).tasks.len(), 3);
    while let Some(task) = next.begin() {
        next.end(&task);
        again.report(next.news()).unwrap();
    }
    assert!(again.wait(Duration::from_secs(9)).unwrap().is_some());
    let states = standing(&bench, &batch);
    assert!(states.iter().all(|one| one.0 == ExecutionStatus::Succeeded), "{states:?}");
}

#[test]
fn no_more_is_handed_out_than_there_is_room_for() {
    let bench = Bench::new();
    let active = start(&bench, 6);
    let (one, two) = (Post::of(&active, "one"), Post::of(&active, "two"));
    assert_eq!(one.fill(&active, 6).tasks.len(), 6);
    assert_eq!(two.fill(&active, 2).tasks.len(), 0);
    // What the first one loses goes to the second, which hears of it when it speaks next.
    active.fail(one.key, "lost").unwrap();
    assert_eq!(two.fill(&active, 2).tasks.len(), 2);
}

#[test]
fn a_stop_that_comes_before_its_attempt_counts() {
    let bench = Bench::new();
    let active = start(&bench, 1);
    let post = Post::of(&active, "one");
    let handout = active.hand_out(post.key, 1).unwrap();
    let token = handout.tasks[0].token;
    post.outpost.hand(Handout { stops: vec![token], ..Handout::default() });
    post.outpost.hand(handout);
    assert!(post.begin().is_none());
    assert_eq!(post.news().returned, [token]);
}

#[test]
fn what_has_ended_is_told_before_that_nothing_more_will() {
    let bench = Bench::new();
    let active = start(&bench, 1);
    let post = Post::of(&active, "one");
    post.fill(&active, 1);
    post.end(&post.begin().unwrap());
    post.outpost.fail_with(wtb_engine::EngineError::Closed);
    assert_eq!(post.news().ended.len(), 1);
    let more = post.outpost.exchange(Handout::default(), Duration::ZERO);
    assert!(matches!(more, Err(wtb_engine::EngineError::Closed)));
}

/// Supervisors come, begin, end, fall silent and are lost in any order; each execution ends once.
#[test]
fn whatever_happens_each_execution_ends_once() {
    for seed in 0..12 {
        let bench = Bench::new();
        let active = start(&bench, 12);
        let mut random = SplitMix64::new(seed);
        let mut posts: Vec<(Post, Vec<Task>)> = Vec::new();
        while active.is_under_way() {
            if posts.len() < 2 {
                posts.push((Post::of(&active, "one"), Vec::new()));
            }
            let place = random.below(u32::try_from(posts.len()).unwrap()) as usize;
            let (post, begun) = &mut posts[place];
            match random.below(12) {
                0..=3 => drop(post.fill(&active, random.below(5))),
                4..=6 => begun.extend(post.begin()),
                7..=9 => {
                    begun.drain(..).for_each(|task| post.end(&task));
                    active.report(post.news()).unwrap();
                }
                10 => active.report(post.news()).unwrap(),
                _ => {
                    // One of three that are lost goes on, as a zombie.
                    active.fail(post.key, "lost").unwrap();
                    let (zombie, begun) = posts.remove(place);
                    for task in &begun {
                        zombie.end(task);
                    }
                    assert!(zombie.begin().is_none(), "seed {seed}");
                    active.report(zombie.news()).unwrap();
                }
            }
        }
        let batch = active.id().unwrap();
        let mut ends: HashMap<_, u32> = HashMap::new();
        for entry in journal(bench.engine.store().as_ref(), batch) {
            if let EventBody::ExecutionSucceeded { .. } | EventBody::ExecutionFailed { .. } =
                entry.event.body
            {
                *ends.entry(entry.event.execution).or_default() += 1;
            }
        }
        assert_eq!(ends.len(), 12, "seed {seed}");
        assert!(ends.values().all(|count| *count == 1), "seed {seed}: {ends:?}");
        let counts = bench.engine.store().batch(batch).unwrap().counts;
        assert_eq!(counts.succeeded + counts.failed, 12, "seed {seed}: {counts:?}");
    }
}
