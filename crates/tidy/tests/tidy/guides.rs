//! The guides are true: what they name is there, and what they count is what it takes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::workspace::{ROOT, files, read, report};

const PLATFORM: &str = "docs/guides/adding-a-platform.md";
const KIND: &str = "docs/guides/adding-a-kind.md";

/// The platform that was added last: what it took is what the next one takes.
const LAST: &str = "bigcommerce";

/// Crates that are no part of what is added to: they measure, try, or look after style.
const BESIDE: &[&str] = &["bench", "corpus", "tidy"];

/// Tests to which platforms are any two names: a third one changes nothing there.
const ANY_TWO: &[&str] = &[
    "crates/access/policies/examples.json",
    "crates/access/tests/access/worlds.rs",
    "crates/caretaker/tests/cli/person.rs",
    "crates/caretaker/tests/cli/silent.rs",
    "crates/catalog/tests/catalog/webhooks.rs",
    "crates/flows/tests/flows/thirty_days.rs",
    "crates/flows/tests/flows/thirty_days/model.rs",
    "crates/flows/tests/flows/thirty_days/raw.rs",
    "crates/flows/tests/flows/thirty_days/shops.rs",
    "crates/flows/tests/flows/thirty_days/story.rs",
    "crates/transport/tests/transport/world.rs",
    "crates/vault/tests/vault/cell.rs",
];

/// The demo's chapter in the store of a second platform.
const SECOND: &str = "crates/caretaker/src/commands/demo/second.rs";

/// What is there for one platform alone, and why that is nothing which every platform needs.
const ONE_ALONE: &[(&str, &str)] = &[
    ("crates/access/src/examples.rs", "an example has to name some platform"),
    ("crates/caretaker/src/commands/demo.rs", "the demo plays in one store"),
    ("crates/caretaker/src/commands/demo/powers.rs", "the demo plays in one store"),
    ("crates/caretaker/src/commands/demo/rival.rs", "the demo plays in one store"),
    ("crates/caretaker/src/names.rs", "what a role is called is said with an example"),
];

/// A file's lines of code, as far as it is Rust: no comments, and not the tests at its end.
fn code(path: &Path, text: &str) -> String {
    if path.extension().is_none_or(|end| end != "rs") {
        return text.to_owned();
    }
    let is_source = path.iter().any(|step| step == "src");
    let lines = text.lines().take_while(|line| !(is_source && line.trim() == "#[cfg(test)]"));
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Whether a file is all about this platform, by its name or by the folder that it lies in.
fn is_own(path: &Path, platform: &str) -> bool {
    path.iter().any(|step| step.to_string_lossy().contains(platform))
}

/// Files that name a platform in their code, and are not its own.
fn naming(platform: &str, among: &dyn Fn(&Path) -> bool) -> BTreeSet<String> {
    let names = |path: &PathBuf| {
        let text = read(path).map(|text| code(path, &text).to_lowercase());
        !is_own(path, platform) && among(path) && text.is_some_and(|text| text.contains(platform))
    };
    files().into_iter().filter(names).map(|path| path.display().to_string()).collect()
}

fn steps(path: &Path) -> Vec<String> {
    path.iter().map(|step| step.to_string_lossy().into_owned()).collect()
}

fn is_product(path: &Path) -> bool {
    let steps = steps(path);
    let [first, name, second, ..] = &*steps else { return false };
    let is_fuzzed = steps.iter().any(|step| step.starts_with("fuzzing"));
    first == "crates" && second == "src" && !BESIDE.contains(&name.as_str()) && !is_fuzzed
}

fn is_test(path: &Path) -> bool {
    let steps = steps(path);
    let [first, name, second, ..] = &*steps else { return false };
    first == "crates" && !BESIDE.contains(&name.as_str()) && (second == "tests" || second == "policies")
}

/// Documents for readers: not what was decided once, what is generated, or a guide.
fn is_document(path: &Path) -> bool {
    let kept = ["docs/decisions", "docs/generated", "docs/guides", "docs/research"];
    path.extension().is_some_and(|end| end == "md") && !kept.iter().any(|folder| path.starts_with(folder))
}

/// The platforms that there are: folders of the connectors.
fn platforms() -> BTreeSet<String> {
    let folder = Path::new("crates/connectors/src/platforms");
    let inside = files().into_iter().filter_map(|path| path.strip_prefix(folder).ok().map(steps));
    inside.filter(|steps| steps.len() > 1).map(|steps| steps[0].clone()).collect()
}

/// What a text has between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The section under that heading.
fn section<'t>(guide: &'t str, heading: &str) -> Option<&'t str> {
    let mut sections = guide.split("\n## ").skip(1);
    sections.find(|section| section.lines().next().is_some_and(|line| line.eq_ignore_ascii_case(heading)))
}

/// The files that the items of a section's list begin with, and what is behind each.
fn items(section: &str) -> impl Iterator<Item = (&str, &str)> {
    section.lines().filter_map(|line| {
        let (marker, rest) = line.split_once(' ')?;
        let is_item = marker == "-" || marker.strip_suffix('.')?.parse::<u32>().is_ok();
        let (name, rest) = rest.strip_prefix('`')?.split_once('`')?;
        let is_file = !name.contains("NAME") && Path::new(name).extension().is_some();
        (is_item && is_file).then_some((name, rest))
    })
}

/// The files that a section says are edited: items that are one, and a colon.
fn edited(section: &str) -> BTreeSet<String> {
    let edited = items(section).filter(|(_, rest)| rest.starts_with(':'));
    edited.map(|(name, _)| name.to_owned()).collect()
}

/// A row of the guide's table: what there is to do, and how many files are edited for it.
fn row(line: &str) -> Option<(&str, usize)> {
    let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
    let (what, count) = (cells.next()?, cells.next()?);
    Some((what, count.parse().ok()?))
}

#[test]
fn the_guide_to_a_platform_counts_what_the_last_one_took() {
    let guide = read(Path::new(PLATFORM)).unwrap();
    let rows: Vec<(&str, usize)> = guide.lines().filter_map(row).collect();
    assert!(rows.len() > 3, "{rows:?}");
    let mut all = BTreeSet::new();
    for (what, count) in rows {
        let section = section(&guide, what).unwrap_or_else(|| panic!("{PLATFORM} has no section `{what}`"));
        let edited = edited(section);
        assert_eq!(edited.len(), count, "{what}: {edited:?}");
        all.extend(edited);
    }
    let among = |is_meant: fn(&Path) -> bool| -> BTreeSet<&str> {
        all.iter().map(String::as_str).filter(|name| is_meant(Path::new(name))).collect()
    };
    let taken = |is_meant: fn(&Path) -> bool| naming(LAST, &is_meant);
    let (mut code, tests, documents) = (taken(is_product), taken(is_test), taken(is_document));
    // The story needs two platforms, and no third one.
    code.retain(|name| name != SECOND);
    let any_two: BTreeSet<String> = ANY_TWO.iter().map(|name| (*name).to_owned()).collect();
    assert!(any_two.is_subset(&tests), "{:?}", any_two.difference(&tests));
    let tests: BTreeSet<String> = tests.difference(&any_two).cloned().collect();
    assert!(among(is_product).into_iter().eq(code.iter()), "{code:#?}");
    assert!(among(is_test).into_iter().eq(tests.iter()), "{tests:#?}");
    assert!(among(is_document).into_iter().eq(documents.iter()), "{documents:#?}");
    assert_eq!(all.len(), code.len() + tests.len() + documents.len());
    let stated =
        format!("{} files of code, {} of tests and {} documents", code.len(), tests.len(), documents.len());
    assert!(guide.contains(&stated), "the guide does not say: {stated}");
}

/// Where code asks which platform it is, that belongs into the contract or into a table.
#[test]
fn no_file_is_about_one_platform_without_a_reason() {
    let platforms = platforms();
    assert!(platforms.contains(LAST) && platforms.len() > 1, "{platforms:?}");
    let of_all = naming(LAST, &is_product);
    let alone: BTreeSet<String> = platforms
        .iter()
        .flat_map(|platform| naming(platform, &is_product))
        .filter(|path| {
            !of_all.contains(path) && !platforms.iter().any(|other| is_own(Path::new(path), other))
        })
        .collect();
    let listed: BTreeSet<String> = ONE_ALONE.iter().map(|(path, _)| (*path).to_owned()).collect();
    let new = alone.difference(&listed).map(|path| format!("{path}: names one platform, and not the others"));
    let gone = listed.difference(&alone).map(|path| format!("{path}: is listed, and names none alone"));
    report(&new.chain(gone).collect::<Vec<_>>());
}

/// The plainest kind of the second platform is a row of each table: it is named in the files that the guide lists, and in
/// no other.
#[test]
fn the_guide_to_a_kind_lists_where_its_example_stands() {
    let guide = read(Path::new(KIND)).unwrap();
    let section = section(&guide, "The same of BigCommerce").unwrap();
    let listed: BTreeSet<String> = items(section).map(|(name, _)| name.to_owned()).collect();
    let among = ["crates/connectors/src/platforms/bigcommerce", "crates/sandbox/src/bigcommerce"];
    let named = |path: &PathBuf| {
        let is_meant = among.iter().any(|folder| path.starts_with(folder));
        let is_rust = path.extension().is_some_and(|end| end == "rs");
        // As a kind or as a path: the key of a metafield is called so, too.
        let is_named = |line: &str| {
            line.trim() == "\"banner\","
                || ["kind: \"banner\"", "name: \"banner\"", "/banners\""]
                    .iter()
                    .any(|name| line.contains(name))
        };
        is_meant && is_rust && read(path).is_some_and(|text| text.lines().any(is_named))
    };
    let found: BTreeSet<String> =
        files().into_iter().filter(named).map(|path| path.display().to_string()).collect();
    assert_eq!(listed, found);
}

/// Folders that a guide's paths may be relative to.
const ROOTS: &[(&str, &[&str])] = &[
    (
        PLATFORM,
        &[
            "",
            "crates/connectors/src",
            "crates/connectors/tests/example",
            "crates/connectors/tests/conformance",
        ],
    ),
    (KIND, &["", "crates/connectors/src/platforms/shopify", "crates/sandbox/src/shopify"]),
];

#[test]
fn what_the_guides_name_is_there() {
    let mut found = Vec::new();
    let mut seen = 0;
    for (guide, roots) in ROOTS {
        let text = read(Path::new(guide)).unwrap();
        let is_path = |name: &&str| {
            let ends = [".rs", ".md", ".graphql", ".toml", "/"].iter().any(|end| name.ends_with(end));
            ends && !name.contains([' ', '…', '*'])
        };
        let there = |name: &str| roots.iter().any(|root| ROOT.join(root).join(name).exists());
        for name in quoted(&text).filter(is_path) {
            seen += 1;
            let gone = platforms().iter().any(|platform| !there(&name.replace("NAME", platform)));
            if gone {
                found.push(format!("{guide}: there is no `{name}`"));
            }
        }
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            seen += 1;
            if !ROOT.join(guide).parent().unwrap().join(link).exists() {
                found.push(format!("{guide}: the link to {link} leads nowhere"));
            }
        }
    }
    assert!(seen > 30, "{seen}");
    report(&found);
}

/// What is shown is what stands there.
#[test]
fn what_the_guide_shows_of_the_example_stands_in_it() {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let guide = read(Path::new(PLATFORM)).unwrap();
    let folder = Path::new("crates/connectors/tests/example");
    let example = files().into_iter().filter(|path| path.starts_with(folder));
    let example = plain(&example.filter_map(|path| read(&path)).collect::<Vec<_>>().join("\n"));
    let shown: Vec<&str> =
        guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(shown.len() > 1, "{shown:?}");
    let gone = shown.into_iter().filter(|shown| !example.contains(&plain(shown)));
    report(
        &gone.map(|shown| format!("{PLATFORM} shows what the example has not:\n{shown}")).collect::<Vec<_>>(),
    );
}

#[test]
fn guides_are_read_as_they_are_written() {
    assert_eq!(row("| the connector | 2 | a folder |"), Some(("the connector", 2)));
    assert_eq!(
        (row("| to do | files edited | new |"), row("|---|---|---|"), row("text")),
        (None, None, None)
    );
    let guide = "# T\n\n## One\n1. `a/b.rs`: the row of `c/d.rs`\n2. the folder `e/NAME/`\n- `X.md`: more\n- `fetch`: a word\n- all of `f/g.rs`: none\n\n`f/g.rs`:\n## Two\n- `h/i.rs`\n";
    let one = section(guide, "one").unwrap();
    assert_eq!(edited(one).into_iter().collect::<Vec<_>>(), ["X.md", "a/b.rs"]);
    assert_eq!(section(guide, "three"), None);
    assert_eq!(quoted("a `b` c `d/` e").collect::<Vec<_>>(), ["b", "d/"]);
    let text = "//! Shop\nuse shop;\n#[cfg(test)]\nmod tests { other }\n";
    assert_eq!(code(Path::new("crates/x/src/a.rs"), text), "use shop;");
    assert!(code(Path::new("crates/x/tests/a.rs"), text).contains("other"));
    assert!(is_own(Path::new("a/shop_rules.rs"), "shop") && !is_own(Path::new("a/b.rs"), "shop"));
    let kinds =
        |path: &str| (is_product(Path::new(path)), is_test(Path::new(path)), is_document(Path::new(path)));
    assert_eq!(kinds("crates/flows/src/a.rs"), (true, false, false));
    assert_eq!(kinds("crates/flows/src/fuzzing/a.rs"), (false, false, false));
    assert_eq!(kinds("crates/flows/tests/a.rs"), (false, true, false));
    assert_eq!(kinds("docs/cli.md"), (false, false, true));
    assert_eq!(kinds("docs/decisions/1.md"), (false, false, false));
}
