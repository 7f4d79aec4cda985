//! Arrow columns in the making: values are appended, and a row that is refused is taken back.

use crate::plan::{Kind, Node};
use arrow_buffer::{Buffer, NullBuffer};
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{DataType, Field, Fields};
use std::sync::Arc;

/// Which values are there; takes no memory until one is not.
#[derive(Debug, Default, Clone)]
pub struct Validity {
    bits: Vec<u8>,
    len: usize,
    nulls: usize,
}

impl Validity {
    #[inline(always)]
    pub fn push_valid(&mut self) {
        if self.nulls > 0 {
            self.push_bit(true);
        } else {
            self.len += 1;
        }
    }

    pub fn push_null(&mut self) {
        if self.nulls == 0 {
            self.bits.clear();
            self.bits.resize(self.len.div_ceil(8), 0xFF);
        }
        self.nulls += 1;
        self.push_bit(false);
    }

    #[inline]
    fn push_bit(&mut self, bit: bool) {
        let (byte, mask) = (self.len / 8, 1 << (self.len % 8));
        if byte == self.bits.len() {
            self.bits.push(0);
        }
        if bit {
            self.bits[byte] |= mask;
        } else {
            self.bits[byte] &= !mask;
        }
        self.len += 1;
    }

    pub fn is_valid(&self, row: usize) -> bool {
        self.nulls == 0 || self.bits[row / 8] & (1 << (row % 8)) != 0
    }

    fn truncate(&mut self, len: usize) {
        if self.nulls > 0 {
            self.nulls -= (len..self.len).filter(|&row| !self.is_valid(row)).count();
            self.bits.truncate(len.div_ceil(8));
        }
        self.len = self.len.min(len);
    }

    fn finish(self) -> Option<NullBuffer> {
        (self.nulls > 0).then(|| {
            let bits = arrow_buffer::BooleanBuffer::new(Buffer::from_vec(self.bits), 0, self.len);
            NullBuffer::new(bits)
        })
    }
}

/// Numbers of one width, or what is stored as such: dates, times, timestamps.
#[derive(Debug, Clone)]
pub struct Fixed<T> {
    values: Vec<T>,
    valid: Validity,
}

impl<T: Default + Copy> Fixed<T> {
    fn with_rows(rows: usize) -> Self {
        Fixed {
            values: Vec::with_capacity(rows),
            valid: Validity::default(),
        }
    }

    #[inline(always)]
    pub fn push(&mut self, value: T) {
        self.values.push(value);
        self.valid.push_valid();
    }

    fn push_null(&mut self) {
        self.values.push(T::default());
        self.valid.push_null();
    }
}

/// UTF-8 text, one value after the other.
#[derive(Debug, Clone)]
pub struct Text {
    offsets: Vec<i32>,
    bytes: Vec<u8>,
    valid: Validity,
}

impl Text {
    pub fn with_rows(rows: usize, bytes: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Text {
            offsets,
            bytes: Vec::with_capacity(bytes),
            valid: Validity::default(),
        }
    }

    #[inline(always)]
    pub fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.end();
        self.valid.push_valid();
    }

    /// The `len` bytes of `all` from `start` on, which are UTF-8.
    ///
    /// Short texts are copied sixteen bytes at a time, with what stands behind them, which costs
    /// less than finding out how many bytes it should have been.
    #[inline(always)]
    pub fn push_from(&mut self, all: &[u8], start: usize, len: usize) {
        self.bytes.reserve(len + 16);
        let end = self.bytes.len();
        if start + len + 16 <= all.len() && len <= 64 {
            let mut at = 0;
            // SAFETY: `all` has sixteen bytes after the text, and so much room was reserved.
            unsafe {
                let (from, to) = (all.as_ptr().add(start), self.bytes.as_mut_ptr().add(end));
                while at < len {
                    std::ptr::copy_nonoverlapping(from.add(at), to.add(at), 16);
                    at += 16;
                }
                self.bytes.set_len(end + len);
            }
        } else {
            self.bytes.extend_from_slice(&all[start..start + len]);
        }
        self.end();
        self.valid.push_valid();
    }

    /// A value that `write` appends to the bytes before it.
    pub fn push_with(&mut self, write: impl FnOnce(&mut String)) {
        // SAFETY: the bytes are texts one after the other, each of them UTF-8.
        let mut text = unsafe { String::from_utf8_unchecked(std::mem::take(&mut self.bytes)) };
        write(&mut text);
        self.bytes = text.into_bytes();
        self.end();
        self.valid.push_valid();
    }

    pub fn push_null(&mut self) {
        self.end();
        self.valid.push_null();
    }

    #[inline(always)]
    fn end(&mut self) {
        let end = i32::try_from(self.bytes.len()).expect("a column holds at most 2 GiB of text");
        self.offsets.push(end);
    }

    fn get(&self, row: usize) -> &[u8] {
        &self.bytes[self.offsets[row] as usize..self.offsets[row + 1] as usize]
    }

    /// The last value.
    pub fn last(&self) -> &str {
        // SAFETY: each value was appended as UTF-8.
        unsafe { std::str::from_utf8_unchecked(self.get(self.len() - 1)) }
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.offsets.truncate(len + 1);
            self.bytes.truncate(self.offsets[len] as usize);
            self.valid.truncate(len);
        }
    }
}

/// Arrays: the items of all of them, and where those of each end.
#[derive(Debug, Clone)]
pub struct List {
    offsets: Vec<i32>,
    pub items: Box<Column>,
    valid: Validity,
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

    fn end(&mut self) {
        let end = i32::try_from(self.items.len()).expect("a column holds at most 2**31 items");
        self.offsets.push(end);
    }

    /// Whether the items from `from` on are all different.
    pub fn are_unique(&self, from: usize) -> bool {
        let to = self.items.len();
        if to - from <= 16 {
            return (from..to).all(|one| (from..one).all(|other| !self.items.equal(one, other)));
        }
        let mut known: std::collections::HashMap<Vec<u8>, ()> =
            std::collections::HashMap::with_capacity(to - from);
        (from..to).all(|row| {
            let mut key = Vec::new();
            self.items.write_key(row, &mut key);
            known.insert(key, ()).is_none()
        })
    }
}

/// Objects: a column for each declared member.
#[derive(Debug, Clone)]
pub struct Struct {
    pub members: Vec<Column>,
    valid: Validity,
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
}

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
            Column::List(column) => column.offsets.len() - 1,
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
            Column::List(column) => {
                column.end();
                column.valid.push_null();
            }
            Column::Struct(column) => {
                column.members.iter_mut().for_each(Column::push_null);
                column.valid.push_null();
            }
        }
    }

    /// Take back every row from `len` on.
    pub fn truncate(&mut self, len: usize) {
        match self {
            Column::Int32(column) => truncate(column, len),
            Column::Int64(column) => truncate(column, len),
            Column::Double(column) => truncate(column, len),
            Column::Decimal(column, ..) => truncate(column, len),
            Column::Boolean(column) => truncate(column, len),
            Column::Text(column) => column.truncate(len),
            Column::List(column) => {
                let len = len.min(column.offsets.len() - 1);
                column.offsets.truncate(len + 1);
                column.items.truncate(column.offsets[len] as usize);
                column.valid.truncate(len);
            }
            Column::Struct(column) => {
                column.members.iter_mut().for_each(|one| one.truncate(len));
                column.valid.truncate(len);
            }
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
            Column::List(column) => &column.valid,
            Column::Struct(column) => &column.valid,
        }
    }

    fn equal(&self, one: usize, other: usize) -> bool {
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
            Column::List(_) => {
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
                let (from, to) = (column.offsets[row], column.offsets[row + 1]);
                key.extend((to - from).to_le_bytes());
                (from..to).for_each(|item| column.items.write_key(item as usize, key));
            }
        }
    }

    /// The column as Arrow data, of the type [`data_type`] gives.
    pub fn finish(self) -> ArrayData {
        let len = self.len();
        match self {
            Column::Int32(column) => fixed(DataType::Int32, column),
            Column::Int64(column) => fixed(DataType::Int64, column),
            Column::Double(column) => fixed(DataType::Float64, column),
            Column::Decimal(column, precision, scale) => {
                fixed(DataType::Decimal128(precision, scale), column)
            }
            Column::Boolean(column) => {
                let bits = arrow_buffer::BooleanBuffer::from(column.values).into_inner();
                build(DataType::Boolean, len, vec![bits], vec![], column.valid)
            }
            Column::Text(column) => {
                let buffers = vec![
                    Buffer::from_vec(column.offsets),
                    Buffer::from_vec(column.bytes),
                ];
                build(DataType::Utf8, len, buffers, vec![], column.valid)
            }
            Column::List(column) => {
                let items = column.items.finish();
                let field = Field::new("element", items.data_type().clone(), true);
                let offsets = vec![Buffer::from_vec(column.offsets)];
                let kind = DataType::List(Arc::new(field));
                build(kind, len, offsets, vec![items], column.valid)
            }
            Column::Struct(column) => struct_of(column.members, len, column.valid),
        }
    }
}

/// All columns of a batch, as the struct array a record batch is exported as.
pub fn batch_of(columns: Vec<Column>, rows: usize) -> ArrayData {
    struct_of(columns, rows, Validity::default())
}

fn struct_of(members: Vec<Column>, len: usize, valid: Validity) -> ArrayData {
    let members: Vec<ArrayData> = members.into_iter().map(Column::finish).collect();
    let fields: Fields = members
        .iter()
        .map(|member| Field::new("", member.data_type().clone(), true))
        .collect();
    build(DataType::Struct(fields), len, vec![], members, valid)
}

fn fixed<T: arrow_buffer::ArrowNativeType>(kind: DataType, column: Fixed<T>) -> ArrayData {
    let len = column.values.len();
    build(
        kind,
        len,
        vec![Buffer::from_vec(column.values)],
        vec![],
        column.valid,
    )
}

fn truncate<T>(column: &mut Fixed<T>, len: usize) {
    column.values.truncate(len);
    column.valid.truncate(len);
}

fn build(
    kind: DataType,
    len: usize,
    buffers: Vec<Buffer>,
    children: Vec<ArrayData>,
    valid: Validity,
) -> ArrayData {
    let builder = ArrayDataBuilder::new(kind)
        .len(len)
        .buffers(buffers)
        .child_data(children)
        .nulls(valid.finish());
    // SAFETY: the builders above keep what Arrow asks for: offsets rise from zero to the length of
    // what they point into, children have the length of their struct, texts are UTF-8.
    unsafe { builder.build_unchecked() }
}
