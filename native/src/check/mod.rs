//! The constraints of a contract (`gate/rules`), one value at a time.
//!
//! A check is compiled from what `native_bound.check_plan` says, so that a bound means here what it
//! means there. A question that a check was not made for is answered with false: the plan never
//! asks it, and if it did, the reference path would be the one to decide.

mod format;
mod items;
mod multiple;
mod pattern;
mod run;
mod values;

use serde_json::Value;

pub use items::are_unique;

use format::Format;
use multiple::Multiple;
use pattern::Pattern;
use values::Values;

/// One constraint, ready to run.
#[derive(Debug)]
pub enum Check {
    /// Code points of a string; items of an array; keys of an object.
    AtLeast(usize),
    AtMost(usize),
    Pattern(Pattern),
    Format(Format),
    /// Inclusive, in the unit the column stores.
    Range(i128, i128),
    /// The same, within 64 bits.
    Range64(i64, i64),
    Number(Compare, f64),
    Multiple(Multiple),
    Unique,
    Keys(Vec<String>),
    NotNull,
    Missing(Values),
    Valid(Values),
}

/// How a double stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    AtLeast,
    AtMost,
    Above,
    Below,
}

impl Check {
    /// The check of a rule code with its planned bound; None when it is not covered.
    ///
    /// `type_` is the type of the column: `string integer number decimal boolean date time
    /// timestamp any array object`.
    pub fn compile(rule: &str, bound: &Value, type_: &str) -> Option<Check> {
        let is_text = matches!(type_, "string" | "any");
        match rule {
            "minLength" if is_text => Some(Check::AtLeast(size(bound)?)),
            "maxLength" if is_text => Some(Check::AtMost(size(bound)?)),
            "minItems" if type_ == "array" => Some(Check::AtLeast(size(bound)?)),
            "maxItems" if type_ == "array" => Some(Check::AtMost(size(bound)?)),
            "minProperties" => Some(Check::AtLeast(size(bound)?)),
            "maxProperties" => Some(Check::AtMost(size(bound)?)),
            "pattern" | "invalidPattern" if is_text => {
                Pattern::compile(bound.as_str()?).map(Check::Pattern)
            }
            "format" if is_text => Format::compile(bound.as_str()?).map(Check::Format),
            "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" => {
                range(rule, bound, type_)
            }
            "multipleOf" => Multiple::compile(bound).map(Check::Multiple),
            "uniqueItems" if type_ == "array" => Some(Check::Unique),
            "requiredKeys" => keys(bound).map(Check::Keys),
            "nullValues" => Some(Check::NotNull),
            "missingValues" => Values::compile(bound, type_).map(Check::Missing),
            "invalidValues" => Values::compile(bound, type_).map(Check::Valid),
            _ => None,
        }
    }

    /// Whether a string passes (or the JSON text of a column without a type).
    #[inline]
    pub fn text(&self, value: &str) -> bool {
        match self {
            // A code point has one to four bytes: most texts need no counting.
            Check::AtMost(most) => value.len() <= *most || characters(value) <= *most,
            Check::AtLeast(least) => {
                value.len() >= least.saturating_mul(4) || characters(value) >= *least
            }
            Check::Pattern(pattern) => pattern.search(value.as_bytes()),
            Check::Format(format) => format.is_valid(value.as_bytes()),
            Check::Valid(values) => values.has_text(value),
            Check::Missing(values) => !values.has_text(value),
            Check::NotNull => true,
            _ => false,
        }
    }

    /// Whether an integer of any width passes.
    pub fn integer(&self, value: i128) -> bool {
        match self {
            Check::Range(low, high) => (*low..=*high).contains(&value),
            Check::Range64(low, high) => (i128::from(*low)..=i128::from(*high)).contains(&value),
            Check::Multiple(multiple) => multiple.of_integer(value),
            Check::Valid(values) => values.has_integer(value),
            Check::Missing(values) => !values.has_integer(value),
            Check::NotNull => true,
            _ => false,
        }
    }

    /// [`Check::integer`] of what fits 64 bits; dates (days), times and timestamps (microseconds).
    #[inline]
    pub fn whole(&self, value: i64) -> bool {
        match self {
            Check::Range64(low, high) => *low <= value && value <= *high,
            Check::NotNull => true,
            _ => self.integer(value.into()),
        }
    }

    /// Whether a double passes.
    #[inline]
    pub fn number(&self, value: f64) -> bool {
        match self {
            Check::Number(Compare::AtLeast, bound) => value >= *bound,
            Check::Number(Compare::AtMost, bound) => value <= *bound,
            Check::Number(Compare::Above, bound) => value > *bound,
            Check::Number(Compare::Below, bound) => value < *bound,
            Check::Multiple(multiple) => multiple.of_number(value),
            Check::Valid(values) => values.has_number(value),
            Check::Missing(values) => !values.has_number(value),
            Check::NotNull => true,
            _ => false,
        }
    }

    /// Whether a decimal passes, given as a count of its column's `10^-scale`.
    pub fn decimal(&self, units: i128) -> bool {
        self.integer(units)
    }

    /// Whether a boolean passes.
    pub fn boolean(&self, value: bool) -> bool {
        match self {
            Check::Valid(values) => values.has_integer(value.into()),
            Check::Missing(values) => !values.has_integer(value.into()),
            Check::NotNull => true,
            _ => false,
        }
    }

    /// Whether so many items of an array, or keys of an object, pass.
    pub fn count(&self, count: usize) -> bool {
        match self {
            Check::AtLeast(least) => count >= *least,
            Check::AtMost(most) => count <= *most,
            Check::NotNull => true,
            _ => false,
        }
    }

    /// Whether an object passes, of which `has` says what keys it has.
    pub fn keys(&self, mut has: impl FnMut(&str) -> bool) -> bool {
        match self {
            Check::Keys(names) => names.iter().all(|name| has(name)),
            _ => false,
        }
    }

    /// Whether null or absent passes; None for the rules that are not asked.
    pub fn null(&self) -> Option<bool> {
        match self {
            Check::NotNull => Some(false),
            Check::Missing(values) => Some(!values.has_null),
            _ => None,
        }
    }
}

fn characters(text: &str) -> usize {
    // A byte that does not continue a code point begins one.
    text.bytes()
        .map(|byte| usize::from((byte as i8) >= -0x40))
        .sum()
}

/// A length: below zero is zero, beyond any is the largest.
fn size(bound: &Value) -> Option<usize> {
    let size: i128 = match bound {
        Value::Number(number) => number
            .as_i128()
            .or_else(|| number.as_u64().map(i128::from))?,
        _ => return None,
    };
    Some(usize::try_from(size.max(0)).unwrap_or(usize::MAX))
}

fn range(rule: &str, bound: &Value, type_: &str) -> Option<Check> {
    if type_ == "number" {
        let compare = match rule {
            "minimum" => Compare::AtLeast,
            "maximum" => Compare::AtMost,
            "exclusiveMinimum" => Compare::Above,
            _ => Compare::Below,
        };
        let bits = bound.get("bits")?.as_str()?.parse().ok()?;
        return Some(Check::Number(compare, f64::from_bits(bits)));
    }
    let end = |name: &str, open: i128| match bound.get(name)? {
        Value::Null => Some(open),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let (low, high) = (end("low", i128::MIN)?, end("high", i128::MAX)?);
    let fits = low <= i128::from(i64::MAX) && high >= i128::from(i64::MIN) && type_ != "decimal";
    let narrow = |value: i128| value.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
    // Columns of 64 bits with a sign: a bound beyond them is no bound.
    let is_wide = bound.get("wide").and_then(Value::as_bool).unwrap_or(false);
    Some(if fits && !is_wide {
        Check::Range64(narrow(low), narrow(high))
    } else {
        Check::Range(low, high)
    })
}

fn keys(bound: &Value) -> Option<Vec<String>> {
    bound
        .as_array()?
        .iter()
        .map(|name| name.as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(rule: &str, bound: Value, type_: &str) -> Check {
        Check::compile(rule, &bound, type_).unwrap()
    }

    #[test]
    fn lengths_are_code_points() {
        let least = check("minLength", json!(3), "string");
        assert!(least.text("äbc") && !least.text("ä😀"));
        let most = check("maxLength", json!(2), "string");
        assert!(most.text("ä😀") && !most.text("abc"));
        assert!(check("minLength", json!(0), "string").text(""));
        assert!(check("maxLength", json!(u64::MAX), "string").text("a"));
    }

    #[test]
    fn ranges_of_every_width() {
        let least = check("minimum", json!({"low": "5", "high": null}), "integer");
        assert!(least.whole(5) && !least.whole(4));
        let unsigned = check(
            "minimum",
            json!({"low": "5", "high": null, "wide": true}),
            "integer",
        );
        assert!(unsigned.integer(u64::MAX.into()) && !unsigned.integer(4));
        let wide = check(
            "maximum",
            json!({"low": null, "high": "9223372036854775808"}),
            "decimal",
        );
        assert!(wide.decimal(1 << 63) && !wide.decimal((1 << 63) + 1));
        let above = check(
            "exclusiveMinimum",
            json!({"bits": 0.1f64.to_bits().to_string()}),
            "number",
        );
        assert!(!above.number(0.1) && above.number(0.2));
    }

    #[test]
    fn nulls_are_judged_by_some() {
        assert_eq!(check("nullValues", json!(0), "string").null(), Some(false));
        let missing = check(
            "missingValues",
            json!({"values": [""], "null": false}),
            "string",
        );
        assert_eq!(missing.null(), Some(true));
        assert!(missing.text("a") && !missing.text(""));
        assert_eq!(check("minLength", json!(0), "string").null(), None);
    }

    #[test]
    fn keys_and_counts() {
        let keys = check("requiredKeys", json!(["a", "b"]), "object");
        assert!(keys.keys(|_| true) && !keys.keys(|name| name == "a"));
        assert!(check("minItems", json!(1), "array").count(1));
        assert!(!check("maxProperties", json!(1), "object").count(2));
    }

    #[test]
    fn what_is_not_covered() {
        assert!(Check::compile("minLength", &json!(1), "integer").is_none());
        assert!(Check::compile("sql", &json!(1), "string").is_none());
        assert!(Check::compile("format", &json!("password"), "string").is_none());
    }
}
