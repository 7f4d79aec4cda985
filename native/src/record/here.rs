//! Where the value being read stands: the steps to it that no plan knows.

use super::Judge;
use crate::failure::Step;
use crate::path::{child_size, write_child};

/// A step to the value being read; that of an entry is written when a failure needs it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Here {
    Known(Step),
    /// An entry of a map, and where its key stands among the keys.
    Key {
        start: usize,
        end: usize,
    },
}

impl Judge<'_> {
    /// Append the steps to the value being read to those of the failures; where they begin there.
    pub(super) fn write_steps(&mut self) -> usize {
        let failures = &mut self.found.failures;
        let first = failures.steps.len();
        for here in &mut self.here {
            let step = match *here {
                Here::Known(step) => step,
                Here::Key { start, end } => {
                    let key = self.keys.get(start..end);
                    let (start, end) = failures.write(|out| write_child(key, out));
                    Step::Entry(start, end)
                }
            };
            *here = Here::Known(step); // a key of an entry is written once, whatever is in it
            failures.steps.push(step);
        }
        first
    }

    /// Count what is to be told of the value being read: the steps to it, and `bytes` more.
    pub(super) fn tell(&mut self, bytes: usize) {
        let steps = self.here.iter().map(|here| match *here {
            Here::Known(Step::Item(index)) => digits(index) + 2,
            Here::Known(Step::Entry(start, end)) => (end - start) as usize,
            Here::Key { start, end } => child_size(self.keys.get(start..end)),
        });
        self.told += steps.sum::<usize>() + bytes;
    }

    /// Whether there is more to tell than may be: the record is left to the reference, and nothing
    /// more is noted of it.
    #[inline(always)]
    pub(super) fn is_too_much(&self) -> bool {
        self.told > self.most
    }
}

fn digits(index: u32) -> usize {
    index.checked_ilog10().unwrap_or(0) as usize + 1
}
