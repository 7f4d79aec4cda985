//! Columns as Arrow data.

use super::single::Fixed;
use super::validity::Validity;
use super::Column;
use arrow_buffer::Buffer;
use arrow_data::{ArrayData, ArrayDataBuilder};
use arrow_schema::{DataType, Field, Fields};
use std::sync::Arc;

impl Column {
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
            Column::Map(column) => {
                let entries = column.items.finish();
                let field = Field::new("entries", entries.data_type().clone(), false);
                let offsets = vec![Buffer::from_vec(column.offsets)];
                let kind = DataType::Map(Arc::new(field), false);
                build(kind, len, offsets, vec![entries], column.valid)
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
    // Python has the names and what may be null; here it is said of what is there.
    let fields: Fields = members
        .iter()
        .map(|member| Field::new("", member.data_type().clone(), member.nulls().is_some()))
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
