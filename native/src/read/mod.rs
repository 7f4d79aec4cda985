//! From the text of a JSON value to the value of a contract type, as `gate/value.py` reads it.
//!
//! Every reader is given what JSON already allows (a number token, the content of a string) and
//! answers with the value its column stores, or with the reason it is none.

mod digits;
mod layout;
mod number;
mod posix;
mod temporal;
mod zone;

pub use number::{decimal, integer, integer64, number};
pub use temporal::TemporalReader;

/// Why a text is no value of its type: an index into `native_bound.miss_texts(type)`, which has
/// the rule code and the text of the failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Miss {
    /// Another JSON type than declared.
    Type,
    IntegerRange,
    NumberRange,
    DecimalScale,
    DecimalPrecision,
    /// Not written as declared.
    Format,
    /// A zone is missing, or is there where none should be.
    Zone,
    /// An offset beyond 23:59.
    Offset,
    /// No day of the calendar.
    Day,
    /// No time of day.
    Clock,
    LeapSecond,
    /// Outside the years 0001 to 9999 of UTC.
    Year,
    /// A local time that its zone skips.
    Skipped,
    /// A local time that its zone runs through twice.
    Twice,
    /// An hour with AM or PM that is not 1 to 12.
    HalfDay,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl Miss {
    /// The failure of a date that falls on `weekday` (0 is Monday) and says another.
    fn weekday(weekday: u8) -> Miss {
        match weekday {
            0 => Miss::Monday,
            1 => Miss::Tuesday,
            2 => Miss::Wednesday,
            3 => Miss::Thursday,
            4 => Miss::Friday,
            5 => Miss::Saturday,
            _ => Miss::Sunday,
        }
    }
}
