//! `multipleOf`, exactly: a double counts as the shortest decimal that reads back as itself.

use serde_json::Value;

/// Decimals of 15 digits and doubles are one to one.
const EXACT_DIGITS: f64 = 1e15;
/// Beyond this the reference's own arithmetic could end.
const LARGEST_POWER: i32 = 350;

/// `step * 10^power`, not zero.
#[derive(Debug)]
pub struct Multiple {
    step: u128,
    power: i32,
    /// What an integer given to [`Multiple::of_integer`] counts: `10^-scale`.
    scale: i32,
    quick: Option<Quick>,
}

/// For doubles: `10^-power` and the step, when both are exact doubles.
#[derive(Debug)]
struct Quick {
    scale: f64,
    step: f64,
}

impl Multiple {
    /// The bound of `{"step": digits, "power": int, "scale": int}`.
    pub fn compile(bound: &Value) -> Option<Self> {
        let mut step: u128 = bound.get("step")?.as_str()?.parse().ok()?;
        let mut power = i32::try_from(bound.get("power")?.as_i64()?).ok()?;
        let scale = i32::try_from(bound.get("scale")?.as_i64()?).ok()?;
        if step == 0 {
            return None;
        }
        let quick = ((-22..=0).contains(&power) && step < EXACT_DIGITS as u128).then(|| Quick {
            scale: 10f64.powi(-power),
            step: step as f64,
        });
        while step % 10 == 0 {
            step /= 10;
            power += 1;
        }
        if step > u128::MAX / 2 || power.abs() > LARGEST_POWER {
            return None;
        }
        Some(Self {
            step,
            power,
            scale,
            quick,
        })
    }

    /// Whether `value * 10^-scale` is a whole multiple.
    pub fn of_integer(&self, value: i128) -> bool {
        self.divides(value.unsigned_abs(), -self.scale)
    }

    /// Whether the shortest decimal of `value` is a whole multiple.
    pub fn of_number(&self, value: f64) -> bool {
        if let Some(quick) = &self.quick {
            let units = (value * quick.scale).round_ties_even();
            // The one decimal of 15 digits or less that is this double.
            if units.abs() < EXACT_DIGITS && units / quick.scale == value {
                return units % quick.step == 0.0;
            }
        }
        let (size, exponent) = shortest(value);
        self.divides(size, exponent)
    }

    /// Whether `size * 10^exponent` is a whole multiple.
    fn divides(&self, size: u128, exponent: i32) -> bool {
        let shift = exponent - self.power;
        if size == 0 {
            return true;
        }
        if shift >= 0 {
            let mut rest = size % self.step;
            for _ in 0..shift {
                rest = times_ten(rest, self.step);
            }
            return rest == 0;
        }
        // What 10^-shift does not divide, no multiple of it is.
        let divisor = 10u128
            .checked_pow(shift.unsigned_abs())
            .and_then(|power| power.checked_mul(self.step));
        divisor.is_some_and(|divisor| size % divisor == 0)
    }
}

/// `rest * 10 mod step`, for a `rest` below a `step` below 2^127.
fn times_ten(rest: u128, step: u128) -> u128 {
    let doubled = |value: u128| {
        let twice = value * 2;
        if twice >= step {
            twice - step
        } else {
            twice
        }
    };
    let two = doubled(rest);
    let eight = doubled(doubled(two));
    let sum = eight + two;
    if sum >= step {
        sum - step
    } else {
        sum
    }
}

/// The digits and the power of ten of the shortest decimal that reads back as `value`.
fn shortest(value: f64) -> (u128, i32) {
    let text = format!("{:e}", value.abs());
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let size = whole
        .bytes()
        .chain(fraction.bytes())
        .fold(0, |sum, byte| sum * 10 + u128::from(byte - b'0'));
    (size, power.parse().unwrap_or(0) - fraction.len() as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(step: &str, power: i32, scale: i32) -> Multiple {
        Multiple::compile(&json!({"step": step, "power": power, "scale": scale})).unwrap()
    }

    #[test]
    fn doubles_are_their_shortest_decimal() {
        let cents = of("1", -2, 0);
        assert!(cents.of_number(0.07) && !cents.of_number(0.075) && cents.of_number(-1.1));
        assert!(cents.of_number(1e300) && !cents.of_number(5e-324) && cents.of_number(0.0));
        assert!(of("7", 0, 0).of_number(7e22) && !of("7", 0, 0).of_number(1e22));
        assert!(of("3", -30, 0).of_number(3e-29));
    }

    #[test]
    fn integers_and_decimals() {
        assert!(of("5", 0, 0).of_integer(-10) && !of("5", 0, 0).of_integer(12));
        assert!(of("25", -2, 2).of_integer(175) && !of("25", -2, 2).of_integer(180));
        assert!(of("5", -1, 0).of_integer(3));
        assert!(of("1", 2, 0).of_integer(300) && !of("1", 2, 0).of_integer(350));
        assert!(!of("1", 300, 0).of_integer(350) && of("1", 300, 0).of_integer(0));
        assert!(of("100000000000000000000000000000000000003", 0, 0)
            .of_integer(100000000000000000000000000000000000003));
    }

    #[test]
    fn a_step_beyond_reach_is_not_covered() {
        for (step, power) in [
            ("0", 0),
            ("1", 400),
            ("340282366920938463463374607431768211455", 0),
        ] {
            assert!(
                Multiple::compile(&json!({"step": step, "power": power, "scale": 0})).is_none()
            );
        }
    }
}
