//! The keys of the objects being read that no plan knows: noticed when one comes twice.

use std::ops::Range;

/// Above so many keys they are sorted instead of compared with each other.
const FEW: usize = 16;

/// A stack of names: those of an inner object lie above those of the object around it.
#[derive(Debug, Default)]
pub struct Keys {
    text: Vec<u8>,
    names: Vec<Range<usize>>,
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
        self.names.push(start..self.text.len());
    }

    /// Take the names since `mark` off; whether all were different.
    pub fn pop(&mut self, mark: Mark) -> bool {
        let text = &self.text;
        let names = &mut self.names[mark.names..];
        let name = |range: &Range<usize>| &text[range.clone()];
        let unique = if names.len() <= FEW {
            (1..names.len())
                .all(|one| (0..one).all(|other| name(&names[one]) != name(&names[other])))
        } else {
            names.sort_unstable_by(|one, other| name(one).cmp(name(other)));
            names
                .windows(2)
                .all(|pair| name(&pair[0]) != name(&pair[1]))
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
        self.names.last().cloned().unwrap_or(0..0)
    }

    /// The name that stands there.
    pub fn get(&self, range: Range<usize>) -> &str {
        // SAFETY: names are strings that were checked to be UTF-8, or made from them.
        unsafe { std::str::from_utf8_unchecked(&self.text[range]) }
    }

    pub fn contains(&self, mark: Mark, name: &[u8]) -> bool {
        self.names[mark.names..]
            .iter()
            .any(|range| &self.text[range.clone()] == name)
    }

    pub fn count(&self, mark: Mark) -> usize {
        self.names.len() - mark.names
    }
}
