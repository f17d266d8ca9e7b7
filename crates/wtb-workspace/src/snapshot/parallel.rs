//! The same for many things, by as many threads as there are processors.

use std::num::NonZero;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// No more threads than this: a disk does not get faster by them.
const THREADS_MAX: usize = 8;

/// Calls a function for each number below `count` and returns the results in order, or the error of
/// one that failed. Threads are started if there are `worth` numbers for each at least.
pub(crate) fn each<T: Send, E: Send>(
    count: usize,
    worth: usize,
    call: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    let threads = processors.min(count / worth.max(1));
    if threads < 2 {
        return (0..count).map(call).collect();
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            let result = call(at);
            failed.fetch_or(result.is_err(), Ordering::Relaxed);
            done.push((at, result));
        }
        done
    };
    let mut all = Vec::with_capacity(count);
    thread::scope(|scope| {
        let helpers: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        all.extend(work());
        for helper in helpers {
            match helper.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    all.sort_unstable_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, result)| result).collect()
}
