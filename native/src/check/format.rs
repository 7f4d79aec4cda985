//! String formats: the bodies of `contract/string_format.py`, on bytes.
//!
//! Every format but `binary` has ASCII texts only, so a byte is a character wherever it counts.

/// One format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Uuid,
    Email,
    Uri,
    Hostname,
    Ipv4,
    Ipv6,
    Byte,
    Binary,
}

const HOSTNAME_LIMIT: usize = 253;
const EMAIL_LIMIT: usize = 254;
const LOCAL_LIMIT: usize = 64;
const LABEL_LIMIT: usize = 63;

const ALNUM: u16 = 1;
const HEX: u16 = 2;
/// Of an atom in the local part of an address.
const ATOM: u16 = 4;
/// Unreserved characters and sub-delimiters of a URI.
const URI: u16 = 8;
const BASE64: u16 = 16;
const COLON: u16 = 32;
const AT: u16 = 64;
const SLASH: u16 = 128;
const QUESTION: u16 = 256;
const PATH: u16 = URI | COLON | AT | SLASH;

const KINDS: [u16; 256] = kinds();

const fn kinds() -> [u16; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        if byte.is_ascii_alphanumeric() {
            table[at] = ALNUM | ATOM | URI | BASE64;
        }
        if byte.is_ascii_hexdigit() {
            table[at] |= HEX;
        }
        at += 1;
    }
    table = with(table, b"!#$%&'*+/=?^_`{|}~-", ATOM);
    table = with(table, b"-._~!$&'()*+,;=", URI);
    table = with(table, b"+/", BASE64);
    table = with(table, b":", COLON);
    table = with(table, b"@", AT);
    table = with(table, b"/", SLASH);
    with(table, b"?", QUESTION)
}

const fn with(mut table: [u16; 256], bytes: &[u8], kind: u16) -> [u16; 256] {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] |= kind;
        at += 1;
    }
    table
}

#[inline(always)]
fn is(byte: u8, kind: u16) -> bool {
    KINDS[usize::from(byte)] & kind != 0
}

impl Format {
    /// The format of that name; None when it is not enforced.
    pub fn compile(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "email" => Self::Email,
            "uri" => Self::Uri,
            "hostname" => Self::Hostname,
            "ipv4" => Self::Ipv4,
            "ipv6" => Self::Ipv6,
            "byte" => Self::Byte,
            "binary" => Self::Binary,
            _ => return None,
        })
    }

    /// Whether the text is in the format.
    #[inline]
    pub fn is_valid(self, text: &[u8]) -> bool {
        match self {
            Self::Uuid => is_uuid(text),
            Self::Email => is_email(text),
            Self::Uri => is_uri(text),
            Self::Hostname => is_hostname(text),
            Self::Ipv4 => is_ipv4(text),
            Self::Ipv6 => is_ipv6(text),
            Self::Byte => is_base64(text),
            Self::Binary => true,
        }
    }
}

/// Whether a byte lies in a range; without branches, so that many are compared side by side.
#[inline(always)]
fn within(byte: u8, low: u8, high: u8) -> bool {
    byte.wrapping_sub(low) <= high - low
}

fn is_uuid(text: &[u8]) -> bool {
    let Ok(mut digits) = <[u8; 36]>::try_from(text) else {
        return false;
    };
    let mut all = true;
    for at in [8, 13, 18, 23] {
        all &= digits[at] == b'-';
        digits[at] = b'0';
    }
    // 0x20 makes letters small, and of what is none no digit.
    digits.iter().fold(all, |all, &byte| {
        all & (within(byte, b'0', b'9') | within(byte | 0x20, b'a', b'f'))
    })
}

fn is_hostname(text: &[u8]) -> bool {
    if text.len() > HOSTNAME_LIMIT {
        return false;
    }
    // One pass: a label ends at a point and at the end, and neither end of it is a hyphen.
    let (mut length, mut last) = (0, b'-');
    for &byte in text {
        if byte == b'.' {
            if last == b'-' || length > LABEL_LIMIT {
                return false;
            }
            (length, last) = (0, b'-');
            continue;
        }
        if !is(byte, ALNUM) && (byte != b'-' || length == 0) {
            return false;
        }
        length += 1;
        last = byte;
    }
    last != b'-' && length <= LABEL_LIMIT
}

/// What nearly all addresses look like; those that do not may be addresses all the same.
///
/// Texts of this length are within every limit. Padded, they are compared sixteen bytes at a time.
const PLAIN: usize = 64;

fn is_plain_email(text: &[u8]) -> bool {
    let (Some(at), true) = (
        text.iter().position(|&byte| byte == b'@'),
        text.len() < PLAIN,
    ) else {
        return false;
    };
    let mut local = [b'a'; PLAIN];
    let mut domain = [b'a'; PLAIN];
    local[1..=at].copy_from_slice(&text[..at]);
    domain[..text.len() - at - 1].copy_from_slice(&text[at + 1..]);
    let alnum = |byte: u8| within(byte, b'0', b'9') | within(byte | 0x20, b'a', b'z');
    let of_local =
        |byte: u8| alnum(byte) | (byte == b'.') | (byte == b'_') | (byte == b'-') | (byte == b'+');
    let of_domain = |byte: u8| alnum(byte) | (byte == b'.') | (byte == b'-');
    let all_local = local.iter().fold(true, |all, &byte| all & of_local(byte));
    let all_domain = domain.iter().fold(true, |all, &byte| all & of_domain(byte));
    // No label and no atom is empty, no label begins or ends with a hyphen.
    let is_edge = |byte: u8| (byte == b'.') | (byte == b'-') | (byte == b'@');
    let loose = text
        .iter()
        .zip(&text[1..])
        .fold(false, |bad, (&one, &other)| {
            bad | (is_edge(one) & is_edge(other))
        });
    let ends = is_edge(text[0]) | is_edge(text[text.len() - 1]);
    all_local & all_domain & !loose & !ends
}

fn is_email(text: &[u8]) -> bool {
    is_plain_email(text) || is_mailbox(text)
}

/// A mailbox in full.
fn is_mailbox(text: &[u8]) -> bool {
    let Some(at) = text.iter().rposition(|&byte| byte == b'@') else {
        return false;
    };
    let (local, domain) = (&text[..at], &text[at + 1..]);
    if text.len() > EMAIL_LIMIT || !(1..=LOCAL_LIMIT).contains(&local.len()) {
        return false;
    }
    if !is_dot_string(local) && !is_quoted_string(local) {
        return false;
    }
    match domain {
        [b'[', literal @ .., b']'] => match literal.split_first_chunk::<5>() {
            Some((tag, address)) if tag.eq_ignore_ascii_case(b"IPv6:") => is_ipv6(address),
            _ => is_ipv4(literal),
        },
        _ => is_hostname(domain),
    }
}

fn is_dot_string(local: &[u8]) -> bool {
    let mut after_point = true;
    for &byte in local {
        if byte == b'.' {
            if after_point {
                return false;
            }
            after_point = true;
        } else if is(byte, ATOM) {
            after_point = false;
        } else {
            return false;
        }
    }
    !after_point
}

fn is_quoted_string(local: &[u8]) -> bool {
    let [b'"', inner @ .., b'"'] = local else {
        return false;
    };
    let mut escaped = false;
    for &byte in inner {
        if !(b' '..=b'~').contains(&byte) || (byte == b'"' && !escaped) {
            return false;
        }
        escaped = byte == b'\\' && !escaped;
    }
    !escaped
}

fn is_uri(text: &[u8]) -> bool {
    let Some((scheme, rest)) = cut(text, b':') else {
        return false;
    };
    let is_scheme = scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme
            .iter()
            .all(|&byte| is(byte, ALNUM) || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return false;
    }
    let (rest, fragment) = cut(rest, b'#').unwrap_or((rest, b""));
    let (rest, query) = cut(rest, b'?').unwrap_or((rest, b""));
    if !is_escaped(fragment, PATH | QUESTION) || !is_escaped(query, PATH | QUESTION) {
        return false;
    }
    match rest {
        [b'/', b'/', hierarchy @ ..] => {
            let end = hierarchy
                .iter()
                .position(|&byte| byte == b'/')
                .unwrap_or(hierarchy.len());
            is_authority(&hierarchy[..end]) && is_escaped(&hierarchy[end..], PATH)
        }
        _ => is_escaped(rest, PATH),
    }
}

/// What stands before and after the first such byte.
fn cut(text: &[u8], mark: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&byte| byte == mark)?;
    Some((&text[..at], &text[at + 1..]))
}

fn is_authority(authority: &[u8]) -> bool {
    let at = authority.iter().rposition(|&byte| byte == b'@');
    let (user, host) = match at {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&b""[..], authority),
    };
    if !is_escaped(user, URI | COLON) {
        return false;
    }
    if let [b'[', bracketed @ ..] = host {
        return match cut(bracketed, b']') {
            Some((literal, b"")) => is_ip_literal(literal),
            Some((literal, [b':', port @ ..])) => is_ip_literal(literal) && is_port(port),
            _ => false,
        };
    }
    let (name, port) = cut(host, b':').unwrap_or((host, b""));
    is_escaped(name, URI) && is_port(port)
}

fn is_port(port: &[u8]) -> bool {
    port.iter().all(u8::is_ascii_digit)
}

fn is_ip_literal(literal: &[u8]) -> bool {
    match literal {
        [b'v' | b'V', rest @ ..] => cut(rest, b'.').is_some_and(|(version, address)| {
            !version.is_empty()
                && !address.is_empty()
                && version.iter().all(|&byte| is(byte, HEX))
                && address.iter().all(|&byte| is(byte, URI | COLON))
        }),
        _ => is_ipv6(literal),
    }
}

/// Only characters of these kinds, and `%` with two hexadecimal digits.
fn is_escaped(text: &[u8], kinds: u16) -> bool {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if is(byte, kinds) {
            at += 1;
            continue;
        }
        match text[at..] {
            [b'%', high, low, ..] if is(high, HEX) && is(low, HEX) => at += 3,
            _ => return false,
        }
    }
    true
}

fn is_ipv4(text: &[u8]) -> bool {
    let mut numbers = 0;
    for number in text.split(|&byte| byte == b'.') {
        numbers += 1;
        let small = match number {
            [digit] => digit.is_ascii_digit(),
            [b'1'..=b'9', digit] => digit.is_ascii_digit(),
            [b'1', tens, ones] => tens.is_ascii_digit() && ones.is_ascii_digit(),
            [b'2', b'0'..=b'4', ones] => ones.is_ascii_digit(),
            [b'2', b'5', b'0'..=b'5'] => true,
            _ => false,
        };
        if !small {
            return false;
        }
    }
    numbers == 4
}

/// The groups before and after `::`, and what a last IPv4 address stands for.
fn is_ipv6(text: &[u8]) -> bool {
    let (head, tail) = match text.windows(2).position(|pair| pair == b"::") {
        Some(at) => (&text[..at], Some(&text[at + 2..])),
        None => (text, None),
    };
    let Some(tail) = tail else {
        return groups(head, true) == Some(8);
    };
    // "::" stands for at least one group; it stands once.
    match (groups(head, false), groups(tail, true)) {
        (Some(before), Some(after)) => before + after <= 7,
        _ => false,
    }
}

/// How many groups of 16 bits the text is, the last two perhaps as an IPv4 address; 0 for no text.
fn groups(text: &[u8], may_end_in_ipv4: bool) -> Option<usize> {
    if text.is_empty() {
        return Some(0);
    }
    let mut count = 0;
    let mut parts = text.split(|&byte| byte == b':').peekable();
    while let Some(part) = parts.next() {
        let is_last = parts.peek().is_none();
        if (1..=4).contains(&part.len()) && part.iter().all(|&byte| is(byte, HEX)) {
            count += 1;
        } else if is_last && may_end_in_ipv4 && is_ipv4(part) {
            count += 2;
        } else {
            return None;
        }
    }
    Some(count)
}

fn is_base64(text: &[u8]) -> bool {
    if text.len() % 4 != 0 {
        return false;
    }
    // The bits of the last character that pad the octets are zero.
    let (body, is_canonical) = match text {
        [body @ .., last, b'=', b'='] => (body, matches!(last, b'A' | b'Q' | b'g' | b'w')),
        [body @ .., last, b'='] => (body, b"AEIMQUYcgkosw048".contains(last)),
        _ => (text, true),
    };
    is_canonical && body.iter().fold(true, |all, &byte| all & is(byte, BASE64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: Format, valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(format.is_valid(text.as_bytes()), "{format:?} {text}");
        }
        for text in invalid {
            assert!(!format.is_valid(text.as_bytes()), "{format:?} {text}");
        }
    }

    #[test]
    fn names_and_addresses() {
        all(
            Format::Hostname,
            &["a", "3com.com", "a-b.c"],
            &["", "a.", ".a", "-a", "a-", "a_b", "a..b", "a.-b"],
        );
        all(
            Format::Email,
            &[
                "a@b",
                "first.last+tag@example.com",
                "\"a\\\"b@c\"@d",
                "x@[127.0.0.1]",
                "x@[IPV6:::1]",
            ],
            &[
                "",
                "a",
                "@b",
                "a@",
                "a..b@c",
                ".a@b",
                "a@b.",
                "a b@c",
                "a@[::1]",
                "\"a\"b\"@c",
                "\"@c",
            ],
        );
        all(
            Format::Ipv4,
            &["0.0.0.0", "255.255.255.255"],
            &["1.2.3", "256.1.1.1", "01.2.3.4", "1.2.3.4.5", ""],
        );
        all(
            Format::Ipv6,
            &[
                "::",
                "::1",
                "1::",
                "1:2:3:4:5:6:7:8",
                "1:2:3:4:5:6:7::",
                "::FFFF:129.144.52.38",
                "1:2:3:4:5:6:1.2.3.4",
            ],
            &[
                "",
                ":",
                ":::",
                "1::2::3",
                "12345::",
                "::1.2.3",
                "1.2.3.4",
                "1:2:3:4:5:6:7:8::",
                "1.2.3.4::1",
                "1:::2",
            ],
        );
    }

    #[test]
    fn plain_addresses_are_the_usual_ones() {
        let plain = |text: &str| is_plain_email(text.as_bytes());
        assert!(plain("first.last+tag@mail.example.com") && plain("a_b@x-y.z"));
        for text in [
            "a.@b", "a@.b", "a@b.", "a@-b", "a@b_c", "a@b@c", "@b", "a@", "a", "", "a b@c",
            "a@b-.c",
        ] {
            assert!(!plain(text), "{text}");
        }
        assert!(!plain(&format!("{}@b", "a".repeat(64))));
    }

    #[test]
    fn identifiers_and_octets() {
        all(
            Format::Uuid,
            &["123e4567-e89b-12d3-a456-426614174000"],
            &["123e4567e89b12d3a456426614174000", ""],
        );
        all(
            Format::Byte,
            &["", "Zg==", "Zm8=", "Zm9v", "+/+/"],
            &["Zg", "Zh==", "Zm9=", "====", "Z===", "A=AA"],
        );
        all(
            Format::Uri,
            &[
                "x:",
                "http://u:p@h:80?q#f%20",
                "a://[v1.x:y]:1",
                "ldap://[2001:db8::7]/c?o?e",
                "x://",
                "a:/b//c",
            ],
            &[
                "",
                "a",
                "1a:b",
                "http://a b",
                "a:%2",
                "a:%zz",
                "http://[::1",
                "a:^",
                "a:b#c#d",
                "x://[::1]9",
            ],
        );
        all(Format::Binary, &["", "anything"], &[]);
    }
}
