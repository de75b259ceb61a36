//! `caretaker recovery`: the recovery key in the hands of several people.

use serde_json::json;
use vault::system::SystemRng;
use vault::{Passphrase, RecoveryKey};

use crate::arguments::RecoveryCommand;
use crate::output::{Output, exit};

pub(crate) fn run(command: &RecoveryCommand, output: &Output) -> anyhow::Result<u8> {
    match command {
        RecoveryCommand::Split { recovery_key_file, recovery_passphrase_file, shares, needed, out } => {
            let passphrase = recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
            let key = RecoveryKey::read(recovery_key_file, passphrase.as_ref())?;
            let files = key.split(*needed, *shares, out, &SystemRng)?;
            let fingerprint = key.recipient().fingerprint();
            let answer =
                json!({ "recovery_key_fingerprint": fingerprint, "needed": needed, "shares": files });
            output.result(&answer, || {
                format!(
                    "{shares} shares of the recovery key {fingerprint} lie in {}. Give each to another person; any {needed} of them\n\
                     give it back with `caretaker recovery join`. Try that, then destroy the recovery key's own file: whoever has\n\
                     that one needs no share.",
                    out.display()
                )
            })?;
        }
        RecoveryCommand::Join { shares, recovery_key_out, recovery_passphrase_file } => {
            let passphrase = recovery_passphrase_file.as_deref().map(Passphrase::read).transpose()?;
            let key = RecoveryKey::join(shares)?;
            key.write(recovery_key_out, passphrase.as_ref(), &SystemRng)?;
            let (fingerprint, shown) =
                (key.recipient().fingerprint(), recovery_key_out.display().to_string());
            let answer = json!({ "recovery_key": shown, "recovery_key_fingerprint": fingerprint });
            output
                .result(&answer, || format!("The recovery key {fingerprint} is whole again, in {shown}."))?;
        }
    }
    Ok(exit::DONE)
}
