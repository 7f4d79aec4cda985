//! What is wrong with the records of a batch, as columns; texts are made when somebody asks.

use crate::full::full;
use crate::plan::Code;

/// A step of a path that no plan knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// To an item of an array, by its index.
    Item(u32),
    /// To an entry of a map: a range of [`Failures::text`] with `.key`, or `['a key']`.
    Entry(u32, u32),
}

/// What stood where the failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Absent,
    Null,
    /// A range of [`Failures::text`].
    Text(u32, u32),
}

/// One failure: a code of the plan, and where its path and what was observed are kept.
#[derive(Debug, Clone, Copy)]
pub struct Failure {
    pub code: u32,
    /// Where its steps begin in [`Failures::steps`], as many as its path takes.
    pub steps: u32,
    /// The range of [`Failures::text`] with the path, of a failure whose code has none.
    pub path: (u32, u32),
    pub seen: Seen,
}

/// A record with failures: those from `first` to the next record's first.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    pub position: u32,
    pub first: u32,
    pub rejects: bool,
}

#[derive(Debug, Default)]
pub struct Failures {
    pub all: Vec<Failure>,
    pub steps: Vec<Step>,
    pub text: String,
    pub records: Vec<Failed>,
}

/// How far the columns had come before a record.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    all: usize,
    steps: usize,
    text: usize,
}

impl Failures {
    pub fn mark(&self) -> Mark {
        Mark {
            all: self.all.len(),
            steps: self.steps.len(),
            text: self.text.len(),
        }
    }

    pub fn truncate(&mut self, mark: Mark) {
        self.all.truncate(mark.all);
        self.steps.truncate(mark.steps);
        self.text.truncate(mark.text);
    }

    pub fn first_since(&self, mark: Mark) -> u32 {
        small(mark.all)
    }

    pub fn any_since(&self, mark: Mark) -> bool {
        self.all.len() > mark.all
    }

    /// Append a text and say where it is.
    pub fn write(&mut self, write: impl FnOnce(&mut String)) -> (u32, u32) {
        let start = small(self.text.len());
        write(&mut self.text);
        (start, small(self.text.len()))
    }

    /// A failure whose steps are those from `steps` on.
    pub fn push(&mut self, code: u32, steps: usize, seen: Seen) {
        self.all.push(Failure {
            code,
            steps: small(steps),
            path: (0, 0),
            seen,
        });
    }

    /// A failure at a path no declared field has.
    pub fn push_at(&mut self, code: u32, path: (u32, u32), seen: Seen) {
        self.all.push(Failure {
            code,
            steps: 0,
            path,
            seen,
        });
    }

    /// The failures of the record that stands `at` in [`Failures::records`].
    pub fn of(&self, at: usize) -> &[Failure] {
        let first = self.records[at].first as usize;
        let next = self
            .records
            .get(at + 1)
            .map_or(self.all.len(), |r| r.first as usize);
        &self.all[first..next]
    }

    pub fn path(&self, failure: &Failure, code: &Code, out: &mut String) {
        if code.path.is_empty() {
            out.push_str(self.slice(failure.path));
            return;
        }
        self.write_path(&code.path, &self.steps[failure.steps as usize..], out);
    }

    /// `$.lines`, `.qty` with the index 3 between them is `$.lines[3].qty`.
    pub fn write_path(&self, pieces: &[String], steps: &[Step], out: &mut String) {
        use std::fmt::Write;
        out.push_str(&pieces[0]);
        for (piece, step) in pieces[1..].iter().zip(steps) {
            match *step {
                Step::Item(index) => {
                    // Writing to a String cannot fail.
                    let _ = write!(out, "[{index}]");
                }
                Step::Entry(start, end) => out.push_str(self.slice((start, end))),
            }
            out.push_str(piece);
        }
    }

    pub fn observed(&self, failure: &Failure) -> &str {
        match failure.seen {
            Seen::Absent => "absent",
            Seen::Null => "null",
            Seen::Text(start, end) => self.slice((start, end)),
        }
    }

    fn slice(&self, (start, end): (u32, u32)) -> &str {
        &self.text[start as usize..end as usize]
    }
}

fn small(size: usize) -> u32 {
    u32::try_from(size).unwrap_or_else(|_| full())
}

#[cfg(test)]
mod tests {
    use super::{Failures, Step};

    #[test]
    fn steps_stand_between_the_pieces() {
        let mut failures = Failures::default();
        let (start, end) = failures.write(|out| out.push_str("['a b']"));
        let pieces = ["$.parts", "", ".qty"].map(String::from);
        let mut found = String::new();
        failures.write_path(
            &pieces,
            &[Step::Entry(start, end), Step::Item(3)],
            &mut found,
        );
        assert_eq!(found, "$.parts['a b'][3].qty");
    }
}
