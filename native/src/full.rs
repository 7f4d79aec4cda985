//! When a batch has more than columns hold: it is given up, and Python judges it in halves.

use std::panic::resume_unwind;

/// What judging ends with then; see `catch` of the crate.
pub struct Full;

/// End judging the batch. Nothing is printed, and no panic hook runs.
#[cold]
#[inline(never)]
pub fn full() -> ! {
    resume_unwind(Box::new(Full))
}
