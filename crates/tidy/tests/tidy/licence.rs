//! Licence expressions (SPDX 2.3, annex D), with the old `/` for OR.

/// Whether an expression can be met with licences that `allow` accepts. `None` where it is not one.
pub(crate) fn is_met(expression: &str, allow: &dyn Fn(&str) -> bool) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &tokens[..];
    let met = any_of(&mut rest, allow)?;
    rest.is_empty().then_some(met)
}

fn any_of(tokens: &mut &[&str], allow: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = all_of(tokens, allow)?;
    while let [first, rest @ ..] = *tokens
        && *first == "OR"
    {
        *tokens = rest;
        met |= all_of(tokens, allow)?;
    }
    Some(met)
}

fn all_of(tokens: &mut &[&str], allow: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut met = one(tokens, allow)?;
    while let [first, rest @ ..] = *tokens
        && *first == "AND"
    {
        *tokens = rest;
        met &= one(tokens, allow)?;
    }
    Some(met)
}

fn one(tokens: &mut &[&str], allow: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *tokens {
        ["(", rest @ ..] => {
            *tokens = rest;
            let met = any_of(tokens, allow)?;
            let [")", rest @ ..] = *tokens else { return None };
            *tokens = rest;
            Some(met)
        }
        [licence, "WITH", exception, rest @ ..] => {
            *tokens = rest;
            Some(allow(licence) || allow(&format!("{licence} WITH {exception}")))
        }
        [")" | "OR" | "AND", ..] | [] => None,
        [licence, rest @ ..] => {
            *tokens = rest;
            Some(allow(licence))
        }
    }
}

#[test]
fn expressions_are_met_or_not() {
    let allow = |licence: &str| ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].contains(&licence);
    for (expression, expected) in [
        ("MIT", Some(true)),
        ("GPL-3.0", Some(false)),
        ("MIT OR GPL-3.0", Some(true)),
        ("GPL-3.0/MIT", Some(true)),
        ("MIT AND GPL-3.0", Some(false)),
        ("(GPL-3.0 OR ISC) AND MIT", Some(true)),
        ("GPL-3.0 OR ISC AND LGPL-2.1", Some(false)),
        ("Apache-2.0 WITH LLVM-exception", Some(true)),
        ("Apache-2.0", Some(false)),
        ("(MIT", None),
        ("", None),
    ] {
        assert_eq!(is_met(expression, &allow), expected, "{expression}");
    }
}
