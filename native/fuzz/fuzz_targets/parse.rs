//! The native parser on bytes that a fuzzer makes up.
//!
//! The first byte chooses a plan (`../fuzz/corpus/plans.json`, written by `python -m fuzz.seed`), the
//! rest is the record. No input may panic; a record that is kept must be an object that serde_json
//! reads too; a record is judged alike alone and between others.
#![no_main]
#![allow(dead_code, unused_imports)]

#[path = "../../src/check/mod.rs"]
mod check;
#[path = "../../src/column/mod.rs"]
mod column;
#[path = "../../src/failure.rs"]
mod failure;
#[path = "../../src/full.rs"]
mod full;
#[path = "../../src/json.rs"]
mod json;
#[path = "../../src/keys.rs"]
mod keys;
#[path = "../../src/observe.rs"]
mod observe;
#[path = "../../src/path.rs"]
mod path;
#[path = "../../src/plan.rs"]
mod plan;
#[path = "../../src/read/mod.rs"]
mod read;
#[path = "../../src/record/mod.rs"]
mod record;
#[path = "../../src/room.rs"]
mod room;
#[path = "../../src/simd.rs"]
mod simd;

use libfuzzer_sys::fuzz_target;
use record::{Found, Judge};
use std::sync::LazyLock;

static PLANS: LazyLock<Vec<plan::Plan>> = LazyLock::new(|| {
    let file = std::env::var("LAKEGATE_FUZZ_PLANS").expect("LAKEGATE_FUZZ_PLANS names the plans");
    let text = std::fs::read_to_string(file).expect("the plans can be read");
    let plans: Vec<serde_json::Value> = serde_json::from_str(&text).expect("a list of plans");
    plans.iter().map(|one| plan::Plan::from_json(&one.to_string()).expect("a plan")).collect()
});

fn judge(plan: &plan::Plan, records: &[&[u8]]) -> Found {
    let mut judge = Judge::new(plan, records.len());
    for (position, record) in records.iter().enumerate() {
        judge.record(position as u32, record);
    }
    judge.finish()
}

/// What became of one record, as far as it can be compared.
fn said(found: &Found, position: usize) -> String {
    let kept = found.kept.iter().any(|&one| one == position as i64);
    let rest = found.rest.iter().find(|(one, _)| *one as usize == position).map(|(_, why)| *why);
    let failures: Vec<String> = found
        .failures
        .records
        .iter()
        .enumerate()
        .filter(|(_, record)| record.position as usize == position)
        .flat_map(|(at, _)| found.failures.of(at).iter().map(|failure| format!("{}", failure.code)))
        .collect();
    format!("{kept} {rest:?} {failures:?}")
}

fuzz_target!(|data: &[u8]| {
    let Some((&number, record)) = data.split_first() else { return };
    let plan = &PLANS[number as usize % PLANS.len()];
    let alone = judge(plan, &[record]);
    let wanted = said(&alone, 0);
    if !alone.kept.is_empty() && alone.refused.is_empty() {
        let text = &record[plan.header_bytes..];
        match serde_json::from_slice::<serde_json::Value>(text) {
            Ok(value) => assert!(value.is_object(), "no object was kept: {value}"),
            Err(error) => panic!("serde_json refuses what was kept: {error}"),
        }
    }
    let between = judge(plan, &[b"{}", record, b"{\"string\":\"a\"}"]);
    assert_eq!(wanted, said(&between, 1), "between others");
});
