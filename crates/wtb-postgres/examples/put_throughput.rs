//! Measures how many checkpoints per second the PostgreSQL store takes from threads that wait for
//! each.
//!
//! ```console
//! cargo run --release -p wtb-postgres --example put_throughput -- \
//!     'postgresql://postgres@localhost/bench?schema=puts' 8 500 200
//! ```
//!
//! The numbers are those of threads, of checkpoints that each thread puts, and of bytes by which the
//! one channel grows that does; three others are short, and two of them stay. With each checkpoint
//! comes one write of a task. The schema should be a fresh one. Prints one line of JSON.

use std::error::Error;
use std::io::Write as _;
use std::thread;
use std::time::Instant;

use wtb_model::Value;
use wtb_postgres::{PostgresOptions, PostgresStore};
use wtb_store::conformance::sample::noise;
use wtb_store::{
    Change, CheckpointName, Checkpoints as _, NEW_INLINE_BYTES_MAX, NewChannel, NewCheckpoint,
    NewValue, NewWrite, NewWrites, Slot, Store, StoreError, UnitOfWork,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().ok_or("the address is missing")?;
    let threads: usize = arguments.next().map_or(Ok(1), |text| text.parse())?;
    let puts: u32 = arguments.next().map_or(Ok(500), |text| text.parse())?;
    let growth: usize = arguments.next().map_or(Ok(200), |text| text.parse())?;
    let store = PostgresStore::open(&address, PostgresOptions::default())?;
    let begun = Instant::now();
    thread::scope(|scope| {
        let writers: Vec<_> = (0..threads)
            .map(|number| {
                let store = &store;
                scope.spawn(move || put_all(store, &format!("thread-{number}"), puts, growth))
            })
            .collect();
        let ended =
            writers.into_iter().map(|writer| writer.join().unwrap_or(Err(StoreError::Closed)));
        ended.collect::<Result<(), _>>()
    })?;
    let seconds = begun.elapsed().as_secs_f64();
    let all = f64::from(puts) * f64::from(u32::try_from(threads)?);
    let report = serde_json::json!({
        "threads": threads, "puts": puts, "growth": growth, "puts_per_s": all / seconds,
    });
    store.close()?;
    writeln!(std::io::stdout(), "{report}")?;
    Ok(())
}

fn put_all(
    store: &PostgresStore,
    thread: &str,
    puts: u32,
    growth: usize,
) -> Result<(), StoreError> {
    let slot = Slot {
        thread: thread.to_owned(),
        namespace: String::new(),
        channel: "messages".to_owned(),
    };
    let mut messages = Vec::new();
    for number in 0..puts {
        messages.extend(noise(number.into(), growth));
        let packed = store.pack(&slot, Value::new("msgpack", messages.clone()));
        let id = |number: u32| format!("{number:08}");
        let name =
            CheckpointName { thread: thread.to_owned(), namespace: String::new(), id: id(number) };
        let version = |number: u32| format!("{number:032}.0.123456789");
        let short = |name: &str, number: u32, value: Option<Vec<u8>>| NewChannel {
            name: name.to_owned(),
            version: version(number),
            value: value
                .map(|bytes| NewValue::new(Value::new("msgpack", bytes), NEW_INLINE_BYTES_MAX)),
        };
        let stays = |bytes: usize| (number == 0).then(|| vec![1; bytes]);
        let messages = NewChannel {
            name: "messages".to_owned(),
            version: version(number),
            value: Some(packed),
        };
        let checkpoint = NewCheckpoint {
            snapshot: None,
            name: name.clone(),
            parent: number.checked_sub(1).map(id),
            run: None,
            metadata: format!(r#"{{"source": "loop", "step": {number}, "parents": {{}}}}"#),
            body: NewValue::new(Value::new("msgpack", vec![2; 400]), NEW_INLINE_BYTES_MAX),
            channels: vec![
                messages,
                short("question", 0, stays(100)),
                short("plan", 0, stays(900)),
                short("branch:to:agent", number, Some(vec![3; 8])),
            ],
        };
        let write = NewWrite {
            position: 0,
            channel: "messages".to_owned(),
            value: NewValue::new(Value::new("msgpack", vec![4; growth]), NEW_INLINE_BYTES_MAX),
        };
        let writes = NewWrites {
            checkpoint: name,
            task: format!("task-{number}"),
            path: "~__pregel_pull, agent".to_owned(),
            writes: vec![write],
            replace: false,
        };
        let put = Change::PutCheckpoint { checkpoint: Box::new(checkpoint), lease: None };
        let written = Change::PutWrites { writes: Box::new(writes), lease: None };
        let ticket = store.submit(UnitOfWork::silent(written))?;
        store.commit(UnitOfWork::silent(put))?;
        ticket.wait()?;
    }
    Ok(())
}
