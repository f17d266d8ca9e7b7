//! What one seed stands for: the settings of the batch, and which faults happen how often.
//!
//! Each seed switches most faults off and gives the others its own rate ("swarm testing", A. Groce
//! et al., ISSTA 2012): worlds with few kinds of fault reach states that a mix of all never does.

use wtb_scheduler::{Backoff, Config, FailFast, Group, Millis, Prior, SplitMix64};

/// Faults in percent of the occasions on which they can happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates {
    pub(crate) failed: u32,
    pub(crate) retry_after: u32,
    pub(crate) other_ends: u32,
    pub(crate) stalled: u32,
    pub(crate) crashed: u32,
    pub(crate) child_lost: u32,
    pub(crate) silenced: u32,
    pub(crate) lost: u32,
    pub(crate) late: u32,
    pub(crate) duplicated: u32,
    pub(crate) idle_early: u32,
    pub(crate) clock_jump: u32,
    pub(crate) pause: u32,
    pub(crate) drain: u32,
    pub(crate) cancel: u32,
    pub(crate) cancel_cell: u32,
    pub(crate) requeue: u32,
    pub(crate) forged: u32,
    pub(crate) restart: u32,
    pub(crate) join: u32,
    pub(crate) withdraw: u32,
    pub(crate) returned: u32,
}

/// One world, before anything happens in it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    pub(crate) cells: u32,
    pub(crate) workers: u32,
    /// How many groups cells and workers are of.
    pub(crate) groups: u32,
    pub(crate) slots_max: u32,
    pub(crate) duration_max: u64,
    pub(crate) settle_delay_max: u64,
    /// Until when faults happen.
    pub(crate) faults_end: u64,
    /// How long it is quiet between two acts of chaos, at most.
    pub(crate) chaos_gap_max: u64,
    pub(crate) rates: Rates,
}

/// Draws from `low..=high`.
pub(crate) fn between(random: &mut SplitMix64, low: u32, high: u32) -> u32 {
    low + random.below(high - low + 1)
}

/// Returns true in `percent` of all draws.
pub(crate) fn chance(random: &mut SplitMix64, percent: u32) -> bool {
    random.below(100) < percent
}

impl Plan {
    pub(crate) fn draw(random: &mut SplitMix64) -> Self {
        let longest = between(random, 1, 60);
        Self {
            config: draw_config(random),
            cells: if chance(random, 3) { 0 } else { between(random, 1, 24) },
            workers: between(random, 1, 6),
            groups: if chance(random, 50) { 1 } else { between(random, 2, 3) },
            slots_max: between(random, 1, 4),
            duration_max: u64::from(longest),
            settle_delay_max: u64::from(between(random, 1, 80)),
            faults_end: u64::from(between(random, 0, 800)),
            chaos_gap_max: u64::from(between(random, 2, 40)),
            rates: draw_rates(random),
        }
    }
}

impl Plan {
    /// Draws a group; there are a handful.
    pub(crate) fn draw_group(&self, random: &mut SplitMix64) -> Group {
        Group(u16::try_from(random.below(self.groups)).unwrap_or(0))
    }

    /// Returns the cells of a new batch.
    pub(crate) fn draw_cells(&self, random: &mut SplitMix64) -> Vec<Prior> {
        let cell = |_| Prior { group: self.draw_group(random), ..Prior::default() };
        (0..self.cells).map(cell).collect()
    }
}

fn draw_config(random: &mut SplitMix64) -> Config {
    let initial = between(random, 0, 40);
    Config {
        max_in_flight: between(random, 1, 8),
        window: between(random, 1, 10),
        attempt_timeout: maybe(random, 60, 5, 90),
        retries: between(random, 0, 3),
        backoff: Backoff {
            initial: Millis(u64::from(initial)),
            factor: f64::from(between(random, 10, 30)) / 10.0,
            max: Millis(u64::from(initial + between(random, 0, 150))),
            jitter: f64::from(between(random, 0, 4)) / 4.0,
        },
        seed: random.next_u64(),
        fail_fast: draw_fail_fast(random),
        lease_ttl: maybe(random, 50, 10, 120),
        max_losses: between(random, 0, 4),
        first_token: u64::from(between(random, 0, 3)) * 100,
        settle: chance(random, 50),
        hands_ahead: chance(random, 40),
    }
}

fn draw_fail_fast(random: &mut SplitMix64) -> Option<FailFast> {
    match random.below(6) {
        0 => Some(FailFast::Count(between(random, 1, 5))),
        1 => Some(FailFast::Fraction {
            fraction: f64::from(between(random, 1, 10)) / 10.0,
            min_sample: between(random, 0, 8),
        }),
        _ => None,
    }
}

fn draw_rates(random: &mut SplitMix64) -> Rates {
    let mut rate = |most| {
        if chance(random, 40) { between(random, 1, most) } else { 0 }
    };
    Rates {
        failed: rate(80),
        retry_after: rate(50),
        other_ends: rate(20),
        stalled: rate(25),
        crashed: rate(15),
        child_lost: rate(15),
        silenced: rate(20),
        lost: rate(25),
        late: rate(40),
        duplicated: rate(40),
        idle_early: rate(40),
        clock_jump: rate(20),
        pause: rate(30),
        drain: rate(4),
        cancel: rate(3),
        cancel_cell: rate(20),
        requeue: rate(40),
        forged: rate(30),
        restart: rate(8),
        join: rate(20),
        withdraw: rate(20),
        returned: rate(30),
    }
}

fn maybe(random: &mut SplitMix64, percent: u32, low: u32, high: u32) -> Option<Millis> {
    chance(random, percent).then(|| Millis(u64::from(between(random, low, high))))
}
