//! What the tests see of the kernels: the module's functions `_read`, `_check` and `_observe`.
//!
//! They are the kernels alone, without records or columns, to be compared with Python's own reading
//! value by value. Nobody else calls them.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde_json::Value;

use crate::check::{are_unique, Check};
use crate::{catch, observe, read};

/// Registers the functions.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_read, module)?)?;
    module.add_function(wrap_pyfunction!(_check, module)?)?;
    module.add_function(wrap_pyfunction!(_observe, module)?)
}

/// A value as text (doubles as their bits), or the index of a `Miss`.
type Reading = Result<String, u8>;

type Reader = Box<dyn Fn(&str) -> Reading>;

/// A [`Reading`] as Python takes it: the value and -1, or None and the index.
type Answer = (Option<String>, i32);

fn json(text: &str) -> PyResult<Value> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

/// The values of number tokens or string contents, as a reader plan says: of each the value as text
/// and -1, or nothing and the index of what is wrong. None for a plan that is not covered.
#[pyfunction]
fn _read(plan: &str, values: Vec<String>) -> PyResult<Option<Vec<Answer>>> {
    let plan = json(plan)?;
    let Some(read) = reader(&plan) else {
        return Ok(None);
    };
    let one = |value: &String| match read(value) {
        Ok(text) => (Some(text), -1),
        Err(miss) => (None, i32::from(miss)),
    };
    catch(|| Some(values.iter().map(one).collect()))
}

fn reader(plan: &Value) -> Option<Reader> {
    let bound = |name: &str| plan.get(name)?.as_str()?.parse::<i128>().ok();
    let small = |name: &str| u8::try_from(plan.get(name)?.as_u64()?).ok();
    match plan.get("type")?.as_str()? {
        "integer" => {
            let (low, high) = (bound("low")?, bound("high")?);
            let narrow = i64::try_from(low).ok().zip(i64::try_from(high).ok());
            Some(Box::new(move |text| {
                let wide = shown(read::integer(text.as_bytes(), low, high));
                if let Some((low, high)) = narrow {
                    assert_eq!(wide, shown(read::integer64(text.as_bytes(), low, high)));
                }
                wide
            }))
        }
        "number" => Some(Box::new(|text| {
            shown(read::number(text.as_bytes()).map(f64::to_bits))
        })),
        "decimal" => {
            let (precision, scale) = (small("precision")?, small("scale")?);
            Some(Box::new(move |text| {
                shown(read::decimal(text.as_bytes(), precision, scale))
            }))
        }
        _ => {
            let temporal = read::TemporalReader::from_plan(plan)?;
            Some(Box::new(move |text| shown(temporal.read(text))))
        }
    }
}

fn shown(value: Result<impl ToString, read::Miss>) -> Reading {
    value
        .map(|value| value.to_string())
        .map_err(|miss| miss as u8)
}

/// Whether values pass a check; None when it is not covered.
///
/// A value is the text of what the column holds: integers, units of a decimal, days and
/// microseconds in digits, a double as its bits, `0` and `1` for booleans; None is null; for arrays,
/// objects and keys a JSON text.
#[pyfunction]
fn _check(
    rule: &str,
    bound: &str,
    type_: &str,
    values: Vec<Option<String>>,
) -> PyResult<Option<Vec<Option<bool>>>> {
    let Some(check) = Check::compile(rule, &json(bound)?, type_) else {
        return Ok(None);
    };
    let one = |value: &Option<String>| match value {
        Some(value) => passes(&check, type_, value),
        None => Ok(check.null()),
    };
    catch(|| values.iter().map(one).collect::<PyResult<Vec<_>>>())?.map(Some)
}

fn passes(check: &Check, type_: &str, value: &str) -> PyResult<Option<bool>> {
    let digits = || {
        value
            .parse::<i128>()
            .map_err(|error| PyValueError::new_err(error.to_string()))
    };
    Ok(Some(match (type_, check) {
        ("string" | "any", _) => check.text(value),
        ("number", _) => check.number(f64::from_bits(digits()? as u64)),
        ("decimal", _) => check.decimal(digits()?),
        ("boolean", _) => check.boolean(digits()? != 0),
        ("array", Check::Unique) => match json(value)? {
            Value::Array(items) => are_unique(items.iter()),
            _ => return Ok(None),
        },
        ("object", Check::Keys(_)) => {
            let object = json(value)?;
            check.keys(|name| object.get(name).is_some())
        }
        ("array" | "object", _) => check.count(digits()? as usize),
        _ => {
            let value = digits()?;
            let answer = check.integer(value);
            if let Ok(narrow) = i64::try_from(value) {
                assert_eq!(answer, check.whole(narrow));
            }
            answer
        }
    }))
}

/// The observed and the canonical text of raw JSON values, and of strings what they say.
#[pyfunction]
fn _observe(values: Vec<Vec<u8>>) -> PyResult<Vec<(String, String, Option<String>)>> {
    let one = |raw: &Vec<u8>| {
        let (mut observed, mut canonical) = (String::new(), String::new());
        observe::observe(raw, &mut observed);
        observe::canonical(raw, &mut canonical);
        let said = match raw.as_slice() {
            [b'"', content @ .., b'"'] => {
                let mut out = Vec::new();
                observe::unescape(content, &mut out);
                String::from_utf8(out).ok()
            }
            _ => None,
        };
        (observed, canonical, said)
    };
    catch(|| values.iter().map(one).collect())
}
