//! Maps: objects whose names are data, each judged as the key, and each value as the declared one.

use super::here::Here;
use super::Judge;
use crate::column::{Column, List, Text};
use crate::json::{unescape, Malformed, Parsed, Scanner, MAX_DEPTH};
use crate::plan::{Entry, Node};

impl<'p> Judge<'p> {
    /// A map, of which the bracket comes next.
    pub(super) fn map(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &'p Node,
        entry: &'p Entry,
        maps: &mut List,
        depth: usize,
    ) -> Parsed<()> {
        let (start, names) = (scan.at, self.keys.mark());
        let Column::Struct(entries) = &mut *maps.items else {
            unreachable!("the entries of a map are objects")
        };
        let (keys, values) = entries.entries();
        self.entries(scan, entry, (keys, values), depth)?;
        entries.push_all(self.keys.count(names));
        maps.push();
        self.check_names(&node.key_checks, names, &scan.text[start..scan.at]);
        if !self.keys.pop(names) {
            return Err(Malformed);
        }
        Ok(())
    }

    fn entries(
        &mut self,
        scan: &mut Scanner<'_>,
        entry: &'p Entry,
        (keys, values): (&mut Text, &mut Column),
        depth: usize,
    ) -> Parsed<()> {
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        scan.at += 1;
        scan.whitespace();
        if scan.take(b'}') {
            return Ok(());
        }
        let level = self.here.len();
        loop {
            self.key(scan, &entry.key, keys)?;
            self.value(scan, &entry.value, values, depth)?;
            self.here.truncate(level);
            if !scan.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    /// The key and the colon of an entry, which becomes the last of the steps.
    #[inline(always)]
    fn key(&mut self, scan: &mut Scanner<'_>, node: &Node, keys: &mut Text) -> Parsed<()> {
        scan.whitespace();
        let start = scan.at;
        scan.expect(b'"')?;
        let quoted = scan.string()?;
        if quoted.escaped {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            unescape(quoted.raw, &mut scratch)?;
            keys.push(&scratch);
            self.enter(scratch.as_bytes());
            self.check(node, |check| check.text(&scratch), scan, start);
            self.scratch = scratch;
        } else {
            let text = quoted.text();
            keys.push_from(scan.text, start + 1, text.len());
            self.enter(text.as_bytes());
            self.check(node, |check| check.text(text), scan, start);
        }
        scan.whitespace();
        scan.expect(b':')
    }

    /// Note the key among the keys and as a step.
    #[inline(always)]
    fn enter(&mut self, key: &[u8]) {
        self.keys.push(key);
        let std::ops::Range { start, end } = self.keys.last_range();
        self.here.push(Here::Key { start, end });
    }
}
