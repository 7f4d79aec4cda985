//! JSONPath (RFC 9535) as failures and unknown fields write it, and JSON text of a string.

use std::fmt::Write;

/// Append the step to a member: `.a`, or `['a b']` where the shorthand does not do.
pub fn write_child(name: &str, out: &mut String) {
    if is_shorthand(name) {
        out.push('.');
        out.push_str(name);
        return;
    }
    out.push_str("['");
    for character in name.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '\0'..='\x1f' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push_str("']");
}

/// How many bytes [`write_child`] appends.
pub fn child_size(name: &str) -> usize {
    if is_shorthand(name) {
        return name.len() + 1;
    }
    let escaped = name.bytes().map(|byte| match byte {
        b'\\' | b'\'' => 2,
        0..=0x1f => 6,
        _ => 1,
    });
    escaped.sum::<usize>() + 4
}

fn is_shorthand(name: &str) -> bool {
    let is_start = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80;
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|&byte| is_start(byte))
        && bytes
            .iter()
            .all(|&byte| is_start(byte) || byte.is_ascii_digit())
}

/// Append the text as JSON, with nothing escaped that need not be.
pub fn write_quoted(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\x1f' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::{child_size, write_child, write_quoted};

    #[test]
    fn names_that_need_it_are_quoted() {
        let cases = [
            ("a", ".a"),
            ("_1", "._1"),
            ("straße", ".straße"),
            ("1a", "['1a']"),
            ("", "['']"),
            ("it's \\", "['it\\'s \\\\']"),
            ("\n", "['\\u000a']"),
            ("\u{7f}", "['\u{7f}']"),
        ];
        for (name, expected) in cases {
            let mut found = String::new();
            write_child(name, &mut found);
            assert_eq!(found, expected);
            assert_eq!(child_size(name), expected.len());
        }
    }

    #[test]
    fn only_what_json_wants_escaped_is() {
        let mut found = String::new();
        write_quoted("a\"\\/\u{8}\u{1f}\u{7f}é", &mut found);
        assert_eq!(found, "\"a\\\"\\\\/\\b\\u001f\u{7f}é\"");
    }
}
