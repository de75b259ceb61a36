//! What a generated store lacks: metafields of every owner, files of the owner's own bytes, lists of more than one.

use serde_json::{Value, json};

use crate::world::World;

const METAFIELDS: &str = "mutation($metafields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $metafields) { userErrors { message } } }";
const ATTACH: &str =
    "mutation($files: [FileUpdateInput!]!) { fileUpdate(files: $files) { userErrors { message } } }";
const CODES: &str = "mutation($id: ID!, $codes: [DiscountRedeemCodeInput!]!) { discountRedeemCodeBulkAdd(discountId: $id, codes: $codes) { userErrors { message } } }";
const ADDRESS: &str = "mutation($id: ID!, $address: MailingAddressInput!) { customerAddressCreate(customerId: $id, address: $address) { userErrors { message } } }";

/// Tables of the practice store whose items have metafields.
const OWNERS: &[&str] = &[
    "Article",
    "Blog",
    "Collection",
    "Customer",
    "DiscountAutomaticNode",
    "DiscountCodeNode",
    "DraftOrder",
    "Location",
    "Market",
    "Order",
    "Page",
    "Product",
    "ProductVariant",
    "Shop",
];

/// The first id of a table, by the order of ids; `None` where the table is empty.
pub(crate) fn first(dump: &Value, table: &str) -> Option<String> {
    dump[table].as_object()?.keys().next().cloned()
}

/// Gives a store what a generated one lacks.
pub(crate) async fn enrich(world: &World, name: &str) {
    let dump = world.dump(name);
    let metafields: Vec<Value> = OWNERS
        .iter()
        .filter_map(|table| first(&dump, table))
        .map(|owner| {
            json!({"ownerId": owner, "namespace": "shelf", "key": "kept", "type": "single_line_text_field", "value": owner.split('/').nth(3)})
        })
        .collect();
    assert_eq!(metafields.len(), OWNERS.len());
    world.owner(name, METAFIELDS, json!({"metafields": metafields})).await;
    // Bytes that nobody could make from a name.
    let bytes =
        |seed: u8| (0..5_000_u32).map(|at| seed ^ u8::try_from(at * at % 251).unwrap()).collect::<Vec<u8>>();
    let product = first(&dump, "Product").unwrap();
    world.upload(name, "FILE", ("conditions.pdf", "application/pdf"), bytes(1)).await;
    let video = world.upload(name, "VIDEO", ("turning.mp4", "video/mp4"), bytes(2)).await;
    let model = world.upload(name, "MODEL_3D", ("chair.glb", "model/gltf-binary"), bytes(3)).await;
    let picture = world.upload(name, "IMAGE", ("front.png", "image/png"), bytes(4)).await;
    let files: Vec<Value> =
        [video, model, picture].iter().map(|id| json!({"id": id, "referencesToAdd": [product]})).collect();
    world.owner(name, ATTACH, json!({"files": files})).await;
    let code = first(&dump, "DiscountCodeNode").unwrap();
    world.owner(name, CODES, json!({"id": code, "codes": [{"code": "ANOTHER"}, {"code": "ONEMORE"}]})).await;
    let customer = first(&dump, "Customer").unwrap();
    let address =
        json!({"address1": "9 Other Street", "city": "Sampleton", "zip": "10119", "countryCode": "DE"});
    world.owner(name, ADDRESS, json!({"id": customer, "address": address})).await;
}
