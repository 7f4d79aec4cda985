//! Which values of a column are there.

use arrow_buffer::{Buffer, NullBuffer};

/// Which values are there; takes no memory until one is not.
#[derive(Debug, Default, Clone)]
pub struct Validity {
    bits: Vec<u8>,
    pub(super) len: usize,
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

    /// So many values that are there.
    pub(super) fn push_all(&mut self, count: usize) {
        if self.nulls > 0 {
            (0..count).for_each(|_| self.push_bit(true));
        } else {
            self.len += count;
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

    pub(super) fn truncate(&mut self, len: usize) {
        if self.nulls > 0 {
            self.nulls -= (len..self.len).filter(|&row| !self.is_valid(row)).count();
            self.bits.truncate(len.div_ceil(8));
        }
        self.len = self.len.min(len);
    }

    pub(super) fn finish(self) -> Option<NullBuffer> {
        (self.nulls > 0).then(|| {
            let bits = arrow_buffer::BooleanBuffer::new(Buffer::from_vec(self.bits), 0, self.len);
            NullBuffer::new(bits)
        })
    }
}
