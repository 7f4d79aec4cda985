//! Columns of arrays, maps and objects: columns around columns.

use super::single::Text;
use super::validity::Validity;
use super::Column;
use crate::full::full;

/// Arrays: the items of all of them, and where those of each end. Or maps, whose items are objects
/// of key and value.
#[derive(Debug, Clone)]
pub struct List {
    pub(super) offsets: Vec<i32>,
    pub items: Box<Column>,
    pub(super) valid: Validity,
}

impl List {
    /// No arrays yet, of items that `items` takes.
    pub fn of(items: Column, rows: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        List {
            offsets,
            items: Box::new(items),
            valid: Validity::default(),
        }
    }

    /// The items appended since the last array are one.
    pub fn push(&mut self) {
        self.end();
        self.valid.push_valid();
    }

    pub(super) fn push_null(&mut self) {
        self.end();
        self.valid.push_null();
    }

    fn end(&mut self) {
        let end = i32::try_from(self.items.len()).unwrap_or_else(|_| full());
        self.offsets.push(end);
    }

    pub(super) fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub(super) fn truncate(&mut self, len: usize) {
        let len = len.min(self.len());
        self.offsets.truncate(len + 1);
        self.items.truncate(self.offsets[len] as usize);
        self.valid.truncate(len);
    }

    /// Where the items of an array begin and end.
    pub(super) fn range(&self, row: usize) -> std::ops::Range<usize> {
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }
}

/// Objects: a column for each declared member.
#[derive(Debug, Clone)]
pub struct Struct {
    pub members: Vec<Column>,
    pub(super) valid: Validity,
}

impl Struct {
    /// No objects yet, with these members.
    pub fn of(members: Vec<Column>) -> Self {
        Struct {
            members,
            valid: Validity::default(),
        }
    }

    /// A value of each member has been appended.
    pub fn push(&mut self) {
        self.valid.push_valid();
    }

    /// So many at once: a value of each member has been appended for each of them.
    pub fn push_all(&mut self, count: usize) {
        self.valid.push_all(count);
    }

    /// The keys and the values, of the entries of maps.
    pub fn entries(&mut self) -> (&mut Text, &mut Column) {
        match self.members.as_mut_slice() {
            [Column::Text(keys), values] => (keys, values),
            _ => unreachable!("an entry of a map is a text and a value"),
        }
    }

    pub(super) fn push_null(&mut self) {
        self.members.iter_mut().for_each(Column::push_null);
        self.valid.push_null();
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.members.iter_mut().for_each(|one| one.truncate(len));
        self.valid.truncate(len);
    }
}
