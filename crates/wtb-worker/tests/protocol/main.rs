//! The worker protocol: what is sent is what comes, and what is no message harms nobody.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod any;
mod fuzz;
mod memory;
mod roundtrip;
