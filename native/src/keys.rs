//! The keys of the objects being read that no plan knows: noticed when one comes twice.

use std::ops::Range;

/// Above so many keys they are sorted instead of compared with each other.
const FEW: usize = 16;

/// A stack of names: those of an inner object lie above those of the object around it.
#[derive(Debug, Default)]
pub struct Keys {
    text: Vec<u8>,
    names: Vec<Name>,
}

/// Where a name stands, and a number that is the same for the same name.
#[derive(Debug, Clone, Copy)]
struct Name {
    digest: u64,
    start: usize,
    end: usize,
}

impl Name {
    fn of<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        &text[self.start..self.end]
    }
}

/// Where the names of an object begin.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    text: usize,
    names: usize,
}

impl Keys {
    pub fn mark(&self) -> Mark {
        Mark {
            text: self.text.len(),
            names: self.names.len(),
        }
    }

    pub fn clear(&mut self) {
        self.text.clear();
        self.names.clear();
    }

    #[inline]
    pub fn push(&mut self, name: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        self.names.push(Name {
            digest: digest(name),
            start,
            end: self.text.len(),
        });
    }

    /// Take the names since `mark` off; whether all were different.
    pub fn pop(&mut self, mark: Mark) -> bool {
        let text = &self.text;
        let names = &mut self.names[mark.names..];
        let differ =
            |one: &Name, other: &Name| one.digest != other.digest || one.of(text) != other.of(text);
        let unique = if names.len() <= FEW {
            (1..names.len()).all(|one| (0..one).all(|other| differ(&names[one], &names[other])))
        } else {
            // By the names too: whoever finds many of one digest must not gain by it.
            names.sort_unstable_by(|one, other| {
                let order = one.digest.cmp(&other.digest);
                order.then_with(|| one.of(text).cmp(other.of(text)))
            });
            names.windows(2).all(|pair| differ(&pair[0], &pair[1]))
        };
        self.names.truncate(mark.names);
        self.text.truncate(mark.text);
        unique
    }

    /// The name that was pushed last.
    pub fn last(&self) -> &str {
        self.get(self.last_range())
    }

    /// Where the name that was pushed last stands, as long as its object is read.
    #[inline]
    pub fn last_range(&self) -> Range<usize> {
        self.names.last().map_or(0..0, |name| name.start..name.end)
    }

    /// The name that stands there.
    pub fn get(&self, range: Range<usize>) -> &str {
        // SAFETY: names are strings that were checked to be UTF-8, or made from them.
        unsafe { std::str::from_utf8_unchecked(&self.text[range]) }
    }

    pub fn contains(&self, mark: Mark, name: &[u8]) -> bool {
        self.names[mark.names..]
            .iter()
            .any(|one| one.of(&self.text) == name)
    }

    pub fn count(&self, mark: Mark) -> usize {
        self.names.len() - mark.names
    }
}

/// A number of the length and the outer bytes: two names of up to 16 bytes hardly ever share it.
#[inline]
fn digest(name: &[u8]) -> u64 {
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .rev()
            .fold(0, |all, &byte| all << 8 | u64::from(byte))
    };
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (number(name), 0),
    };
    let mixed = (first ^ name.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 32 ^ last).wrapping_mul(0xD6E8_FEB8_6659_FD93)
}

#[cfg(test)]
mod tests {
    use super::Keys;

    fn are_unique<'n>(names: impl IntoIterator<Item = &'n str>) -> bool {
        let mut keys = Keys::default();
        keys.push(b"outside");
        let mark = keys.mark();
        names
            .into_iter()
            .for_each(|name| keys.push(name.as_bytes()));
        let unique = keys.pop(mark);
        assert_eq!(keys.last(), "outside");
        unique
    }

    #[test]
    fn few_and_many() {
        let names: Vec<String> = (0..40).map(|number| format!("key {number}")).collect();
        for count in [0, 1, 2, 16, 17, 40] {
            let some = || names[..count].iter().map(String::as_str);
            assert!(are_unique(some()));
            for twice in &names[..count] {
                assert!(!are_unique(some().chain([twice.as_str()])));
                assert!(!are_unique([twice.as_str()].into_iter().chain(some())));
            }
        }
    }

    #[test]
    fn names_of_one_digest_are_told_apart() {
        let names: Vec<String> = (10..40)
            .map(|number| format!("12345678 {number} 12345678"))
            .collect();
        assert!(are_unique(names[..5].iter().map(String::as_str)));
        assert!(are_unique(names.iter().map(String::as_str)));
        assert!(!are_unique(
            names.iter().chain([&names[7]]).map(String::as_str)
        ));
        assert!(are_unique(["", "a", "b", "\0", "a\0"]));
    }
}
