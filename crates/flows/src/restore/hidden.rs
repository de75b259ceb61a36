//! What a platform hides is neither written nor compared: what was hidden when it was read tells nothing of what it is.

use std::collections::BTreeSet;

use domain::{Gap, GapReason};
use serde_json::Value;

/// What a plan says of an item of which something is hidden.
pub(super) const LOSS: &str = "The platform hides personal data of this item, or did when it was backed up; what is hidden stays as it is.";

/// What was hidden of an item: pointers, with `*` for every element of a list.
pub(super) fn pointers(gaps: &[Gap]) -> BTreeSet<String> {
    let hidden = gaps.iter().filter(|gap| gap.reason == GapReason::Redacted);
    hidden.map(|gap| gap.what.clone()).collect()
}

/// Takes out of a payload what is hidden in one of the payloads that it is compared with: what is not there is not
/// written. Of a list with something hidden in an element nothing is left, since nobody could tell its elements apart,
/// and what cannot hold the hidden field itself is not known to be empty either.
pub(super) fn forget(payload: &mut Value, hidden: &BTreeSet<String>) {
    for pointer in hidden {
        let steps: Vec<&str> = pointer.split('/').skip(1).collect();
        forget_at(payload, &steps);
    }
}

fn forget_at(value: &mut Value, steps: &[&str]) {
    let (Some((step, below)), Some(fields)) = (steps.split_first(), value.as_object_mut()) else { return };
    match fields.get_mut(*step) {
        Some(inner @ Value::Object(_)) if !below.is_empty() => forget_at(inner, below),
        _ => {
            fields.remove(*step);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(hidden: &[&str], payload: Value, expected: &Value) {
        let (mut left, hidden) = (payload, hidden.iter().map(|one| (*one).to_owned()).collect());
        forget(&mut left, &hidden);
        assert_eq!(&left, expected, "{hidden:?}");
    }

    #[test]
    fn what_is_hidden_is_forgotten_and_the_rest_is_not() {
        check(&["/email"], json!({"email": null, "note": "n"}), &json!({"note": "n"}));
        check(&["/email"], json!({"email": "a@b", "note": "n"}), &json!({"note": "n"}));
        check(&["/a/b"], json!({"a": {"b": null, "c": 1}}), &json!({"a": {"c": 1}}));
        check(&["/a/b"], json!({"a": null, "c": 1}), &json!({"c": 1}));
        check(&["/email", "/phone"], json!({"email": 1, "phone": 2}), &json!({}));
    }

    #[test]
    fn of_a_list_with_something_hidden_nothing_is_left() {
        let lines = json!({"lines": [{"a": {"names": [{"first": 1}]}}], "note": "n"});
        for hidden in ["/lines", "/lines/*", "/lines/*/a/names/*/first", "/lines/0/a"] {
            check(&[hidden], lines.clone(), &json!({"note": "n"}));
        }
        check(&["/lines/*/a"], json!({"lines": [], "note": "n"}), &json!({"note": "n"}));
        check(&["/lines/*/a"], json!({"lines": null}), &json!({}));
    }

    #[test]
    fn what_is_not_there_and_what_is_not_hidden_stays() {
        for nothing in [&[][..], &["/b"], &[""], &["/b/c", "b"]] {
            check(nothing, json!({"a": [1]}), &json!({"a": [1]}));
        }
        check(&["/a"], json!("text"), &json!("text"));
    }

    #[test]
    fn only_what_is_hidden_counts_among_the_gaps() {
        let gap = |what: &str, reason| Gap { what: what.to_owned(), reason, detail: String::new() };
        let gaps = [gap("/url", GapReason::Failed), gap("/email", GapReason::Redacted)];
        assert_eq!(pointers(&gaps), BTreeSet::from(["/email".to_owned()]));
    }
}
