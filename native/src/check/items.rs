//! `uniqueItems`: no item of an array twice.

use std::collections::HashSet;
use std::hash::Hash;

/// Up to so many items are compared pair by pair: there are few pairs, and no allocation.
const FEW: usize = 8;

/// Whether all items differ.
///
/// Items are equal as typed values are: nulls (and values that are not of their type) equal one
/// another, doubles are given as their bits.
pub fn are_unique<T: Eq + Hash>(items: impl ExactSizeIterator<Item = T> + Clone) -> bool {
    if items.len() <= FEW {
        let mut rest = items;
        while let Some(item) = rest.next() {
            if rest.clone().any(|other| other == item) {
                return false;
            }
        }
        return true;
    }
    let mut seen = HashSet::with_capacity(items.len());
    items.into_iter().all(|item| seen.insert(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many() {
        assert!(are_unique([Some(1), Some(2), None].into_iter()));
        assert!(!are_unique([None::<i64>, None].into_iter()));
        assert!(are_unique(0..100));
        assert!(!are_unique((0..100).map(|value| value % 99)));
        assert!(are_unique(std::iter::empty::<i64>()));
    }
}
