//! Batches as they come from Python, without copying: Arrow arrays by the PyCapsule interface, and
//! sequences of bytes.

use crate::simd::fetch;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::ffi::FFI_ArrowSchema;
use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PySequence, PyTuple};
use std::slice::from_raw_parts;

/// Columns hold 2 GiB of text, and text may grow a little on its way there.
const BATCH_BYTES: usize = 1 << 30;

fn check_size(records: usize, bytes: usize) -> PyResult<()> {
    if u32::try_from(records).is_err() || (records > 1 && bytes > BATCH_BYTES) {
        return Err(PyOverflowError::new_err(
            "the batch is too large for one; halve it",
        ));
    }
    Ok(())
}

/// A record, or what stands in its place.
pub enum Value<'b> {
    Bytes(&'b [u8]),
    Null,
    /// Neither bytes nor null: the reference path takes what is like bytes.
    Other,
}

/// Where each value begins, in either width.
enum Offsets<'b> {
    Short(&'b [i32]),
    Long(&'b [i64]),
}

impl Offsets<'_> {
    #[inline(always)]
    fn get(&self, at: usize) -> usize {
        match self {
            Offsets::Short(offsets) => offsets[at] as usize,
            Offsets::Long(offsets) => offsets[at] as usize,
        }
    }
}

/// An Arrow array of `binary` or `large_binary`, alive as long as the capsules it came in.
pub struct Batch<'b> {
    len: usize,
    offset: usize,
    offsets: Offsets<'b>,
    data: &'b [u8],
    valid: Option<&'b [u8]>,
    _capsules: Bound<'b, PyTuple>,
}

// SAFETY: the capsules are touched with the interpreter attached only: when they are taken and when
// they are dropped; in between the threads that judge see Arrow's memory, which does not change.
unsafe impl Sync for Batch<'_> {}

impl<'b> Batch<'b> {
    /// # Errors
    /// TypeError when the array is of another type, OverflowError when it is too large for columns.
    pub fn import(values: &Bound<'b, PyAny>) -> PyResult<Self> {
        let capsules = values
            .call_method0("__arrow_c_array__")?
            .cast_into::<PyTuple>()?;
        let schema = pointer::<FFI_ArrowSchema>(&capsules, 0, c"arrow_schema")?;
        let array = pointer::<FFI_ArrowArray>(&capsules, 1, c"arrow_array")?;
        // SAFETY: the capsules have the names the interface gives these structs, and are kept.
        let (schema, array) = unsafe { (&*schema, &*array) };
        let (len, offset) = (array.len(), array.offset());
        // SAFETY: the layout of `binary` and `large_binary`: validity, offsets (one more than
        // values), data of as many bytes as the last offset says. Empty arrays may have no buffers.
        unsafe {
            let offsets = match schema.format() {
                _ if len == 0 => Offsets::Short(&[0]),
                "z" => Offsets::Short(from_raw_parts(array.buffer(1).cast(), offset + len + 1)),
                "Z" => Offsets::Long(from_raw_parts(array.buffer(1).cast(), offset + len + 1)),
                other => {
                    return Err(PyTypeError::new_err(format!(
                        "expected binary or large_binary, got the Arrow format {other}"
                    )))
                }
            };
            let offset = if len == 0 { 0 } else { offset };
            let bytes = offsets.get(offset + len);
            check_size(len, bytes - offsets.get(offset))?;
            let data = array.buffer(2);
            let data = if bytes == 0 || data.is_null() {
                &[]
            } else {
                from_raw_parts(data, bytes)
            };
            let valid = array.buffer(0);
            let valid = (array.null_count() != 0 && !valid.is_null())
                .then(|| from_raw_parts(valid, (offset + len).div_ceil(8)));
            Ok(Batch {
                len,
                offset,
                offsets,
                data,
                valid,
                _capsules: capsules,
            })
        }
    }

    pub fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub fn get(&self, position: usize) -> Value<'b> {
        let at = self.offset + position;
        if self
            .valid
            .is_some_and(|valid| valid[at / 8] & (1 << (at % 8)) == 0)
        {
            return Value::Null;
        }
        Value::Bytes(&self.data[self.offsets.get(at)..self.offsets.get(at + 1)])
    }
}

fn pointer<T>(
    capsules: &Bound<'_, PyTuple>,
    at: usize,
    name: &std::ffi::CStr,
) -> PyResult<*const T> {
    let item = capsules.get_item(at)?;
    let capsule = item.cast::<PyCapsule>()?;
    Ok(capsule
        .pointer_checked(Some(name))?
        .as_ptr()
        .cast::<T>()
        .cast_const())
}

/// A sequence of bytes and None, of which the items are held until it is dropped.
pub struct Texts<'b> {
    texts: Vec<Value<'b>>,
    _held: Bound<'b, PyTuple>,
}

// SAFETY: as of `Batch`; bytes never change.
unsafe impl Sync for Texts<'_> {}

impl<'b> Texts<'b> {
    /// # Errors
    /// TypeError when it is no sequence, OverflowError when it is too large for columns.
    pub fn borrow(values: &Bound<'b, PyAny>) -> PyResult<Self> {
        let held = values.cast::<PySequence>()?.to_tuple()?;
        let mut texts = Vec::with_capacity(held.len());
        let mut size = 0;
        for item in held.iter_borrowed() {
            texts.push(match item.cast::<PyBytes>() {
                // SAFETY: bytes do not change or move, and the tuple holds them as long as `Texts`.
                Ok(bytes) => Value::Bytes(unsafe {
                    let bytes = bytes.as_bytes();
                    size += bytes.len();
                    from_raw_parts(bytes.as_ptr(), bytes.len())
                }),
                Err(_) if item.is_none() => Value::Null,
                Err(_) => Value::Other,
            });
        }
        check_size(texts.len(), size)?;
        Ok(Texts { texts, _held: held })
    }

    pub fn len(&self) -> usize {
        self.texts.len()
    }

    #[inline(always)]
    pub fn get(&self, position: usize) -> Value<'b> {
        // Texts of Python stand anywhere, so the processor cannot guess which one comes next.
        if let Some(Value::Bytes(next)) = self.texts.get(position + 1) {
            fetch(next);
        }
        match self.texts[position] {
            Value::Bytes(bytes) => Value::Bytes(bytes),
            Value::Null => Value::Null,
            Value::Other => Value::Other,
        }
    }
}

/// Hand an array to `take`, which is given the address of an `ArrowArray` and moves it out.
///
/// # Errors
/// What `take` raises.
pub fn export<'py>(
    data: &arrow_data::ArrayData,
    take: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    let array = Box::new(FFI_ArrowArray::new(data));
    // Dropped afterwards: released if `take` left it, and of no effect if it was moved.
    take.call1((std::ptr::from_ref(&*array) as usize,))
}
