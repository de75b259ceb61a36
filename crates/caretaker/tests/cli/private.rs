//! What a shop's people trust it with is readable by its owner alone, wherever it is written.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::cell::{Answer, TestCell, binary, contents, text};
use crate::shop::Shop;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[track_caller]
fn are_private(folder: &Path) {
    assert_eq!(mode(folder), 0o700, "{}", folder.display());
    let files = contents(folder);
    assert!(!files.is_empty());
    for name in files.keys() {
        assert_eq!(mode(&folder.join(name)), 0o600, "{}", name.display());
        for above in name.ancestors().skip(1) {
            assert_eq!(mode(&folder.join(above)), 0o700, "{}", above.display());
        }
    }
}

#[test]
fn exports_and_plans_are_their_owners() {
    let (cell, shop) = (TestCell::new(), Shop::small());
    shop.connect(&cell, "shop").succeeds();
    cell.run(&["backup", "shop"]).succeeds();
    let (out, all) = (cell.path("out"), cell.path("all"));
    let exported = cell.run(&["export", "shop", "--out", text(&out)]).succeeds();
    assert_eq!((&exported["snapshot"], &exported["complete"]), (&1.into(), &true.into()));
    assert!(exported["media"].as_u64().unwrap() > 0 && out.join("products.csv").exists());
    are_private(&out);
    cell.run(&["export", "--all", "--out", text(&all)]).succeeds();
    are_private(&all);
    let recovered = cell.path("recovered");
    let mut command = binary();
    command.args(["--json", "recover", "--store"]).arg(cell.home().join("store"));
    command.arg("--keys-store").arg(cell.home().join("keys"));
    command.arg("--recovery-key-file").arg(cell.recovery_key()).arg("--out").arg(&recovered);
    Answer::from(command.output().unwrap()).succeeds();
    are_private(&recovered);

    // A plan, also where a file that others can read stood before.
    shop.retitle(&shop.products()[0], "Spoiled");
    let plan = cell.path("plan.json");
    std::fs::write(&plan, "old").unwrap();
    std::fs::set_permissions(&plan, std::fs::Permissions::from_mode(0o644)).unwrap();
    let words = ["restore", "plan", "shop", "--kind", "product", "--out", text(&plan)];
    cell.run(&words).succeeds();
    assert_eq!(mode(&plan), 0o600);
    cell.run(&["restore", "apply", text(&plan)]).succeeds();
    assert_eq!(mode(&cell.home()), 0o700);
}
