//! The statistics of the Workflow Test Bench.
//!
//! Pure: values in, estimates with their uncertainty out. All randomness is seeded, so that the same
//! values give the same answer. There is no clock, no thread, no store and no user code in here.
//!
//! [`Sample`] holds the values of one metric, [`Spread`] what they say of a [`Contrast`], a variant's
//! mean or the difference of two. [`Draws`] are of the nested bootstrap, [`interval`] chooses the
//! interval that suits. [`paired`] has the tests, [`Correction`] what is done for asking several
//! questions, [`power`] what could have been seen.

#![forbid(unsafe_code)]

mod clusters;
pub mod comparison;
mod contest;
mod contrast;
mod distribution;
mod interval;
mod multiplicity;
pub mod paired;
pub mod power;
mod proportion;
mod reliability;
mod resample;
mod sample;
mod skewness;

pub use contest::{Contest, RANKED_MAX, Rules, UNITS_MIN};
pub use contrast::{Contrast, Spread};
pub use interval::{
    BOOTSTRAP_DF_MIN, BOOTSTRAP_UNLIKE_MIN, INFORMATIVE_UNITS_MIN, Interval, Method, NoInterval,
    cross_check, interval,
};
pub use multiplicity::Correction;
pub use proportion::{tango, wilson};
pub use reliability::{Reliability, pass_all, pass_at};
pub use resample::{BLOCKS, DRAWN_UNITS_MAX, Draws};
pub use sample::{Observation, Sample, VALUE_MAX};
