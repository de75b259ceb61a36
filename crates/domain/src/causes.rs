//! How an error is told with what caused it.

use std::error::Error;

/// An error with its causes, in one sentence.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text += &format!(": {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn causes_stand_behind_what_they_caused() {
        let deep = Layer("no space", None);
        let error = Layer("could not write", Some(Box::new(Layer("the disk failed", Some(Box::new(deep))))));
        assert_eq!(with_causes(&error), "could not write: the disk failed: no space");
    }
}
