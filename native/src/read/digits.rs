//! ASCII digits and the proleptic Gregorian calendar.

use super::Miss;

pub const DAY_US: i64 = 86_400_000_000;
/// 0001-01-01 and 9999-12-31 in days since 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;
pub const MIN_US: i64 = FIRST_DAY * DAY_US;
pub const MAX_US: i64 = LAST_DAY * DAY_US + DAY_US - 1;

/// The value of a digit; 10 or more for any other byte.
#[inline(always)]
pub fn digit(byte: u8) -> u32 {
    u32::from(byte.wrapping_sub(b'0'))
}

/// The number that two digits write; None for anything else.
#[inline(always)]
pub fn pair(bytes: &[u8]) -> Option<u32> {
    let (tens, ones) = (digit(bytes[0]), digit(bytes[1]));
    (tens < 10 && ones < 10).then_some(tens * 10 + ones)
}

/// Microseconds of the digits after a point, and how many digits there are: all of them are read,
/// the first six count.
#[inline]
pub fn fraction(bytes: &[u8]) -> (u32, usize) {
    let mut micros = 0;
    let mut length = 0;
    for &byte in bytes {
        let value = digit(byte);
        if value > 9 {
            break;
        }
        if length < 6 {
            micros = micros * 10 + value;
        }
        length += 1;
    }
    for _ in length..6 {
        micros *= 10;
    }
    (micros, length)
}

/// Days from the first of March to the day before the first of a month.
const SINCE_MARCH: [u32; 13] = [0, 306, 337, 0, 31, 61, 92, 122, 153, 184, 214, 245, 275];
/// 1970-01-01, so counted; the last of February of the year 0 is 0.
const DAYS_TO_MARCH: i64 = 719_469;
const IN_MONTH: [u32; 13] = [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub fn days_in_month(year: i64, month: u32) -> u32 {
    IN_MONTH[month as usize] + u32::from(month == 2 && is_leap(year))
}

/// Days from 1970-01-01 to the first of January.
pub fn days_before_year(year: i64) -> i64 {
    let past = year - 1;
    past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400) + FIRST_DAY
}

/// Days since 1970-01-01 of a day of the calendar, years 0001 to 9999.
#[inline]
pub fn day(year: u32, month: u32, day: u32) -> Result<i64, Miss> {
    if year == 0 || year > 9999 || month.wrapping_sub(1) > 11 || day == 0 {
        return Err(Miss::Day);
    }
    // Most days are below 29: no month is that short.
    if day > 28 && day > days_in_month(year.into(), month) {
        return Err(Miss::Day);
    }
    // Counted from March, the day a leap year has more is the last of its year.
    let past = year - u32::from(month < 3);
    let of_year = SINCE_MARCH[month as usize] + day;
    let days = past * 365 + past / 4 - past / 100 + past / 400 + of_year;
    Ok(i64::from(days) - DAYS_TO_MARCH)
}

/// The year of a day since 1970-01-01.
pub fn year_of(day: i64) -> i64 {
    let mut year = 1970 + day.div_euclid(365);
    while days_before_year(year) > day {
        year -= 1;
    }
    while days_before_year(year + 1) <= day {
        year += 1;
    }
    year
}

/// Microseconds of the day.
#[inline]
pub fn clock(hour: u32, minute: u32, second: u32, micros: u32) -> Result<i64, Miss> {
    if hour > 23 || minute > 59 || second > 60 {
        return Err(Miss::Clock);
    }
    if second == 60 {
        return Err(Miss::LeapSecond);
    }
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Ok(seconds * 1_000_000 + i64::from(micros))
}

/// Microseconds east of UTC.
#[inline]
pub fn offset(negative: bool, hours: u32, minutes: u32) -> Result<i64, Miss> {
    if hours > 23 || minutes > 59 {
        return Err(Miss::Offset);
    }
    let micros = i64::from(hours * 60 + minutes) * 60_000_000;
    Ok(if negative { -micros } else { micros })
}

/// `micros` itself, if it lies in the years 0001 to 9999 of UTC.
#[inline]
pub fn in_range(micros: i64) -> Result<i64, Miss> {
    if (MIN_US..=MAX_US).contains(&micros) {
        Ok(micros)
    } else {
        Err(Miss::Year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        assert_eq!(day(1970, 1, 1), Ok(0));
        assert_eq!(day(1, 1, 1), Ok(FIRST_DAY));
        assert_eq!(day(9999, 12, 31), Ok(LAST_DAY));
        assert_eq!(day(2000, 2, 29), Ok(11_016));
        for (year, month, of_month) in [
            (1900, 2, 29),
            (2026, 4, 31),
            (0, 1, 1),
            (2026, 13, 1),
            (2026, 1, 0),
        ] {
            assert_eq!(day(year, month, of_month), Err(Miss::Day));
        }
    }

    #[test]
    fn years_follow_the_days() {
        for year in [1, 4, 1900, 1970, 2000, 2024, 9999] {
            let first = day(year, 1, 1).unwrap();
            assert_eq!(year_of(first), i64::from(year));
            assert_eq!(year_of(first + 364), i64::from(year));
        }
    }

    #[test]
    fn fractions_are_cut() {
        assert_eq!(fraction(b"5Z"), (500_000, 1));
        assert_eq!(fraction(b"1234569"), (123_456, 7));
        assert_eq!(fraction(b""), (0, 0));
    }
}
