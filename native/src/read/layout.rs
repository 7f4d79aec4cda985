//! Dates and times in a declared `format`: the JDK letters of `contract/temporal_format.py`.
//!
//! The format was checked when the contract was loaded. Reading tries the alternatives of a letter
//! in the order its expression has them, and the first that lets the rest match counts.

use super::digits::{clock, day, digit, fraction, in_range, offset, DAY_US};
use super::zone::Zone;
use super::Miss;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// A compiled format.
#[derive(Debug)]
pub struct Layout {
    kind: Kind,
    parts: Vec<Part>,
    zone: Option<Zone>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Date,
    Time,
    Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(Vec<u8>),
    /// A number of exactly so many digits.
    Fixed(Field, usize),
    /// Two digits of a year 2000 to 2099.
    ShortYear,
    /// One digit, or two of which the first is not 0: two first, as `[1-9][0-9]?`.
    Positive(Field),
    /// The same, or 0: one first, as `[0-9]|[1-9][0-9]`.
    Loose(Field),
    Fraction(usize),
    /// A name, cut to three letters or in full.
    MonthName(bool),
    Weekday(bool),
    Half,
    Offset(OffsetForm),
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct OffsetForm {
    /// `Z` is read.
    zulu: bool,
    /// `UTC` and `GMT` are read.
    names: bool,
    minutes: Minutes,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Minutes {
    Optional,
    Plain,
    Colon,
    OptionalColon,
}

/// What the parts of a text said.
#[derive(Clone, Copy, Default)]
struct Found {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    hour12: Option<u32>,
    afternoon: bool,
    minute: u32,
    second: u32,
    micros: u32,
    weekday: Option<u8>,
    offset: (bool, u32, u32),
}

impl Layout {
    /// The reader of a checked format; None for one that holds anything unknown.
    pub fn compile(source: &str, kind: &str, zone: Option<Zone>) -> Option<Self> {
        let kind = match kind {
            "date" => Kind::Date,
            "time" => Kind::Time,
            "timestamp" => Kind::Timestamp,
            _ => return None,
        };
        let (parts, ends_in_z) = tokenize(source)?;
        let zoned = ends_in_z || parts.iter().any(|part| matches!(part, Part::Offset(_)));
        if kind == Kind::Timestamp && !zoned && zone.is_none() {
            // Without a zone it is read in UTC.
            return Some(Self {
                kind,
                parts,
                zone: Some(Zone::utc()),
            });
        }
        Some(Self {
            kind,
            parts,
            zone: if zoned { None } else { zone },
        })
    }

    /// The value of a text.
    pub fn read(&self, text: &[u8]) -> Result<i64, Miss> {
        let mut found = Found::default();
        if !match_parts(&self.parts, text, &mut found) {
            return Err(Miss::Format);
        }
        match self.kind {
            Kind::Date => found.days(),
            Kind::Time => found.micros_of_day(),
            Kind::Timestamp => {
                let of_day = found.micros_of_day()?;
                let wall = found.days()? * DAY_US + of_day;
                match &self.zone {
                    Some(zone) => zone.to_utc(wall),
                    None => {
                        let (negative, hours, minutes) = found.offset;
                        in_range(wall - offset(negative, hours, minutes)?)
                    }
                }
            }
        }
    }
}

impl Found {
    fn set(&mut self, field: Field, value: u32) {
        match field {
            Field::Year => self.year = value,
            Field::Month => self.month = value,
            Field::Day => self.day = value,
            Field::Hour => self.hour = value,
            Field::Hour12 => self.hour12 = Some(value),
            Field::Minute => self.minute = value,
            Field::Second => self.second = value,
        }
    }

    fn days(&self) -> Result<i64, Miss> {
        let days = day(self.year, self.month, self.day)?;
        let actual = (days + 3).rem_euclid(7) as u8; // 1970-01-01 was a Thursday
        match self.weekday {
            Some(said) if said != actual => Err(Miss::weekday(actual)),
            _ => Ok(days),
        }
    }

    fn micros_of_day(&self) -> Result<i64, Miss> {
        let hour = match self.hour12 {
            Some(twelfth) if !(1..=12).contains(&twelfth) => return Err(Miss::HalfDay),
            Some(twelfth) => twelfth % 12 + if self.afternoon { 12 } else { 0 },
            None => self.hour,
        };
        clock(hour, self.minute, self.second, self.micros)
    }
}

/// The parts, and whether they end in a quoted `Z` right after the time.
fn tokenize(source: &str) -> Option<(Vec<Part>, bool)> {
    let mut parts: Vec<Part> = Vec::new();
    let mut ends_in_z = false;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        ends_in_z = false;
        let length = if first == '\'' {
            let (text, length) = quoted(rest)?;
            let after_time = matches!(parts.last(), Some(Part::Fraction(_)))
                || matches!(
                    parts.last(),
                    Some(Part::Fixed(Field::Second, _) | Part::Loose(Field::Second))
                );
            ends_in_z = text == "Z" && after_time;
            parts.push(Part::Text(text.into_bytes()));
            length
        } else if first.is_ascii_alphabetic() && first != 'T' {
            let length = rest.len() - rest.trim_start_matches(first).len();
            parts.push(letters(&rest[..length])?);
            length
        } else {
            let length = first.len_utf8();
            parts.push(Part::Text(rest.as_bytes()[..length].to_vec()));
            length
        };
        rest = &rest[length..];
    }
    Some((parts, ends_in_z))
}

/// The text of a quoted piece at the start, and how long the piece is.
fn quoted(source: &str) -> Option<(String, usize)> {
    if source.starts_with("''") {
        return Some(("'".to_owned(), 2));
    }
    let mut text = String::new();
    let mut rest = &source[1..];
    loop {
        let end = rest.find('\'')?;
        text.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('\'') {
            Some(more) => {
                text.push('\'');
                rest = more;
            }
            None => return Some((text, source.len() - rest.len())),
        }
    }
}

fn letters(run: &str) -> Option<Part> {
    let offset = |zulu, names, minutes| {
        Part::Offset(OffsetForm {
            zulu,
            names,
            minutes,
        })
    };
    Some(match run {
        "yyyy" | "uuuu" | "YYYY" => Part::Fixed(Field::Year, 4),
        "yy" => Part::ShortYear,
        "MM" => Part::Fixed(Field::Month, 2),
        "M" => Part::Positive(Field::Month),
        "MMM" => Part::MonthName(false),
        "MMMM" => Part::MonthName(true),
        "dd" | "DD" => Part::Fixed(Field::Day, 2),
        "d" => Part::Positive(Field::Day),
        "E" | "EE" | "EEE" => Part::Weekday(false),
        "EEEE" => Part::Weekday(true),
        "HH" => Part::Fixed(Field::Hour, 2),
        "H" => Part::Loose(Field::Hour),
        "hh" => Part::Fixed(Field::Hour12, 2),
        "h" => Part::Positive(Field::Hour12),
        "a" => Part::Half,
        "mm" => Part::Fixed(Field::Minute, 2),
        "m" => Part::Loose(Field::Minute),
        "ss" => Part::Fixed(Field::Second, 2),
        "s" => Part::Loose(Field::Second),
        "X" => offset(true, false, Minutes::Optional),
        "XX" => offset(true, false, Minutes::Plain),
        "XXX" => offset(true, false, Minutes::Colon),
        "x" => offset(false, false, Minutes::Optional),
        "xx" => offset(false, false, Minutes::Plain),
        "xxx" => offset(false, false, Minutes::Colon),
        "Z" => offset(true, false, Minutes::OptionalColon),
        "z" => offset(true, true, Minutes::OptionalColon),
        _ if run.bytes().all(|byte| byte == b'S') && run.len() <= 9 => Part::Fraction(run.len()),
        _ => return None,
    })
}

/// Whether the parts match the whole text; `found` is then what they said.
fn match_parts(parts: &[Part], text: &[u8], found: &mut Found) -> bool {
    let Some((part, others)) = parts.split_first() else {
        return text.is_empty();
    };
    match part {
        Part::Text(literal) => match text.strip_prefix(literal.as_slice()) {
            Some(rest) => match_parts(others, rest, found),
            None => false,
        },
        Part::Fixed(field, length) => match number(text, *length) {
            Some(value) => {
                found.set(*field, value);
                match_parts(others, &text[*length..], found)
            }
            None => false,
        },
        Part::ShortYear => match number(text, 2) {
            Some(value) => {
                found.year = 2000 + value;
                match_parts(others, &text[2..], found)
            }
            None => false,
        },
        Part::Positive(field) => try_lengths(*field, &[2, 1], 1, others, text, found),
        Part::Loose(field) => try_lengths(*field, &[1, 2], 0, others, text, found),
        Part::Fraction(length) => {
            if number(text, *length).is_none() {
                return false;
            }
            found.micros = fraction(&text[..*length]).0;
            match_parts(others, &text[*length..], found)
        }
        Part::MonthName(full) => match name(&MONTHS, *full, text) {
            Some((index, length)) => {
                found.month = index as u32 + 1;
                match_parts(others, &text[length..], found)
            }
            None => false,
        },
        Part::Weekday(full) => match name(&WEEKDAYS, *full, text) {
            Some((index, length)) => {
                found.weekday = Some(index as u8);
                match_parts(others, &text[length..], found)
            }
            None => false,
        },
        Part::Half => match text {
            [half @ (b'A' | b'a' | b'P' | b'p'), b'M' | b'm', rest @ ..] => {
                found.afternoon = half | 0x20 == b'p';
                match_parts(others, rest, found)
            }
            _ => false,
        },
        Part::Offset(form) => match_offset(*form, others, text, found),
    }
}

/// One or two digits, in the order given; the first of two is not 0, one alone at least `least`.
fn try_lengths(
    field: Field,
    lengths: &[usize],
    least: u32,
    others: &[Part],
    text: &[u8],
    found: &mut Found,
) -> bool {
    lengths.iter().any(|&length| match number(text, length) {
        Some(value) if (length == 1 && value >= least) || value >= 10 => {
            found.set(field, value);
            match_parts(others, &text[length..], found)
        }
        _ => false,
    })
}

/// `Z`, a name, or the forms of an offset, longest first where both could be.
fn match_offset(form: OffsetForm, others: &[Part], text: &[u8], found: &mut Found) -> bool {
    for (allowed, name) in [
        (form.zulu, &b"Z"[..]),
        (form.names, b"UTC"),
        (form.names, b"GMT"),
    ] {
        if let (true, Some(rest)) = (allowed, text.strip_prefix(name)) {
            found.offset = (false, 0, 0);
            if match_parts(others, rest, found) {
                return true;
            }
        }
    }
    let [sign @ (b'+' | b'-'), digits @ ..] = text else {
        return false;
    };
    let Some(hours) = number(digits, 2) else {
        return false;
    };
    let after = &digits[2..];
    let plain = number(after, 2).map(|minutes| (minutes, 2));
    let colon = after
        .strip_prefix(b":")
        .and_then(|rest| number(rest, 2))
        .map(|minutes| (minutes, 3));
    let forms = match form.minutes {
        Minutes::Optional => [plain, Some((0, 0))],
        Minutes::Plain => [plain, None],
        Minutes::Colon => [colon, None],
        Minutes::OptionalColon => [colon, plain],
    };
    forms.into_iter().flatten().any(|(minutes, length)| {
        found.offset = (*sign == b'-', hours, minutes);
        match_parts(others, &after[length..], found)
    })
}

/// The number that exactly `length` digits at the start write.
fn number(text: &[u8], length: usize) -> Option<u32> {
    let mut value = 0;
    for &byte in text.get(..length)? {
        let digit = digit(byte);
        if digit > 9 {
            return None;
        }
        value = value * 10 + digit;
    }
    Some(value)
}

fn name(names: &[&str], full: bool, text: &[u8]) -> Option<(usize, usize)> {
    names.iter().enumerate().find_map(|(index, name)| {
        let name = if full { name } else { &name[..3] };
        text.starts_with(name.as_bytes())
            .then_some((index, name.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &str, kind: &str, text: &str) -> Result<i64, Miss> {
        Layout::compile(source, kind, None)
            .unwrap()
            .read(text.as_bytes())
    }

    #[test]
    fn letters_of_the_jdk() {
        assert_eq!(read("d.M.yy", "date", "1.12.24"), Ok(20_058));
        assert_eq!(
            read("EEE, dd MMM yyyy", "date", "Thu, 29 Feb 2024"),
            Ok(19_782)
        );
        assert_eq!(read("hh:mm a", "time", "12:30 PM"), Ok(45_000_000_000));
        assert_eq!(
            read(
                "yyyy-MM-dd HH:mm:ssx",
                "timestamp",
                "1970-01-01 02:00:00+02"
            ),
            Ok(0)
        );
        assert_eq!(
            read(
                "yyyy-MM-dd'T'HH:mm:ss'Z'",
                "timestamp",
                "1970-01-01T00:00:00Z"
            ),
            Ok(0)
        );
        assert_eq!(
            read("HH 'o''clock'", "time", "01 o'clock"),
            Ok(3_600_000_000)
        );
    }

    #[test]
    fn strict() {
        assert_eq!(read("yyyy-MM-dd", "date", "2024-2-3"), Err(Miss::Format));
        assert_eq!(
            read("EEE yyyy-MM-dd", "date", "Mon 2024-02-29"),
            Err(Miss::Thursday)
        );
        assert_eq!(read("hh:mm a", "time", "13:00 PM"), Err(Miss::HalfDay));
        assert_eq!(
            read("yyyy-MM-dd HH:mmX", "timestamp", "2024-01-01 00:00+24"),
            Err(Miss::Offset)
        );
    }

    #[test]
    fn a_digit_in_the_text_is_not_eaten() {
        assert_eq!(
            read("yyyy-MM-dd H1", "timestamp", "1970-01-01 11"),
            Ok(3_600_000_000)
        );
        assert_eq!(
            read("yyyy-MM-dd H1", "timestamp", "1970-01-01 111"),
            Ok(39_600_000_000)
        );
    }
}
