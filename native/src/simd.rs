//! Finding the end of a string, sixteen bytes at a time.

/// Where a string ends or is interrupted: the index of the first quote, backslash or control
/// character (the length when there is none), and whether all bytes before it are ASCII.
#[inline(always)]
pub fn string_stop(text: &[u8]) -> (usize, bool) {
    let mut at = 0;
    let mut is_ascii = true;
    #[cfg(target_arch = "x86_64")]
    while at + 16 <= text.len() {
        // SAFETY: sixteen bytes are left, and every x86-64 processor has SSE2.
        let (stops, high) = unsafe { look_at_16(text.as_ptr().add(at)) };
        if stops != 0 {
            let stop = stops.trailing_zeros();
            return (
                at + stop as usize,
                is_ascii & (high & ((1 << stop) - 1) == 0),
            );
        }
        is_ascii &= high == 0;
        at += 16;
    }
    while at + 8 <= text.len() {
        let word = u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
        let stops = stops_in_8(word);
        if stops != 0 {
            let stop = stops.trailing_zeros() / 8;
            return (
                at + stop as usize,
                is_ascii & (word & HIGHS & ((1 << (8 * stop)) - 1) == 0),
            );
        }
        is_ascii &= word & HIGHS == 0;
        at += 8;
    }
    while at < text.len() && !is_stop(text[at]) {
        is_ascii &= text[at].is_ascii();
        at += 1;
    }
    (at, is_ascii)
}

#[inline(always)]
fn is_stop(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// A bit for each of sixteen bytes that ends or interrupts a string, and for each beyond ASCII.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn look_at_16(text: *const u8) -> (u32, u32) {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };
    let bytes = _mm_loadu_si128(text.cast::<__m128i>());
    let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'"' as i8));
    let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(b'\\' as i8));
    let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    let stops = _mm_or_si128(_mm_or_si128(quote, backslash), control);
    (
        _mm_movemask_epi8(stops) as u32,
        _mm_movemask_epi8(bytes) as u32,
    )
}

const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of the first of eight bytes that ends or interrupts a string, and of no byte
/// before it; bits after the first mean nothing.
#[inline(always)]
fn stops_in_8(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGHS;
    below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5C), 1)
}

/// Ask for the memory of a text that is read soon.
#[inline(always)]
pub fn fetch(text: &[u8]) {
    #[cfg(target_arch = "x86_64")]
    for line in text.chunks(64).take(16) {
        use std::arch::x86_64::{_mm_prefetch, _MM_HINT_T0};
        // SAFETY: a hint, which reads nothing, of an address within the text.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = text;
}

#[cfg(test)]
mod tests {
    use super::{is_stop, string_stop};

    #[test]
    fn the_first_stop_is_found_wherever_it_stands() {
        for length in 0..40 {
            for stop in [b'"', b'\\', 0, 0x1F, b'\n'] {
                for at in 0..=length {
                    for filler in [b'a', 0x7F, 0x80, 0xFF, b' ', b'!', b'#', b'[', b']'] {
                        let mut text = vec![filler; length];
                        if at < length {
                            text[at] = stop;
                        }
                        let expected = text.iter().position(|&byte| is_stop(byte));
                        let expected = expected.unwrap_or(length);
                        assert_eq!(string_stop(&text), (expected, text[..expected].is_ascii()));
                    }
                }
            }
        }
    }
}
