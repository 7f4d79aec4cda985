//! Strict JSON (RFC 8259), one record at a time, read once from front to back.
//!
//! The scanner says yes or no: why a text is no JSON is for the reference path to say. What is
//! between quotes is checked to be UTF-8 unless it is ASCII, which is seen while the end is looked
//! for; all else is ASCII.

use crate::simd::string_stop;

/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 64;

const TENS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// The text is not what the reference path calls JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

pub type Parsed<T> = Result<T, Malformed>;

/// What stands between the quotes of a string.
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

impl<'a> Quoted<'a> {
    /// The characters of a string without escapes.
    #[inline(always)]
    pub fn text(&self) -> &'a str {
        // SAFETY: `Scanner::string`, which alone makes these, has checked it.
        unsafe { std::str::from_utf8_unchecked(self.raw) }
    }
}

/// A number as it was written.
#[derive(Debug, Clone, Copy)]
pub struct Token<'a> {
    pub text: &'a [u8],
    pub is_integer: bool,
}

/// A place in the text of one record.
#[derive(Debug, Clone)]
pub struct Scanner<'a> {
    pub text: &'a [u8],
    pub at: usize,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a [u8]) -> Self {
        Scanner { text, at: 0 }
    }

    /// The byte here, or NUL, which is no JSON anywhere, at the end.
    #[inline(always)]
    pub fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    #[inline(always)]
    pub fn whitespace(&mut self) {
        // Every byte of whitespace is at most a space, and hardly any text between values is.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    #[inline(always)]
    pub fn expect(&mut self, byte: u8) -> Parsed<()> {
        if self.peek() != byte {
            return Err(Malformed);
        }
        self.at += 1;
        Ok(())
    }

    /// Whether `byte` comes next, which is then passed.
    #[inline(always)]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    /// `null`, `true` or `false`.
    #[inline(always)]
    pub fn word(&mut self, word: &[u8]) -> Parsed<()> {
        if !self.text[self.at..].starts_with(word) {
            return Err(Malformed);
        }
        self.at += word.len();
        Ok(())
    }

    /// Whether the container goes on: true after a comma, false after `close`.
    #[inline(always)]
    pub fn goes_on(&mut self, close: u8) -> Parsed<bool> {
        self.whitespace();
        let byte = self.peek();
        self.at += 1;
        if byte == b',' {
            Ok(true)
        } else if byte == close {
            Ok(false)
        } else {
            Err(Malformed)
        }
    }

    /// A string of which the opening quote is passed; escapes are not yet looked at.
    #[inline(always)]
    pub fn string(&mut self) -> Parsed<Quoted<'a>> {
        let start = self.at;
        let (mut escaped, mut is_ascii) = (false, true);
        loop {
            let (length, is_ascii_there) = string_stop(&self.text[self.at..]);
            self.at += length;
            is_ascii &= is_ascii_there;
            match self.peek() {
                b'"' => {
                    let raw = &self.text[start..self.at];
                    self.at += 1;
                    // All that is not in a string is ASCII, or the text is no JSON.
                    if !is_ascii && simdutf8::basic::from_utf8(raw).is_err() {
                        return Err(Malformed);
                    }
                    return Ok(Quoted { raw, escaped });
                }
                b'\\' if self.at + 1 < self.text.len() => {
                    escaped = true;
                    self.at += 2; // what is escaped is ASCII, as `unescape` finds
                }
                _ => return Err(Malformed), // a control character, or the end
            }
        }
    }

    /// A number token; the next byte is `-` or a digit, or it is no number.
    #[inline(always)]
    pub fn number(&mut self) -> Parsed<Token<'a>> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        let mut is_integer = true;
        if self.take(b'.') {
            is_integer = false;
            self.digits()?;
        }
        if self.peek() | 0x20 == b'e' {
            is_integer = false;
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Token {
            text: &self.text[start..self.at],
            is_integer,
        })
    }

    /// A number token, and its value where that takes one exact division: few digits, no exponent.
    #[inline(always)]
    pub fn double(&mut self) -> Parsed<(&'a [u8], Option<f64>)> {
        let start = self.at;
        let is_negative = self.take(b'-');
        let mut mantissa = 0;
        let whole = self.accumulate(&mut mantissa);
        let mut fraction = 0;
        let is_odd = whole == 0 || (whole > 1 && self.text[self.at - whole] == b'0');
        if !is_odd && self.take(b'.') {
            fraction = self.accumulate(&mut mantissa);
        }
        let ends_well = !is_odd && (fraction > 0 || self.text[self.at - 1] != b'.');
        if !ends_well || whole + fraction > 15 || self.peek() | 0x20 == b'e' {
            self.at = start;
            return self.number().map(|token| (token.text, None));
        }
        // Both are exact doubles, so the one rounding is that of the result.
        let value = mantissa as f64 / TENS[fraction];
        let value = if is_negative { -value } else { value } + 0.0; // -0 is 0
        Ok((&self.text[start..self.at], Some(value)))
    }

    /// Pass digits, adding them to `number`; how many there were.
    #[inline(always)]
    fn accumulate(&mut self, number: &mut u64) -> usize {
        let start = self.at;
        loop {
            let digit = self.peek().wrapping_sub(b'0');
            if digit > 9 {
                return self.at - start;
            }
            *number = number.wrapping_mul(10).wrapping_add(u64::from(digit));
            self.at += 1;
        }
    }

    #[inline(always)]
    fn digits(&mut self) -> Parsed<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        if self.at == start {
            return Err(Malformed);
        }
        Ok(())
    }
}

/// The characters of a string with escapes, as [`Scanner::string`] gave it, appended to `out`.
///
/// # Errors
/// An escape JSON does not have, or half of a surrogate pair.
pub fn unescape(raw: &[u8], out: &mut String) -> Parsed<()> {
    let mut rest = raw;
    while let Some(stop) = rest.iter().position(|&byte| byte == b'\\') {
        push_utf8(&rest[..stop], out);
        let (character, length) = escape(&rest[stop..])?;
        out.push(character);
        rest = &rest[stop + length..];
    }
    push_utf8(rest, out);
    Ok(())
}

fn push_utf8(bytes: &[u8], out: &mut String) {
    // SAFETY: a part of a string that was checked to be UTF-8, between ASCII characters.
    out.push_str(unsafe { std::str::from_utf8_unchecked(bytes) });
}

/// The character of an escape, or of two that are a surrogate pair, and how long they are.
fn escape(text: &[u8]) -> Parsed<(char, usize)> {
    let character = match text.get(1) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return unicode_escape(text),
        _ => return Err(Malformed),
    };
    Ok((character, 2))
}

fn unicode_escape(text: &[u8]) -> Parsed<(char, usize)> {
    let first = code_unit(text)?;
    if !(0xD800..0xE000).contains(&first) {
        return char::from_u32(first).map(|c| (c, 6)).ok_or(Malformed);
    }
    let second = code_unit(text.get(6..).ok_or(Malformed)?)?;
    if first >= 0xDC00 || !(0xDC00..0xE000).contains(&second) {
        return Err(Malformed);
    }
    let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    char::from_u32(code).map(|c| (c, 12)).ok_or(Malformed)
}

fn code_unit(text: &[u8]) -> Parsed<u32> {
    if text.len() < 6 || !text.starts_with(b"\\u") {
        return Err(Malformed);
    }
    text[2..6].iter().try_fold(0, |code, &digit| {
        char::from(digit)
            .to_digit(16)
            .map(|value| code * 16 + value)
            .ok_or(Malformed)
    })
}
