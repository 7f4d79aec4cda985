//! Arrow columns in the making: values are appended, and a row that is refused is taken back.

mod equal;
mod finish;
mod nested;
mod single;
mod validity;

pub use finish::batch_of;
pub use nested::{List, Struct};
pub use single::{Fixed, Text};

use crate::plan::{Kind, Node};
use validity::Validity;

/// What a scalar is stored as.
#[derive(Debug, Clone, Copy)]
pub enum Storage {
    Int32,
    Int64,
    Double,
    Decimal {
        precision: u8,
        scale: i8,
    },
    Boolean,
    Text,
    /// No scalar: as its parts say.
    Nested,
}

#[derive(Debug, Clone)]
pub enum Column {
    Int32(Fixed<i32>),
    Int64(Fixed<i64>),
    Double(Fixed<f64>),
    Decimal(Fixed<i128>, u8, i8),
    Boolean(Fixed<bool>),
    Text(Text),
    List(List),
    /// Arrays of entries, each an object of a key and a value.
    Map(List),
    Struct(Struct),
}

impl Column {
    /// An empty column for a declared value, with room for `rows`.
    pub fn new(node: &Node, rows: usize) -> Self {
        match (&node.kind, node.storage) {
            (Kind::Array(item), _) => {
                let items = Column::new(item, node.room.of_rows(rows));
                Column::List(List::of(items, rows))
            }
            (Kind::Map(entry), _) => {
                let entries = node.room.of_rows(rows);
                let members = [&entry.key, &entry.value].map(|one| Column::new(one, entries));
                Column::Map(List::of(Column::Struct(Struct::of(members.into())), rows))
            }
            (Kind::Object(object), _) => {
                let members = object
                    .members
                    .iter()
                    .map(|member| Column::new(member, rows));
                Column::Struct(Struct::of(members.collect()))
            }
            (_, Storage::Int32) => Column::Int32(Fixed::with_rows(rows)),
            (_, Storage::Int64) => Column::Int64(Fixed::with_rows(rows)),
            (_, Storage::Double) => Column::Double(Fixed::with_rows(rows)),
            (_, Storage::Decimal { precision, scale }) => {
                Column::Decimal(Fixed::with_rows(rows), precision, scale)
            }
            (_, Storage::Boolean) => Column::Boolean(Fixed::with_rows(rows)),
            (_, Storage::Text | Storage::Nested) => {
                Column::Text(Text::with_rows(rows, node.room.of_rows(rows)))
            }
        }
    }

    /// Note in the plan how much room the rows took.
    pub fn learn(&self, node: &Node) {
        match (self, &node.kind) {
            (Column::Text(column), _) => node.room.learn(column.len(), column.bytes.len()),
            (Column::List(column), Kind::Array(item)) => {
                node.room.learn(self.len(), column.items.len());
                column.items.learn(item);
            }
            (Column::Map(column), Kind::Map(entry)) => {
                node.room.learn(self.len(), column.items.len());
                if let Column::Struct(entries) = &*column.items {
                    let members = entries.members.iter().zip([&entry.key, &entry.value]);
                    members.for_each(|(column, member)| column.learn(member));
                }
            }
            (Column::Struct(column), Kind::Object(object)) => {
                let members = column.members.iter().zip(&object.members);
                members.for_each(|(column, member)| column.learn(member));
            }
            _ => {}
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Column::Int32(column) => column.values.len(),
            Column::Int64(column) => column.values.len(),
            Column::Double(column) => column.values.len(),
            Column::Decimal(column, ..) => column.values.len(),
            Column::Boolean(column) => column.values.len(),
            Column::Text(column) => column.len(),
            Column::List(column) | Column::Map(column) => column.len(),
            Column::Struct(column) => column.valid.len,
        }
    }

    pub fn push_null(&mut self) {
        match self {
            Column::Int32(column) => column.push_null(),
            Column::Int64(column) => column.push_null(),
            Column::Double(column) => column.push_null(),
            Column::Decimal(column, ..) => column.push_null(),
            Column::Boolean(column) => column.push_null(),
            Column::Text(column) => column.push_null(),
            Column::List(column) | Column::Map(column) => column.push_null(),
            Column::Struct(column) => column.push_null(),
        }
    }

    /// Take back every row from `len` on.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Column::Int32(column) => column.truncate(len),
            Column::Int64(column) => column.truncate(len),
            Column::Double(column) => column.truncate(len),
            Column::Decimal(column, ..) => column.truncate(len),
            Column::Boolean(column) => column.truncate(len),
            Column::Text(column) => column.truncate(len),
            Column::List(column) | Column::Map(column) => column.truncate(len),
            Column::Struct(column) => column.truncate(len),
        }
    }

    fn validity(&self) -> &Validity {
        match self {
            Column::Int32(column) => &column.valid,
            Column::Int64(column) => &column.valid,
            Column::Double(column) => &column.valid,
            Column::Decimal(column, ..) => &column.valid,
            Column::Boolean(column) => &column.valid,
            Column::Text(column) => &column.valid,
            Column::List(column) | Column::Map(column) => &column.valid,
            Column::Struct(column) => &column.valid,
        }
    }
}
