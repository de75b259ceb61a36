//! Checkpoints: how long a log is, and the hash over all of it. See <https://c2sp.org/tlog-checkpoint>.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::note::NoteError;
use crate::tree::Hash;

/// What a log was at one time: the text of a note that is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, the same for ever.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The hash over all of them.
    pub root: Hash,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        writeln!(f, "{origin}\n{size}\n{}", STANDARD.encode(root.0))
    }
}

impl std::str::FromStr for Checkpoint {
    type Err = NoteError;

    /// Reads the text of a note. Lines behind the third are others' and say nothing here.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut lines =
            text.split_inclusive('\n').map(|line| line.strip_suffix('\n').ok_or(NoteError::Malformed));
        let mut line = || lines.next().unwrap_or(Err(NoteError::Malformed));
        let (origin, size, root) = (line()?, line()?, line()?);
        let root =
            STANDARD.decode(root).ok().and_then(|root| root.try_into().ok()).ok_or(NoteError::Malformed)?;
        let read =
            size.parse().ok().filter(|read: &u64| read.to_string() == size).ok_or(NoteError::Malformed)?;
        if origin.is_empty() || lines.any(|line| line.is_ok_and(str::is_empty)) {
            return Err(NoteError::Malformed);
        }
        Ok(Self { origin: origin.to_owned(), size: read, root: Hash(root) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::leaf;

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let checkpoint = Checkpoint { origin: "trail.example/1".to_owned(), size: 1 << 40, root: leaf(b"x") };
        let text = checkpoint.to_string();
        assert_eq!(text.parse(), Ok(checkpoint.clone()));
        assert_eq!(format!("{text}a line of somebody's own\n").parse(), Ok(checkpoint));
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = STANDARD.encode([0; 32]);
        for wrong in [
            String::new(),
            "origin\n".to_owned(),
            format!("\n5\n{root}\n"),
            format!("origin\n05\n{root}\n"),
            format!("origin\n+5\n{root}\n"),
            format!("origin\n-5\n{root}\n"),
            format!("origin\n5\n{root}"),
            format!("origin\n5\n{}\n", STANDARD.encode([0; 31])),
            format!("origin\n5\n{root}\n\n"),
            format!("origin\n18446744073709551616\n{root}\n"),
        ] {
            assert_eq!(wrong.parse::<Checkpoint>(), Err(NoteError::Malformed), "{wrong:?}");
        }
    }
}
