#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "tests; what they print is shown when one fails"
)]
//! Vaults that a token seals, tried on SoftHSM from outside the crate. A module finds its tokens by the environment, so each
//! test runs in a process of its own, which this one starts with other variables.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use domain::{Clock, Region, Unrecorded};
use futures::FutureExt as _;
use vault::system::{SystemClock, SystemRng};
use vault::{
    Argon2Cost, Client, FindsSealer, Handles, InitSettings, OperatorKey, Passphrase, RecoverySetting,
    RootSeal, SealWay, SealedBy, Sealer, Sealers, Vault, VaultError, VaultErrorKind, serve_sealer,
};

/// Where the module lies on Debian.
const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
const PIN: &str = "8765-4321";
/// Names the folder of a test's tokens.
const TOKENS: &str = "CARETAKER_TEST_TOKENS";

/// Those who answer for sealers.
static THREADS: Mutex<Vec<JoinHandle<()>>> = Mutex::new(Vec::new());

/// Runs a test in a process of its own, with a token called `hsm`.
fn with_token(name: &str, test: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(TOKENS) {
        test(Path::new(&folder));
        // A module that is still at work when its process ends may fall over its own end.
        for thread in THREADS.lock().unwrap().drain(..) {
            thread.join().unwrap();
        }
        return;
    }
    if !Path::new(MODULE).exists() {
        println!("skipped: there is no `{MODULE}` (Debian's package softhsm2)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (tokens, settings) = (folder.path().join("tokens"), folder.path().join("softhsm2.conf"));
    std::fs::create_dir(&tokens).unwrap();
    std::fs::write(&settings, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
    let mut make = Command::new("softhsm2-util");
    make.args(["--init-token", "--free", "--label", "hsm", "--so-pin", "1234-5678", "--pin", PIN]);
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env(TOKENS, folder.path());
    for command in [&mut make, &mut again] {
        let output = command.env("SOFTHSM2_CONF", &settings).output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(command.get_args().all(|word| word != "--exact") || said.contains("1 passed"), "{said}");
    }
}

fn handles() -> Handles {
    Handles { clock: Arc::new(SystemClock), rng: Arc::new(SystemRng), audit: Arc::new(Unrecorded) }
}

fn region(name: &str) -> Region {
    name.parse().unwrap()
}

/// A sealer for a key of the token, which a thread of this process answers for. The PIN is typed.
fn sealer(object: &str, place: &str) -> Sealer {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let way: SealWay = format!("pkcs11:token=hsm;object={object}?module-path={MODULE}").parse().unwrap();
    let place = region(place);
    let thread = std::thread::spawn(move || {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        serve_sealer(theirs, &way, &place, &clock, &|_| Ok(PIN.to_owned())).unwrap();
    });
    THREADS.lock().unwrap().push(thread);
    Sealer::over(ours).unwrap()
}

fn init<'a>(home: &Path, seal: impl Into<RootSeal<'a>>) -> Result<Vault, VaultError> {
    let recovery = home.with_extension("recovery");
    let recovery = RecoverySetting::New { file: &recovery, passphrase: None };
    let settings = InitSettings { recovery, recipients: vec![], cost: Argon2Cost::default() };
    Vault::init(home, seal, settings, &handles()).now_or_never().unwrap()
}

fn open<'a>(home: &Path, seal: impl Into<RootSeal<'a>>) -> Result<Vault, VaultError> {
    Vault::open(home, seal, &handles()).now_or_never().unwrap()
}

#[track_caller]
fn refuses<T>(result: Result<T, VaultError>, kind: VaultErrorKind, word: &str) {
    let Err(error) = result else { panic!("it is not refused") };
    assert!(error.kind() == kind && error.to_string().contains(word), "{error}");
}

/// A session with the token, by hand.
fn session() -> Session {
    let module = Pkcs11::new(MODULE).unwrap();
    // A sealer may have begun already.
    drop(module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)));
    let slots = module.get_slots_with_token().unwrap();
    let is_ours = |slot: &&_| module.get_token_info(**slot).unwrap().label() == "hsm";
    let session = module.open_rw_session(*slots.iter().find(is_ours).unwrap()).unwrap();
    // Whoever signs in, signs the whole process in.
    drop(session.login(UserType::User, Some(&AuthPin::new(PIN.into()))));
    session
}

fn key(session: &Session, label: &str, extra: &[Attribute]) -> ObjectHandle {
    let mut template = vec![
        Attribute::Label(label.as_bytes().to_vec()),
        Attribute::Token(true),
        Attribute::Encrypt(true),
        Attribute::Decrypt(true),
    ];
    template.extend_from_slice(extra);
    session.generate_key(&Mechanism::AesKeyGen, &template).unwrap()
}

#[test]
fn the_key_that_is_made_never_leaves_the_token_and_one_that_could_is_not_taken() {
    with_token("the_key_that_is_made_never_leaves_the_token_and_one_that_could_is_not_taken", |folder| {
        init(&folder.join("cell"), &sealer("root", "eu")).unwrap();
        let session = session();
        let found = session.find_objects(&[Attribute::Label(b"root".to_vec())]).unwrap();
        let asked = [
            AttributeType::Sensitive,
            AttributeType::AlwaysSensitive,
            AttributeType::Extractable,
            AttributeType::NeverExtractable,
            AttributeType::Private,
            AttributeType::ValueLen,
        ];
        let attributes = session.get_attributes(found[0], &asked).unwrap();
        let expected = [
            Attribute::Sensitive(true),
            Attribute::AlwaysSensitive(true),
            Attribute::Extractable(false),
            Attribute::NeverExtractable(true),
            Attribute::Private(true),
            Attribute::ValueLen(32.into()),
        ];
        assert_eq!((found.len(), attributes.as_slice()), (1, &expected[..]));
        let value = session.get_attributes(found[0], &[AttributeType::Value]).unwrap();
        assert!(value.is_empty(), "its bytes are not had");

        let own = [Attribute::Sensitive(true), Attribute::Extractable(false), Attribute::ValueLen(32.into())];
        let [sensitive, fast, long] = own.clone();
        key(&session, "leaves", &[sensitive.clone(), Attribute::Extractable(true), long.clone()]);
        key(&session, "shown", &[Attribute::Sensitive(false), fast.clone(), long]);
        key(&session, "short", &[sensitive, fast, Attribute::ValueLen(16.into())]);
        for (name, word) in
            [("leaves", "leave the token"), ("shown", "leave the token"), ("short", "256 bits")]
        {
            let home = folder.join(name);
            refuses(init(&home, &sealer(name, "eu")), VaultErrorKind::Usage, word);
            assert!(!Vault::path(&home).exists());
        }
        // The control: one that somebody made as it should be.
        key(&session, "made", &own);
        init(&folder.join("made"), &sealer("made", "eu")).unwrap();
        // Of two with one name none is chosen.
        key(&session, "made", &own);
        refuses(
            init(&folder.join("twice"), &sealer("made", "eu")),
            VaultErrorKind::Usage,
            "several AES keys",
        );
    });
}

#[test]
fn a_vault_opens_by_what_has_sealed_it_and_in_its_region_alone() {
    with_token("a_vault_opens_by_what_has_sealed_it_and_in_its_region_alone", |folder| {
        let (home, other) = (folder.join("cell"), folder.join("other"));
        let passphrase = Passphrase::new("seven warm stones".into()).unwrap();
        init(&home, &sealer("root", "eu")).unwrap();
        init(&other, &passphrase).unwrap();
        let sealed_by = SealedBy::Pkcs11 { token: "hsm".into(), key: "root".into() };
        assert_eq!(SealedBy::read(&home).unwrap(), sealed_by);
        assert_eq!(open(&home, &sealer("root", "eu")).unwrap().sealed_by(), &sealed_by);
        assert_eq!(open(&other, &passphrase).unwrap().sealed_by(), &SealedBy::Passphrase);

        refuses(open(&home, &passphrase), VaultErrorKind::Usage, "the token `hsm`");
        refuses(open(&other, &sealer("root", "eu")), VaultErrorKind::Usage, "a passphrase");
        refuses(open(&home, &sealer("another", "eu")), VaultErrorKind::Usage, "does not lead");
        refuses(open(&home, &sealer("root", "us")), VaultErrorKind::Refused, "region `eu`");
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        refuses(open(&home, &Sealer::over(ours).unwrap()), VaultErrorKind::Failed, "seal");
    });
}

#[test]
fn a_vault_that_was_given_a_sealer_gets_new_keys_and_another_seal() {
    with_token("a_vault_that_was_given_a_sealer_gets_new_keys_and_another_seal", |folder| {
        let home = folder.join("cell");
        init(&home, &sealer("root", "eu")).unwrap();
        let opened = |sealers| {
            let vault = open(&home, &sealer("root", "eu")).unwrap();
            let client = Client::of(Arc::new(vault.with_sealers(sealers)));
            client.sign_in(OperatorKey::read(&home).unwrap()).now_or_never().unwrap().unwrap()
        };
        let before = std::fs::read(Vault::path(&home)).unwrap();
        let none = opened(Sealers::default());
        refuses(none.rotate(None).now_or_never().unwrap(), VaultErrorKind::Failed, "caretaker up");
        refuses(none.reseal(None, None).now_or_never().unwrap(), VaultErrorKind::Failed, "caretaker up");
        assert_eq!(std::fs::read(Vault::path(&home)).unwrap(), before);

        let finds = |key: &'static str| -> Option<FindsSealer> {
            Some(Box::new(move || std::future::ready(Ok(sealer(key, "eu"))).boxed()))
        };
        let operator = opened(Sealers { own: finds("root"), next: finds("second") });
        assert_eq!(operator.rotate(None).now_or_never().unwrap().unwrap().data, [1, 2]);
        let sealed_by = operator.reseal(None, None).now_or_never().unwrap().unwrap();
        assert_eq!(sealed_by, SealedBy::Pkcs11 { token: "hsm".into(), key: "second".into() });
        refuses(open(&home, &sealer("root", "eu")), VaultErrorKind::Usage, "does not lead");
        let vault = open(&home, &sealer("second", "eu")).unwrap();
        assert_eq!(vault.key_versions().data, [1, 2]);
    });
}
