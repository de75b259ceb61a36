//! Sets of policies that are not taken.

use access::policies::Source;
use access::{Policies, PolicyError};

fn read(text: &str) -> Result<Policies, PolicyError> {
    Policies::new(vec![Source { file: "own.cedar".to_owned(), text: text.to_owned() }])
}

const GOOD: &str = r#"@id("night-shift") permit (principal in Group::"night-shift", action in Action::"run", resource is Connection);"#;

fn check(from: &str, to: &str, expected: &str) {
    assert!(read(GOOD).is_ok());
    assert!(GOOD.contains(from), "{from}");
    let error = read(&GOOD.replace(from, to)).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn what_the_schema_does_not_have_is_refused() {
    check("Group", "Grupp", "Grupp");
    check("\"run\"", "\"runs\"", "runs");
    check("is Connection", "is Shop", "Shop");
    check(";", " when { resource.colour == \"red\" };", "colour");
    check(";", " when { resource.region == 7 };", "types");
    check(";", " when { context.grant.live };", "grant");
}

#[test]
fn what_can_never_be_met_is_refused() {
    check("is Connection", "is Vault", "");
    check(";", " when { principal has region };", "");
}

#[test]
fn what_is_not_cedar_is_refused() {
    check("permit", "allow", "own.cedar");
    check("night-shift\")", "night-shift", "own.cedar");
    check("resource is Connection", "resource == ?resource", "template");
}

/// As deep and as long as a policy may be, by each way in which one can be deep.
#[test]
fn what_is_deeper_than_a_stack_is_refused_before_it_is_read() {
    let conditions = |n: usize| {
        [
            format!("{}true{}", "(".repeat(n / 20), ")".repeat(n / 20)),
            format!("{}1{}.isEmpty()", "[".repeat(n / 20), "]".repeat(n / 20)),
            format!("{}1{} == 1", "{a:".repeat(n / 20), "}".repeat(n / 20)),
            format!("{}true", "if true then true else ".repeat(n / 5)),
            format!("1{} == 2", " + 1".repeat(n / 2)),
            format!("1{} == 2", " * 1".repeat(n / 2)),
            format!("true{}", " || true".repeat(n / 3)),
            format!("true{}", " && true".repeat(n / 3)),
            format!("context{}", ".a".repeat(n / 2)),
            format!("context{}", "[\"a\"]".repeat(n / 3)),
            format!("context{}", ".contains(1)".repeat(n / 5)),
        ]
    };
    let told = |condition: &str| {
        let text = GOOD.replace(';', &format!(" when {{ {condition} }};"));
        read(&text).err().map(|error| error.to_string()).unwrap_or_default()
    };
    for condition in conditions(360) {
        // Whatever Cedar says of it.
        assert!(!told(&condition).contains("more than"), "{condition}");
    }
    for condition in conditions(60_000) {
        assert!(told(&condition).contains("more than"), "{condition}");
    }
}

#[test]
fn a_policy_has_a_name_of_its_own() {
    check("@id(\"night-shift\") ", "", "@id");
    check("@id(\"night-shift\")", "@id(\"Night shift\")", "Night shift");
    check("@id(\"night-shift\")", "@id(\"\")", "@id");
    let twice = format!("{GOOD}\n{GOOD}");
    assert!(matches!(read(&twice), Err(PolicyError::Name { .. })));
}

#[test]
fn a_folder_is_read_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("one.cedar"), GOOD).unwrap();
    std::fs::write(dir.path().join("notes.txt"), "no policy").unwrap();
    let policies = Policies::read(dir.path()).unwrap();
    assert_eq!(policies.shown().len(), 1);

    std::fs::write(dir.path().join("two.cedar"), "permit").unwrap();
    assert!(matches!(Policies::read(dir.path()), Err(PolicyError::Syntax { .. })));
    std::fs::write(dir.path().join("two.cedar"), vec![b' '; 1024 * 1024 + 1]).unwrap();
    assert!(matches!(Policies::read(dir.path()), Err(PolicyError::TooLong(_))));
    std::fs::write(dir.path().join("two.cedar"), [0xff]).unwrap();
    assert!(matches!(Policies::read(dir.path()), Err(PolicyError::Read { .. })));
    assert!(matches!(Policies::read(&dir.path().join("nowhere")), Err(PolicyError::Read { .. })));
}
