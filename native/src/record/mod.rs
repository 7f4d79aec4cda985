//! Judging records: one pass over the bytes, each declared value typed, checked and appended.
//!
//! The order of failures is that of the reference path (`gate/reference.py`): members as declared,
//! wherever they stand in the text; so what the members of an object failed with is put in order
//! when the object ends. A record that is no JSON is left to the reference.

mod here;
mod map;
mod members;
mod object;
mod skip;
mod stranger;
mod value;

use crate::column::{Column, Text};
use crate::failure::{Failed, Failures};
use crate::json::{Malformed, Parsed, Scanner};
use crate::keys::Keys;
use crate::plan::{Plan, Unknown};
use here::Here;
use object::Segment;
use std::collections::HashSet;
use stranger::Stranger;

/// Why a record is left to the reference path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    Size,
    Header,
    Json,
    Foreign,
    Other,
    Paths,
}

/// What was found in a batch.
#[derive(Debug)]
pub struct Found {
    pub columns: Vec<Column>,
    pub unknown: Text,
    /// The positions of the rows of `columns`.
    pub kept: Vec<i64>,
    /// Which of them are rejected all the same, by row; in order.
    pub refused: Vec<u32>,
    pub failures: Failures,
    pub rest: Vec<(u32, Reason)>,
    pub unknown_paths: HashSet<String>,
}

/// Judges the records of one batch.
pub struct Judge<'p> {
    plan: &'p Plan,
    columns: Vec<Column>,
    found: Found,
    /// After which member which one came last time.
    next: Vec<u16>,
    keys: Keys,
    here: Vec<Here>,
    segments: Vec<Segment>,
    strangers: Vec<Stranger<'p>>,
    stranger_names: String,
    scratch: String,
    rejects: bool,
    typed: bool,
    /// How many bytes are to be told of the record so far, and how many may be.
    told: usize,
    most: usize,
}

impl<'p> Judge<'p> {
    pub fn new(plan: &'p Plan, rows: usize) -> Self {
        let members = &plan.record.members;
        Judge {
            plan,
            columns: members
                .iter()
                .map(|member| Column::new(member, rows))
                .collect(),
            found: Found {
                columns: Vec::new(),
                unknown: Text::with_rows(rows, 0),
                kept: Vec::with_capacity(rows),
                refused: Vec::new(),
                failures: Failures::default(),
                rest: Vec::new(),
                unknown_paths: HashSet::new(),
            },
            next: vec![0; plan.slots],
            keys: Keys::default(),
            here: Vec::new(),
            segments: Vec::new(),
            strangers: Vec::new(),
            stranger_names: String::new(),
            scratch: String::new(),
            rejects: false,
            typed: true,
            told: 0,
            most: 0,
        }
    }

    pub fn finish(mut self) -> Found {
        for (column, member) in self.columns.iter().zip(&self.plan.record.members) {
            column.learn(member);
        }
        self.found.columns = self.columns;
        self.found
    }

    /// Leave what stands in a record's place, and is no bytes, to the reference.
    pub fn leave(&mut self, position: u32) {
        self.found.rest.push((position, Reason::Other));
    }

    /// Judge one record.
    pub fn record(&mut self, position: u32, text: &[u8]) {
        if text.len() > self.plan.size_limit {
            self.found.rest.push((position, Reason::Size));
            return;
        }
        let plan = self.plan;
        if text.len() < plan.header_bytes || !text.starts_with(&plan.magic) {
            self.found.rest.push((position, Reason::Header));
            return;
        }
        self.most = plan.most.of(text.len());
        let text = &text[plan.header_bytes..];
        let mark = self.found.failures.mark();
        let reason = match self.read(text) {
            Err(Malformed) => Some(Reason::Json),
            Ok(()) if self.is_too_much() => Some(Reason::Paths),
            Ok(()) if !self.typed && !self.plan.foreign.is_empty() => Some(Reason::Foreign),
            Ok(()) => None,
        };
        if let Some(reason) = reason {
            self.found.failures.truncate(mark);
            self.found.rest.push((position, reason));
            self.take_back();
            return;
        }
        if self.found.failures.any_since(mark) {
            let first = self.found.failures.first_since(mark);
            let rejects = self.rejects;
            self.found.failures.records.push(Failed {
                position,
                first,
                rejects,
            });
        }
        if self.rejects {
            if self.plan.keeps_typed && self.typed {
                self.found.refused.push(self.found.kept.len() as u32);
                self.found.kept.push(i64::from(position));
                self.found.unknown.push_null();
            } else {
                self.take_back();
            }
            return;
        }
        self.found.kept.push(i64::from(position));
        if self.plan.unknown == Unknown::Keep {
            self.keep_strangers(text);
            if !self.found.failures.any_since(mark) {
                self.found.failures.truncate(mark); // the steps to what nobody declared
            }
        }
    }

    fn take_back(&mut self) {
        let rows = self.found.kept.len();
        self.columns
            .iter_mut()
            .for_each(|column| column.truncate(rows));
    }

    fn read(&mut self, text: &[u8]) -> Parsed<()> {
        self.keys.clear();
        self.here.clear();
        self.segments.clear();
        self.strangers.clear();
        self.stranger_names.clear();
        self.rejects = false;
        self.typed = true;
        self.told = 0;
        let mut scan = Scanner::new(text);
        scan.whitespace();
        scan.expect(b'{')?;
        let plan = self.plan;
        let mut columns = std::mem::take(&mut self.columns);
        let read = self.object(
            &mut scan,
            &plan.record,
            &plan.record_checks,
            &mut columns,
            1,
        );
        self.columns = columns;
        read?;
        scan.whitespace();
        if scan.at != text.len() {
            return Err(Malformed);
        }
        if plan.unknown == Unknown::Reject && !self.is_too_much() {
            self.refuse_strangers(text);
        }
        Ok(())
    }
}
