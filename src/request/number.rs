//! Numbers of JSON, as they are written: those that a 64-bit integer or float doesn't keep are told apart, so that none is
//! changed silently.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read};

/// Most bytes of a number that may be kept exactly: no float has more digits.
const LONGEST: usize = 400;

/// Which numbers of a text aren't kept, in the order of the text: each as it is written, or none where it is.
pub type Numbers = RefCell<VecDeque<Option<String>>>;

/// Finds numbers in the bytes of valid JSON as they go by.
#[derive(Default)]
pub struct Scanner {
    number: Vec<u8>,
    is_text: bool,
    is_escaped: bool,
}

impl Scanner {
    /// Takes the next byte. Gives what a number ended as that ended before it.
    pub fn push(&mut self, byte: u8) -> Option<Option<String>> {
        if self.is_text {
            match (self.is_escaped, byte) {
                (true, _) => self.is_escaped = false,
                (false, b'\\') => self.is_escaped = true,
                (false, b'"') => self.is_text = false,
                (false, _) => {}
            }
            return None;
        }
        let goes_on = matches!(byte, b'-' | b'0'..=b'9') || !self.number.is_empty() && matches!(byte, b'+' | b'.' | b'e' | b'E');
        if goes_on {
            if self.number.len() <= LONGEST {
                self.number.push(byte);
            }
            return None;
        }
        self.is_text = byte == b'"';
        self.end()
    }

    /// The number that the text ends with, if it does.
    pub fn end(&mut self) -> Option<Option<String>> {
        if self.number.is_empty() {
            return None;
        }
        let text = String::from_utf8(std::mem::take(&mut self.number)).unwrap_or_default();
        Some((text.len() > LONGEST || !is_kept(&text)).then_some(text))
    }
}

/// The numbers of a text, where one isn't kept.
pub fn unkept(bytes: &[u8]) -> Option<Numbers> {
    let mut scanner = Scanner::default();
    let mut all: VecDeque<_> = bytes.iter().filter_map(|byte| scanner.push(*byte)).collect();
    all.extend(scanner.end());
    all.iter().any(Option::is_some).then(|| RefCell::new(all))
}

/// Reads on, and finds numbers in what it reads.
pub struct Scanned<'n, R> {
    /// What it reads from.
    pub inner: R,
    /// Where the numbers go.
    pub numbers: &'n Numbers,
    /// How far it is.
    pub scanner: Scanner,
}

impl<R: Read> Read for Scanned<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(into)?;
        let found = into.iter().take(count).filter_map(|byte| self.scanner.push(*byte));
        self.numbers.borrow_mut().extend(found);
        Ok(count)
    }
}

/// Whether a number is kept as an integer or a float of 64 bits, to the last digit.
fn is_kept(text: &str) -> bool {
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return true;
    }
    text.parse::<f64>().is_ok_and(|kept| kept.is_finite() && parts(text) == parts(&format!("{kept:e}")))
}

/// A decimal number's digits, without zeros at either end, and the power of ten of the last one.
fn parts(text: &str) -> (String, i64) {
    let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let power = power.trim_start_matches('+').parse::<i64>().unwrap_or(i64::MAX);
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    let short = digits.trim_end_matches('0');
    if short.is_empty() {
        return (String::new(), 0);
    }
    let dropped = i64::try_from(digits.len() - short.len()).unwrap_or(0);
    (short.to_owned(), power.saturating_add(dropped).saturating_sub(i64::try_from(fraction).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_to_the_last_digit_is_told_from_what_is_rounded() {
        let kept =
            ["0", "-0", "-0.0", "1e3", "0.1", "1.50", "9007199254740993", "18446744073709551615", "1e23", "5e-324", "1E+5"];
        kept.iter().for_each(|text| assert!(is_kept(text), "{text}"));
        let rounded = [
            "123456789012345678901234567890",
            "0.1000000000000000055511151231257827",
            "1e-400",
            "9007199254740993.0",
            "3.141592653589793238",
            "1e99999999999999999999",
        ];
        rounded.iter().for_each(|text| assert!(!is_kept(text), "{text}"));
        let found = unkept(br#"{"a-1": [1, "2e\"5", -0.10000000000000001], "b": 7e2, "c": 1e400}"#).expect("two");
        let found: Vec<_> = found.into_inner().into_iter().map(|number| number.is_some()).collect();
        assert_eq!(found, [false, true, false, true]);
        assert!(unkept(b"[1, 2.5]").is_none() && unkept(b"12345678901234567890123").is_some());
    }
}
