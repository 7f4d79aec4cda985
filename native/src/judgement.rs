//! What was found in a batch, for Python to ask: columns at once, failures when somebody looks.

use crate::arrow::export;
use crate::catch;
use crate::column::{batch_of, Column, List, Struct, Text};
use crate::failure::{Failure, Failures};
use crate::plan::{Code, Plan};
use crate::record::{Found, Reason};
use arrow_data::ArrayData;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, PoisonError};

/// A failure: code, path, observed.
type Said = (u32, String, String);

/// Positions and rows are little-endian integers in bytes: int64 unless said otherwise.
#[pyclass(frozen, module = "lakegate_native")]
pub struct Judgement {
    plan: Arc<Plan>,
    columns: Mutex<Option<(Vec<Column>, usize)>>,
    kept: Vec<i64>,
    refused: Vec<u32>,
    failures: Failures,
    rest: Vec<(u32, Reason)>,
    nulls: Vec<u32>,
    unknown_paths: Vec<String>,
}

impl Judgement {
    pub fn new(plan: Arc<Plan>, (found, nulls): (Found, Vec<u32>)) -> PyResult<Self> {
        let mut columns = found.columns;
        if plan.unknown == crate::plan::Unknown::Keep {
            columns.push(Column::Text(found.unknown));
        }
        Ok(Judgement {
            plan,
            columns: Mutex::new(Some((columns, found.kept.len()))),
            kept: found.kept,
            refused: found.refused,
            failures: found.failures,
            rest: found.rest,
            nulls,
            unknown_paths: found.unknown_paths.into_iter().collect(),
        })
    }

    fn records(&self, rejects: bool) -> impl Iterator<Item = usize> + '_ {
        let records = &self.failures.records;
        (0..records.len()).filter(move |&at| records[at].rejects == rejects)
    }

    fn positions<'py>(&self, py: Python<'py>, rejects: bool) -> Bound<'py, PyBytes> {
        let records = &self.failures.records;
        let found: Vec<_> = self
            .records(rejects)
            .map(|at| i64::from(records[at].position))
            .collect();
        int64(py, found.into_iter())
    }

    fn code(&self, failure: &Failure) -> &Code {
        &self.plan.codes[failure.code as usize]
    }
}

#[pymethods]
impl Judgement {
    /// Hand the rows, a struct array of the columns, to `take` by address; once.
    fn move_rows<'py>(
        &self,
        py: Python<'py>,
        take: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let columns = self
            .columns
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let (columns, rows) =
            columns.ok_or_else(|| PyRuntimeError::new_err("the rows were taken before"))?;
        let data = py.detach(|| catch(|| batch_of(columns, rows)))?;
        export(&data, take)
    }

    /// The positions of the rows.
    #[getter]
    fn kept<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        int64(py, self.kept.iter().copied())
    }

    /// Which rows are of rejected records, kept for the rules that are judged afterwards.
    #[getter]
    fn refused<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        int64(py, self.refused.iter().map(|&row| i64::from(row)))
    }

    #[getter]
    fn unknown_paths(&self) -> Vec<String> {
        self.unknown_paths.clone()
    }

    /// The positions of nulls.
    #[getter]
    fn nulls(&self) -> Vec<u32> {
        self.nulls.clone()
    }

    /// The records left to the reference path: position, and why, as `REASONS` counts.
    #[getter]
    fn rest(&self) -> Vec<(u32, u8)> {
        self.rest
            .iter()
            .map(|&(position, why)| (position, why as u8))
            .collect()
    }

    /// The positions of the rejected records.
    #[getter]
    fn rejected<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.positions(py, true)
    }

    /// The positions of the accepted records with failures.
    #[getter]
    fn noted<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.positions(py, false)
    }

    /// The failures of a record, by its position: code, path, observed.
    fn failures(&self, position: u32) -> PyResult<Vec<Said>> {
        catch(|| {
            let found = self
                .failures
                .records
                .binary_search_by_key(&position, |record| record.position);
            found.map_or_else(|_| Vec::new(), |at| self.texts(self.failures.of(at)))
        })
    }

    /// Whether a failure of a rejected record is of one of these codes.
    fn has_code(&self, codes: Vec<u32>) -> PyResult<bool> {
        let is_one = |failure: &Failure| codes.contains(&failure.code);
        catch(|| {
            self.records(true)
                .any(|at| self.failures.of(at).iter().any(is_one))
        })
    }

    /// Hand the failures of the rejected records to `take` by address, as
    /// `list<struct<path, rule, expected, observed, severity>>`. OverflowError when the texts are
    /// more than columns hold.
    fn move_reasons<'py>(
        &self,
        py: Python<'py>,
        take: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let data = py.detach(|| catch(|| self.reasons()))?;
        export(&data, take)
    }
}

impl Judgement {
    fn reasons(&self) -> ArrayData {
        let mut reasons = Reasons::with_room_for(self.failures.all.len());
        for at in self.records(true) {
            for failure in self.failures.of(at) {
                reasons.push(&self.failures, failure, self.code(failure));
            }
            reasons.list.push();
        }
        Column::List(reasons.list).finish()
    }

    fn texts(&self, failures: &[Failure]) -> Vec<Said> {
        failures
            .iter()
            .map(|failure| {
                let mut path = String::new();
                self.failures.path(failure, self.code(failure), &mut path);
                (
                    failure.code,
                    path,
                    self.failures.observed(failure).to_owned(),
                )
            })
            .collect()
    }
}

struct Reasons {
    list: List,
}

impl Reasons {
    fn with_room_for(failures: usize) -> Self {
        let texts = (0..5)
            .map(|_| Column::Text(Text::with_rows(failures, failures * 16)))
            .collect();
        Reasons {
            list: List::of(Column::Struct(Struct::of(texts)), failures),
        }
    }

    fn push(&mut self, failures: &Failures, failure: &Failure, code: &Code) {
        let Column::Struct(reason) = &mut *self.list.items else {
            unreachable!("a reason is a struct")
        };
        let texts = [
            &code.rule,
            &code.expected,
            failures.observed(failure),
            &code.severity,
        ];
        let (path, others) = reason
            .members
            .split_first_mut()
            .expect("a reason has members");
        if let Column::Text(path) = path {
            path.push_with(|out| failures.path(failure, code, out));
        }
        for (column, text) in others.iter_mut().zip(texts) {
            if let Column::Text(column) = column {
                column.push(text);
            }
        }
        reason.push();
    }
}

fn int64(py: Python<'_>, numbers: impl ExactSizeIterator<Item = i64>) -> Bound<'_, PyBytes> {
    let mut bytes = vec![0; numbers.len() * 8];
    for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    PyBytes::new(py, &bytes)
}
