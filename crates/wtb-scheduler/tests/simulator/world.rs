//! A virtual world around a scheduler: its clock, its post, its workers, and the run of events.
//!
//! Everything is drawn from the seed. The world delivers one input after the other, holds the
//! answer against the model, and acts on the commands like a driver would. What goes wrong is
//! decided in `faults`.

use std::collections::{BTreeMap, BTreeSet};

use wtb_scheduler::{
    CellIndex, Command, Group, Input, Millis, Next, Prior, SchedulerError, SplitMix64, Token,
    WorkerId,
};

use crate::{
    coverage,
    model::{Model, Violation, ensure},
    plan::{Plan, between},
    subject::{Factory, Subject},
};

/// No world needs this many events; one that does will never end.
const EVENTS_MAX: u32 = 50_000;
/// So many events are still delivered after the end of the batch, to see that nothing happens.
const EPILOGUE: u32 = 20;

/// Something that will happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    Deliver(Input),
    /// The worker asks for work.
    Poll(WorkerId),
    /// The worker sends its heartbeat, and will again.
    Beat(WorkerId),
    /// A new worker joins.
    Join,
    /// Something is done to the batch or the clock.
    Chaos,
    /// No fault happens any more.
    Calm,
}

/// A worker as it is, whatever the scheduler believes.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) alive: bool,
    pub(crate) slots: u32,
    pub(crate) running: Vec<Token>,
}

/// What went in and what came out, for the replay.
type Answer = Result<Vec<Command>, SchedulerError>;

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) random: SplitMix64,
    pub(crate) time: u64,
    /// How far the clock that the scheduler sees is ahead of the time of the world.
    pub(crate) clock_ahead: i64,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) model: Model,
    pub(crate) calm: bool,
    factory: Factory,
    subject: Box<dyn Subject>,
    session: Vec<Prior>,
    post: BTreeMap<(u64, u64), Event>,
    posted: u64,
    record: Vec<(Millis, Input, Answer)>,
    epilogue: u32,
    trace: bool,
    seen: BTreeSet<String>,
}

/// What a world that held up has shown.
pub(crate) struct Report {
    /// Which kinds of command came up, with their causes.
    pub(crate) seen: BTreeSet<String>,
    /// How many inputs were handled.
    pub(crate) steps: usize,
}

impl World {
    pub(crate) fn new(seed: u64, factory: Factory, trace: bool) -> Self {
        let mut random = SplitMix64::new(seed);
        let plan = Plan::draw(&mut random);
        let session = plan.draw_cells(&mut random);
        if trace {
            eprintln!("seed {seed}: {plan:#?}");
        }
        Self {
            random,
            time: 0,
            clock_ahead: 0,
            workers: BTreeMap::new(),
            model: Model::new(plan.config.clone(), &session),
            calm: false,
            factory,
            subject: factory(plan.config.clone(), &session),
            session,
            post: BTreeMap::new(),
            posted: 0,
            record: Vec::new(),
            epilogue: 0,
            trace,
            seen: BTreeSet::new(),
            plan,
        }
    }

    /// Lets the world run until the batch has finished.
    pub(crate) fn run(mut self) -> Result<Report, Violation> {
        let mut steps = 0;
        self.post(0, Event::Deliver(Input::Tick));
        for _ in 0..self.plan.workers {
            self.post(0, Event::Join);
        }
        self.post(0, Event::Chaos);
        self.post(self.plan.faults_end, Event::Calm);
        for _ in 0..EVENTS_MAX {
            let Some(event) = self.next_event() else {
                break;
            };
            self.happen(event)?;
            if self.calm && self.model.phase.is_finished() {
                self.epilogue += 1;
                if self.epilogue > EPILOGUE {
                    break;
                }
            }
            steps += 1;
        }
        let phase = self.model.phase;
        ensure!(phase.is_finished(), "the batch is {phase:?} for ever: {:?}", self.model.recount());
        self.check_replay()?;
        Ok(Report { seen: self.seen, steps })
    }

    pub(crate) fn post(&mut self, delay: u64, event: Event) {
        self.posted += 1;
        self.post.insert((self.time + delay, self.posted), event);
    }

    /// Draws a delay of up to `most`.
    pub(crate) fn delay(&mut self, most: u64) -> u64 {
        u64::from(between(&mut self.random, 0, u32::try_from(most).unwrap_or(u32::MAX - 1)))
    }

    /// Takes what happens next: the next event, or a tick if the scheduler wants to wake earlier.
    fn next_event(&mut self) -> Option<Event> {
        let wake = self.subject.next_wake().map(|at| {
            let at = i64::try_from(at.0).unwrap_or(i64::MAX) - self.clock_ahead;
            u64::try_from(at).unwrap_or(0).max(self.time)
        });
        match (self.post.first_key_value(), wake) {
            (Some((key, _)), wake) if wake.is_none_or(|at| key.0 <= at) => {
                self.time = key.0;
                self.post.pop_first().map(|(_, event)| event)
            }
            (_, Some(at)) => {
                self.time = at;
                Some(Event::Deliver(Input::Tick))
            }
            (_, None) => None,
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Violation> {
        match event {
            Event::Deliver(input) => self.deliver(input),
            Event::Poll(worker) => self.poll(worker),
            Event::Beat(worker) => self.beat(worker),
            Event::Join => {
                self.join();
                Ok(())
            }
            Event::Chaos => self.chaos(),
            Event::Calm => self.calm_down(),
        }
    }

    /// Tells the scheduler, checks its answer, and acts on it.
    pub(crate) fn deliver(&mut self, input: Input) -> Result<(), Violation> {
        let clock = i64::try_from(self.time).unwrap_or(i64::MAX) + self.clock_ahead;
        let now = Millis(u64::try_from(clock).unwrap_or(0));
        let answer = self.subject.handle(now, input);
        if self.trace {
            eprintln!("{now:>8} {input:?}\n{:>12} {answer:?}", "->");
        }
        self.record.push((now, input, answer.clone()));
        let refuse = self.model.must_refuse(input);
        ensure!(answer.is_err() == refuse, "{input:?} was answered by {answer:?}");
        let Ok(commands) = answer else {
            return self.model.audit_refusal(&*self.subject);
        };
        self.model.begin_step(now, input);
        for command in &commands {
            coverage::see(&mut self.seen, command);
            self.model.observe(*command).map_err(|text| format!("{command:?}: {text}"))?;
        }
        self.model.end_step();
        self.model.audit(&*self.subject)?;
        for command in commands {
            self.act(command);
        }
        Ok(())
    }

    fn act(&mut self, command: Command) {
        match command {
            Command::Start { worker, token, .. } => self.work(worker, token),
            Command::Stop { token, worker } => self.stop(worker, token),
            Command::Accept { cell, next: Next::Final { .. }, .. } if self.plan.config.settle => {
                let delay = self.delay(self.plan.settle_delay_max);
                self.post(delay, Event::Deliver(Input::Settled { cell }));
            }
            Command::Release { worker } => {
                // It asks again: either work comes after all (its lease had ended by mistake), or
                // it is released once more, which must do no harm.
                if !self.model.phase.is_finished() && self.workers.contains_key(&worker) {
                    self.post(3, Event::Poll(worker));
                }
            }
            Command::Accept { .. }
            | Command::Withdraw { .. }
            | Command::Expire { .. }
            | Command::Fence { .. }
            | Command::Finish { .. }
            | Command::BackpressureApplied { .. }
            | Command::BackpressureReleased { .. }
            | Command::Phase { .. } => {}
        }
    }

    pub(crate) fn join(&mut self) {
        let worker = WorkerId(u64::try_from(self.workers.len()).unwrap_or(0));
        let slots = between(&mut self.random, 1, self.plan.slots_max);
        self.workers.insert(worker, Worker { alive: true, slots, running: Vec::new() });
        self.post(0, Event::Poll(worker));
        self.post(1, Event::Beat(worker));
    }

    fn poll(&mut self, worker: WorkerId) -> Result<(), Violation> {
        let Some(known) = self.workers.get(&worker).filter(|known| known.alive) else {
            return Ok(());
        };
        let running = u32::try_from(known.running.len()).unwrap_or(u32::MAX);
        let slots = known.slots.saturating_sub(running);
        let group = self.group_of(worker);
        self.deliver(Input::WorkerIdle { worker, slots, group })
    }

    /// As many workers as there are groups that join one after the other are of all of them.
    fn group_of(&self, worker: WorkerId) -> Group {
        Group(u16::try_from(worker.0 % u64::from(self.plan.groups)).unwrap_or(0))
    }

    fn beat(&mut self, worker: WorkerId) -> Result<(), Violation> {
        let alive = self.workers.get(&worker).is_some_and(|known| known.alive);
        let Some(ttl) = self.plan.config.lease_ttl.filter(|_| alive) else {
            return Ok(());
        };
        self.post((ttl.0 / 3).max(1), Event::Beat(worker));
        self.deliver(Input::Heartbeat { worker })
    }

    /// The driver dies and a new one takes over what is stored; the workers know nothing of it.
    pub(crate) fn restart(&mut self) -> Result<(), Violation> {
        self.check_replay()?;
        let highest =
            self.model.highest_token.map_or(self.plan.config.first_token, |token| token.0);
        self.plan.config.first_token = highest + 1 + self.delay(3);
        self.session = self.model.priors();
        if self.trace {
            eprintln!("the driver is replaced: {:?}", self.session);
        }
        self.model = Model::new(self.plan.config.clone(), &self.session);
        self.subject = (self.factory)(self.plan.config.clone(), &self.session);
        self.record.clear();
        self.post(0, Event::Deliver(Input::Tick));
        let workers: Vec<WorkerId> = self.workers.keys().copied().collect();
        for worker in workers {
            let delay = self.delay(20);
            self.post(delay, Event::Poll(worker));
        }
        Ok(())
    }

    /// Feeds the same inputs to a new scheduler, which must answer in the same way.
    fn check_replay(&self) -> Result<(), Violation> {
        let mut again = (self.factory)(self.plan.config.clone(), &self.session);
        for (now, input, answer) in &self.record {
            let second = again.handle(*now, *input);
            ensure!(second == *answer, "{input:?} at {now}: {answer:?}, replayed: {second:?}");
        }
        Ok(())
    }

    pub(crate) fn any_cell(&mut self) -> CellIndex {
        CellIndex(self.random.below(self.plan.cells + 1))
    }
}
