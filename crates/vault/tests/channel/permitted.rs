//! What the policies say counts: a vault without any refuses every process, and says so on the record.

use domain::{Action, DataKeys as _, KeyError, Outcome};
use futures::FutureExt as _;
use vault::{OperatorKey, Vault, VaultErrorKind};

use crate::cell::{Cell, HOUR, passphrase, scope};
use crate::way;

#[tokio::test]
async fn a_vault_without_policies_refuses_every_process_and_records_it() {
    let cell = Cell::new(12);
    let grant = cell.grant().await;
    let wrapped = cell.data_key(&grant).await.wrapped;
    let own = scope("t", "c");
    // The control: the same are answered where the policies permit it.
    cell.vault.open(&grant, &own, &wrapped).await.unwrap();
    let permitted = cell.audit.take();
    assert!(permitted.iter().all(|event| event.outcome == Outcome::Done));
    assert!(permitted.iter().any(|event| event.policies == ["all"]), "{permitted:?}");

    let opened = Vault::open(&cell.home(), &passphrase(), &cell.handles).now_or_never().unwrap();
    let bare = way::over(opened.unwrap(), &cell.handles);
    cell.audit.take();
    let refused = bare.key_versions().await.unwrap_err();
    assert_eq!(refused.kind(), VaultErrorKind::Refused, "{refused}");
    assert!(bare.sign_in(OperatorKey::read(&cell.home()).unwrap()).await.is_err());
    let opened = bare.open(&grant, &own, &wrapped).await.map(|key| key.id());
    assert!(matches!(&opened, Err(KeyError::Refused(why)) if why.contains("no policies")), "{opened:?}");
    let operator = cell.operator().await;
    operator.grant(&own, &[Action::Read], "test", HOUR).await.unwrap();
    let refusals: Vec<_> =
        cell.audit.take().into_iter().filter(|event| event.outcome == Outcome::Refused).collect();
    let codes: Vec<_> = refusals.iter().map(|event| event.operation.as_str()).collect();
    assert_eq!(codes, ["vault.status", "sign_in", "data_key.open"]);
    assert!(refusals.iter().all(|event| event.detail.contains("no policies")), "{refusals:?}");
}
