//! The processes below a supervisor, as they see it themselves.
//!
//! ```text
//! supervisor           a program's own process (the driver's, or that of an actor)
//! └─ guard             an interpreter that was started anew; ends the template when the supervisor goes
//!    └─ template       has imported what attempts need, and called none of it; forks on request
//!       └─ keeper      forks one worker after the other: waits for it, ends what it leaves behind, tells how
//!          │           it ended
//!          └─ worker   makes attempts
//!             └─ ...   whatever the user's code starts
//! ```
//!
//! Who reaps whom: the supervisor the guard, the guard the template, nobody the keepers (the template
//! ignores SIGCHLD), a keeper its worker and everything that loses its parent below it.
//!
//! Where the system permits it, the template is the first process of a namespace of process ids, and
//! so is each keeper: when one of them goes, the kernel ends everything below it at once, whatever
//! session or group it is in. Elsewhere the guard and the keepers are subreapers, and look for
//! descendants themselves. Which of the two it is, is tried out as a whole before there is a template.
//!
//! Forking itself is left to the front end: an interpreter has to know when it is forked. Here is what
//! each of the processes does before and afterwards.

mod below;
mod fds;
mod ground;
mod keeper;
mod pages;
mod seed;
mod spec;
mod template;

pub use ground::{Ground, Isolation, STEPS, step};
pub(crate) use keeper::{Report, ToKeeper};
pub use seed::Seed;
pub use spec::{Limits, Spec};
pub(crate) use template::{FromTemplate, ToTemplate};
pub use template::{Prepare, Template};

pub(crate) use fds::{receive_fds, send_with_fds};
