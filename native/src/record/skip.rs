//! Values nobody declared a type for: passed as strictly as all others.

use super::Judge;
use crate::json::{unescape, Malformed, Parsed, Scanner, MAX_DEPTH};

impl Judge<'_> {
    /// Pass any value, as strictly as a declared one; whether it is canonical text as it stands.
    pub(super) fn skip(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Parsed<bool> {
        scan.whitespace();
        match scan.peek() {
            b'"' => {
                scan.at += 1;
                let quoted = scan.string()?;
                if quoted.escaped {
                    self.scratch.clear();
                    unescape(quoted.raw, &mut self.scratch)?;
                }
                Ok(!quoted.escaped)
            }
            b'{' | b'[' if depth == MAX_DEPTH => Err(Malformed),
            b'{' => self.skip_object(scan, depth + 1),
            b'[' => self.skip_array(scan, depth + 1),
            b't' => scan.word(b"true").map(|()| true),
            b'f' => scan.word(b"false").map(|()| true),
            b'n' => scan.word(b"null").map(|()| true),
            _ => scan.number().map(|_| true),
        }
    }

    fn skip_array(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Parsed<bool> {
        scan.at += 1;
        let mut is_plain = self.is_tight(scan);
        if scan.take(b']') {
            return Ok(is_plain);
        }
        loop {
            is_plain &= self.is_tight(scan);
            is_plain &= self.skip(scan, depth)?;
            is_plain &= self.is_tight(scan);
            if !scan.goes_on(b']')? {
                return Ok(is_plain);
            }
        }
    }

    fn skip_object(&mut self, scan: &mut Scanner<'_>, depth: usize) -> Parsed<bool> {
        scan.at += 1;
        let mark = self.keys.mark();
        let mut is_plain = self.is_tight(scan);
        if scan.take(b'}') {
            return Ok(is_plain);
        }
        loop {
            is_plain &= self.is_tight(scan);
            is_plain &= self.any_key(scan)?;
            is_plain &= self.is_tight(scan);
            is_plain &= self.skip(scan, depth)?;
            is_plain &= self.is_tight(scan);
            if !scan.goes_on(b'}')? {
                break;
            }
        }
        if !self.keys.pop(mark) {
            return Err(Malformed);
        }
        Ok(is_plain)
    }

    /// A name and its colon, noted among the keys; whether it is canonical as it stands.
    pub(super) fn any_key(&mut self, scan: &mut Scanner<'_>) -> Parsed<bool> {
        scan.whitespace();
        scan.expect(b'"')?;
        let quoted = scan.string()?;
        if quoted.escaped {
            self.scratch.clear();
            unescape(quoted.raw, &mut self.scratch)?;
            self.keys.push(self.scratch.as_bytes());
        } else {
            self.keys.push(quoted.raw);
        }
        let is_plain = !quoted.escaped && self.is_tight(scan);
        scan.whitespace();
        scan.expect(b':')?;
        Ok(is_plain)
    }

    /// Pass whitespace; whether there was none.
    fn is_tight(&self, scan: &mut Scanner<'_>) -> bool {
        let start = scan.at;
        scan.whitespace();
        scan.at == start
    }
}
