//! The other app of the story: it edits the practice store through the store's own API.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail, ensure};
use sandbox::shopify::Running;
use serde_json::{Value, json};

const PRODUCTS: &str = "query Products($after: String) { products(first: 5, after: $after) { nodes { id title variants(first: 100) { nodes { id price } } } pageInfo { hasNextPage endCursor } } }";
const SET_PRICES: &str = "mutation SetPrices($productId: ID!, $variants: [ProductVariantsBulkInput!]!) { productVariantsBulkUpdate(productId: $productId, variants: $variants) { userErrors { field message } } }";
const DELETE: &str = "mutation Delete($input: ProductDeleteInput!) { productDelete(input: $input) { userErrors { field message } } }";
const RETITLE: &str = "mutation Retitle($product: ProductUpdateInput!) { productUpdate(product: $product) { userErrors { field message } } }";

const ORDER: &str = "mutation Order($order: OrderCreateOrderInput!) { orderCreate(order: $order) { userErrors { field message } } }";

const API: &str = "/admin/api/2026-10/graphql.json";

pub(super) struct Rival<'a> {
    store: &'a Running,
    http: reqwest::Client,
}

impl<'a> Rival<'a> {
    pub(super) fn new(store: &'a Running) -> anyhow::Result<Self> {
        let ca = reqwest::Certificate::from_pem(store.ca_pem.as_bytes())?;
        let http = reqwest::Client::builder().tls_certs_only([ca]).https_only(true).build()?;
        Ok(Self { store, http })
    }

    async fn send(&self, document: &str, variables: Value) -> anyhow::Result<Value> {
        let answer: Value = self
            .http
            .post(format!("{}{API}", self.store.url))
            .header("X-Shopify-Access-Token", &self.store.access_token)
            .json(&json!({ "query": document, "variables": variables }))
            .send()
            .await?
            .json()
            .await?;
        if let Some(errors) = answer.get("errors") {
            bail!("the practice store answered {errors}");
        }
        let data = answer.get("data").cloned().context("an answer without data")?;
        for root in data.as_object().into_iter().flat_map(|data| data.values()) {
            if let Some(errors) =
                root.get("userErrors").and_then(Value::as_array).filter(|list| !list.is_empty())
            {
                bail!("the practice store refused: {errors:?}");
            }
        }
        Ok(data)
    }

    async fn products(&self) -> anyhow::Result<Vec<Value>> {
        let mut products = Vec::new();
        let mut after = Value::Null;
        loop {
            let data = self.send(PRODUCTS, json!({ "after": after })).await?;
            let page = data.get("products").context("no products")?;
            products.extend(page.get("nodes").and_then(Value::as_array).into_iter().flatten().cloned());
            if page.pointer("/pageInfo/hasNextPage") != Some(&Value::Bool(true)) {
                return Ok(products);
            }
            after = page.pointer("/pageInfo/endCursor").cloned().unwrap_or_default();
        }
    }

    /// Sets the prices of every second product to 0.01. Answers variant ids and their products.
    pub(super) async fn spoil_prices(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let mut spoiled = BTreeMap::new();
        for product in self.products().await?.iter().step_by(2) {
            let id = text(product, "/id")?;
            let variants =
                product.pointer("/variants/nodes").and_then(Value::as_array).context("no variants")?;
            let mut inputs = Vec::new();
            for variant in variants.iter().filter(|variant| variant.get("price") != Some(&json!("0.01"))) {
                let variant = text(variant, "/id")?;
                inputs.push(json!({ "id": variant, "price": "0.01" }));
                spoiled.insert(variant, id.clone());
            }
            self.send(SET_PRICES, json!({ "productId": id, "variants": inputs })).await?;
        }
        Ok(spoiled)
    }

    /// Somebody buys at a spoiled price.
    pub(super) async fn buy(&self, spoiled: &BTreeMap<String, String>) -> anyhow::Result<()> {
        let variant = spoiled.keys().next().context("nothing was spoiled")?;
        let order =
            json!({ "lineItems": [{ "variantId": variant, "quantity": 2 }], "email": "night@example.com" });
        self.send(ORDER, json!({ "order": order })).await.map(drop)
    }

    /// Deletes one product whose prices were left alone. Answers its id.
    pub(super) async fn delete_a_product(&self) -> anyhow::Result<String> {
        let products = self.products().await?;
        let id = text(products.get(1).context("too few products")?, "/id")?;
        self.send(DELETE, json!({ "input": { "id": id } })).await?;
        Ok(id)
    }

    /// A good edit after the damage, on a spoiled product. Answers the product's id and its new title.
    pub(super) async fn edit_a_title(
        &self,
        spoiled: &BTreeMap<String, String>,
    ) -> anyhow::Result<(String, String)> {
        let id = spoiled.values().next().context("nothing was spoiled")?.clone();
        let title = "A title edited after the damage".to_owned();
        self.send(RETITLE, json!({ "product": { "id": id, "title": title } })).await?;
        Ok((id, title))
    }
}

fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    Ok(text.with_context(|| format!("no text at {pointer}"))?.to_owned())
}

/// The objects of one type in a state dump, by id.
fn objects<'a>(dump: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let of_kind = dump.get(kind).and_then(Value::as_object);
    of_kind.into_iter().flatten().map(|(id, fields)| (id.as_str(), fields)).collect()
}

pub(super) struct Compared {
    pub(super) right: usize,
    pub(super) wrong: usize,
}

/// Compares every price in the store's own state with that before the damage.
pub(super) fn compare_prices(before: &Value, after: &Value, deleted: &str) -> anyhow::Result<Compared> {
    let (old, new) = (objects(before, "ProductVariant"), objects(after, "ProductVariant"));
    let mut compared = Compared { right: 0, wrong: 0 };
    let mut gone = Vec::new();
    for (id, variant) in &old {
        let price = variant.get("price").context("a variant without price")?;
        match new.get(id).and_then(|variant| variant.get("price")) {
            Some(now) if now == price => compared.right += 1,
            Some(_) => compared.wrong += 1,
            None => gone.push(price.clone()),
        }
    }
    // The deleted product's variants have new ids: their prices must be among the new ones.
    let mut made: Vec<Value> = new
        .iter()
        .filter(|(id, _)| !old.contains_key(*id))
        .filter_map(|(_, variant)| variant.get("price").cloned())
        .collect();
    for price in gone {
        match made.iter().position(|candidate| *candidate == price) {
            Some(at) => {
                made.remove(at);
                compared.right += 1;
            }
            None => compared.wrong += 1,
        }
    }
    if objects(after, "Product").contains_key(deleted) {
        bail!("the deleted product is there under its old id, which cannot be");
    }
    ensure!(compared.right > 0, "the store's state shows no prices");
    Ok(compared)
}

/// A product's title in the store's own state.
pub(super) fn title_of(dump: &Value, id: &str) -> anyhow::Result<String> {
    let products = objects(dump, "Product");
    text(products.get(id).context("the product is gone")?, "/title")
}
