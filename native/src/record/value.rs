//! Declared values: read by their type, appended to their column, checked.

use super::here::Here;
use super::stranger::write_value;
use super::Judge;
use crate::check::Check;
use crate::column::{Column, List, Text};
use crate::failure::{Seen, Step};
use crate::json::{unescape, Malformed, Parsed, Scanner, MAX_DEPTH};
use crate::observe::observe;
use crate::plan::{Kind, Node};
use crate::read::{self, Miss, TemporalReader};

impl<'p> Judge<'p> {
    /// The value that comes next, appended to `column`, whatever it is.
    pub(super) fn value(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &'p Node,
        column: &mut Column,
        depth: usize,
    ) -> Parsed<()> {
        scan.whitespace();
        let (start, byte) = (scan.at, scan.peek());
        if byte == b'n' {
            scan.word(b"null")?;
            column.push_null();
            self.no_value(node, Seen::Null);
            return Ok(());
        }
        match (&node.kind, &mut *column) {
            (Kind::Text, Column::Text(texts)) if byte == b'"' => self.text(scan, node, texts),
            (Kind::Integer { low, high }, _) if is_number(byte) => {
                self.integer(scan, node, column, (*low, *high))
            }
            (Kind::Number, _) if is_number(byte) => self.double(scan, node, column),
            (Kind::Decimal { .. } | Kind::Unsigned, _) if is_number(byte) => {
                self.decimal(scan, node, column)
            }
            (Kind::Temporal(reader), _) if byte == b'"' => {
                self.temporal(scan, node, column, reader)
            }
            (Kind::Boolean, Column::Boolean(flags)) if byte == b't' || byte == b'f' => {
                let value = byte == b't';
                scan.word(if value { b"true" } else { b"false" })?;
                flags.push(value);
                self.check(node, |check| check.boolean(value), scan, start);
                Ok(())
            }
            (Kind::Array(item), Column::List(list)) if byte == b'[' => {
                self.array(scan, node, item, list, depth + 1)
            }
            (Kind::Map(entry), Column::Map(maps)) if byte == b'{' => {
                self.map(scan, node, entry, maps, depth + 1)
            }
            (Kind::Object(object), Column::Struct(objects)) if byte == b'{' => {
                if depth == MAX_DEPTH {
                    return Err(Malformed);
                }
                scan.at += 1;
                let members = &mut objects.members;
                self.object(scan, object, &node.key_checks, members, depth + 1)?;
                objects.push();
                Ok(())
            }
            (Kind::Any, Column::Text(texts)) => self.any(scan, node, texts, depth),
            _ => {
                self.skip(scan, depth)?;
                self.miss(node, column, Miss::Type, scan, start)
            }
        }
    }

    #[inline(always)]
    fn text(&mut self, scan: &mut Scanner<'_>, node: &Node, texts: &mut Text) -> Parsed<()> {
        let start = scan.at;
        scan.at += 1;
        let quoted = scan.string()?;
        if quoted.escaped {
            let mut scratch = std::mem::take(&mut self.scratch);
            scratch.clear();
            unescape(quoted.raw, &mut scratch)?;
            texts.push(&scratch);
            self.check(node, |check| check.text(&scratch), scan, start);
            self.scratch = scratch;
        } else {
            let text = quoted.text();
            texts.push_from(scan.text, start + 1, text.len());
            self.check(node, |check| check.text(text), scan, start);
        }
        Ok(())
    }

    #[inline(always)]
    fn integer(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &Node,
        column: &mut Column,
        (low, high): (i64, i64),
    ) -> Parsed<()> {
        let start = scan.at;
        let token = scan.number()?;
        if !token.is_integer {
            return self.miss(node, column, Miss::Type, scan, start);
        }
        match read::integer64(token.text, low, high) {
            Ok(value) => {
                match column {
                    Column::Int32(numbers) => numbers.push(value as i32),
                    Column::Int64(numbers) => numbers.push(value),
                    _ => unreachable!("an integer has a column of integers"),
                }
                self.check(node, |check| check.whole(value), scan, start);
                Ok(())
            }
            Err(miss) => self.miss(node, column, miss, scan, start),
        }
    }

    #[inline(always)]
    fn double(&mut self, scan: &mut Scanner<'_>, node: &Node, column: &mut Column) -> Parsed<()> {
        let start = scan.at;
        let read = match scan.double()? {
            (_, Some(value)) => Ok(value),
            (token, None) => read::number(token),
        };
        match (read, &mut *column) {
            (Ok(value), Column::Double(numbers)) => {
                numbers.push(value);
                self.check(node, |check| check.number(value), scan, start);
                Ok(())
            }
            (Err(miss), _) => self.miss(node, column, miss, scan, start),
            _ => unreachable!("a number has a column of doubles"),
        }
    }

    /// A decimal, or an integer of 64 bits without a sign, which is stored as one.
    fn decimal(&mut self, scan: &mut Scanner<'_>, node: &Node, column: &mut Column) -> Parsed<()> {
        let start = scan.at;
        let token = scan.number()?;
        let read = match &node.kind {
            Kind::Decimal { precision, scale } => read::decimal(token.text, *precision, *scale),
            _ if token.is_integer => read::integer(token.text, 0, i128::from(u64::MAX)),
            _ => Err(Miss::Type),
        };
        match (read, &mut *column) {
            (Ok(value), Column::Decimal(numbers, ..)) => {
                numbers.push(value);
                self.check(node, |check| check.decimal(value), scan, start);
                Ok(())
            }
            (Err(miss), _) => self.miss(node, column, miss, scan, start),
            _ => unreachable!("a decimal has a column of decimals"),
        }
    }

    #[inline(always)]
    fn temporal(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &Node,
        column: &mut Column,
        reader: &TemporalReader,
    ) -> Parsed<()> {
        let start = scan.at;
        scan.at += 1;
        let quoted = scan.string()?;
        let read = if quoted.escaped {
            self.scratch.clear();
            unescape(quoted.raw, &mut self.scratch)?;
            reader.read(&self.scratch)
        } else {
            reader.read(quoted.text())
        };
        match read {
            Ok(value) => {
                match column {
                    Column::Int32(days) => days.push(value as i32),
                    Column::Int64(micros) => micros.push(value),
                    _ => unreachable!("a date or time has a column of integers"),
                }
                self.check(node, |check| check.whole(value), scan, start);
                Ok(())
            }
            Err(miss) => self.miss(node, column, miss, scan, start),
        }
    }

    fn any(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &Node,
        texts: &mut Text,
        depth: usize,
    ) -> Parsed<()> {
        let start = scan.at;
        let is_plain = self.skip(scan, depth)?;
        let raw = &scan.text[start..scan.at];
        texts.push_with(|out| write_value(raw, is_plain, out));
        let text = texts.last();
        self.check(node, |check| check.text(text), scan, start);
        if !node.key_checks.is_empty() && raw.starts_with(b"{") {
            self.check_keys_of(&node.key_checks, raw)?;
        }
        Ok(())
    }

    fn array(
        &mut self,
        scan: &mut Scanner<'_>,
        node: &'p Node,
        item: &'p Node,
        list: &mut List,
        depth: usize,
    ) -> Parsed<()> {
        let (start, first) = (scan.at, list.items.len());
        self.items(scan, item, &mut list.items, depth)?;
        list.push();
        let count = list.items.len() - first;
        let passes = |check: &Check| match check {
            Check::Unique => list.are_unique(first),
            other => other.count(count),
        };
        self.check(node, passes, scan, start);
        Ok(())
    }

    fn items(
        &mut self,
        scan: &mut Scanner<'_>,
        item: &'p Node,
        column: &mut Column,
        depth: usize,
    ) -> Parsed<()> {
        if depth > MAX_DEPTH {
            return Err(Malformed);
        }
        scan.at += 1;
        scan.whitespace();
        if scan.take(b']') {
            return Ok(());
        }
        let (level, mut index) = (self.here.len(), 0);
        self.here.push(Here::Known(Step::Item(0)));
        loop {
            self.value(scan, item, column, depth)?;
            if !scan.goes_on(b']')? {
                break;
            }
            index += 1;
            self.here[level] = Here::Known(Step::Item(index));
        }
        self.here.truncate(level);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn check(
        &mut self,
        node: &Node,
        passes: impl Fn(&Check) -> bool,
        scan: &Scanner<'_>,
        start: usize,
    ) {
        for (code, check) in &node.checks {
            if !passes(check) {
                self.fail(*code, &scan.text[start..scan.at]);
            }
        }
    }

    #[cold]
    pub(super) fn fail(&mut self, code: u32, raw: &[u8]) {
        if self.is_too_much() {
            return;
        }
        let (from, to) = self.found.failures.write(|text| observe(raw, text));
        self.fail_with(code, Seen::Text(from, to));
    }

    fn fail_with(&mut self, code: u32, seen: Seen) {
        if !self.here.is_empty() {
            self.tell(self.plan.codes[code as usize].told);
            if self.is_too_much() {
                return;
            }
        }
        let steps = self.write_steps();
        self.found.failures.push(code, steps, seen);
        self.rejects |= self.plan.codes[code as usize].rejects;
    }

    /// A value that is not of its type, and why.
    #[cold]
    fn miss(
        &mut self,
        node: &Node,
        column: &mut Column,
        why: Miss,
        scan: &Scanner<'_>,
        start: usize,
    ) -> Parsed<()> {
        column.push_null();
        self.typed = false;
        self.fail(node.type_code + why as u32, &scan.text[start..scan.at]);
        Ok(())
    }

    #[inline(always)]
    pub(super) fn no_value(&mut self, node: &Node, seen: Seen) {
        for &code in &node.null_codes {
            if !self.is_too_much() {
                self.fail_with(code, seen);
            }
        }
    }
}

#[inline(always)]
fn is_number(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'-'
}
