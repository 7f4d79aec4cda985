//! Which values of a column are equal, for `uniqueItems`.

use super::{Column, List};
use std::collections::HashSet;

impl List {
    /// Whether the items from `from` on are all different.
    pub fn are_unique(&self, from: usize) -> bool {
        let to = self.items.len();
        if to - from <= 16 {
            return (from..to).all(|one| (from..one).all(|other| !self.items.equal(one, other)));
        }
        let mut known = HashSet::with_capacity(to - from);
        (from..to).all(|row| {
            let mut key = Vec::new();
            self.items.write_key(row, &mut key);
            known.insert(key)
        })
    }
}

impl Column {
    pub(super) fn equal(&self, one: usize, other: usize) -> bool {
        let (valid, also) = (
            self.validity().is_valid(one),
            self.validity().is_valid(other),
        );
        if !valid || !also {
            return valid == also;
        }
        match self {
            Column::Int32(column) => column.values[one] == column.values[other],
            Column::Int64(column) => column.values[one] == column.values[other],
            Column::Double(column) => column.values[one] == column.values[other],
            Column::Decimal(column, ..) => column.values[one] == column.values[other],
            Column::Boolean(column) => column.values[one] == column.values[other],
            Column::Text(column) => column.get(one) == column.get(other),
            Column::Struct(column) => column.members.iter().all(|m| m.equal(one, other)),
            Column::List(_) | Column::Map(_) => {
                let (mut first, mut second) = (Vec::new(), Vec::new());
                self.write_key(one, &mut first);
                self.write_key(other, &mut second);
                first == second
            }
        }
    }

    /// Bytes that are equal exactly for equal values (doubles are never NaN, and never -0).
    fn write_key(&self, row: usize, key: &mut Vec<u8>) {
        if !self.validity().is_valid(row) {
            key.push(0);
            return;
        }
        key.push(1);
        match self {
            Column::Int32(column) => key.extend(column.values[row].to_le_bytes()),
            Column::Int64(column) => key.extend(column.values[row].to_le_bytes()),
            Column::Double(column) => key.extend(column.values[row].to_le_bytes()),
            Column::Decimal(column, ..) => key.extend(column.values[row].to_le_bytes()),
            Column::Boolean(column) => key.push(u8::from(column.values[row])),
            Column::Text(column) => {
                let text = column.get(row);
                key.extend(text.len().to_le_bytes());
                key.extend(text);
            }
            Column::Struct(column) => column.members.iter().for_each(|m| m.write_key(row, key)),
            Column::List(column) => {
                let items = column.range(row);
                key.extend(items.len().to_le_bytes());
                items.for_each(|item| column.items.write_key(item, key));
            }
            Column::Map(column) => {
                let entries = column.range(row);
                key.extend(entries.len().to_le_bytes());
                let mut written: Vec<_> = entries
                    .map(|entry| {
                        let mut one = Vec::new();
                        column.items.write_key(entry, &mut one);
                        one
                    })
                    .collect();
                written.sort_unstable(); // maps are equal whatever the order of their entries
                written.iter().for_each(|one| key.extend(one));
            }
        }
    }
}
