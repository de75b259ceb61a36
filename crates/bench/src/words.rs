//! A vocabulary that nobody speaks, used as often as a real one: few words do most of the work (Zipf's law).

use std::collections::HashSet;

use crate::chance::Chance;

/// How many words there are: about 9 to 10 bits of surprise each, as in English shop texts.
const WORDS: u32 = 9_000;
/// The n-th word (from 0) is used in proportion to 1 / (n + this).
const OFFSET: f64 = 2.7;
/// The commonest word has this rank; tags and colours are taken further down.
const COLOURS: std::ops::Range<usize> = 300..340;
const TAGS: std::ops::Range<usize> = 400..900;

const BEGINS: &[&str] = &[
    "b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "w", "z", "bl", "br", "ch",
    "dr", "fl", "fr", "gl", "gr", "kl", "pl", "pr", "sh", "sk", "sp", "st", "th", "tr", "j",
];
const MIDDLES: &[&str] = &["a", "e", "i", "o", "u", "a", "e", "i", "o", "au", "ea", "ei", "io", "oo", "ue"];
const ENDS: &[&str] = &["", "", "", "n", "r", "s", "t", "l", "m", "k", "ch", "nd", "rt", "st", "ng"];
/// Syllables of a word.
const SYLLABLES: &[u8] = &[1, 1, 2, 2, 2, 3];

/// Words and how to draw them.
pub(crate) struct Vocabulary {
    words: Vec<String>,
    /// Walker's alias table: a column is drawn evenly, then it or its alias.
    columns: Vec<(u32, u32)>,
    pub(crate) vendors: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) colours: Vec<String>,
    pub(crate) tags: Vec<String>,
}

impl Vocabulary {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let words = invent(&mut chance);
        let capitals = |range: std::ops::Range<usize>| {
            words.get(range).unwrap_or_default().iter().map(|word| capital(word))
        };
        let colours = capitals(COLOURS).collect();
        let tags = words.get(TAGS).unwrap_or_default().to_vec();
        let mut vocabulary = Self {
            columns: alias_table(
                &(0..WORDS).map(|rank| 1.0 / (f64::from(rank) + OFFSET)).collect::<Vec<_>>(),
            ),
            words,
            vendors: Vec::new(),
            types: Vec::new(),
            colours,
            tags,
        };
        vocabulary.vendors = (0..180).map(|_| vocabulary.name(&mut chance, 2)).collect();
        vocabulary.types = (0..60).map(|_| vocabulary.name(&mut chance, 2)).collect();
        vocabulary
    }

    /// A word, the common ones often.
    pub(crate) fn word(&self, chance: &mut Chance) -> &str {
        let bits = chance.bits();
        let column = ((bits >> 32) * self.columns.len() as u64) >> 32;
        let column = usize::try_from(column).unwrap_or_default();
        let (threshold, alias) = self.columns.get(column).copied().unwrap_or_default();
        let low = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or_default();
        let rank = if low < threshold { column } else { alias as usize };
        self.words.get(rank).map_or("", String::as_str)
    }

    /// Words with capitals, as in a title.
    pub(crate) fn name(&self, chance: &mut Chance, words: u64) -> String {
        let mut text = String::new();
        for turn in 0..words {
            if turn > 0 {
                text.push(' ');
            }
            push_capital(&mut text, self.word(chance));
        }
        text
    }

    /// Six to eighteen words and a stop.
    pub(crate) fn push_sentence(&self, text: &mut String, chance: &mut Chance) {
        push_capital(text, self.word(chance));
        for _ in 1..chance.between(6, 18) {
            text.push(' ');
            text.push_str(self.word(chance));
        }
        text.push_str(chance.one_of(&[".", ".", ".", "!", ", also."]));
    }
}

fn invent(chance: &mut Chance) -> Vec<String> {
    let mut seen = HashSet::new();
    let mut words = Vec::new();
    while words.len() < WORDS as usize {
        let mut word = String::new();
        for _ in 0..chance.one_of(SYLLABLES) {
            word.push_str(chance.one_of(BEGINS));
            word.push_str(chance.one_of(MIDDLES));
        }
        word.push_str(chance.one_of(ENDS));
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// For each column: how far in it (of 2^32) the column itself is meant, and who else.
fn alias_table(weights: &[f64]) -> Vec<(u32, u32)> {
    let total: f64 = weights.iter().sum();
    let mean = total / f64::from(WORDS);
    let mut left: Vec<f64> = weights.iter().map(|weight| weight / mean).collect();
    let mut table = vec![(u32::MAX, 0); weights.len()];
    let (mut poor, mut rich): (Vec<usize>, Vec<usize>) =
        (0..left.len()).partition(|&at| left.get(at) < Some(&1.0));
    while let (Some(small), Some(&large)) = (poor.pop(), rich.last()) {
        let share = left.get(small).copied().unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of 2^32, from 0 to 1"
        )]
        let threshold = (share * f64::from(u32::MAX)) as u32;
        if let Some(column) = table.get_mut(small) {
            *column = (threshold, u32::try_from(large).unwrap_or_default());
        }
        if let Some(rest) = left.get_mut(large) {
            *rest -= 1.0 - share;
            if *rest < 1.0 {
                rich.pop();
                poor.push(large);
            }
        }
    }
    table
}

fn capital(word: &str) -> String {
    let mut text = String::new();
    push_capital(&mut text, word);
    text
}

fn push_capital(text: &mut String, word: &str) {
    let mut letters = word.chars();
    text.extend(letters.next().map(|first| first.to_ascii_uppercase()));
    text.push_str(letters.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn words_are_all_different_and_follow_the_seed() {
        let vocabulary = Vocabulary::new(42);
        assert_eq!(vocabulary.words.iter().collect::<HashSet<_>>().len(), WORDS as usize);
        assert_eq!(vocabulary.words, Vocabulary::new(42).words);
        assert_ne!(vocabulary.words, Vocabulary::new(43).words);
        assert_eq!((vocabulary.colours.len(), vocabulary.tags.len()), (40, 500));
    }

    #[test]
    fn words_are_drawn_as_often_as_their_rank_says() {
        let vocabulary = Vocabulary::new(42);
        let mut chance = Chance::new(1);
        let mut drawn: HashMap<&str, u32> = HashMap::new();
        for _ in 0..400_000 {
            *drawn.entry(vocabulary.word(&mut chance)).or_default() += 1;
        }
        let total: f64 = (0..WORDS).map(|rank| 1.0 / (f64::from(rank) + OFFSET)).sum();
        for rank in [0_u32, 1, 10, 50] {
            let expected = 400_000.0 / (f64::from(rank) + OFFSET) / total;
            let found = f64::from(drawn[vocabulary.words[rank as usize].as_str()]);
            assert!((found / expected - 1.0).abs() < 0.2, "rank {rank}: {found} times, expected {expected}");
        }
    }
}
