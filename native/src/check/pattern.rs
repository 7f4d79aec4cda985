//! `pattern` and `invalidPattern`: the RE2 syntax that `contract/pattern.py` writes, searched for
//! in linear time with RE2's meaning.
//!
//! The syntax is one both engines share, but for `\b` and `\B`: RE2's are of ASCII and stand
//! between bytes. Unicode properties were spelled out in Python, so no table can differ.

use regex_automata::dfa::{dense, Automaton, StartKind};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{meta, Anchored, Input};
use regex_syntax::hir::Hir;

use super::run::Runs;

/// A dense automaton beyond this is built as it is used instead.
const DENSE_BYTES: usize = 1 << 20;
const BUILDING_BYTES: usize = 1 << 20;
const NFA_BYTES: usize = 32 << 20;

/// A pattern, in the quickest form that it has.
#[derive(Debug)]
pub struct Pattern(Form);

#[derive(Debug)]
enum Form {
    Anything,
    Runs(Runs),
    Dense(Box<dense::DFA<Vec<u32>>>, Anchored),
    Built(Box<meta::Regex>),
}

impl Pattern {
    /// The pattern of an expression in RE2 syntax; None when it is beyond the engine's limits.
    pub fn compile(re2: &str) -> Option<Self> {
        let text = ascii_boundaries(re2);
        let expression = regex_syntax::ParserBuilder::new()
            .utf8(false)
            .nest_limit(1000)
            .build()
            .parse(&text)
            .ok()?;
        if expression.properties().minimum_len() == Some(0)
            && expression.properties().look_set().is_empty()
        {
            return Some(Self(Form::Anything)); // nothing is found everywhere
        }
        if let Some(runs) = Runs::of(&expression) {
            return Some(Self(Form::Runs(runs)));
        }
        let form = dense_form(&expression).or_else(|| built(&text))?;
        Some(Self(form))
    }

    /// Whether the pattern is found anywhere in the text.
    #[inline]
    pub fn search(&self, text: &[u8]) -> bool {
        match &self.0 {
            Form::Anything => true,
            Form::Runs(runs) => runs.is_match(text),
            Form::Dense(automaton, anchored) => {
                let input = Input::new(text).anchored(*anchored).earliest(true);
                matches!(automaton.try_search_fwd(&input), Ok(Some(_)))
            }
            Form::Built(regex) => regex.is_match(text),
        }
    }
}

fn dense_form(expression: &Hir) -> Option<Form> {
    let config = thompson::Config::new()
        .utf8(false)
        .nfa_size_limit(Some(BUILDING_BYTES));
    let nfa = thompson::Compiler::new()
        .configure(config.which_captures(thompson::WhichCaptures::None))
        .build_from_hir(expression)
        .ok()?;
    let anchored = nfa.is_always_start_anchored();
    let config = dense::Config::new()
        .dfa_size_limit(Some(DENSE_BYTES))
        .determinize_size_limit(Some(BUILDING_BYTES))
        .start_kind(if anchored {
            StartKind::Anchored
        } else {
            StartKind::Unanchored
        });
    let automaton = dense::Builder::new()
        .configure(config)
        .build_from_nfa(&nfa)
        .ok()?;
    Some(Form::Dense(
        Box::new(automaton),
        if anchored {
            Anchored::Yes
        } else {
            Anchored::No
        },
    ))
}

fn built(text: &str) -> Option<Form> {
    let config = meta::Config::new()
        .utf8_empty(false)
        .nfa_size_limit(Some(NFA_BYTES));
    let regex = meta::Builder::new()
        .configure(config)
        .syntax(syntax::Config::new().utf8(false).nest_limit(1000))
        .build(text)
        .ok()?;
    Some(Form::Built(Box::new(regex)))
}

/// `\b` and `\B` as ASCII word boundaries; the translation has no others.
fn ascii_boundaries(re2: &str) -> String {
    let mut text = String::with_capacity(re2.len());
    let mut letters = re2.chars();
    while let Some(letter) = letters.next() {
        match (letter, if letter == '\\' { letters.next() } else { None }) {
            ('\\', Some('b')) => text.push_str(r"(?-u:\b)"),
            ('\\', Some('B')) => text.push_str(r"(?-u:\B)"),
            ('\\', Some(other)) => text.extend(['\\', other]),
            (other, _) => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(re2: &str, text: &str) -> bool {
        Pattern::compile(re2).unwrap().search(text.as_bytes())
    }

    fn is_runs(re2: &str) -> bool {
        matches!(Pattern::compile(re2).unwrap().0, Form::Runs(_))
    }

    #[test]
    fn runs_of_one_set() {
        for re2 in [
            r"\A[0-9a-f]{32}\z",
            r"\AN[0-9]+\z",
            r"\A[A-Z]{3}\x{2d}[0-9]{6}\z",
            r"\A[a-z]\z",
            r"\A[A-Za-z0-9_.~]*\z",
        ] {
            assert!(is_runs(re2), "{re2}");
        }
        for re2 in [
            r"\A[0-9]+\x{2d}[0-9]+\z",
            r"[0-9]{3}",
            r"\A[^a]\z",
            r"\A(?:a|bc)\z",
        ] {
            assert!(!is_runs(re2), "{re2}");
        }
        assert!(
            search(r"\AN[0-9]+\z", "N12")
                && !search(r"\AN[0-9]+\z", "N")
                && !search(r"\AN[0-9]+\z", "N1\n")
        );
        assert!(search(r"\A[0-9]*ab\z", "ab") && !search(r"\A[0-9]*ab\z", "b"));
        assert!(search(r"\Aé[0-9]\z", "é1") && !search(r"\Aé[0-9]\z", "e1"));
        assert!(!search(r"\A[A-Za-z0-9_.~]*\z", "a\u{e9}"));
    }

    #[test]
    fn the_meaning_of_re2() {
        assert!(search("a", "bab") && search("", "") && search(r"\z", "a"));
        assert!(!search(r"\Aa\z", "a\n") && search(r"\A(?s:.)\z", "\u{1F600}"));
        assert!(search(r"\bab\b", "\u{e9}ab\u{e9}") && search(r"a\Bb", "ab"));
        assert!(search(r"\B", "a\u{e9}b") && !search(r"\B", "a"));
        assert!(
            !search(r"[^\x{0}-\x{10ffff}]", "a") && !search(r"\A[^\x{0}-\x{10ffff}]{0}a\z", "b")
        );
    }

    #[test]
    fn large_patterns_are_built_as_they_are_used() {
        let re2 = r"[a-z]{1,50}[^\n\r\x{2028}\x{2029}]{900}x";
        let pattern = Pattern::compile(re2).unwrap();
        assert!(matches!(pattern.0, Form::Built(_)));
        assert!(pattern.search(format!("a{}x", "\u{e9}".repeat(900)).as_bytes()));
        assert!(!pattern.search(format!("A{}x", "\u{e9}".repeat(900)).as_bytes()));
    }
}
