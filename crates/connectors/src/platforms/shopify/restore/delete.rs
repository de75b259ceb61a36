//! Deleting what a restore had made.

use serde_json::{Value, json};

use super::find;
use super::place;
use super::recipe::{DISCOUNT_AUTOMATIC_DELETE, DISCOUNT_CODE_DELETE, Delete, recipe};
use super::run::errors;
use super::step::Call;
use crate::contract::{Fault, KindSpec};
use crate::platforms::shopify::Shopify;

static POLICY_UPDATE: Call =
    Call::new("shopPolicyUpdate", include_str!("../documents/write/shopPolicyUpdate.graphql"), 10);

/// Whether values are there.
const DEFINITION_VALUES: &str = include_str!("../documents/live/metafield_definition_values.graphql");

/// Deletes an item. One that is gone already is fine.
///
/// # Errors
/// [`Fault::Rejected`] where the platform refuses, or the kind has no way to be deleted; else those of the API.
pub(crate) async fn delete(shop: &Shopify, kind: &'static KindSpec, id: &str) -> Result<(), Fault> {
    let Some(item) = shop.nodes(kind, &[id]).await?.into_iter().next().flatten() else {
        return Ok(());
    };
    let live = find::payload(&item)?;
    let steps: Vec<&Delete> = match kind.name {
        "discount"
            if place::text(&live, "discount/__typename").is_some_and(|name| name.contains("Automatic")) =>
        {
            vec![&DISCOUNT_AUTOMATIC_DELETE]
        }
        "discount" => vec![&DISCOUNT_CODE_DELETE],
        // There is one of each type; one without text is none.
        "policy" => {
            let policy = json!({"shopPolicy": {"type": live.get("type"), "body": ""}});
            return refused(kind, id, &send(shop, &POLICY_UPDATE, policy).await?);
        }
        "metafield_definition" => return definition(shop, kind, id).await,
        _ => recipe(kind.name).map_or(&[][..], |recipe| recipe.delete).iter().collect(),
    };
    let Some((last, before)) = steps.split_last() else {
        return Err(Fault::Rejected(format!("{} cannot be deleted through the API", kind.plural)));
    };
    for step in before {
        // What prepares the deletion may have been done before; whether it was, the deletion itself tells.
        send(shop, &step.call, (step.variables)(id, &live)).await?;
    }
    gone(shop, kind, id, &send(shop, &last.call, (last.variables)(id, &live)).await?).await
}

/// Some definitions go only together with their values. Where there is none, nothing is lost by that; where there are
/// some, they were there before, or came since, and the platform's refusal is told.
async fn definition(shop: &Shopify, kind: &'static KindSpec, id: &str) -> Result<(), Fault> {
    let answer = shop.query(DEFINITION_VALUES, json!({"id": id})).await?;
    let none = place::at(&answer, "metafieldDefinition/metafieldsCount") == Some(&json!(0));
    let call = recipe(kind.name).and_then(|recipe| recipe.delete.first()).map(|delete| &delete.call);
    let Some(call) = call else { return Ok(()) };
    gone(shop, kind, id, &send(shop, call, json!({"id": id, "values": none})).await?).await
}

/// Of a deletion whose answer was lost the repetition is refused, because there is nothing any more. That is no refusal.
async fn gone(shop: &Shopify, kind: &'static KindSpec, id: &str, whys: &[String]) -> Result<(), Fault> {
    if !whys.is_empty() && shop.nodes(kind, &[id]).await?.iter().all(Option::is_none) {
        return Ok(());
    }
    refused(kind, id, whys)
}

async fn send(shop: &Shopify, call: &Call, variables: Value) -> Result<Vec<String>, Fault> {
    // Deleting twice is deleting once, so an answer that was lost is asked for again.
    let answer = shop.query(call.document, variables).await?;
    Ok(errors(answer.get(call.root).unwrap_or(&Value::Null)).into_iter().map(|(_, why)| why).collect())
}

fn refused(kind: &KindSpec, id: &str, whys: &[String]) -> Result<(), Fault> {
    if whys.is_empty() {
        return Ok(());
    }
    Err(Fault::Rejected(format!("the {} `{id}` was not deleted: {}", kind.name, whys.join("; "))))
}
