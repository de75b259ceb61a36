//! Putting media on a product: those that exist still, or again, are attached; the others are uploaded. Then a step of
//! its own puts them in order.

use serde_json::{Value, json};

use super::links;
use super::place;
use super::run::{Run, Sent};
use super::step::{Call, variables};
use super::upload;
use crate::contract::Fault;
use crate::platforms::shopify::client::Again;

static ATTACH: Call =
    Call::new("fileUpdate", include_str!("../documents/write/fileUpdate.graphql"), 10).of_many("files");
static ADD: Call = Call::new("productUpdate", include_str!("../documents/write/productAddMedia.graphql"), 10)
    .of_many("media");

impl Run<'_> {
    /// Puts media on the product. Each comes with its place in the payload's list.
    pub(super) async fn media(&mut self, media: &[(usize, Value)]) -> Result<(), Fault> {
        let now = |run: &Self, one: &Value| place::id_of(one).map(|id| run.links.now(id).to_owned());
        let ids: Vec<String> = media.iter().filter_map(|(_, one)| now(self, one)).collect();
        let there: Vec<String> = self.states(&ids).await?.into_iter().map(|(id, _)| id).collect();
        let (mut attach, mut add) = (Vec::new(), Vec::new());
        for one in media {
            let exists = now(self, &one.1).is_some_and(|id| there.contains(&id));
            if exists { attach.push(one) } else { add.push(one) }
        }
        let me = links::id(self.write.id);
        if !attach.is_empty() {
            self.files_ready(&there).await?;
            let files: Vec<Value> = attach
                .iter()
                .filter_map(|(_, one)| {
                    Some(json!({"id": links::id(place::id_of(one)?), "referencesToAdd": [me.clone()]}))
                })
                .collect();
            self.send(&ATTACH, &variables([("files", Value::Array(files))]), "media", Again::Safe).await?;
        }
        if add.is_empty() {
            return Ok(());
        }
        let inputs: Vec<Value> = add.iter().map(|(number, one)| input(*number, one)).collect();
        let input = variables([
            ("product", json!({"id": me})),
            ("count", json!(inputs.len())),
            ("media", Value::Array(inputs)),
        ]);
        // A repetition would add them twice: an answer that was lost is told, and the next attempt looks.
        let Sent::Done(answer) = self.send(&ADD, &input, "media", Again::Never).await? else { return Ok(()) };
        let answer = place::folded(&answer);
        let made: Vec<String> = place::list(&answer, "product/media")
            .iter()
            .filter_map(place::id_of)
            .map(str::to_owned)
            .collect();
        if made.len() == add.len() {
            for ((_, one), new) in add.iter().zip(&made) {
                self.links.note(place::id_of(one).unwrap_or_default(), new);
            }
        }
        self.files_ready(&made).await
    }
}

/// One medium, to be made from its bytes or, for a video elsewhere, from its address.
fn input(number: usize, media: &Value) -> Value {
    let kind = place::text(media, "mediaContentType").unwrap_or("IMAGE");
    let source = match kind {
        "EXTERNAL_VIDEO" => {
            place::at(media, "originUrl").or(media.get("embedUrl")).cloned().unwrap_or_default()
        }
        "IMAGE" => {
            let image = media.get("image").filter(|image| image.is_object()).cloned();
            let image = image.unwrap_or_else(|| json!({"url": place::at(media, "preview/image/url")}));
            upload::image(&format!("/media/{number}/image/url"), &image)
        }
        _ => upload::file_in(&format!("/media/{number}"), "originalSource/url", kind, media),
    };
    json!({
        "originalSource": source,
        "alt": place::text(media, "alt").unwrap_or_default(),
        "mediaContentType": kind,
    })
}
