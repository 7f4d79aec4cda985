//! What Python compiled a stream to: the types, checks and codes of every declared value.

use crate::check::Check;
use crate::column::Storage;
use crate::read::TemporalReader;
use crate::room::Room;
use serde_json::Value;
use std::collections::HashMap;

/// The format of the plan's JSON; both sides name it, so that an old wheel is refused.
pub const FORMAT: u32 = 3;

/// What a failure says, except for what was observed.
#[derive(Debug)]
pub struct Code {
    pub rule: String,
    pub expected: String,
    pub severity: String,
    pub rejects: bool,
    /// The path, cut where indices and keys stand; empty when the failure brings its own.
    pub path: Vec<String>,
    /// What a failure counts of what may be told of a record, but for the steps of its path.
    pub told: usize,
}

/// How many bytes may be told of a record, of what it may have any number of.
#[derive(Debug)]
pub struct Most {
    base: usize,
    per_byte: usize,
}

impl Most {
    pub fn of(&self, record_bytes: usize) -> usize {
        self.base
            .saturating_add(self.per_byte.saturating_mul(record_bytes))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Keep,
    Reject,
    Ignore,
}

#[derive(Debug)]
pub struct Plan {
    pub record: Object,
    pub record_checks: Vec<(u32, KeyCheck)>,
    pub codes: Vec<Code>,
    pub unknown: Unknown,
    pub unknown_code: u32,
    pub size_limit: usize,
    pub most: Most,
    /// How many bytes stand before the JSON, and what the first of them are.
    pub header_bytes: usize,
    pub magic: Vec<u8>,
    /// Rows that are rejected and yet of their types stay, for rules that are judged afterwards.
    pub keeps_typed: bool,
    /// How many places the learned order of members takes.
    pub slots: usize,
    /// The codes of checks that are not covered here.
    pub foreign: Vec<u32>,
    /// The paths of values whose type is not.
    pub uncovered: Vec<String>,
}

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    /// What a scalar is stored as.
    pub storage: Storage,
    /// How many bytes a text, items an array, or entries a map had in the last batch.
    pub room: Room,
    /// The codes that null and absent values fail with.
    pub null_codes: Vec<u32>,
    /// The code of a value of another type; those of other misses follow it.
    pub type_code: u32,
    pub checks: Vec<(u32, Check)>,
    pub key_checks: Vec<(u32, KeyCheck)>,
}

#[derive(Debug)]
pub enum Kind {
    Text,
    Any,
    Boolean,
    Integer {
        low: i64,
        high: i64,
    },
    /// 64 bits without a sign, stored as a decimal.
    Unsigned,
    Number,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Temporal(TemporalReader),
    Array(Box<Node>),
    Map(Box<Entry>),
    Object(Object),
}

/// What the entries of a map are.
#[derive(Debug)]
pub struct Entry {
    pub key: Node,
    pub value: Node,
}

#[derive(Debug)]
pub struct Object {
    pub members: Vec<Node>,
    /// How each name is nearly always written: quoted, with the colon.
    pub spelled: Vec<Spelled>,
    names: HashMap<Box<[u8]>, usize>,
    /// The path, cut where indices and keys stand.
    pub path: Vec<String>,
    /// How many bytes the pieces of the path have.
    pub path_bytes: usize,
    /// Where its members' learned order begins, one place more than it has members.
    pub slot: usize,
}

impl Object {
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.get(name).copied()
    }

    pub fn contains(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }
}

/// A short text to be found again at once: its first sixteen bytes are compared as one number.
#[derive(Debug)]
pub struct Spelled {
    first: u128,
    mask: u128,
    text: Box<[u8]>,
}

impl Spelled {
    fn of(text: &str) -> Self {
        let mut first = [0; 16];
        let size = text.len().min(16);
        first[..size].copy_from_slice(&text.as_bytes()[..size]);
        let mask = if size == 16 {
            u128::MAX
        } else {
            (1 << (8 * size)) - 1
        };
        Spelled {
            first: u128::from_le_bytes(first),
            mask,
            text: text.as_bytes().into(),
        }
    }

    #[inline(always)]
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Whether `text` begins with it.
    #[inline(always)]
    pub fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk::<16>() {
            Some(chunk) => {
                u128::from_le_bytes(*chunk) & self.mask == self.first
                    && (self.text.len() <= 16 || text.starts_with(&self.text))
            }
            None => text.starts_with(&self.text),
        }
    }
}

/// A rule on the keys of an object.
#[derive(Debug)]
pub enum KeyCheck {
    AtLeast(usize),
    AtMost(usize),
    Required(Vec<Box<[u8]>>),
}

/// The plan is not what this version understands; it is never the user's doing.
#[derive(Debug)]
pub struct Unreadable(pub String);

type Read<T> = Result<T, Unreadable>;

impl Plan {
    /// # Errors
    /// The JSON is of another format.
    pub fn from_json(text: &str) -> Read<Plan> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
        if number(&value, "format")? != u64::from(FORMAT) {
            return Err(Unreadable(format!("the plan is not of format {FORMAT}")));
        }
        let mut reading = Reading::default();
        let told = get(&value, "told")?;
        let failure_bytes = number(told, "failure")? as usize;
        let codes = list(&value, "codes")?
            .iter()
            .map(|one| code(one, failure_bytes))
            .collect::<Read<_>>()?;
        let record = reading.object(get(&value, "record")?)?;
        let record_checks = reading.key_checks(&value, "record_checks")?;
        let keeps_typed = flag(&value, "has_rules")? || !reading.foreign.is_empty();
        Ok(Plan {
            record,
            record_checks,
            codes,
            unknown: match string(&value, "unknown")? {
                "keep" => Unknown::Keep,
                "reject" => Unknown::Reject,
                _ => Unknown::Ignore,
            },
            unknown_code: small(&value, "unknown_code")?,
            size_limit: number(&value, "size_limit")? as usize,
            most: Most {
                base: number(told, "base")? as usize,
                per_byte: number(told, "per_byte")? as usize,
            },
            header_bytes: number(&value, "header_bytes")? as usize,
            magic: list(&value, "magic")?
                .iter()
                .filter_map(Value::as_u64)
                .map(|b| b as u8)
                .collect(),
            keeps_typed,
            slots: reading.slots,
            foreign: reading.foreign,
            uncovered: reading.uncovered,
        })
    }
}

#[derive(Default)]
struct Reading {
    slots: usize,
    foreign: Vec<u32>,
    uncovered: Vec<String>,
}

impl Reading {
    fn object(&mut self, value: &Value) -> Read<Object> {
        let members = list(value, "members")?;
        let (path, slot) = (strings(value, "path")?, self.slots);
        self.slots += members.len() + 1;
        let mut object = Object {
            members: Vec::with_capacity(members.len()),
            spelled: Vec::with_capacity(members.len()),
            names: HashMap::with_capacity(members.len()),
            path_bytes: path.iter().map(String::len).sum(),
            path,
            slot,
        };
        for (position, member) in members.iter().enumerate() {
            let name = string(member, "name")?;
            object
                .spelled
                .push(Spelled::of(&format!("{}:", Value::from(name))));
            object.names.insert(name.as_bytes().into(), position);
            object.members.push(self.node(member)?);
        }
        Ok(object)
    }

    fn node(&mut self, value: &Value) -> Read<Node> {
        let (kind, storage) = self.kind(value)?;
        let mut checks = Vec::new();
        for check in list(value, "checks")? {
            let (code, rule) = (small(check, "code")?, string(check, "rule")?);
            let bound = get(check, "bound")?;
            match Check::compile(rule, bound, string(value, "type")?) {
                Some(Check::NotNull) => {} // a value passes
                Some(compiled) if !matches!(kind, Kind::Object(_) | Kind::Map(_)) => {
                    checks.push((code, compiled))
                }
                _ => self.foreign.push(code),
            }
        }
        Ok(Node {
            kind,
            storage,
            room: Room::default(),
            null_codes: list(value, "null_codes")?
                .iter()
                .map(|code| {
                    code.as_u64()
                        .map(|code| code as u32)
                        .ok_or_else(|| odd("null_codes"))
                })
                .collect::<Read<_>>()?,
            type_code: small(value, "type_code")?,
            checks,
            key_checks: self.key_checks(value, "key_checks")?,
        })
    }

    fn kind(&mut self, value: &Value) -> Read<(Kind, Storage)> {
        Ok(match string(value, "kind")? {
            "string" => (Kind::Text, Storage::Text),
            "any" => (Kind::Any, Storage::Text),
            "boolean" => (Kind::Boolean, Storage::Boolean),
            "number" => (Kind::Number, Storage::Double),
            "unsigned" => (
                Kind::Unsigned,
                Storage::Decimal {
                    precision: 20,
                    scale: 0,
                },
            ),
            "integer" => {
                let kind = Kind::Integer {
                    low: long(value, "low")?,
                    high: long(value, "high")?,
                };
                let is_short = number(value, "bits")? == 32;
                (
                    kind,
                    if is_short {
                        Storage::Int32
                    } else {
                        Storage::Int64
                    },
                )
            }
            "decimal" => {
                let precision = number(value, "precision")? as u8;
                let scale = number(value, "scale")? as u8;
                let storage = Storage::Decimal {
                    precision,
                    scale: scale as i8,
                };
                (Kind::Decimal { precision, scale }, storage)
            }
            "array" => {
                let item = self.node(get(value, "item")?)?;
                (Kind::Array(Box::new(item)), Storage::Nested)
            }
            "map" => (Kind::Map(Box::new(self.entry(value)?)), Storage::Nested),
            "object" => (Kind::Object(self.object(value)?), Storage::Nested),
            temporal => self.temporal(temporal, value)?,
        })
    }

    fn entry(&mut self, value: &Value) -> Read<Entry> {
        let entry = Entry {
            key: self.node(get(value, "key")?)?,
            value: self.node(get(value, "value")?)?,
        };
        if !matches!(entry.key.kind, Kind::Text) {
            self.uncovered.push(string(value, "path")?.to_owned());
        }
        Ok(entry)
    }

    fn temporal(&mut self, kind: &str, value: &Value) -> Read<(Kind, Storage)> {
        let storage = if kind == "date" {
            Storage::Int32
        } else {
            Storage::Int64
        };
        match TemporalReader::from_plan(get(value, "reader")?) {
            Some(reader) => Ok((Kind::Temporal(reader), storage)),
            None => {
                self.uncovered.push(string(value, "path")?.to_owned());
                Ok((Kind::Any, Storage::Text))
            }
        }
    }

    fn key_checks(&mut self, value: &Value, key: &str) -> Read<Vec<(u32, KeyCheck)>> {
        list(value, key)?
            .iter()
            .map(|check| {
                let compiled = match string(check, "rule")? {
                    "minProperties" => KeyCheck::AtLeast(number(check, "bound")? as usize),
                    "maxProperties" => KeyCheck::AtMost(number(check, "bound")? as usize),
                    _ => KeyCheck::Required(
                        strings(check, "bound")?
                            .into_iter()
                            .map(|name| name.into_bytes().into())
                            .collect(),
                    ),
                };
                Ok((small(check, "code")?, compiled))
            })
            .collect()
    }
}

fn code(value: &Value, failure_bytes: usize) -> Read<Code> {
    let (path, expected) = (strings(value, "path")?, string(value, "expected")?);
    Ok(Code {
        told: path.iter().map(String::len).sum::<usize>() + expected.len() + failure_bytes,
        rule: string(value, "rule")?.to_owned(),
        expected: expected.to_owned(),
        severity: string(value, "severity")?.to_owned(),
        rejects: flag(value, "rejects")?,
        path,
    })
}

fn odd(key: &str) -> Unreadable {
    Unreadable(format!("`{key}` of the plan is missing or of another kind"))
}

fn get<'a>(value: &'a Value, key: &str) -> Read<&'a Value> {
    value.get(key).ok_or_else(|| odd(key))
}

fn list<'a>(value: &'a Value, key: &str) -> Read<&'a [Value]> {
    get(value, key)?
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| odd(key))
}

fn string<'a>(value: &'a Value, key: &str) -> Read<&'a str> {
    get(value, key)?.as_str().ok_or_else(|| odd(key))
}

fn strings(value: &Value, key: &str) -> Read<Vec<String>> {
    list(value, key)?
        .iter()
        .map(|one| one.as_str().map(str::to_owned).ok_or_else(|| odd(key)))
        .collect()
}

fn number(value: &Value, key: &str) -> Read<u64> {
    get(value, key)?.as_u64().ok_or_else(|| odd(key))
}

fn small(value: &Value, key: &str) -> Read<u32> {
    u32::try_from(number(value, key)?).map_err(|_| odd(key))
}

fn long(value: &Value, key: &str) -> Read<i64> {
    get(value, key)?.as_i64().ok_or_else(|| odd(key))
}

fn flag(value: &Value, key: &str) -> Read<bool> {
    get(value, key)?.as_bool().ok_or_else(|| odd(key))
}
