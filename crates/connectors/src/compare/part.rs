//! Parts of an item, and which part of the backup is which part on the live store.
//!
//! A part is recognised by its id, renamed or not, and else by what people know it by: a variant by its options, a
//! metafield by its namespace and key. What is recognised is noted in [`Links`], so references to it lead there.

use serde_json::Value;

use super::links::Links;
use super::place;

/// How a part whose id is lost is recognised.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// By what people call it, from its content and its place in the list. `None`: by its id alone.
    Named(fn(&Value, usize) -> Option<String>),
    /// By what it is. Among several that are the same, one that is also `closer` is preferred.
    Same {
        /// Whether the live part (second) is the wanted one (first).
        same: fn(&Value, &Value) -> bool,
        /// Whether they have even more in common.
        closer: fn(&Value, &Value) -> bool,
    },
}
pub(crate) use Key::Named;

/// A list of parts within an item, or a single part.
#[derive(Debug)]
pub(crate) struct Part {
    /// Where in the payload.
    pub(crate) at: &'static str,
    /// How its elements are recognised.
    pub(crate) key: Key,
    /// Parts of these parts.
    pub(crate) parts: &'static [Part],
}

/// Every wanted part with the live one that it is, if there is one. A live part is given out once.
pub(crate) fn matched<'w, 'l>(
    wanted: &'w [Value],
    live: &'l [Value],
    key: Key,
    links: &Links<'_>,
) -> Vec<(&'w Value, Option<&'l Value>)> {
    let mut free: Vec<(usize, &Value)> = live.iter().enumerate().collect();
    let mut found: Vec<Option<&Value>> = wanted
        .iter()
        .map(|part| {
            let id = links.now(place::id_of(part)?).to_owned();
            take(&mut free, |_, live| place::id_of(live) == Some(id.as_str()))
        })
        .collect();
    match key {
        Named(name) => {
            let mut free: Vec<(Option<String>, &Value)> =
                free.into_iter().map(|(position, live)| (name(live, position), live)).collect();
            for (position, (part, found)) in wanted.iter().zip(&mut found).enumerate() {
                if found.is_none()
                    && let Some(name) = name(part, position)
                {
                    *found = take(&mut free, |live, _| live.as_ref() == Some(&name));
                }
            }
        }
        // The closest of all first, or a part would be given away to one that merely comes earlier.
        Key::Same { same, closer } => {
            let is_closest = |part: &Value, live: &Value| same(part, live) && closer(part, live);
            for is_it in [&is_closest as &dyn Fn(&Value, &Value) -> bool, &same] {
                for (part, found) in wanted.iter().zip(&mut found) {
                    if found.is_none() {
                        *found = take(&mut free, |_, live| is_it(part, live));
                    }
                }
            }
        }
    }
    wanted.iter().zip(found).collect()
}

/// The live parts that a former state has, too, and that are wanted no more.
pub(crate) fn surplus<'l>(
    wanted: &[Value],
    live: &'l [Value],
    former: &[Value],
    key: Key,
    links: &Links<'_>,
) -> Vec<&'l Value> {
    let of = |list: &[Value]| -> Vec<&'l Value> {
        matched(list, live, key, links).into_iter().filter_map(|(_, live)| live).collect()
    };
    let (kept, former) = (of(wanted), of(former));
    let is_in = |list: &[&Value], one: &Value| list.iter().any(|other| std::ptr::eq(*other, one));
    live.iter().filter(|one| is_in(&former, one) && !is_in(&kept, one)).collect()
}

/// Takes out the first one that is it.
fn take<'l, T>(free: &mut Vec<(T, &'l Value)>, is_it: impl Fn(&T, &Value) -> bool) -> Option<&'l Value> {
    let place = free.iter().position(|(more, live)| is_it(more, live))?;
    Some(free.remove(place).1)
}

/// Notes which live item, and which of its parts, the wanted ones are.
pub(crate) fn pair(wanted: &Value, live: &Value, parts: &[Part], links: &mut Links<'_>) {
    if let (Some(old), Some(new)) = (place::id_of(wanted), place::id_of(live)) {
        links.note(old, new);
    }
    for part in parts {
        match (place::at(wanted, part.at), place::at(live, part.at)) {
            (Some(Value::Array(wanted)), Some(Value::Array(live))) => pair_list(wanted, live, part, links),
            (Some(wanted @ Value::Object(_)), Some(live @ Value::Object(_))) => {
                pair(wanted, live, part.parts, links);
            }
            _ => {}
        }
    }
}

/// Notes which of the live parts the wanted ones are.
pub(crate) fn pair_list(wanted: &[Value], live: &[Value], part: &Part, links: &mut Links<'_>) {
    for (wanted, live) in matched(wanted, live, part.key, links) {
        if let Some(live) = live {
            pair(wanted, live, part.parts, links);
        }
    }
}

/// By its id alone.
pub(crate) fn by_id(_: &Value, _: usize) -> Option<String> {
    None
}

/// By its name.
pub(crate) fn by_name(part: &Value, _: usize) -> Option<String> {
    place::text(part, "name").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compare::links::tests::spelled;
    use crate::contract::IdMap;

    #[test]
    fn parts_are_recognised_by_id_first_and_by_name_only_among_the_rest() {
        let ledger = IdMap::default();
        let wanted = [
            json!({"id": "1", "name": "b"}),
            json!({"id": "2", "name": "a"}),
            json!({"id": "3", "name": "c"}),
        ];
        let live = [json!({"id": "9", "name": "a"}), json!({"id": "1", "name": "a"})];
        let found: Vec<Option<&str>> = matched(&wanted, &live, Named(by_name), &Links::new(&ledger, spelled))
            .into_iter()
            .map(|(_, live)| live.and_then(place::id_of))
            .collect();
        assert_eq!(found, [Some("1"), Some("9"), None]);
    }

    #[test]
    fn pairs_reach_into_parts_of_parts() {
        const PARTS: &[Part] = &[Part {
            at: "variants",
            key: Named(by_name),
            parts: &[Part { at: "inventoryItem", key: Named(by_id), parts: &[] }],
        }];
        let ledger = IdMap::default();
        let mut links = Links::new(&ledger, spelled);
        let wanted =
            json!({"id": "p1", "variants": [{"id": "v1", "name": "S", "inventoryItem": {"id": "i1"}}]});
        let live =
            json!({"id": "p2", "variants": [{"id": "v2", "name": "S", "inventoryItem": {"id": "i2"}}]});
        pair(&wanted, &live, PARTS, &mut links);
        assert_eq!((links.now("p1"), links.now("v1"), links.now("i1")), ("p2", "v2", "i2"));
    }
}
