//! How large one policy may be. Cedar's parser and validator go as deep as a text does, and a thread's stack ends: what no
//! person would write is refused before they see it.

/// Most words and marks in one policy.
const TOKENS_MAX: usize = 400;
/// Most brackets within brackets.
const DEPTH_MAX: usize = 24;

/// What a text is in, as Cedar reads it.
enum Inside {
    Nothing,
    Word,
    Text,
    Escape,
    Comment,
}

/// Says what is too large in a text of policies, if anything is.
pub(crate) fn exceeded(text: &str) -> Option<String> {
    let (mut inside, mut tokens, mut depth) = (Inside::Nothing, 0_usize, 0_usize);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        inside = match (inside, letter) {
            (Inside::Text, '\\') => Inside::Escape,
            (Inside::Text, '"') => Inside::Nothing,
            (Inside::Text | Inside::Escape, _) => Inside::Text,
            (Inside::Comment, '\n' | '\r') => Inside::Nothing,
            (Inside::Comment, _) => Inside::Comment,
            (_, '/') if letters.peek() == Some(&'/') => Inside::Comment,
            (Inside::Word, _) if letter.is_alphanumeric() || letter == '_' => Inside::Word,
            (_, ';') => {
                (tokens, depth) = (0, 0);
                Inside::Nothing
            }
            (_, _) if letter.is_whitespace() => Inside::Nothing,
            (_, _) => {
                tokens += 1;
                match letter {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                match letter {
                    '"' => Inside::Text,
                    _ if letter.is_alphanumeric() || letter == '_' => Inside::Word,
                    _ => Inside::Nothing,
                }
            }
        };
        if tokens > TOKENS_MAX {
            return Some(format!("a policy has more than {TOKENS_MAX} words and marks: make several of it"));
        }
        if depth > DEPTH_MAX {
            return Some(format!("a policy has more than {DEPTH_MAX} brackets within brackets"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, taken: bool) {
        assert_eq!(exceeded(text).is_none(), taken, "{text}");
    }

    #[test]
    fn each_policy_counts_by_itself() {
        check(&"permit (principal, action, resource);\n".repeat(1_000), true);
        check(&"a ".repeat(TOKENS_MAX), true);
        check(&"a ".repeat(TOKENS_MAX + 1), false);
        check(&"long_word_7".repeat(TOKENS_MAX + 1), true);
        check(&"(".repeat(DEPTH_MAX), true);
        check(&"(".repeat(DEPTH_MAX + 1), false);
        check(&"()".repeat(TOKENS_MAX / 2), true);
    }

    #[test]
    fn texts_and_comments_count_for_nothing_and_hide_nothing() {
        check(&format!("// {}\n", "(".repeat(100)), true);
        check(&format!("\"{}\"", "( ".repeat(1_000)), true);
        // What ends a policy does not where it stands in a text or a comment.
        check(&"(\";\"".repeat(DEPTH_MAX + 1), false);
        check(&"(\"\\\";\"".repeat(DEPTH_MAX + 1), false);
        check(&"( // ;\n".repeat(DEPTH_MAX + 1), false);
        check(&"(/;".repeat(DEPTH_MAX + 1), true);
    }
}
