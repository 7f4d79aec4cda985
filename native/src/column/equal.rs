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

#[cfg(test)]
mod tests {
    use crate::column::{Column, Fixed, List, Struct, Text};

    type Entries<'e> = &'e [(&'e str, i64)];

    fn push(column: &mut Column, entries: Entries<'_>) {
        let Column::Map(maps) = column else {
            unreachable!("it is a map")
        };
        let Column::Struct(all) = &mut *maps.items else {
            unreachable!("entries are objects")
        };
        let (keys, values) = all.entries();
        for (key, value) in entries {
            keys.push(key);
            if let Column::Int64(numbers) = values {
                numbers.push(*value);
            }
        }
        all.push_all(entries.len());
        maps.push();
    }

    fn maps(rows: &[Entries<'_>]) -> Column {
        let members = vec![
            Column::Text(Text::with_rows(0, 0)),
            Column::Int64(Fixed::with_rows(0)),
        ];
        let mut column = Column::Map(List::of(Column::Struct(Struct::of(members)), 0));
        rows.iter().for_each(|row| push(&mut column, row));
        column
    }

    #[test]
    fn maps_are_equal_whatever_the_order_of_their_entries() {
        let column = maps(&[
            &[("a", 1), ("b", 2)],
            &[("b", 2), ("a", 1)],
            &[("a", 2), ("b", 1)],
            &[("a", 1)],
            &[],
        ]);
        assert!(column.equal(0, 1));
        for other in 2..5 {
            assert!(!column.equal(0, other));
        }
        assert!(List::of(maps(&[&[], &[("a", 1)]]), 0).are_unique(0));
        assert!(!List::of(maps(&[&[], &[("a", 1)], &[]]), 0).are_unique(0));
    }

    #[test]
    fn rows_taken_back_leave_nothing_behind() {
        let mut column = maps(&[&[("a", 1)], &[("b", 2), ("c", 3)]]);
        column.push_null();
        column.truncate(1);
        if let Column::Map(maps) = &mut column {
            if let Column::Struct(all) = &mut *maps.items {
                all.entries()
                    .0
                    .push("half of an entry, as of a record that is no JSON");
            }
        }
        column.truncate(1);
        push(&mut column, &[("d", 4)]);
        column.push_null();
        let data = column.finish();
        assert_eq!((data.len(), data.null_count()), (3, 1));
        data.validate_full().unwrap();
        assert_eq!(data.buffers()[0].typed_data::<i32>(), [0, 1, 2, 2]);
        assert_eq!(
            data.child_data()[0].child_data()[0].buffers()[1].as_slice(),
            b"ad"
        );
    }
}
