//! JSON values as text, from their raw bytes: what `gate/json_text.py` makes of the parsed value.
//!
//! The bytes are one value of a record that was read, so they are JSON, and UTF-8.

const OBSERVED_CHARACTERS: usize = 80;
const CUT: &str = "...";

/// Appends the value as compact JSON: numbers as they were written, no whitespace, members in
/// order, and of every string only what must be escaped.
pub fn canonical(raw: &[u8], out: &mut String) {
    write(raw, out, usize::MAX);
}

/// Appends at most 80 characters of the value as JSON, for a failure's `observed`.
pub fn observe(raw: &[u8], out: &mut String) {
    let start = out.len();
    write(raw, out, OBSERVED_CHARACTERS + 1);
    let mut ends = out[start..]
        .char_indices()
        .skip(OBSERVED_CHARACTERS - CUT.len());
    if let (Some((end, _)), Some(_)) = (ends.next(), ends.nth(CUT.len() - 1)) {
        out.truncate(start + end);
        out.push_str(CUT);
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Writes the value, or more than `enough` characters of it.
fn write(raw: &[u8], out: &mut String, enough: usize) {
    let start = out.len();
    // Four bytes a character at most: so many bytes are enough, without counting.
    let enough_bytes = enough.saturating_mul(4);
    let mut at = 0;
    while at < raw.len() && out.len() - start <= enough_bytes {
        match raw[at] {
            b'"' => at = write_string(raw, at + 1, out, enough_bytes),
            byte if is_space(byte) => at += 1,
            _ => {
                let end = until(raw, at, enough_bytes, |byte| byte == b'"' || is_space(byte));
                out.push_str(&String::from_utf8_lossy(&raw[at..end]));
                at = end;
            }
        }
    }
}

/// Writes a string whose content starts at `at`; returns where it ends, after its quote.
fn write_string(raw: &[u8], mut at: usize, out: &mut String, enough_bytes: usize) -> usize {
    let start = out.len();
    out.push('"');
    while at < raw.len() && out.len() - start <= enough_bytes {
        let end = until(raw, at, enough_bytes, |byte| byte == b'"' || byte == b'\\');
        out.push_str(&String::from_utf8_lossy(&raw[at..end]));
        at = end;
        match raw.get(end) {
            Some(b'"') => {
                at += 1;
                break;
            }
            Some(b'\\') => {
                let (letter, length) = escaped(&raw[end..]);
                write_character(letter, out);
                at += length;
            }
            _ => {}
        }
    }
    out.push('"');
    at
}

/// Where the first such byte from `at` on stands; at most about `enough` bytes on, between two
/// characters, or the end.
fn until(raw: &[u8], at: usize, enough: usize, is_end: impl Fn(u8) -> bool) -> usize {
    let mut limit = raw.len().min(at.saturating_add(enough).saturating_add(8));
    if let Some(length) = raw[at..limit].iter().position(|&byte| is_end(byte)) {
        return at + length;
    }
    while limit < raw.len() && raw[limit] & 0xC0 == 0x80 {
        limit -= 1;
    }
    limit
}

/// A character as JSON must write it.
fn write_character(letter: char, out: &mut String) {
    let short = match letter {
        '"' => '"',
        '\\' => '\\',
        '\n' => 'n',
        '\r' => 'r',
        '\t' => 't',
        '\u{8}' => 'b',
        '\u{c}' => 'f',
        '\0'..='\u{1f}' => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            let code = letter as usize;
            out.push_str("\\u00");
            out.push(DIGITS[code >> 4] as char);
            out.push(DIGITS[code & 15] as char);
            return;
        }
        _ => return out.push(letter),
    };
    out.push('\\');
    out.push(short);
}

/// The character of an escape at the start, and how many bytes the escape has.
fn escaped(raw: &[u8]) -> (char, usize) {
    let letter = match raw.get(1) {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode(raw),
        Some(&other) => other as char,
        None => char::REPLACEMENT_CHARACTER,
    };
    (letter, 2)
}

fn unicode(raw: &[u8]) -> (char, usize) {
    let high = unit(raw, 2);
    if let 0xD800..=0xDBFF = high {
        let low = unit(raw, 8);
        let code = (0x10000 + ((high - 0xD800) << 10)).wrapping_add(low.wrapping_sub(0xDC00));
        return (
            char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
            12,
        );
    }
    (
        char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER),
        6,
    )
}

/// Four hexadecimal digits.
fn unit(raw: &[u8], at: usize) -> u32 {
    let digit = |at: usize| {
        raw.get(at)
            .and_then(|&byte| (byte as char).to_digit(16))
            .unwrap_or(0)
    };
    (at..at + 4).fold(0, |code, at| (code << 4) | digit(at))
}

/// Appends the characters of a string, given what stands between its quotes.
pub fn unescape(content: &[u8], out: &mut Vec<u8>) {
    let mut rest = content;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..end]);
        let (letter, length) = escaped(&rest[end..]);
        out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        rest = rest.get(end + length..).unwrap_or(b"");
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical_of(raw: &str) -> String {
        let mut out = String::new();
        canonical(raw.as_bytes(), &mut out);
        out
    }

    fn observed(raw: &str) -> String {
        let mut out = String::from("before ");
        observe(raw.as_bytes(), &mut out);
        out.split_off(7)
    }

    #[test]
    fn canonical_text() {
        assert_eq!(
            canonical_of(r#" { "b" : [ 1.50 , "x\u0041\/\n" ] , "a":null} "#),
            r#"{"b":[1.50,"xA/\n"],"a":null}"#
        );
        assert_eq!(
            canonical_of(r#""\ud83d\ude00\u001f\u007f\\\"""#),
            "\"\u{1F600}\\u001f\u{7f}\\\\\\\"\""
        );
    }

    #[test]
    fn eighty_characters_are_shown() {
        let exact = format!("\"{}\"", "\u{e9}".repeat(78));
        assert_eq!(observed(&exact), exact);
        for count in [79, 80, 81, 5000] {
            let long = format!("\"{}\"", "\u{1F600}".repeat(count));
            assert_eq!(observed(&long), format!("\"{}...", "\u{1F600}".repeat(76)));
        }
        let escapes = format!("[\"{}\"]", "\\u0001".repeat(40));
        assert_eq!(observed(&escapes).chars().count(), 80);
        assert_eq!(
            observed(&"9".repeat(10_000)),
            format!("{}...", "9".repeat(77))
        );
        assert_eq!(observed(" [ 1 ] "), "[1]");
    }

    #[test]
    fn strings_without_escapes() {
        let mut out = Vec::new();
        unescape(br#"a\u00e9\ud83d\ude00\t/\/"#, &mut out);
        assert_eq!(out, "a\u{e9}\u{1F600}\t//".as_bytes());
    }
}
