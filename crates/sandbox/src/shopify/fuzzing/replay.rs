//! The entry points in ordinary tests.

use corpus::Target;
use serde_json::json;

use super::*;

const TARGETS: &[Target] = &[
    Target { name: "graphql_request", run: graphql_request, seeds: requests, mutations: 300 },
    Target { name: "product_csv", run: product_csv, seeds: exports, mutations: 800 },
    Target { name: "fault_spec", run: fault_spec, seeds: specs, mutations: 3_000 },
    Target { name: "http_form", run: http_form, seeds: forms, mutations: 2_000 },
];

#[test]
fn what_must_hold_of_any_bytes_holds() {
    corpus::replay(TARGETS).unwrap();
}

fn requests() -> Vec<Vec<u8>> {
    let list = "{ products(first: 3, query: \"status:active AND created_at:>2020-01-01\") { nodes { id title handle variants(first: 2) { nodes { id price } } } pageInfo { hasNextPage endCursor } } }";
    let create = "mutation new($product: ProductCreateInput) { productCreate(product: $product) { product { id title tags } userErrors { field message } } }";
    let tags = "mutation { tagsAdd(id: \"gid://shopify/Product/1\", tags: [\"a\"]) { userErrors { field message } } }";
    let page = "query page($first: Int, $after: String) { customers(first: $first, after: $after, reverse: true) { nodes { id } pageInfo { endCursor } } }";
    let bulk = "mutation { bulkOperationRunQuery(query: \"{ products { edges { node { id } } } }\") { bulkOperation { id status } userErrors { message } } }";
    [
        json!({ "query": list }),
        json!({ "query": create, "variables": { "product": { "title": "Tea", "tags": ["x", "y"] } } }),
        json!({ "query": tags }),
        json!({ "query": page, "variables": { "first": 1 }, "operationName": "page" }),
        json!({ "query": bulk }),
    ]
    .map(|request| request.to_string().into_bytes())
    .into()
}

fn exports() -> Vec<Vec<u8>> {
    let head = "Handle,Title,Body (HTML),Vendor,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Grams,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Image Src,Image Alt Text,SEO Title,Status";
    let tea = "tea,Tea,<p>Green</p>,Leaf,\"a, b\",TRUE,Size,Small,T-1,100,shopify,7,4.50,https://cdn.example/tea.jpg?v=1,A cup,Tea!,active";
    let more = "tea,,,,,,,Large,T-2,200.5,shopify,-1,9,,,,";
    [format!("{head}\n{tea}\n{more}\n"), format!("\u{feff}{head}\r\n{tea}"), "Handle,Title\n".to_owned()]
        .map(String::into_bytes)
        .into()
}

fn specs() -> Vec<Vec<u8>> {
    ["429@3,502:products@2+", "cut%50", "bulk-failed", "lost-answer:productSet@1, 503"]
        .map(|text| text.as_bytes().to_vec())
        .into()
}

fn forms() -> Vec<Vec<u8>> {
    let part = "Content-Disposition: form-data; name=";
    let upload = format!(
        "--{BOUNDARY}\r\n{part}\"key\"\r\n\r\nx\r\n--{BOUNDARY}\r\n{part}\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nbytes\r\n--{BOUNDARY}--\r\n"
    );
    [upload.as_str(), "bytes=1-", "bytes=0-5"].map(|text| text.as_bytes().to_vec()).into()
}
