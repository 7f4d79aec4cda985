//! Fields nobody declared: kept as JSON text, refused, or passed over.

use super::Judge;
use crate::failure::Seen;
use crate::json::{Parsed, Scanner};
use crate::observe::{canonical, observe};
use crate::path::{child_size, write_child, write_quoted};
use crate::plan::{Object, Unknown};

/// A field nobody declared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stranger<'p> {
    pub(super) object: &'p Object,
    /// The range of the failures' steps with those to the object.
    pub(super) steps: (usize, usize),
    pub(super) name: (usize, usize),
    pub(super) value: (usize, usize),
    pub(super) is_plain: bool,
}

impl<'p> Judge<'p> {
    /// A field nobody declared, of which name and colon are passed.
    pub(super) fn stranger(
        &mut self,
        scan: &mut Scanner<'_>,
        object: &'p Object,
        depth: usize,
    ) -> Parsed<()> {
        if self.plan.unknown == Unknown::Ignore {
            return self.skip(scan, depth).map(|_| ());
        }
        let refused = if self.plan.unknown == Unknown::Reject {
            self.plan.codes[self.plan.unknown_code as usize].told
        } else {
            0
        };
        if !self.is_too_much() {
            self.tell(object.path_bytes + child_size(self.keys.last()) + refused);
        }
        if self.is_too_much() {
            return self.skip(scan, depth).map(|_| ());
        }
        let (name, steps) = (self.stranger_names.len(), self.write_steps());
        self.stranger_names.push_str(self.keys.last());
        let steps = (steps, self.found.failures.steps.len());
        scan.whitespace();
        let start = scan.at;
        let is_plain = self.skip(scan, depth)?;
        self.strangers.push(Stranger {
            object,
            steps,
            name: (name, self.stranger_names.len()),
            value: (start, scan.at),
            is_plain,
        });
        Ok(())
    }

    pub(super) fn refuse_strangers(&mut self, text: &[u8]) {
        let code = self.plan.unknown_code;
        for at in 0..self.strangers.len() {
            let stranger = self.strangers[at];
            let mut path = String::new();
            self.write_path(&stranger, &mut path);
            let failures = &mut self.found.failures;
            let path = failures.write(|out| out.push_str(&path));
            let raw = &text[stranger.value.0..stranger.value.1];
            let (from, to) = failures.write(|out| observe(raw, out));
            failures.push_at(code, path, Seen::Text(from, to));
            self.rejects = true;
        }
    }

    pub(super) fn keep_strangers(&mut self, text: &[u8]) {
        if self.strangers.is_empty() {
            self.found.unknown.push_null();
            return;
        }
        let mut named: Vec<(String, Stranger<'p>)> = Vec::with_capacity(self.strangers.len());
        for stranger in &self.strangers {
            let mut path = String::new();
            self.write_path(stranger, &mut path);
            named.push((path, *stranger));
        }
        named.sort_by(|one, other| one.0.cmp(&other.0));
        self.found.unknown.push_with(|out| {
            out.push('{');
            for (at, (path, stranger)) in named.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_quoted(path, out);
                out.push(':');
                let (from, to) = stranger.value;
                write_value(&text[from..to], stranger.is_plain, out);
            }
            out.push('}');
        });
        for (path, stranger) in named {
            let pattern = if stranger.object.path.len() == 1 {
                path
            } else {
                let mut pattern = stranger.object.path.join("[*]");
                write_child(
                    &self.stranger_names[stranger.name.0..stranger.name.1],
                    &mut pattern,
                );
                pattern
            };
            if !self.found.unknown_paths.contains(&pattern) {
                self.found.unknown_paths.insert(pattern);
            }
        }
    }

    fn write_path(&self, stranger: &Stranger<'_>, out: &mut String) {
        let failures = &self.found.failures;
        let steps = &failures.steps[stranger.steps.0..stranger.steps.1];
        failures.write_path(&stranger.object.path, steps, out);
        write_child(&self.stranger_names[stranger.name.0..stranger.name.1], out);
    }
}

/// Append a value as canonical JSON text; `is_plain` says that it is that already.
pub(super) fn write_value(raw: &[u8], is_plain: bool, out: &mut String) {
    if is_plain {
        // SAFETY: a value that was skipped: its strings were checked, and all else is ASCII.
        out.push_str(unsafe { std::str::from_utf8_unchecked(raw) });
    } else {
        canonical(raw, out);
    }
}
