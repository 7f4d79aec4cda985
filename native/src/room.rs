//! How much memory a column is given at once.

use std::sync::atomic::{AtomicU32, Ordering};

/// How much a row of a column took in the last batch, so that the next one gets its memory at once.
#[derive(Debug)]
pub struct Room(AtomicU32);

impl Room {
    const UNIT: usize = 16;
    const UNKNOWN: u32 = u32::MAX;
    /// What is given at once before anything was learned: guesses inside guesses grow fast.
    const FIRST: usize = 1 << 16;
    /// What is given at once at all: the last batch may have been of another kind than this one.
    const MOST: usize = 1 << 24;

    /// The room that `rows` will probably take.
    pub fn of_rows(&self, rows: usize) -> usize {
        let likely = match self.0.load(Ordering::Relaxed) {
            Self::UNKNOWN => rows.saturating_mul(Self::UNIT).min(Self::FIRST),
            unit => (rows.saturating_mul(unit as usize) / Self::UNIT).min(Self::MOST),
        };
        likely + likely / 16 + 16
    }

    /// Note what `rows` took; of a few rows nothing is learned.
    pub fn learn(&self, rows: usize, taken: usize) {
        if rows >= 64 {
            let unit = u32::try_from(taken * Self::UNIT / rows).unwrap_or(u32::MAX);
            self.0.store(unit.min(Self::UNKNOWN - 1), Ordering::Relaxed);
        }
    }
}

impl Default for Room {
    fn default() -> Self {
        Room(AtomicU32::new(Self::UNKNOWN))
    }
}

#[cfg(test)]
mod tests {
    use super::Room;

    #[test]
    fn guesses_inside_guesses_stay_small() {
        let rooms: Vec<_> = (0..64).map(|_| Room::default()).collect();
        let inmost = rooms.iter().fold(10_000, |rows, room| room.of_rows(rows));
        assert!(inmost < 100_000);
    }

    #[test]
    fn room_is_what_the_last_batch_took_within_reason() {
        let room = Room::default();
        room.learn(63, 630);
        assert!(room.of_rows(10) >= 160); // of a few rows nothing is learned
        room.learn(100, 250);
        assert!((250..300).contains(&room.of_rows(100)));
        room.learn(64, 64 << 24);
        assert!(room.of_rows(1_000_000) < 1 << 25);
    }
}
