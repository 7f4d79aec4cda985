//! Objects: members by name, in any order, judged in the order they are declared in.

use super::members::Met;
use super::Judge;
use crate::column::Column;
use crate::failure::Seen;
use crate::json::{unescape, Malformed, Parsed, Scanner};
use crate::keys::Mark;
use crate::plan::{KeyCheck, Object};

/// What a member of an object failed with, and the undeclared fields in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) order: usize,
    pub(super) failures: (usize, usize),
    pub(super) strangers: (usize, usize),
}

impl<'p> Judge<'p> {
    /// An object of which the bracket is passed. What it fails `checks` with comes first when it is
    /// the record, and after its members otherwise.
    pub(super) fn object(
        &mut self,
        scan: &mut Scanner<'_>,
        object: &'p Object,
        checks: &[(u32, KeyCheck)],
        columns: &mut [Column],
        depth: usize,
    ) -> Parsed<()> {
        let start = scan.at - 1;
        let (segments, keys) = (self.segments.len(), self.keys.mark());
        let mut met = Met::new(object.members.len());
        let mut previous = object.slot;
        scan.whitespace();
        let mut goes_on = !scan.take(b'}');
        while goes_on {
            match self.member(scan, object, previous)? {
                Some(member) => {
                    if !met.insert(member) {
                        return Err(Malformed);
                    }
                    previous = object.slot + member + 1;
                    let (failures, strangers) =
                        (self.found.failures.all.len(), self.strangers.len());
                    self.value(scan, &object.members[member], &mut columns[member], depth)?;
                    self.note(member + 1, failures, strangers);
                }
                None => {
                    let strangers = self.strangers.len();
                    self.stranger(scan, object, depth)?;
                    self.note(0, self.found.failures.all.len(), strangers);
                }
            }
            goes_on = scan.goes_on(b'}')?;
        }
        if met.count < object.members.len() {
            for member in (0..object.members.len()).filter(|&member| !met.contains(member)) {
                columns[member].push_null();
                let failures = self.found.failures.all.len();
                self.no_value(&object.members[member], Seen::Absent);
                self.note(member + 1, failures, self.strangers.len());
            }
        }
        if !checks.is_empty() {
            let failures = self.found.failures.all.len();
            self.check_keys(checks, object, &met, keys, &scan.text[start..scan.at]);
            let order = if depth == 1 { 0 } else { usize::MAX };
            self.note(order, failures, self.strangers.len());
        }
        if !self.keys.pop(keys) {
            return Err(Malformed);
        }
        if self.segments.len() > segments {
            self.put_in_order(segments);
        }
        Ok(())
    }

    /// The member whose name and colon come next; None when the name, which is now the last of the
    /// keys, is not declared.
    #[inline(always)]
    fn member(
        &mut self,
        scan: &mut Scanner<'_>,
        object: &Object,
        previous: usize,
    ) -> Parsed<Option<usize>> {
        scan.whitespace();
        let guess = usize::from(self.next[previous]);
        if let Some(spelled) = object.spelled.get(guess) {
            if spelled.begins(&scan.text[scan.at..]) {
                scan.at += spelled.len();
                return Ok(Some(guess));
            }
        }
        self.member_by_name(scan, object, previous)
    }

    fn member_by_name(
        &mut self,
        scan: &mut Scanner<'_>,
        object: &Object,
        previous: usize,
    ) -> Parsed<Option<usize>> {
        scan.expect(b'"')?;
        let quoted = scan.string()?;
        self.scratch.clear();
        let name = if quoted.escaped {
            unescape(quoted.raw, &mut self.scratch)?;
            self.scratch.as_bytes()
        } else {
            quoted.raw
        };
        let found = object.find(name);
        match found {
            Some(member) => self.next[previous] = member as u16,
            None => self.keys.push(name),
        }
        scan.whitespace();
        scan.expect(b':')?;
        Ok(found)
    }

    #[inline(always)]
    fn note(&mut self, order: usize, failures: usize, strangers: usize) {
        let (all, met) = (self.found.failures.all.len(), self.strangers.len());
        if all > failures || met > strangers {
            self.segments.push(Segment {
                order,
                failures: (failures, all),
                strangers: (strangers, met),
            });
        }
    }

    /// Put what the members of an object failed with in the order they are declared in.
    fn put_in_order(&mut self, from: usize) {
        let segments = &mut self.segments[from..];
        if !segments.is_sorted_by_key(|segment| segment.order) {
            let first = segments[0];
            segments.sort_by_key(|segment| segment.order);
            let failures = &mut self.found.failures.all;
            let moved: Vec<_> = segments
                .iter()
                .flat_map(|one| failures[one.failures.0..one.failures.1].iter().copied())
                .collect();
            failures[first.failures.0..].copy_from_slice(&moved);
            let moved: Vec<_> = segments
                .iter()
                .flat_map(|one| {
                    self.strangers[one.strangers.0..one.strangers.1]
                        .iter()
                        .copied()
                })
                .collect();
            self.strangers[first.strangers.0..].copy_from_slice(&moved);
        }
        self.segments.truncate(from);
    }

    fn check_keys(
        &mut self,
        checks: &[(u32, KeyCheck)],
        object: &Object,
        met: &Met,
        keys: Mark,
        raw: &[u8],
    ) {
        let count = met.count + self.keys.count(keys);
        for (code, check) in checks {
            let passes = match check {
                KeyCheck::AtLeast(bound) => count >= *bound,
                KeyCheck::AtMost(bound) => count <= *bound,
                KeyCheck::Required(names) => names.iter().all(|name| match object.find(name) {
                    Some(member) => met.contains(member),
                    None => self.keys.contains(keys, name),
                }),
            };
            if !passes {
                self.fail(*code, raw);
            }
        }
    }

    /// The rules on the keys of an object that is kept as text.
    pub(super) fn check_keys_of(&mut self, checks: &[(u32, KeyCheck)], raw: &[u8]) -> Parsed<()> {
        let mut scan = Scanner::new(raw);
        let mark = self.keys.mark();
        scan.at = 1;
        scan.whitespace();
        let mut goes_on = !scan.take(b'}');
        while goes_on {
            self.any_key(&mut scan)?;
            self.skip(&mut scan, 1)?;
            goes_on = scan.goes_on(b'}')?;
        }
        self.check_names(checks, mark, raw);
        self.keys.pop(mark);
        Ok(())
    }

    /// The rules on the keys of an object, all of which were noted since `mark`.
    pub(super) fn check_names(&mut self, checks: &[(u32, KeyCheck)], mark: Mark, raw: &[u8]) {
        for (code, check) in checks {
            let passes = match check {
                KeyCheck::AtLeast(bound) => self.keys.count(mark) >= *bound,
                KeyCheck::AtMost(bound) => self.keys.count(mark) <= *bound,
                KeyCheck::Required(names) => {
                    names.iter().all(|name| self.keys.contains(mark, name))
                }
            };
            if !passes {
                self.fail(*code, raw);
            }
        }
    }
}
