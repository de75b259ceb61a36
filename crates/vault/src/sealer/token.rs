//! A root key sealed by a key in a PKCS#11 token: AES-256-GCM, in the token. docs/decisions/0038 says why that mechanism.

use std::path::PathBuf;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;
use domain::keys::TAG_LEN;
use domain::{Id128, Region, Rng as _};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::way::{Words, another};
use super::{Ask, OutsideKey, PURPOSE, SealError, Seals, check_region};
use crate::encoding::{HexBytes, fields};
use crate::private_file;
use crate::secret::Secret;
use crate::system::SystemRng;

/// Length of the nonce, in bytes.
const NONCE_LEN: usize = 12;
/// Length of the token's key and of a root key, in bytes.
const KEY_LEN: usize = 32;
/// Length of the identifier of a key that is made here, in bytes.
const ID_LEN: usize = 16;
/// What is authenticated with the root key begins with. Part of the format.
const ASSOCIATED: &[u8] = b"caretaker-root-seal-1";
/// What a file with a PIN is, in words.
const PIN_FILE: &str = "file with the token's PIN";

/// Where a token is, and who.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenWay {
    token: String,
    serial: Option<String>,
    object: String,
    id: Option<Vec<u8>>,
    module: PathBuf,
    /// `None`: a person types the PIN, or the token wants none.
    pub(super) pin_file: Option<PathBuf>,
}

/// The key in a token that has sealed a root key, as it stands in the vault's file.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TokenKey {
    pub(super) token: String,
    pub(super) key: String,
    id: HexBytes,
    mechanism: SealMechanism,
    region: Region,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum SealMechanism {
    #[serde(rename = "aes-256-gcm")]
    Gcm,
}

impl TokenWay {
    pub(super) fn read(path: &mut Words, query: &mut Words) -> Result<Self, String> {
        let pin_file = match query.take("pin-source")? {
            None => None,
            Some(source) => {
                let file = source.strip_prefix("file:").map(PathBuf::from).filter(|path| path.is_absolute());
                Some(file.ok_or("`pin-source` must be `file:` and a whole path, from `/` on")?)
            }
        };
        Ok(Self {
            token: path.need("token")?,
            serial: path.take("serial")?,
            object: path.need("object")?,
            id: path.take_bytes("id"),
            module: query.take_file("module-path")?.ok_or("`module-path=…` is missing")?,
            pin_file,
        })
    }

    pub(super) fn leads_to(&self, token: &str, key: &str) -> bool {
        self.token == token && self.object == key
    }
}

/// An open session with a token.
pub(super) struct Token {
    way: TokenWay,
    region: Region,
    module: Pkcs11,
    slot: Slot,
    session: Session,
}

/// What a token's failure is, in few words: the library's own are a page.
fn told(doing: &str, error: &Error) -> SealError {
    match error {
        Error::Pkcs11(RvError::PinIncorrect, _) => SealError::refused("the token refuses the PIN"),
        Error::Pkcs11(RvError::PinLocked, _) => SealError::refused(
            "the token has locked its PIN after too many wrong ones: its officer unlocks it",
        ),
        Error::Pkcs11(code, function) => {
            SealError::failed(format!("the token cannot {doing}: {code:?} from {function:?}"))
        }
        other => SealError::failed(format!("the token cannot {doing}: {other}")),
    }
}

impl Token {
    /// Loads the module, finds the token and signs in to it.
    pub(super) fn open(way: &TokenWay, region: &Region, ask: Ask<'_>) -> Result<Self, SealError> {
        let file = way.module.display();
        if !way.module.is_file() {
            return Err(SealError::missing(format!("there is no PKCS#11 module at `{file}`")));
        }
        let module = Pkcs11::new(&way.module)
            .map_err(|error| SealError::usage(format!("`{file}` is no PKCS#11 module: {error}")))?;
        match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another sealer of this process.
            Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(told("begin", &error)),
        }
        let (slot, info) = find(&module, way)?;
        let session = module.open_ro_session(slot).map_err(|error| told("open a session", &error))?;
        sign_in(&session, &info, way, ask)?;
        Ok(Self { way: way.clone(), region: region.clone(), module, slot, session })
    }

    fn keys(&self, label: &str, id: Option<&[u8]>) -> Result<Vec<ObjectHandle>, SealError> {
        let mut template = vec![
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::Label(label.as_bytes().to_vec()),
        ];
        template.extend(id.map(|id| Attribute::Id(id.to_vec())));
        self.session.find_objects(&template).map_err(|error| told("look for a key", &error))
    }

    /// The key to seal with; a new one where there is none of that name yet.
    fn sealing_key(&self) -> Result<ObjectHandle, SealError> {
        let TokenWay { object, id, .. } = &self.way;
        match *self.keys(object, id.as_deref())? {
            [] => self.make_key(),
            [key] => Ok(key),
            _ => Err(SealError::usage(format!(
                "several AES keys are called `{object}`: say which, with `;id=…`"
            ))),
        }
    }

    fn make_key(&self) -> Result<ObjectHandle, SealError> {
        let mut id = vec![0; ID_LEN];
        SystemRng.fill(&mut id);
        let id = self.way.id.clone().unwrap_or(id);
        let template = [
            Attribute::Class(ObjectClass::SECRET_KEY),
            Attribute::KeyType(KeyType::AES),
            Attribute::ValueLen(KEY_LEN.try_into().map_err(|error| told("make a key", &error))?),
            Attribute::Label(self.way.object.as_bytes().to_vec()),
            Attribute::Id(id),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Encrypt(true),
            Attribute::Decrypt(true),
        ];
        // Only whoever makes a key needs a session that writes: some tokens allow few of these.
        let writing =
            self.module.open_rw_session(self.slot).map_err(|error| told("be written to", &error))?;
        writing.generate_key(&Mechanism::AesKeyGen, &template).map_err(|error| told("make a key", &error))
    }

    /// Refuses a key that leaves its token, or is none of ours. Answers its identifier.
    fn check(&self, key: ObjectHandle) -> Result<Vec<u8>, SealError> {
        let asked = [
            AttributeType::Sensitive,
            AttributeType::Extractable,
            AttributeType::ValueLen,
            AttributeType::Id,
        ];
        let found =
            self.session.get_attributes(key, &asked).map_err(|error| told("describe a key", &error))?;
        let name = &self.way.object;
        if !found.contains(&Attribute::Sensitive(true)) || !found.contains(&Attribute::Extractable(false)) {
            let why = format!(
                "the key `{name}` can leave the token: one is wanted that is sensitive and not extractable; name \
                 another, and it is made"
            );
            return Err(SealError::usage(why));
        }
        let len = found.iter().find_map(|attribute| match attribute {
            Attribute::ValueLen(len) => usize::try_from(**len).ok(),
            _ => None,
        });
        if len != Some(KEY_LEN) {
            return Err(SealError::usage(format!("the key `{name}` is no AES key of 256 bits")));
        }
        let id = found.into_iter().find_map(|attribute| match attribute {
            Attribute::Id(id) => Some(id),
            _ => None,
        });
        Ok(id.unwrap_or_default())
    }

    fn associated(&self, vault: Id128) -> Vec<u8> {
        fields(&[ASSOCIATED, &vault.0, self.region.as_str().as_bytes(), PURPOSE.as_bytes()])
    }
}

/// The slot with the token that is meant.
fn find(module: &Pkcs11, way: &TokenWay) -> Result<(Slot, TokenInfo), SealError> {
    let slots = module.get_slots_with_token().map_err(|error| told("be looked for", &error))?;
    let mut found = Vec::new();
    for slot in slots {
        // A token that was just pulled out is not the one.
        let Ok(info) = module.get_token_info(slot) else { continue };
        let is_named = info.label() == way.token;
        if is_named && way.serial.as_ref().is_none_or(|serial| info.serial_number() == serial) {
            found.push((slot, info));
        }
    }
    let name = &way.token;
    match found.len() {
        1 => found.pop().ok_or_else(|| SealError::failed("a token is gone")),
        0 => Err(SealError::missing(format!("no token called `{name}` is there"))),
        _ => {
            Err(SealError::usage(format!("several tokens are called `{name}`: say which, with `;serial=…`")))
        }
    }
}

fn sign_in(session: &Session, info: &TokenInfo, way: &TokenWay, ask: Ask<'_>) -> Result<(), SealError> {
    if !info.login_required() {
        return Ok(());
    }
    let pin = match &way.pin_file {
        Some(file) => {
            private_file::refuse_exposed(PIN_FILE, file)?;
            let secret = Secret::read(file)?;
            Some(
                secret
                    .expose_text()
                    .map(str::to_owned)
                    .ok_or_else(|| SealError::usage("the PIN is no text"))?,
            )
        }
        // Typed at the token itself.
        None if info.protected_authentication_path() => None,
        None => {
            let asked = ask(&format!("PIN of the token `{}`", way.token));
            Some(asked.map_err(|error| {
                SealError::usage(format!(
                    "no PIN ({error}): name a file, with `pin-source=file:…`, or run this on a terminal"
                ))
            })?)
        }
    };
    let pin = pin.map(|pin| AuthPin::new(pin.into_boxed_str()));
    match session.login(UserType::User, pin.as_ref()) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(error) => Err(told("sign in", &error)),
    }
}

impl Seals for Token {
    fn seal(&mut self, vault: Id128, root: &[u8]) -> Result<(OutsideKey, Vec<u8>), SealError> {
        let key = self.sealing_key()?;
        let id = self.check(key)?;
        let (associated, mut nonce) = (self.associated(vault), [0; NONCE_LEN]);
        SystemRng.fill(&mut nonce);
        let params = GcmParams::new(&mut nonce, &associated, (TAG_LEN as u64 * 8).into());
        let params = params.map_err(|error| told("seal", &error))?;
        let text = self
            .session
            .encrypt(&Mechanism::AesGcm(params), key, root)
            .map_err(|error| told("seal", &error))?;
        if text.len() != root.len() + TAG_LEN {
            return Err(SealError::failed("the token seals in a way that is not known here"));
        }
        // A token may have taken a nonce of its own, which it then wrote in place of ours.
        let sealed = [&nonce[..], &text].concat();
        let key = TokenKey {
            token: self.way.token.clone(),
            key: self.way.object.clone(),
            id: id.into(),
            mechanism: SealMechanism::Gcm,
            region: self.region.clone(),
        };
        Ok((OutsideKey::Pkcs11(key), sealed))
    }

    fn unseal(
        &mut self,
        vault: Id128,
        by: &OutsideKey,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let OutsideKey::Pkcs11(TokenKey { token, key, id, mechanism: SealMechanism::Gcm, region }) = by
        else {
            return Err(another(by));
        };
        if !self.way.leads_to(token, key) {
            return Err(another(by));
        }
        check_region(&self.region, region)?;
        let id = Some(id.as_ref()).filter(|id| !id.is_empty());
        let [handle] = *self.keys(key, id)? else {
            return Err(SealError::missing(format!(
                "the token `{token}` does not have the key `{key}` that sealed the root key: it is another token, or the key was \
                 deleted"
            )));
        };
        let (nonce, text) = sealed.split_first_chunk().ok_or_else(|| SealError::refused("it is cut"))?;
        let (associated, mut nonce): (_, [u8; NONCE_LEN]) = (self.associated(vault), *nonce);
        let params = GcmParams::new(&mut nonce, &associated, (TAG_LEN as u64 * 8).into());
        let params = params.map_err(|error| told("open", &error))?;
        match self.session.decrypt(&Mechanism::AesGcm(params), handle, text) {
            Ok(root) => Ok(Zeroizing::new(root)),
            // Tokens do not agree on what they answer where the tag does not hold.
            Err(Error::Pkcs11(
                code @ (RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::GeneralError
                | RvError::DataInvalid
                | RvError::FunctionFailed),
                _,
            )) => Err(SealError::refused(format!(
                "the key `{key}` of the token `{token}` does not open the root key ({code:?}): it is another key, or the vault's \
                 file was changed"
            ))),
            Err(error) => Err(told("open", &error)),
        }
    }
}
