//! Number tokens of JSON: integers of any width, doubles, decimals.

use super::Miss;

/// A sign and 20 digits: longer tokens are out of any range of 64 bits.
const LONGEST_INTEGER: usize = 21;

/// The integer of a token without fraction or exponent, within `low` to `high`.
pub fn integer(token: &[u8], low: i128, high: i128) -> Result<i128, Miss> {
    let (negative, digits) = sign(token);
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(Miss::Type);
    }
    if token.len() <= LONGEST_INTEGER {
        let size = digits
            .iter()
            .fold(0, |sum: i128, byte| sum * 10 + i128::from(byte - b'0'));
        let value = if negative { -size } else { size };
        if (low..=high).contains(&value) {
            return Ok(value);
        }
    }
    Err(Miss::IntegerRange)
}

/// [`integer`] for columns of 64 bits and less.
#[inline]
pub fn integer64(token: &[u8], low: i64, high: i64) -> Result<i64, Miss> {
    let (negative, digits) = sign(token);
    if digits.len() > 18 {
        return integer(token, low.into(), high.into()).map(|value| value as i64);
    }
    let mut size = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return Err(Miss::Type);
        }
        size = size * 10 + i64::from(digit);
    }
    let value = if negative { -size } else { size };
    if low <= value && value <= high {
        Ok(value)
    } else {
        Err(Miss::IntegerRange)
    }
}

#[inline(always)]
fn sign(token: &[u8]) -> (bool, &[u8]) {
    match token {
        [b'-', digits @ ..] => (true, digits),
        _ => (false, token),
    }
}

/// A token in pieces: `size * 10^exponent`, exact when `digits` is at most 18.
struct Short {
    negative: bool,
    size: u64,
    digits: usize,
    exponent: i64,
}

/// The pieces of a token without leading zeros that count, if it is short enough for them.
#[inline]
fn short(token: &[u8]) -> Option<Short> {
    let (negative, rest) = sign(token);
    let (mut size, mut digits, mut fraction, mut in_fraction) = (0u64, 0, 0i64, false);
    for (at, &byte) in rest.iter().enumerate() {
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            size = size.wrapping_mul(10).wrapping_add(u64::from(digit));
            digits += usize::from(size != 0);
            fraction += i64::from(in_fraction);
        } else if byte == b'.' {
            in_fraction = true;
        } else {
            let exponent = small_power(&rest[at + 1..])? - fraction;
            return (digits <= 18).then_some(Short {
                negative,
                size,
                digits,
                exponent,
            });
        }
    }
    (digits <= 18).then_some(Short {
        negative,
        size,
        digits,
        exponent: -fraction,
    })
}

fn small_power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'+', digits @ ..] => (false, digits),
        _ => sign(text),
    };
    if digits.len() > 4 {
        return None;
    }
    let size = digits
        .iter()
        .fold(0, |sum, byte| sum * 10 + i64::from(byte - b'0'));
    Some(if negative { -size } else { size })
}

const TENS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];
const EXACT: u64 = 1 << 53;

/// The double nearest to the token, ties to even; -0 is 0.
///
/// `wrapping` sizes are told by the count of digits, so a mantissa that wrapped is never used.
#[inline]
pub fn number(token: &[u8]) -> Result<f64, Miss> {
    if let Some(Short {
        negative,
        size,
        exponent,
        ..
    }) = short(token)
    {
        // Both factors are exact doubles, so the one rounding is that of the result.
        if size <= EXACT && (-22..=22).contains(&exponent) {
            let size = size as f64;
            let power = TENS[exponent.unsigned_abs() as usize];
            let value = if exponent < 0 {
                size / power
            } else {
                size * power
            };
            return Ok(if negative { -value } else { value } + 0.0);
        }
    }
    nearest(token)
}

#[cold]
#[inline(never)]
fn nearest(token: &[u8]) -> Result<f64, Miss> {
    let text = plain(token);
    let value: f64 = text.parse().map_err(|_| Miss::Type)?;
    if value.is_infinite() {
        return Err(Miss::NumberRange);
    }
    Ok(value + 0.0)
}

const MOST_DIGITS: usize = 800;

/// The token as text that the standard library reads exactly.
///
/// It saturates exponents at 65535 while it counts the zeros that come before them, so a token
/// whose zeros and exponent cancel is written anew; more digits than 768 only say "a bit more".
fn plain(token: &[u8]) -> String {
    let as_is = || String::from_utf8_lossy(token).into_owned();
    if token.len() <= 60 && !token.iter().any(|byte| byte | 0x20 == b'e') {
        return as_is();
    }
    let Significant {
        negative,
        digits,
        exponent,
    } = significant(token);
    let sign = if negative { "-" } else { "" };
    let magnitude = digits.len() as i128 + exponent;
    if digits.is_empty() || magnitude < -400 {
        return format!("{sign}0");
    }
    if magnitude > 400 {
        return format!("{sign}1e400");
    }
    let kept = &digits[..digits.len().min(MOST_DIGITS)];
    let more = if kept.len() < digits.len() { "1" } else { "" };
    format!(
        "{sign}0.{}{more}e{magnitude}",
        String::from_utf8_lossy(kept)
    )
}

/// The significant digits of a token (none for zero) and the last one's power of ten.
struct Significant {
    negative: bool,
    digits: Vec<u8>,
    exponent: i128,
}

fn significant(token: &[u8]) -> Significant {
    let (negative, rest) = sign(token);
    let mark = rest.iter().position(|byte| byte | 0x20 == b'e');
    let (mantissa, power) = rest.split_at(mark.unwrap_or(rest.len()));
    let point = mantissa.iter().position(|&byte| byte == b'.');
    let fraction = point.map_or(0, |at| mantissa.len() - at - 1);
    let mut digits: Vec<u8> = mantissa
        .iter()
        .copied()
        .filter(|&byte| byte != b'.')
        .collect();
    let kept = digits
        .iter()
        .rposition(|&byte| byte != b'0')
        .map_or(0, |at| at + 1);
    let stripped = digits.len() - kept;
    digits.truncate(kept);
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    digits.drain(..zeros);
    let exponent = whole_power(power) - fraction as i128 + stripped as i128;
    Significant {
        negative,
        digits,
        exponent,
    }
}

/// The power of ten after an `e`: of more than 18 digits, only that it is far too large.
fn whole_power(text: &[u8]) -> i128 {
    let (negative, digits) = match text {
        [_, b'+', digits @ ..] => (false, digits),
        [_, b'-', digits @ ..] => (true, digits),
        [_, digits @ ..] => (false, digits),
        [] => (false, text),
    };
    let zeros = digits.iter().take_while(|&&byte| byte == b'0').count();
    let magnitude = &digits[zeros..];
    let shown = &magnitude[..magnitude.len().min(18)];
    let size = shown
        .iter()
        .fold(0, |sum: i128, byte| sum * 10 + i128::from(byte - b'0'));
    let size = if magnitude.len() > 18 {
        size * 10
    } else {
        size
    };
    if negative {
        -size
    } else {
        size
    }
}

/// The token as a count of `10^-scale`, exactly; `precision` is at most 38, `scale` at most that.
#[inline]
pub fn decimal(token: &[u8], precision: u8, scale: u8) -> Result<i128, Miss> {
    let wide = i64::from(scale);
    if let Some(Short {
        negative,
        size,
        digits,
        exponent,
    }) = short(token)
    {
        let shift = exponent + wide;
        if (0..=19).contains(&shift) && digits as i64 + shift <= i64::from(precision) {
            let units = i128::from(size) * i128::from(10u64.pow(shift as u32));
            return Ok(if negative { -units } else { units });
        }
    }
    decimal_in_full(token, precision, scale)
}

fn decimal_in_full(token: &[u8], precision: u8, scale: u8) -> Result<i128, Miss> {
    let (precision, scale) = (i128::from(precision), i128::from(scale));
    let Significant {
        negative,
        digits,
        exponent,
    } = significant(token);
    if digits.is_empty() {
        return Ok(0);
    }
    if -exponent > scale {
        return Err(Miss::DecimalScale);
    }
    if digits.len() as i128 + exponent > precision - scale {
        return Err(Miss::DecimalPrecision);
    }
    let size = digits
        .iter()
        .fold(0, |sum: i128, byte| sum * 10 + i128::from(byte - b'0'));
    let units = size * 10i128.pow((exponent + scale) as u32);
    Ok(if negative { -units } else { units })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_within_their_range() {
        assert_eq!(integer64(b"-128", -128, 127), Ok(-128));
        assert_eq!(integer64(b"128", -128, 127), Err(Miss::IntegerRange));
        assert_eq!(integer64(b"-0", -128, 127), Ok(0));
        assert_eq!(
            integer64(b"9223372036854775807", i64::MIN, i64::MAX),
            Ok(i64::MAX)
        );
        assert_eq!(
            integer64(b"9223372036854775808", i64::MIN, i64::MAX),
            Err(Miss::IntegerRange)
        );
        assert_eq!(
            integer(b"18446744073709551615", 0, u64::MAX.into()),
            Ok(u64::MAX.into())
        );
        assert_eq!(
            integer64(&[b'9'; 10_000], i64::MIN, i64::MAX),
            Err(Miss::IntegerRange)
        );
        for token in ["5.0", "1e2", "12345678901234567890.5", "1E0"] {
            assert_eq!(
                integer64(token.as_bytes(), i64::MIN, i64::MAX),
                Err(Miss::Type)
            );
        }
    }

    #[test]
    fn doubles_are_the_nearest() {
        assert_eq!(number(b"0.1"), Ok(0.1));
        assert_eq!(number(b"9007199254740993"), Ok(9_007_199_254_740_992.0));
        assert_eq!(number(b"1.7976931348623157e308"), Ok(f64::MAX));
        assert_eq!(number(b"5e-324"), Ok(5e-324));
        assert_eq!(number(b"-0").map(f64::to_bits), Ok(0));
        assert_eq!(number(b"-1e-400").map(f64::to_bits), Ok(0));
        assert_eq!(number(b"1E400"), Err(Miss::NumberRange));
        assert_eq!(number(b"0e999999999999999999999"), Ok(0.0));
        assert_eq!(number(&[b'1'; 400]), Err(Miss::NumberRange));
    }

    #[test]
    fn zeros_and_exponent_may_cancel() {
        let token = format!("0.{}25e700001", "0".repeat(700_000));
        assert_eq!(number(token.as_bytes()), Ok(2.5));
        let token = format!("25{}e-700000", "0".repeat(700_000));
        assert_eq!(number(token.as_bytes()), Ok(25.0));
    }

    #[test]
    fn decimals_are_exact() {
        assert_eq!(decimal(b"1234.56", 6, 2), Ok(123_456));
        assert_eq!(decimal(b"-1.500", 6, 2), Ok(-150));
        assert_eq!(decimal(b"1e3", 6, 2), Ok(100_000));
        assert_eq!(decimal(b"1e4", 6, 2), Err(Miss::DecimalPrecision));
        assert_eq!(decimal(b"1.005", 6, 2), Err(Miss::DecimalScale));
        assert_eq!(decimal(b"12345.678", 6, 2), Err(Miss::DecimalScale));
        assert_eq!(decimal(b"0E999999999999999999999999", 6, 2), Ok(0));
        assert_eq!(
            decimal(b"1E-999999999999999999999999", 6, 2),
            Err(Miss::DecimalScale)
        );
        assert_eq!(decimal(&[b'9'; 38], 38, 0), Ok(10i128.pow(38) - 1));
        assert_eq!(decimal(&[b'9'; 39], 38, 0), Err(Miss::DecimalPrecision));
    }
}
