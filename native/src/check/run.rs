//! The commonest patterns: a whole text that is a few runs of ASCII characters, at most one of them
//! of variable length (`^[0-9a-f]{32}$`, `^N[0-9]+$`, `^[A-Z]{3}-[0-9]{6}$`).
//!
//! Where each run begins and ends follows from the length of the text, so nothing is searched.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Texts of one length up to this are compared with all their ranges side by side.
const LANES: usize = 32;

/// A text that is these runs, one after the other.
#[derive(Debug)]
pub struct Runs {
    pieces: Vec<Piece>,
    shortest: usize,
    longest: usize,
    lanes: Option<Box<Lanes>>,
}

/// The ranges of each character of a text of one length; beyond it, of the zeros that pad it.
#[derive(Debug)]
struct Lanes([[u8; LANES]; 6]);

impl Lanes {
    fn of(pieces: &[Piece], length: usize) -> Option<Box<Self>> {
        let mut lanes = [[0; LANES]; 6];
        let mut at = 0;
        for piece in pieces {
            let Set::Ranges(ranges) = &piece.set else {
                return None;
            };
            for _ in 0..piece.least {
                for (which, (low, width)) in ranges.iter().enumerate() {
                    *lanes[2 * which].get_mut(at)? = *low;
                    lanes[2 * which + 1][at] = *width;
                }
                at += 1;
            }
        }
        (at == length).then(|| Box::new(Self(lanes)))
    }

    #[inline]
    fn is_match(&self, text: &[u8]) -> bool {
        let mut padded = [0; LANES];
        padded[..text.len()].copy_from_slice(text);
        let [a, of_a, b, of_b, c, of_c] = &self.0;
        (0..LANES).fold(true, |all, at| {
            let byte = padded[at];
            let in_a = byte.wrapping_sub(a[at]) <= of_a[at];
            let in_b = byte.wrapping_sub(b[at]) <= of_b[at];
            let in_c = byte.wrapping_sub(c[at]) <= of_c[at];
            all & (in_a | in_b | in_c)
        })
    }
}

/// Characters of one set, at least and at most so many.
#[derive(Debug, PartialEq)]
struct Piece {
    set: Set,
    least: usize,
    most: usize,
}

#[derive(Debug, PartialEq)]
enum Set {
    /// Lowest character and width; unused ones repeat the first. Compared side by side.
    Ranges([(u8, u8); 3]),
    Table(Box<[bool; 256]>),
}

impl Runs {
    /// The runs of an expression that is `\A` runs `\z`; None for any other.
    pub fn of(expression: &Hir) -> Option<Self> {
        let HirKind::Concat(parts) = expression.kind() else {
            return None;
        };
        let [first, inner @ .., last] = parts.as_slice() else {
            return None;
        };
        if *first.kind() != HirKind::Look(Look::Start) || *last.kind() != HirKind::Look(Look::End) {
            return None;
        }
        let mut pieces = Vec::new();
        for part in inner {
            add(part, &mut pieces)?;
        }
        if pieces
            .iter()
            .filter(|piece| piece.least != piece.most)
            .count()
            > 1
        {
            return None;
        }
        let sum = |of: fn(&Piece) -> usize| pieces.iter().map(of).fold(0, usize::saturating_add);
        let (shortest, longest) = (sum(|piece| piece.least), sum(|piece| piece.most));
        let lanes = if shortest == longest && longest <= LANES {
            Lanes::of(&pieces, longest)
        } else {
            None
        };
        Some(Self {
            pieces,
            shortest,
            longest,
            lanes,
        })
    }

    /// Whether the text is these runs.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        if text.len() < self.shortest || text.len() > self.longest {
            return false;
        }
        if let Some(lanes) = &self.lanes {
            return lanes.is_match(text);
        }
        let spare = text.len() - self.shortest;
        let mut rest = text;
        self.pieces.iter().all(|piece| {
            let length = if piece.least == piece.most {
                piece.least
            } else {
                piece.least + spare
            };
            let (run, others) = rest.split_at(length);
            rest = others;
            piece.set.has_all(run)
        })
    }
}

impl Set {
    #[inline]
    fn has_all(&self, run: &[u8]) -> bool {
        match self {
            Set::Ranges([(a, of_a), (b, of_b), (c, of_c)]) => run.iter().fold(true, |all, byte| {
                let in_a = byte.wrapping_sub(*a) <= *of_a;
                let in_b = byte.wrapping_sub(*b) <= *of_b;
                let in_c = byte.wrapping_sub(*c) <= *of_c;
                all & (in_a | in_b | in_c)
            }),
            Set::Table(table) => run.iter().all(|&byte| table[usize::from(byte)]),
        }
    }

    fn of(ranges: &[(u8, u8)]) -> Set {
        if let (Some(&first), true) = (ranges.first(), ranges.len() <= 3) {
            let range = |at: usize| *ranges.get(at).unwrap_or(&first);
            return Set::Ranges([0, 1, 2].map(|at| (range(at).0, range(at).1 - range(at).0)));
        }
        let mut table = Box::new([false; 256]);
        for &(low, high) in ranges {
            table[usize::from(low)..=usize::from(high)].fill(true);
        }
        Set::Table(table)
    }
}

fn add(part: &Hir, pieces: &mut Vec<Piece>) -> Option<()> {
    match part.kind() {
        HirKind::Literal(literal) => {
            for &byte in literal.0.iter() {
                pieces.push(Piece {
                    set: Set::of(&[(byte, byte)]),
                    least: 1,
                    most: 1,
                });
            }
        }
        HirKind::Repetition(repetition) => {
            let least = repetition.min as usize;
            let most = repetition.max.map_or(usize::MAX, |most| most as usize);
            pieces.push(Piece {
                set: set_of(&repetition.sub)?,
                least,
                most,
            });
        }
        HirKind::Class(_) => pieces.push(Piece {
            set: set_of(part)?,
            least: 1,
            most: 1,
        }),
        _ => return None,
    }
    Some(())
}

/// The set of an expression of one ASCII character.
fn set_of(part: &Hir) -> Option<Set> {
    match part.kind() {
        HirKind::Literal(literal) => match *literal.0 {
            [byte] => Some(Set::of(&[(byte, byte)])),
            _ => None,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let narrow = |code: char| u8::try_from(code).ok().filter(u8::is_ascii);
            let ranges: Option<Vec<_>> = class
                .ranges()
                .iter()
                .map(|range| Some((narrow(range.start())?, narrow(range.end())?)))
                .collect();
            ranges.map(|ranges| Set::of(&ranges))
        }
        HirKind::Class(Class::Bytes(class)) => {
            let ranges: Vec<_> = class
                .ranges()
                .iter()
                .map(|range| (range.start(), range.end()))
                .collect();
            ranges
                .iter()
                .all(|(_, high)| high.is_ascii())
                .then(|| Set::of(&ranges))
        }
        _ => None,
    }
}
