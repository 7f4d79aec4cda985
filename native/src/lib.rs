//! The native path of Lakegate's gate, as Python sees it.
//!
//! `Plan(json)` takes what `lakegate.gate.native.path` compiled a stream to, and `plan.judge(values)`
//! judges a batch with the interpreter released. What it equals, and what it leaves to the
//! reference path, is told in docs/reference/gate.md.

mod arrow;
mod check;
mod column;
mod failure;
mod full;
mod json;
mod judgement;
mod keys;
mod observe;
mod path;
mod plan;
mod read;
mod record;
mod room;
mod simd;
mod surface;

use judgement::Judgement;
use pyo3::exceptions::{PyOverflowError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use record::{Found, Judge};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;

/// A stream, compiled. Calls may come from several threads.
#[pyclass(frozen, module = "lakegate_native")]
struct Plan {
    plan: Arc<plan::Plan>,
}

#[pymethods]
impl Plan {
    #[new]
    fn new(json: &str) -> PyResult<Self> {
        let plan = catch(|| plan::Plan::from_json(json))?
            .map_err(|error| PyValueError::new_err(error.0))?;
        Ok(Plan {
            plan: Arc::new(plan),
        })
    }

    /// The codes of checks that are judged elsewhere.
    #[getter]
    fn foreign(&self) -> Vec<u32> {
        self.plan.foreign.clone()
    }

    /// The paths of values that are of a type not covered; with any of them, do not judge.
    #[getter]
    fn uncovered(&self) -> Vec<String> {
        self.plan.uncovered.clone()
    }

    /// Judge an Arrow binary array, or a list or tuple of bytes and None.
    fn judge(&self, py: Python<'_>, values: &Bound<'_, PyAny>) -> PyResult<Judgement> {
        let plan = &self.plan;
        let found = if values.hasattr("__arrow_c_array__")? {
            let batch = arrow::Batch::import(values)?;
            py.detach(|| catch(|| judge_all(plan, batch.len(), |position| batch.get(position))))
        } else {
            let batch = arrow::Texts::borrow(values)?;
            py.detach(|| catch(|| judge_all(plan, batch.len(), |position| batch.get(position))))
        };
        Judgement::new(Arc::clone(plan), found?)
    }
}

fn judge_all<'b>(
    plan: &plan::Plan,
    count: usize,
    get: impl Fn(usize) -> arrow::Value<'b>,
) -> (Found, Vec<u32>) {
    let mut judge = Judge::new(plan, count);
    let mut nulls = Vec::new();
    for position in 0..count {
        // A batch has fewer records than 32 bits can count: `arrow` sees to it.
        let number = position as u32;
        match get(position) {
            arrow::Value::Bytes(text) => judge.record(number, text),
            arrow::Value::Null => nulls.push(number),
            arrow::Value::Other => judge.leave(number),
        }
    }
    (judge.finish(), nulls)
}

/// No panic crosses into Python: it becomes an error, and the batch is judged by the reference; or,
/// when it is more than columns hold, an OverflowError, and it is judged in halves.
fn catch<T>(work: impl FnOnce() -> T) -> PyResult<T> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|cause| {
        if cause.is::<full::Full>() {
            return PyOverflowError::new_err("the batch has more than columns hold; halve it");
        }
        PyRuntimeError::new_err("the native path gave up on the batch; please report it")
    })
}

#[pymodule]
fn lakegate_native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    // What a panic says may hold data, which has no place on a terminal.
    std::panic::set_hook(Box::new(|_| {}));
    module.add_class::<Plan>()?;
    module.add_class::<Judgement>()?;
    surface::register(module)?;
    module.add("PLAN_FORMAT", plan::FORMAT)?;
    module.add(
        "REASONS",
        ["size", "header", "json", "check", "not bytes", "paths"],
    )?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
