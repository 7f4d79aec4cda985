//! Which members of an object have been met.

/// Which members of an object have been met.
pub(super) struct Met {
    first: u64,
    more: Vec<u64>,
    pub(super) count: usize,
}

impl Met {
    #[inline(always)]
    pub(super) fn new(members: usize) -> Self {
        let more = if members > 64 {
            vec![0; members / 64]
        } else {
            Vec::new()
        };
        Met {
            first: 0,
            more,
            count: 0,
        }
    }

    /// Whether the member had not been met.
    #[inline(always)]
    pub(super) fn insert(&mut self, member: usize) -> bool {
        let word = if member < 64 {
            &mut self.first
        } else {
            &mut self.more[member / 64 - 1]
        };
        let bit = 1 << (member % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += 1;
        is_new
    }

    pub(super) fn contains(&self, member: usize) -> bool {
        let word = if member < 64 {
            self.first
        } else {
            self.more[member / 64 - 1]
        };
        word & (1 << (member % 64)) != 0
    }
}
