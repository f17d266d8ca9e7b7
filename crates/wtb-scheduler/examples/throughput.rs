//! Measures the scheduler alone: transitions per second on one core, and the memory of a big batch.
//!
//! Prints one JSON object per line. A transition is one call of `handle`. The worker side is a
//! plain queue, so its cost is part of the figure. Memory is the growth of the process's peak
//! resident size (`VmHWM` of `/proc/self/status`), `null` where there is none.
//!
//! `cargo run --release --example throughput -- [CELLS] [ROUNDS]`

#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

use std::{collections::VecDeque, error::Error, time::Instant};

use wtb_scheduler::{
    AttemptEnd, CellIndex, Command, Config, Group, Input, Millis, Next, Scheduler, Token, WorkerId,
};

const WORKERS: u32 = 64;

/// Returns the peak resident size of this process in bytes.
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn plain() -> Config {
    Config { max_in_flight: WORKERS, window: 2 * WORKERS, ..Config::default() }
}

/// Deadlines, leases, retries and evaluators: everything that costs time.
fn full() -> Config {
    Config {
        attempt_timeout: Some(Millis(60_000)),
        lease_ttl: Some(Millis(10_000)),
        retries: 3,
        settle: true,
        ..plain()
    }
}

/// What the driver of a batch has on its desk.
struct Driver {
    scheduler: Scheduler,
    running: VecDeque<(Token, WorkerId, u32)>,
    unsettled: VecDeque<CellIndex>,
    transitions: u64,
    /// One millisecond passes per so many transitions.
    now: Millis,
}

impl Driver {
    fn send(&mut self, input: Input) -> Result<(), Box<dyn Error>> {
        self.transitions += 1;
        if self.transitions.is_multiple_of(1_000) {
            self.now = self.now.saturating_add(Millis(1));
        }
        for command in self.scheduler.handle(self.now, input)? {
            match command {
                Command::Start { token, worker, attempt, .. } => {
                    self.running.push_back((token, worker, attempt));
                }
                Command::Accept { cell, next: Next::Final { .. }, .. } => {
                    self.unsettled.push_back(cell);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs the batch to its end; with `settle` one attempt in ten fails.
    fn run(&mut self, settle: bool) -> Result<(), Box<dyn Error>> {
        for worker in 0..WORKERS {
            self.send(Input::WorkerIdle {
                worker: WorkerId(u64::from(worker)),
                slots: 1,
                group: Group(0),
            })?;
        }
        while !self.scheduler.phase().is_finished() {
            if let Some((token, worker, attempt)) = self.running.pop_front() {
                let fails = settle && attempt == 1 && token.0.is_multiple_of(10);
                let failed = AttemptEnd::Failed { retryable: true, retry_after: None };
                let end = if fails { failed } else { AttemptEnd::Succeeded };
                self.send(Input::Completed { token, end })?;
                self.send(Input::WorkerIdle { worker, slots: 1, group: Group(0) })?;
            } else if let Some(at) = self.scheduler.next_wake() {
                self.now = self.now.max(at);
                self.send(Input::Tick)?;
            }
            while let Some(cell) = self.unsettled.pop_front().filter(|_| settle) {
                self.send(Input::Settled { cell })?;
            }
        }
        Ok(())
    }
}

/// Runs one batch; returns transitions per second.
fn round(config: Config, cells: u32) -> Result<f64, Box<dyn Error>> {
    let settle = config.settle;
    let mut driver = Driver {
        scheduler: Scheduler::new(config, cells)?,
        running: VecDeque::new(),
        unsettled: VecDeque::new(),
        transitions: 0,
        now: Millis(0),
    };
    let start = Instant::now();
    driver.run(settle)?;
    let seconds = start.elapsed().as_secs_f64();
    let transitions = u32::try_from(driver.transitions)?;
    Ok(f64::from(transitions) / seconds)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let cells: u32 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let rounds: u32 = arguments.next().map_or(Ok(5), |text| text.parse())?;

    let before = peak_memory();
    round(full(), cells)?;
    let grown = peak_memory().zip(before).map(|(after, before)| after - before);
    let bytes = grown.map_or("null".to_owned(), |bytes| bytes.to_string());
    println!(r#"{{"measure":"scheduler_peak_memory","cells":{cells},"bytes":{bytes}}}"#);

    for (name, config) in [("plain", plain()), ("full", full())] {
        let speeds: Result<Vec<f64>, _> =
            (0..rounds.max(1)).map(|_| round(config.clone(), cells)).collect();
        let speed = median(speeds?);
        println!(
            r#"{{"measure":"scheduler_transitions","config":"{name}","cells":{cells},"rounds":{rounds},"per_second":{speed:.0}}}"#
        );
    }
    Ok(())
}
