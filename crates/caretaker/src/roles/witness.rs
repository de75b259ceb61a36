//! The trail's witness, asked from another process.

use std::io;
use std::sync::Arc;

use domain::RoleName;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use trail::checkpoint::Checkpoint;
use trail::note::{NoteError, Verifier};
use trail::tree::Hash;
use trail::witness::{Vouches, Witness, WitnessError};
use transport::{Call, Channel, Routes};

/// Who may know how far the log has come.
const READERS: &[RoleName] = &[RoleName::Command, RoleName::Monitor];
/// Who has it vouched for.
const MONITOR: &[RoleName] = &[RoleName::Monitor];

/// Which key it has.
#[derive(Serialize, Deserialize)]
struct Key {}

/// How far the log had come that it vouched for last.
#[derive(Serialize, Deserialize)]
struct Remembered {}

/// Whether it vouches for a checkpoint.
#[derive(Serialize, Deserialize)]
struct Cosign {
    note: String,
    proof: Vec<Hash>,
    now_seconds: u64,
}

/// Why it does not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Refusal {
    Foreign,
    Shorter { size: u64, known: u64 },
    Rewritten(u64),
    Memory { damaged: bool, why: String },
    Silent(String),
}

impl From<WitnessError> for Refusal {
    fn from(error: WitnessError) -> Self {
        match error {
            WitnessError::Foreign(_) => Self::Foreign,
            WitnessError::Shorter { size, known } => Self::Shorter { size, known },
            WitnessError::Rewritten(size) => Self::Rewritten(size),
            WitnessError::Memory(error) => {
                Self::Memory { damaged: error.kind() == io::ErrorKind::InvalidData, why: error.to_string() }
            }
            WitnessError::Silent(why) => Self::Silent(why),
        }
    }
}

impl From<Refusal> for WitnessError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Foreign => Self::Foreign(NoteError::Unsigned),
            Refusal::Shorter { size, known } => Self::Shorter { size, known },
            Refusal::Rewritten(size) => Self::Rewritten(size),
            Refusal::Memory { damaged: true, why } => {
                Self::Memory(io::Error::new(io::ErrorKind::InvalidData, why))
            }
            Refusal::Memory { damaged: false, why } => Self::Memory(io::Error::other(why)),
            Refusal::Silent(why) => Self::Silent(why),
        }
    }
}

impl Call for Key {
    const NAME: &'static str = "witness.key";
    const CALLERS: &'static [RoleName] = READERS;
    type Answer = String;
    type Refusal = Refusal;
}

impl Call for Remembered {
    const NAME: &'static str = "witness.remembered";
    const CALLERS: &'static [RoleName] = READERS;
    type Answer = Option<String>;
    type Refusal = Refusal;
}

impl Call for Cosign {
    const NAME: &'static str = "witness.cosign";
    const CALLERS: &'static [RoleName] = MONITOR;
    type Answer = String;
    type Refusal = Refusal;
}

/// Lets others ask a witness.
pub(crate) fn answering(routes: Routes, witness: Arc<Witness>) -> Routes {
    let (key, remembered) = (Arc::clone(&witness), Arc::clone(&witness));
    routes
        .answering(move |_, _: Key| std::future::ready(Ok(key.verifier().to_string())))
        .answering(move |_, _: Remembered| {
            let known = remembered.remembered().map(|known| known.map(|(note, _)| note));
            std::future::ready(known.map_err(Refusal::from))
        })
        .answering(move |_, Cosign { note, proof, now_seconds }| {
            let signed = witness.cosign(&note, &proof, now_seconds);
            std::future::ready(signed.map_err(Refusal::from))
        })
}

/// A witness in another process.
pub(crate) struct Elsewhere {
    channel: Arc<Channel>,
    verifier: Verifier,
    runtime: Handle,
}

impl std::fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Elsewhere({})", self.verifier)
    }
}

async fn ask<C: Call<Refusal = Refusal>>(channel: &Channel, call: C) -> Result<C::Answer, WitnessError> {
    let answered = channel.call(&call).await.map_err(|error| WitnessError::Silent(error.to_string()))?;
    answered.map_err(WitnessError::from)
}

impl Elsewhere {
    /// The witness at the other end of a channel.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn over(channel: Arc<Channel>) -> Result<Self, WitnessError> {
        let verifier = ask(&channel, Key {}).await?.parse()?;
        Ok(Self { channel, verifier, runtime: Handle::current() })
    }

    fn wait<C: Call<Refusal = Refusal>>(&self, call: C) -> Result<C::Answer, WitnessError> {
        tokio::task::block_in_place(|| self.runtime.block_on(ask(&self.channel, call)))
    }
}

impl Vouches for Elsewhere {
    fn remembered(&self) -> Result<Option<(String, Checkpoint)>, WitnessError> {
        let Some(note) = self.wait(Remembered {})? else { return Ok(None) };
        let checkpoint = self.verifier.open(note.as_bytes())?.0.parse()?;
        Ok(Some((note, checkpoint)))
    }

    fn cosign(&self, note: &str, proof: &[Hash], now_seconds: u64) -> Result<String, WitnessError> {
        self.wait(Cosign { note: note.to_owned(), proof: proof.to_vec(), now_seconds })
    }

    fn verifier(&self) -> &Verifier {
        &self.verifier
    }
}
