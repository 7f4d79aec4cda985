//! Dates, times and timestamps as text: the default forms of `contract/temporal.py`.

use serde_json::Value;

use super::digits::{clock, day, digit, fraction, in_range, offset, pair, DAY_US};
use super::layout::Layout;
use super::zone::Zone;
use super::Miss;

/// Reads one temporal type: days since 1970 for a date, microseconds of the day for a time,
/// microseconds since 1970 in UTC for a timestamp.
#[derive(Debug)]
pub enum TemporalReader {
    Date,
    Time,
    /// RFC 3339 with a zone.
    Timestamp,
    /// The same without a zone, read in this one.
    Local(Zone),
    /// As a declared format says.
    Declared(Box<Layout>),
}

impl TemporalReader {
    /// The reader of a `kind` of `date`, `time` or `timestamp`; None when it is not covered.
    ///
    /// `zone` is where a timestamp without one is local.
    fn compile(kind: &str, format: Option<&str>, zone: Option<Zone>) -> Option<Self> {
        if let Some(source) = format {
            return Layout::compile(source, kind, zone)
                .map(|layout| Self::Declared(Box::new(layout)));
        }
        match (kind, zone) {
            ("date", _) => Some(Self::Date),
            ("time", _) => Some(Self::Time),
            ("timestamp", None) => Some(Self::Timestamp),
            ("timestamp", Some(zone)) => Some(Self::Local(zone)),
            _ => None,
        }
    }

    /// The reader of what `native_bound.reader_plan` says.
    pub fn from_plan(plan: &Value) -> Option<Self> {
        let zone = match plan.get("tzif").and_then(Value::as_str) {
            Some(data) => Some(Zone::from_hex(data)?),
            None => None,
        };
        let format = plan.get("format").and_then(Value::as_str);
        Self::compile(plan.get("type")?.as_str()?, format, zone)
    }

    /// The value of `text`.
    #[inline]
    pub fn read(&self, text: &str) -> Result<i64, Miss> {
        let bytes = text.as_bytes();
        match self {
            Self::Timestamp => timestamp(bytes),
            Self::Date => date(bytes),
            Self::Time => time(bytes),
            Self::Local(zone) => local(bytes, zone),
            Self::Declared(layout) => layout.read(bytes),
        }
    }
}

fn date(text: &[u8]) -> Result<i64, Miss> {
    if text.len() != 10 {
        return Err(Miss::Format);
    }
    let (year, month, of_month) = calendar(text).ok_or(Miss::Format)?;
    day(year, month, of_month)
}

/// Year, month and day of `YYYY-MM-DD` at the start of ten bytes or more.
#[inline(always)]
fn calendar(text: &[u8]) -> Option<(u32, u32, u32)> {
    let text: &[u8; 10] = text.first_chunk()?;
    let digits = [0, 1, 2, 3, 5, 6, 8, 9].map(|at: usize| digit(text[at]));
    let bad = digits.iter().fold(false, |bad, &value| bad | (value > 9));
    if bad | (text[4] != b'-') | (text[7] != b'-') {
        return None;
    }
    let [y, yy, yyy, yyyy, m, mm, d, dd] = digits;
    Some((
        y * 1000 + yy * 100 + yyy * 10 + yyyy,
        m * 10 + mm,
        d * 10 + dd,
    ))
}

/// Hour, minute, second and microsecond.
type ClockFace = (u32, u32, u32, u32);

/// The clock face of `HH:MM:SS[.f]`, and what follows.
#[inline(always)]
fn clock_face(text: &[u8]) -> Option<(ClockFace, &[u8])> {
    let face: &[u8; 8] = text.first_chunk()?;
    let digits = [0, 1, 3, 4, 6, 7].map(|at: usize| digit(face[at]));
    let bad = digits.iter().fold(false, |bad, &value| bad | (value > 9));
    if bad | (face[2] != b':') | (face[5] != b':') {
        return None;
    }
    let [h, hh, m, mm, s, ss] = digits;
    let mut rest = &text[8..];
    let mut micros = 0;
    if let [b'.', finer @ ..] = rest {
        let (value, length) = fraction(finer);
        if length > 0 {
            micros = value;
            rest = &finer[length..];
        }
    }
    Some(((h * 10 + hh, m * 10 + mm, s * 10 + ss, micros), rest))
}

fn time(text: &[u8]) -> Result<i64, Miss> {
    match clock_face(text) {
        Some(((hour, minute, second, micros), [])) => clock(hour, minute, second, micros),
        _ => Err(Miss::Format),
    }
}

/// A date-time, whose parts need not be in range yet.
struct DateTime<'a> {
    date: (u32, u32, u32),
    time: ClockFace,
    zone: &'a [u8],
}

impl DateTime<'_> {
    /// Microseconds since 1970 on its own clock.
    #[inline(always)]
    fn wall(&self) -> Result<i64, Miss> {
        let days = day(self.date.0, self.date.1, self.date.2)?;
        let (hour, minute, second, micros) = self.time;
        Ok(days * DAY_US + clock(hour, minute, second, micros)?)
    }
}

#[inline(always)]
fn date_time(text: &[u8]) -> Option<DateTime<'_>> {
    let date = calendar(text)?;
    if text.get(10)? | 0x20 != b't' {
        return None;
    }
    let (time, zone) = clock_face(&text[11..])?;
    Some(DateTime { date, time, zone })
}

/// What follows the time.
enum ZoneText {
    Absent,
    Utc,
    Offset(bool, u32, u32),
}

#[inline(always)]
fn zone_text(text: &[u8]) -> Option<ZoneText> {
    match text {
        [] => Some(ZoneText::Absent),
        [b'Z' | b'z'] => Some(ZoneText::Utc),
        [sign @ (b'+' | b'-'), hours @ .., b':', _, _] if hours.len() == 2 => Some(
            ZoneText::Offset(*sign == b'-', pair(hours)?, pair(&text[4..])?),
        ),
        _ => None,
    }
}

fn timestamp(text: &[u8]) -> Result<i64, Miss> {
    let read = date_time(text).ok_or(Miss::Format)?;
    let east = match zone_text(read.zone).ok_or(Miss::Format)? {
        ZoneText::Utc => 0,
        ZoneText::Offset(negative, hours, minutes) => offset(negative, hours, minutes)?,
        ZoneText::Absent => return Err(Miss::Zone),
    };
    in_range(read.wall()? - east)
}

fn local(text: &[u8], zone: &Zone) -> Result<i64, Miss> {
    let read = date_time(text).ok_or(Miss::Format)?;
    match zone_text(read.zone).ok_or(Miss::Format)? {
        ZoneText::Absent => zone.to_utc(read.wall()?),
        _ => Err(Miss::Zone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Result<i64, Miss> {
        TemporalReader::Timestamp.read(text)
    }

    #[test]
    fn timestamps() {
        assert_eq!(at("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(at("1970-01-01t00:00:00.1234569z"), Ok(123_456));
        assert_eq!(at("1970-01-01T00:20:00+00:20"), Ok(0));
        assert_eq!(at("0001-01-01T00:00:00Z"), Ok(super::super::digits::MIN_US));
        assert_eq!(
            at("9999-12-31T23:59:59.9999999Z"),
            Ok(super::super::digits::MAX_US)
        );
    }

    #[test]
    fn what_is_no_timestamp() {
        for (text, miss) in [
            ("2024-01-01 00:00:00Z", Miss::Format),
            ("2024-01-01T00:00:00", Miss::Zone),
            ("2024-01-01T00:00:00.Z", Miss::Format),
            ("2024-01-01T00:00:00.", Miss::Format),
            ("2024-01-01T00:00:00+0200", Miss::Format),
            ("2024-01-01T00:00:00+24:00", Miss::Offset),
            ("2024-99-01T99:00:00+24:00", Miss::Offset),
            ("2024-99-01T99:00:00Z", Miss::Day),
            ("2024-01-01T24:00:00Z", Miss::Clock),
            ("2016-12-31T23:59:60Z", Miss::LeapSecond),
            ("0001-01-01T00:00:00+00:01", Miss::Year),
            ("9999-12-31T23:59:59-00:01", Miss::Year),
            ("", Miss::Format),
            ("2024-01-01T00:00:0é", Miss::Format),
        ] {
            assert_eq!(at(text), Err(miss), "{text}");
        }
    }

    #[test]
    fn dates_and_times() {
        assert_eq!(date(b"1970-01-02"), Ok(1));
        assert_eq!(date(b"1970-01-02 "), Err(Miss::Format));
        assert_eq!(time(b"00:00:01.5"), Ok(1_500_000));
        assert_eq!(time(b"00:00:01."), Err(Miss::Format));
        assert_eq!(time(b"24:00:00"), Err(Miss::Clock));
    }
}
