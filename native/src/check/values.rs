//! `missingValues` and `invalidValues`: sets of the values a column can have.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use serde_json::Value;

/// Up to so many values are compared one by one.
const FEW: usize = 8;

/// A set of values of one type, and whether null counts as one of them.
#[derive(Debug)]
pub struct Values {
    pub has_null: bool,
    of_type: OfType,
}

#[derive(Debug)]
enum OfType {
    FewTexts(Vec<Box<[u8]>>),
    Texts(HashSet<Box<[u8]>, BuildHasherDefault<Multiply>>),
    /// Integers, decimals in units, dates, times, timestamps, and booleans as 0 and 1; sorted.
    Integers(Vec<i128>),
    Numbers(Vec<u64>),
}

impl Values {
    /// The set of `{"values": [...], "null": bool}`.
    pub fn compile(bound: &Value, type_: &str) -> Option<Self> {
        let values = bound.get("values")?.as_array()?;
        let of_type = match type_ {
            "string" | "any" => texts(values)?,
            "number" => OfType::Numbers(parsed(values)?),
            "integer" | "decimal" | "boolean" | "date" | "time" | "timestamp" => {
                OfType::Integers(parsed(values)?)
            }
            _ => return None,
        };
        Some(Self {
            has_null: bound.get("null")?.as_bool()?,
            of_type,
        })
    }

    #[inline]
    pub fn has_text(&self, value: &str) -> bool {
        let bytes = value.as_bytes();
        match &self.of_type {
            OfType::FewTexts(texts) => texts.iter().any(|text| **text == *bytes),
            OfType::Texts(texts) => texts.contains(bytes),
            _ => false,
        }
    }

    pub fn has_integer(&self, value: i128) -> bool {
        matches!(&self.of_type, OfType::Integers(values) if values.binary_search(&value).is_ok())
    }

    pub fn has_number(&self, value: f64) -> bool {
        let bits = value.to_bits(); // a column has neither -0 nor NaN
        matches!(&self.of_type, OfType::Numbers(values) if values.binary_search(&bits).is_ok())
    }
}

fn texts(values: &[Value]) -> Option<OfType> {
    let texts: Option<Vec<Box<[u8]>>> = values
        .iter()
        .map(|value| Some(value.as_str()?.as_bytes().into()))
        .collect();
    let texts = texts?;
    Some(if texts.len() <= FEW {
        OfType::FewTexts(texts)
    } else {
        OfType::Texts(texts.into_iter().collect())
    })
}

fn parsed<T: std::str::FromStr + Ord>(values: &[Value]) -> Option<Vec<T>> {
    let values: Option<Vec<T>> = values
        .iter()
        .map(|value| value.as_str()?.parse().ok())
        .collect();
    let mut values = values?;
    values.sort_unstable();
    Some(values)
}

/// A quick hash: the set is the contract's, so nobody chooses what collides in it.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_few_and_many() {
        let few =
            Values::compile(&json!({"values": ["EUR", "USD"], "null": false}), "string").unwrap();
        assert!(few.has_text("EUR") && !few.has_text("eur") && !few.has_text(""));
        let names: Vec<String> = (0..300).map(|at| format!("value {at}")).collect();
        let many = Values::compile(&json!({"values": names, "null": true}), "string").unwrap();
        assert!(names.iter().all(|name| many.has_text(name)));
        assert!(!many.has_text("value 300") && many.has_null);
    }

    #[test]
    fn numbers() {
        let set =
            Values::compile(&json!({"values": ["3", "-1"], "null": false}), "integer").unwrap();
        assert!(set.has_integer(3) && set.has_integer(-1) && !set.has_integer(0));
        let bits = 0.1f64.to_bits().to_string();
        let set = Values::compile(&json!({"values": [bits], "null": false}), "number").unwrap();
        assert!(set.has_number(0.1) && !set.has_number(0.2));
    }
}
