//! Columns of single values.

use super::validity::Validity;
use crate::full::full;

/// Numbers of one width, or what is stored as such: dates, times, timestamps.
#[derive(Debug, Clone)]
pub struct Fixed<T> {
    pub(super) values: Vec<T>,
    pub(super) valid: Validity,
}

impl<T: Default + Copy> Fixed<T> {
    pub(super) fn with_rows(rows: usize) -> Self {
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

    pub(super) fn push_null(&mut self) {
        self.values.push(T::default());
        self.valid.push_null();
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.valid.truncate(len);
    }
}

/// UTF-8 text, one value after the other.
#[derive(Debug, Clone)]
pub struct Text {
    pub(super) offsets: Vec<i32>,
    pub(super) bytes: Vec<u8>,
    pub(super) valid: Validity,
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
        let end = i32::try_from(self.bytes.len()).unwrap_or_else(|_| full());
        self.offsets.push(end);
    }

    pub(super) fn get(&self, row: usize) -> &[u8] {
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

    pub(super) fn truncate(&mut self, len: usize) {
        if len < self.len() {
            self.offsets.truncate(len + 1);
            self.bytes.truncate(self.offsets[len] as usize);
            self.valid.truncate(len);
        }
    }
}
