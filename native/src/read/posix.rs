//! The rule of a zone after its last transition: the TZ string of POSIX, as `zoneinfo` reads it.

use super::digits::{days_before_year, days_in_month};

/// Two offsets in seconds east of UTC, and when in a year they change.
#[derive(Debug, PartialEq)]
pub struct Rule {
    pub standard: i64,
    summer: i64,
    start: When,
    end: When,
}

/// A moment of every year, on the wall clock before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct When {
    day: Day,
    seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Day {
    /// There is no summer time.
    Never,
    /// Week (5 is the last) and weekday (0 is Sunday) of a month.
    OfMonth(u32, i64, i64),
}

const NEVER: When = When {
    day: Day::Never,
    seconds: 0,
};

impl Rule {
    /// The rule; None for what is none, or is unusual.
    pub fn parse(text: &str) -> Option<Self> {
        let rest = after_name(text)?;
        let (west, rest) = offset(rest)?;
        let standard = -west;
        if rest.is_empty() {
            return Some(Self {
                standard,
                summer: standard,
                start: NEVER,
                end: NEVER,
            });
        }
        let rest = after_name(rest)?;
        let (summer, rest) = match offset(rest) {
            Some((west, rest)) => (-west, rest),
            None => (standard + 3600, rest),
        };
        let (start, end) = rest.strip_prefix(',')?.split_once(',')?;
        Some(Self {
            standard,
            summer,
            start: When::parse(start)?,
            end: When::parse(end)?,
        })
    }

    pub fn is_fixed(&self) -> bool {
        self.start.day == Day::Never
    }

    fn difference(&self) -> i64 {
        self.summer - self.standard
    }

    /// The offset where the wall clock shows `seconds` since 1970 in `year`.
    pub fn at_wall(&self, seconds: i64, year: i64, fold: usize) -> i64 {
        let (mut start, mut end) = (self.start.in_year(year), self.end.in_year(year));
        if (fold == 1) == (self.difference() >= 0) {
            end -= self.difference();
        } else {
            start += self.difference();
        }
        self.between(seconds, start, end)
    }

    /// The offset at `seconds` of UTC since 1970 in `year` of UTC.
    pub fn at_utc(&self, seconds: i64, year: i64) -> i64 {
        let start = self.start.in_year(year) - self.standard;
        let end = self.end.in_year(year) - self.summer;
        self.between(seconds, start, end)
    }

    fn between(&self, seconds: i64, start: i64, end: i64) -> i64 {
        let is_summer = if start < end {
            start <= seconds && seconds < end
        } else {
            !(end <= seconds && seconds < start)
        };
        if is_summer {
            self.summer
        } else {
            self.standard
        }
    }
}

impl When {
    fn parse(text: &str) -> Option<Self> {
        let (date, time) = text.split_once('/').unwrap_or((text, "2"));
        // The other forms, days of the year, no zone has, and readers differ on them.
        let parts: Option<Vec<i64>> = date
            .strip_prefix('M')?
            .split('.')
            .map(|part| part.parse().ok())
            .collect();
        let day = match parts?.as_slice() {
            &[month @ 1..=12, week @ 1..=5, weekday @ 0..=6] => {
                Day::OfMonth(month as u32, week, weekday)
            }
            _ => return None,
        };
        let mut parts = time.split(':').map(|part| part.parse::<i64>().ok());
        let (hours, minutes, seconds) = (
            parts.next()??,
            parts.next().unwrap_or(Some(0))?,
            parts.next().unwrap_or(Some(0))?,
        );
        // Readers differ on minutes below zero hours; no zone has them.
        if parts.next().is_some() || (hours < 0 && (minutes, seconds) != (0, 0)) {
            return None;
        }
        Some(Self {
            day,
            seconds: hours * 3600 + minutes * 60 + seconds,
        })
    }

    fn in_year(&self, year: i64) -> i64 {
        let first = days_before_year(year);
        let days = match self.day {
            Day::Never => 0,
            Day::OfMonth(month, week, weekday) => {
                let of_month = (1..month)
                    .map(|month| i64::from(days_in_month(year, month)))
                    .sum::<i64>();
                let start = first + of_month;
                let start_weekday = (start + 4).rem_euclid(7); // 1970-01-01 was a Thursday, 4
                let mut day = (weekday - start_weekday).rem_euclid(7) + (week - 1) * 7;
                if day >= i64::from(days_in_month(year, month)) {
                    day -= 7;
                }
                start + day
            }
        };
        days * 86_400 + self.seconds
    }
}

/// What follows a name: letters, or anything in angle brackets.
fn after_name(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
    (rest.len() < text.len()).then_some(rest)
}

/// Seconds of `[+-]hh[:mm[:ss]]` at the start, and what follows.
fn offset(text: &str) -> Option<(i64, &str)> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits
        .find(|letter: char| letter != ':' && !letter.is_ascii_digit())
        .unwrap_or(digits.len());
    let (digits, rest) = digits.split_at(end);
    let mut seconds = 0;
    for (unit, part) in [3600, 60, 1].iter().zip(digits.split(':')) {
        seconds += unit * part.parse::<i64>().ok()?;
    }
    (digits.split(':').count() <= 3).then_some((if negative { -seconds } else { seconds }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vienna() {
        let rule = Rule::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-03-29 01:00 UTC and 2026-10-25 01:00 UTC
        for (seconds, offset) in [
            (1_774_745_999, 3600),
            (1_774_746_000, 7200),
            (1_792_889_999, 7200),
            (1_792_890_000, 3600),
        ] {
            assert_eq!(rule.at_utc(seconds, 2026), offset);
        }
    }

    #[test]
    fn other_forms() {
        assert!(Rule::parse("UTC0").unwrap().is_fixed());
        assert_eq!(Rule::parse("<+0530>-5:30").unwrap().standard, 19_800);
        assert!(Rule::parse("<-02>2<-01>,M3.5.0/-1,M10.5.0/0").is_some());
        assert!(Rule::parse("CET-1CEST").is_none());
        assert!(Rule::parse("").is_none());
    }
}
