//! Which passwords may be chosen: how long they are, and how hard to guess, also for who knows the person.
//!
//! In charge of: judging in bounded time, whatever is chosen.

use crate::config::Config;

/// So many characters of a password are judged by how they may be guessed, at its beginning and at its end: what that takes
/// grows much faster than the text.
const JUDGED: usize = 16;
/// From here on a password is long enough, unless it repeats itself.
const LONG: usize = 40;
/// Fewest characters of a long one that differ.
const DIFFERENT: usize = 8;
/// Longest word that is looked for in it, and most of them.
const WORD: usize = 64;
/// Shortest word that counts as one character where it is found.
const KNOWN: usize = 4;
const WORDS: usize = 100;

/// Most words that are looked for.
const LISTED: usize = 10_000;

/// Which passwords may be chosen.
#[derive(Debug)]
pub struct Policy {
    /// Fewest characters.
    min: usize,
    /// What everybody knows, in lower case.
    words: Vec<String>,
}

impl Policy {
    /// As the configuration says.
    ///
    /// # Errors
    /// Words for the person who starts the server.
    pub fn new(config: &Config) -> Result<Policy, String> {
        let words = match &config.password.words {
            None => vec!["rowhouse".to_owned()],
            Some(path) => {
                let told = |why: String| format!("password.words: {}: {why}", path.display());
                let text = std::fs::read_to_string(path).map_err(|error| told(error.to_string()))?;
                let words: Vec<String> =
                    text.lines().map(str::trim).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
                if words.len() > LISTED {
                    return Err(told(format!("it has {} words, and at most {LISTED} are looked for", words.len())));
                }
                words
            }
        };
        Ok(Policy { min: config.password.min_length, words })
    }

    /// Whether a password may be chosen: long enough, and hard to guess, also for who knows the person.
    ///
    /// # Errors
    /// The end of a sentence that starts with the field's name.
    pub fn judge(&self, password: &str, context: &[&str]) -> Result<(), String> {
        let count = password.chars().count();
        if count < self.min {
            return Err(format!("must have at least {} characters", self.min));
        }
        if count >= LONG && !repeats(password) {
            return Ok(());
        }
        let known = context.iter().filter(|text| text.len() <= 4 * WORD);
        let own = known.flat_map(|w| w.split(['@', ' ', '.']).chain(w.split('@')).chain([*w]));
        let lower = password.to_lowercase();
        let listed = self.words.iter().map(String::as_str).filter(|word| lower.contains(word));
        let words: Vec<&str> = listed.chain(own).filter(|w| (3..=WORD).contains(&w.len())).take(WORDS).collect();
        // What is known counts as one character, however long it is.
        let judged = without(password, &words);
        let count = judged.chars().count();
        let start: String = judged.chars().take(JUDGED).collect();
        let end: String = judged.chars().skip(count.saturating_sub(JUDGED)).collect();
        let is_easy = |part: &str| zxcvbn::zxcvbn(part, &words).guesses_log10() < 6.0;
        match password.chars().count() >= LONG || is_easy(&start) && (count <= JUDGED || is_easy(&end)) {
            true => Err("is too easy to guess: take a longer or rarer one".to_owned()),
            false => Ok(()),
        }
    }
}

/// A text with each of these words, in whatever case, made one character.
fn without(text: &str, words: &[&str]) -> String {
    let mut longest: Vec<&str> = words.iter().copied().filter(|word| word.len() >= KNOWN).collect();
    longest.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut text = text.to_owned();
    for word in longest {
        let word = word.to_ascii_lowercase();
        while let Some(at) = text.to_ascii_lowercase().find(&word) {
            text.replace_range(at..at + word.len(), "*"); // the same places: only ASCII letters are other ones
        }
    }
    text
}

/// Whether a text is one part again and again, or of few characters.
fn repeats(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let different: std::collections::HashSet<&char> = letters.iter().collect();
    // The length of the longest start of each start that is also its end: the shortest part that it repeats is the rest.
    let (mut ends, mut length) = (vec![0; letters.len()], 0);
    for at in 1..letters.len() {
        while length > 0 && letters[at] != letters[length] {
            length = ends[length - 1];
        }
        length += usize::from(letters[at] == letters[length]);
        ends[at] = length;
    }
    let part = letters.len() - length;
    different.len() < DIFFERENT || part <= letters.len() / 2
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn policy() -> Policy {
        Policy { min: 8, words: vec!["rowhouse".to_owned()] }
    }

    #[test]
    fn words_are_those_of_a_file_and_lengths_as_it_is_said() {
        let path = std::env::temp_dir().join(format!("rowhouse-words-{}", uuid::Uuid::now_v7()));
        std::fs::write(&path, "Quixotry\n\nvaults-of-old\n").expect("written");
        let mut config = Config::default();
        (config.password.min_length, config.password.words) = (12, Some(path));
        let policy = Policy::new(&config).expect("read");
        for (password, is_good) in
            [("QUIXOTRY1234", false), ("xvaults-of-old", false), ("zf8-klmbvw92", true), ("zf8-klmbvw9", false)]
        {
            assert_eq!(policy.judge(password, &[]).is_ok(), is_good, "{password}");
        }
        config.password.words = Some("/nowhere/words".into());
        assert!(Policy::new(&config).expect_err("none").starts_with("password.words: /nowhere/words: "));
    }

    #[test]
    fn v6_what_is_easily_guessed_is_refused() {
        for bad in ["short", "password1", "qwerty123456", "rowhouse", "aaaaaaaaaaaa", "ada@example.org", "12345678"] {
            assert!(policy().judge(bad, &["ada@example.org", "Ada"]).is_err(), "{bad}");
        }
        assert!(policy().judge("quixotry.vaults", &["quixotry.vaults@example.org"]).is_err(), "what stands before the @, whole");
        for repeated in ["abcdefghij".repeat(5), "ab".repeat(40), "password".repeat(6), "x".repeat(100)] {
            assert!(policy().judge(&repeated, &[]).is_err(), "{repeated}");
        }
        for good in ["correct horse", "größere Häuser überall", "xK9#mQ2$vL", "a sentence that nobody else would think of, ever"]
        {
            assert!(policy().judge(good, &["ada@example.org"]).is_ok(), "{good}");
        }
    }

    #[test]
    fn what_judging_takes_does_not_grow_with_the_password_or_with_what_is_known() {
        let crafted = "28!4|(1%2+{1%|003595||[226956041959{54(2$39@{|45++635@356{9952572(4{99+12974$!!%{@46+$(+<4002%5|5|<9";
        let letter = "4@8({[<3691!|0$57+%2";
        let context = "4@8({[ ".repeat(40_000);
        let judge = |text: &str, context: &[&str]| {
            let began = std::time::Instant::now();
            _ = policy().judge(text, context);
            began.elapsed()
        };
        let (five, two) = (letter.repeat(5), letter.repeat(2));
        let worst = [crafted, &crafted[..39], &five, &two[..39]].into_iter().map(|text| judge(text, &[&context]));
        let (most, plain) = (worst.max().expect("some"), judge("correct horse", &[]));
        assert!(most < plain * 400 + Duration::from_millis(400), "{most:?} against {plain:?}");
    }
}
