//! A time zone, from the same TZif file and by the same reading as Python's `zoneinfo`.
//!
//! What is asked is one thing: the UTC time of a wall clock, or that it is not clear. So only the
//! offsets matter, and Python hands over the bytes of the file its own `ZoneInfo` is made of.

use super::digits::{in_range, year_of, DAY_US};
use super::posix::Rule;
use super::Miss;

const SECOND_US: i64 = 1_000_000;

/// Offsets of one zone, in seconds east of UTC.
#[derive(Debug)]
pub struct Zone {
    /// Transitions, in seconds since 1970 of UTC.
    utc: Vec<i64>,
    /// The same on the wall clock, for fold 0 and fold 1.
    local: [Vec<i64>; 2],
    /// The offset from each transition on.
    offsets: Vec<i64>,
    before: i64,
    after: After,
}

/// What holds after the last transition.
#[derive(Debug)]
enum After {
    Fixed(i64),
    Rule(Rule),
}

impl Zone {
    /// UTC itself.
    pub fn utc() -> Self {
        Self {
            utc: vec![],
            local: [vec![], vec![]],
            offsets: vec![],
            before: 0,
            after: After::Fixed(0),
        }
    }

    /// The zone of a TZif file in hexadecimal digits; None when it is none, or is unusual.
    pub fn from_hex(text: &str) -> Option<Self> {
        let nibble = |byte: u8| (byte as char).to_digit(16).map(|value| value as u8);
        let data: Option<Vec<u8>> = text
            .as_bytes()
            .chunks(2)
            .map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?))
            .collect();
        Self::parse(&data?)
    }

    /// The zone of a TZif file (RFC 9636).
    pub fn parse(data: &[u8]) -> Option<Self> {
        let first = Header::read(data)?;
        if !first.has_wide_times {
            return None;
        }
        let second = data.get(Header::SIZE + first.body_size(4)..)?;
        let header = Header::read(second)?;
        let body = second.get(Header::SIZE..)?;
        let (times, rest) = body.split_at_checked(header.times * 8)?;
        let (indices, rest) = rest.split_at_checked(header.times)?;
        let (types, _) = rest.split_at_checked(header.types * 6)?;
        let footer = body.get(header.body_size(8)..)?;
        let utc = times
            .chunks(8)
            .map(|bytes| Some(i64::from_be_bytes(bytes.try_into().ok()?)));
        let of_type: Vec<(i64, bool)> = types
            .chunks(6)
            .map(|bytes| {
                (
                    i64::from(i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])),
                    bytes[4] != 0,
                )
            })
            .collect();
        let offsets: Option<Vec<i64>> = indices
            .iter()
            .map(|&at| of_type.get(usize::from(at)).map(|t| t.0))
            .collect();
        Self::assemble(
            utc.collect::<Option<_>>()?,
            offsets?,
            &of_type,
            posix_text(footer)?,
        )
    }

    fn assemble(
        utc: Vec<i64>,
        offsets: Vec<i64>,
        types: &[(i64, bool)],
        posix: &str,
    ) -> Option<Self> {
        let standard = types
            .iter()
            .find(|(_, is_dst)| !is_dst)
            .map(|(offset, _)| *offset);
        let before = standard
            .or(offsets.first().copied())
            .or(types.first().map(|t| t.0))?;
        let after = match Rule::parse(posix) {
            _ if posix.is_empty() => {
                After::Fixed(offsets.last().copied().or(types.last().map(|t| t.0))?)
            }
            Some(rule) if rule.is_fixed() => After::Fixed(rule.standard),
            Some(rule) => After::Rule(rule),
            None => return None,
        };
        let mut local = [utc.clone(), utc.clone()];
        let first = types.first()?.0;
        for at in 0..utc.len() {
            let previous = if at == 0 { first } else { offsets[at - 1] };
            local[0][at] += previous.max(offsets[at]);
            local[1][at] += previous.min(offsets[at]);
        }
        Some(Self {
            utc,
            local,
            offsets,
            before,
            after,
        })
    }

    /// UTC microseconds of a wall-clock time: `Skipped` or `Twice` when it is not clear.
    pub fn to_utc(&self, wall: i64) -> Result<i64, Miss> {
        let seconds = wall.div_euclid(SECOND_US);
        let first = wall - self.at_wall(seconds, 0) * SECOND_US;
        let second = wall - self.at_wall(seconds, 1) * SECOND_US;
        if first == second {
            return in_range(first);
        }
        // Those that read back as the same wall clock are real.
        let mut real = [None, None];
        for (slot, utc) in real.iter_mut().zip([first, second]) {
            in_range(utc)?;
            if utc + self.at_utc(utc.div_euclid(SECOND_US)) * SECOND_US == wall {
                *slot = Some(utc);
            }
        }
        match real {
            [Some(_), Some(_)] => Err(Miss::Twice),
            [Some(utc), None] | [None, Some(utc)] => Ok(utc),
            [None, None] => Err(Miss::Skipped),
        }
    }

    /// The offset where the wall clock shows `seconds` (since 1970), the first or the second time.
    fn at_wall(&self, seconds: i64, fold: usize) -> i64 {
        let local = &self.local[fold];
        match (local.first(), local.last()) {
            (Some(&first), _) if seconds < first => self.before,
            (Some(_), Some(&last)) if seconds <= last => {
                self.offsets[local.partition_point(|&at| at <= seconds) - 1]
            }
            _ => match &self.after {
                After::Fixed(offset) => *offset,
                After::Rule(rule) => rule.at_wall(
                    seconds,
                    year_of(seconds.div_euclid(DAY_US / SECOND_US)),
                    fold,
                ),
            },
        }
    }

    /// The offset at `seconds` of UTC since 1970.
    fn at_utc(&self, seconds: i64) -> i64 {
        match (self.utc.first(), self.utc.last(), &self.after) {
            (Some(&first), _, _) if seconds < first => self.before,
            (Some(_), Some(&last), After::Rule(_)) if seconds <= last => self.in_table(seconds),
            (_, _, After::Rule(rule)) => {
                rule.at_utc(seconds, year_of(seconds.div_euclid(DAY_US / SECOND_US)))
            }
            (Some(_), Some(&last), After::Fixed(offset))
                if seconds > last && self.utc.len() < 2 =>
            {
                *offset
            }
            (Some(_), _, After::Fixed(_)) => self.in_table(seconds),
            (None, _, After::Fixed(offset)) => *offset,
        }
    }

    fn in_table(&self, seconds: i64) -> i64 {
        self.offsets[self.utc.partition_point(|&at| at <= seconds) - 1]
    }
}

struct Header {
    /// Version 2 and newer: a second header and body follow, with times of 64 bits.
    has_wide_times: bool,
    is_utc: usize,
    is_standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    characters: usize,
}

impl Header {
    const SIZE: usize = 44;

    fn read(data: &[u8]) -> Option<Self> {
        let head = data.get(..Self::SIZE)?;
        if &head[..4] != b"TZif" {
            return None;
        }
        let count = |at: usize| {
            u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        Some(Self {
            has_wide_times: head[4] >= b'2',
            is_utc: count(20),
            is_standard: count(24),
            leaps: count(28),
            times: count(32),
            types: count(36),
            characters: count(40),
        })
    }

    /// Bytes between the header and what follows, with times of so many bytes.
    fn body_size(&self, time_size: usize) -> usize {
        self.times * (time_size + 1)
            + self.types * 6
            + self.characters
            + self.leaps * (time_size + 4)
            + self.is_standard
            + self.is_utc
    }
}

fn posix_text(footer: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(footer).ok()?;
    text.strip_prefix('\n')?
        .split_once('\n')
        .map(|(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utc_is_the_wall_clock() {
        assert_eq!(Zone::utc().to_utc(5), Ok(5));
        assert_eq!(Zone::utc().to_utc(i64::MAX), Err(Miss::Year));
    }

    #[test]
    fn what_is_no_file() {
        assert!(Zone::from_hex("545A").is_none());
        assert!(Zone::from_hex("zz").is_none());
        assert!(Zone::parse(b"").is_none());
    }
}
