//! A worker against whoever may stand at the other ends: threads play its process and its keeper.

mod ends;
mod floods;
mod rig;
mod speech;
