//! Every input that is made, from nothing and from something else, is one that Shopify's own schema takes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::PathBuf;

use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::schema::ExtendedType;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::{Value, json};

use super::super::links::Links;
use super::super::recipe::{RECIPES, recipe};
use super::super::step::Work;
use super::super::{drafted, upload};
use super::{gid, product};
use crate::contract::{IdMap, RestoreOptions};

/// Fields of the platform's inputs that are not written, and why. Without a type: of every type.
const UNWRITTEN: &[(&str, &str, &str)] = &[
    (
        "CollectionUpdateSourceExclusionInput",
        "conditionsToUpdate",
        "One that differs is deleted and made anew.",
    ),
    (
        "OptionUpdateInput",
        "linkedMetafield",
        "An option is linked when it is made; a link that was changed since stays.",
    ),
    ("", "metafields", "Metafields are set by a call of their own."),
    ("", "redirectNewHandle", "Redirects are a kind of their own."),
    ("", "id", "Things are named by what people know them by, or the id stands beside the input."),
    ("ArticleUpdateInput", "isPublished", "Said by `publishDate`."),
    ("ArticleCreateInput", "isPublished", "Said by `publishDate`."),
    ("AuthorInput", "userId", "Staff accounts cannot be read."),
    ("BlogUpdateInput", "redirectArticles", "Redirects are a kind of their own."),
    (
        "CollectionUpdateSourceInclusionInput",
        "conditionsToUpdate",
        "One that differs is deleted and made anew.",
    ),
    ("CatalogContextInput", "companyLocationIds", "Business customers are a kind that is not backed up yet."),
    ("CatalogCreateInput", "publicationId", "A catalog gets a publication of its own, by a call of its own."),
    ("CatalogUpdateInput", "context", "Would take the catalog from whom the backup does not hold."),
    ("CatalogUpdateInput", "publicationId", "A catalog gets a publication of its own, by a call of its own."),
    ("CustomerInput", "emailMarketingConsent", "Consent is set by a call of its own."),
    ("CustomerInput", "smsMarketingConsent", "Consent is set by a call of its own."),
    ("CustomerInput", "whatsAppMarketingConsent", "Consent is set by a call of its own."),
    ("DiscountContextInput", "markets", "Markets take a permission that is not asked for with discounts."),
    ("DraftOrderInput", "deposit", "Needs a permission of its own."),
    ("DraftOrderInput", "localizedFields", "Needs a permission of its own."),
    ("DraftOrderInput", "paymentTerms", "Needs a permission of its own."),
    ("DraftOrderInput", "sessionToken", "Cannot be read."),
    ("DraftOrderInput", "sourceName", "Cannot be read."),
    ("DraftOrderInput", "transformerFingerprint", "Tells of work in progress."),
    ("DraftOrderLineItemInput", "components", "Bundles belong to an app."),
    (
        "DraftOrderLineItemInput",
        "generatePriceOverride",
        "Works a price out anew; the price is written as it was.",
    ),
    ("DraftOrderLineItemInput", "uuid", "Tells lines apart while they are edited."),
    ("FileCreateInput", "duplicateResolutionMode", "The platform's own: a taken name is told apart."),
    (
        "FileUpdateInput",
        "filename",
        "A new name means a new address, by which texts that hold the present one lose it.",
    ),
    (
        "FileUpdateInput",
        "previewImageSource",
        "The platform makes previews; one of the owner's own cannot be told from those.",
    ),
    ("InventoryItemMeasurementInput", "shippingPackageId", "Packages are a kind that is not backed up yet."),
    ("MarketConditionsInput", "channelsCondition", "A market for a channel comes with the channel's app."),
    (
        "MarketConditionsInput",
        "companyLocationsCondition",
        "Business customers are a kind that is not backed up yet.",
    ),
    ("MarketConditionsRegionsInput", "regionIds", "Regions are named by their codes."),
    ("MarketCreateInput", "catalogs", "A catalog names its markets."),
    (
        "MarketCreateInput",
        "delivery",
        "Says what a shop ships in a market; a kind that is not backed up yet.",
    ),
    ("MarketCreateInput", "discounts", "A discount says for which markets it is."),
    (
        "MarketCreateInput",
        "makeDuplicateUniqueMarketsDraft",
        "Would close markets that the backup does not hold.",
    ),
    ("MarketUpdateInput", "catalogsToAdd", "A catalog names its markets."),
    ("MarketUpdateInput", "catalogsToDelete", "A catalog names its markets."),
    (
        "MarketUpdateInput",
        "delivery",
        "Says what a shop ships in a market; a kind that is not backed up yet.",
    ),
    ("MarketUpdateInput", "discountsToAdd", "A discount says for which markets it is."),
    ("MarketUpdateInput", "discountsToDelete", "A discount says for which markets it is."),
    (
        "MarketUpdateInput",
        "makeDuplicateUniqueMarketsDraft",
        "Would close markets that the backup does not hold.",
    ),
    ("MetafieldAccessInput", "admin", "Only the app that owns the namespace may set it."),
    ("MetafieldAccessUpdateInput", "admin", "Only the app that owns the namespace may set it."),
    ("MetaobjectAccessInput", "admin", "Only the app that owns the type may set it."),
    ("MetafieldsSetInput", "compareDigest", "A guard, not content."),
    ("MetaobjectUpdateInput", "values", "The same as `fields`."),
    ("MetaobjectUpsertInput", "handle", "Said beside the input."),
    ("OrderInput", "localizedFields", "Needs a permission of its own."),
    ("PriceListCreateInput", "catalogId", "A catalog names its price list."),
    ("PriceListUpdateInput", "catalogId", "A catalog names its price list."),
    ("PriceListUpdateInput", "currency", "Another currency takes the fixed prices away."),
    ("ProductSetInput", "claimOwnership", "Gives a product to an app."),
    ("ProductSetInput", "collections", "A collection names its products."),
    ("ProductSetInput", "files", "Media are put on the product once it is there."),
    ("ProductUpdateInput", "collectionsToJoin", "A collection names its products."),
    ("ProductUpdateInput", "collectionsToLeave", "A collection names its products."),
    (
        "ProductUpdateInput",
        "deleteConflictingConstrainedMetafields",
        "Would delete what the backup does not hold.",
    ),
    ("ProductVariantSetInput", "file", "Pictures are given once they are there."),
    ("ProductVariantSetInput", "inventoryQuantities", "Stock is said of the inventory item."),
    ("ProductVariantSetInput", "published", "Cannot be read: variants are published with their product."),
    ("ProductVariantSetInput", "sku", "Said of the inventory item."),
    ("ProductVariantSetInput", "taxCode", "Cannot be read."),
    ("ProductVariantsBulkInput", "inventoryQuantities", "Stock is said of the inventory item."),
    ("ProductVariantsBulkInput", "mediaSrc", "Pictures are given by their ids."),
    ("ProductVariantsBulkInput", "published", "Cannot be read: variants are published with their product."),
    ("ProductVariantsBulkInput", "quantityAdjustments", "Stock is said of the inventory item."),
    ("ProductVariantsBulkInput", "taxCode", "Cannot be read."),
    (
        "PurchasingEntityInput",
        "purchasingCompany",
        "Business customers are a kind that is not backed up yet.",
    ),
    (
        "QuantityPricingByVariantUpdateInput",
        "quantityPriceBreaksToDeleteByVariantId",
        "Would take away what the backup does not hold.",
    ),
    ("ShopLocaleInput", "marketWebPresenceIds", "A web presence names its languages."),
    ("WebPresenceCreateInput", "domainId", "A domain has its web presence; it is connected by hand."),
    ("VariantOptionValueInput", "optionId", "Options are named by their names."),
];

/// Fields that no sample fills: those of one shape of a thing whose other shapes are sampled. That they are written is
/// shown elsewhere.
const OTHER_SHAPES: &[&str] = &[
    "CollectionCreateSourceTargetInput.shareableSource",
    "CollectionUpdateSourceExclusionInput.conditionsToCreate",
    "CollectionUpdateSourceExclusionInput.conditionsToDelete",
    "CollectionUpdateSourceExclusionInput.selectionsToAdd",
    "CollectionUpdateSourceExclusionInput.selectionsToRemove",
    "CollectionUpdateSourceInclusionInput.selectionsToRemove",
    "CollectionUpdateSubCollectionsSourceInput.collectionIds",
    "CollectionSourceExclusionConditionInput.productCategory",
    "CollectionSourceExclusionConditionInput.productTag",
    "CollectionSourceExclusionConditionInput.productType",
    "CollectionSourceExclusionConditionInput.productVendor",
    "DiscountContextInput.all",
    "DiscountCustomerBuysValueInput.amount",
    "DiscountCustomerGetsValueInput.percentage",
    "DiscountEffectInput.amount",
    "DiscountItemsInput.all",
    "DiscountShippingDestinationSelectionInput.all",
    "FileUpdateInput.referencesToAdd",
    "MarketConditionsRegionsInput.applicationLevel",
    "MarketUpdateInput.removeCurrencySettings",
    "MarketUpdateInput.removePriceInclusions",
    "MetaobjectDefinitionCreateInput.displayNameKey",
    "OptionCreateInput.linkedMetafield",
    "OptionSetInput.linkedMetafield",
    "OptionValueCreateInput.linkedMetafieldValue",
    "OptionValueUpdateInput.linkedMetafieldValue",
    "ShippingLineInput.shippingRateHandle",
    "VariantOptionValueInput.linkedMetafieldValue",
];

/// What the samples leave empty, filled.
fn filled(sample: &Value, key: &str) -> Value {
    const TEXTS: &[&str] = &[
        "address2",
        "description",
        "giftCardTemplateSuffix",
        "metaDescriptionKey",
        "multipassIdentifier",
        "phone",
        "provinceCode",
        "sku",
        "summary",
        "templateSuffix",
    ];
    match sample {
        Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), filled(one, name))).collect(),
        Value::Array(values) => values.iter().map(|one| filled(one, key)).collect(),
        Value::Null if TEXTS.contains(&key) => json!("x"),
        other => other.clone(),
    }
}

/// The samples, and of each what another one has.
fn all_filled() -> Vec<(&'static str, Value)> {
    let mut samples = samples();
    for (name, sample) in &mut samples {
        let more = match *name {
            "customer" => json!({"multipassIdentifier": "x"}),
            "draft_order" => json!({"reserveInventoryUntil": "2026-12-01T00:00:00Z"}),
            "product" => json!({"giftCardTemplateSuffix": "x", "combinedListingRole": "PARENT"}),
            "location" => json!({"localPickupSettingsV2": {"instructions": "x", "pickupTime": "ONE_HOUR"}}),
            _ => json!({}),
        };
        sample.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        *sample = filled(sample, "");
        match *name {
            "product" => {
                sample["variants"][0]["showUnitPrice"] = json!(true);
                sample["variants"][0]["requiresComponents"] = json!(true);
                sample["resourcePublicationsV2"][0] = json!({"isPublished": false, "publishDate": "2027-01-01T00:00:00Z",
                    "publication": {"id": gid("Publication", 1)}});
            }
            "customer" => {
                let said = json!({"state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN", "updatedAt": "2026-01-01T00:00:00Z",
                    "sourceLocation": {"id": gid("Location", 1)}});
                sample["defaultPhoneNumber"]["smsMarketingConsent"] = said.clone();
                sample["defaultPhoneNumber"]["whatsAppMarketingConsent"] = said;
            }
            "metafield_definition" => {
                for name in ["analyticsQueryable", "cartToOrderCopyable", "uniqueValues"] {
                    sample["capabilities"][name] = json!({"eligible": true, "enabled": true});
                }
            }
            "collection" => {
                sample["sources"][0]["exclusion"]["matchType"] = json!("ANY");
            }
            _ => {}
        }
    }
    samples
}

const NAME: &str = "admin-schema.2026-10.graphql.gz";

fn schema() -> Valid<Schema> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("SHOPIFY_SCHEMA").map(PathBuf::from);
    let places = [root.join("../shared/data/shopify").join(NAME), root.join(".cache").join(NAME)];
    let file = named.into_iter().chain(places).find(|place| place.exists());
    let file = file.unwrap_or_else(|| panic!("Shopify's schema is needed: put {NAME} into .cache/"));
    let bytes = std::fs::read(&file).unwrap();
    let mut text = String::from("directive @oneOf on INPUT_OBJECT\n");
    if bytes.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
    } else {
        text.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    Schema::parse_and_validate(text, file).unwrap()
}

/// What the schema says to one call's variables.
fn verdict(schema: &Valid<Schema>, document: &str, variables: &Value) -> Result<(), String> {
    let document = ExecutableDocument::parse_and_validate(schema, document, "call.graphql")
        .map_err(|e| e.to_string())?;
    let operation = document.operations.get(None).map_err(|_| "no operation".to_owned())?;
    let variables: JsonMap = serde_json::from_value(variables.clone()).map_err(|e| e.to_string())?;
    coerce_variable_values(schema, operation, &variables).map(drop).map_err(|error| {
        format!("{}: {}", error.message(), serde_json::to_string(&variables).unwrap_or_default())
    })
}

fn metafields() -> Value {
    json!([{"id": gid("Metafield", 3), "namespace": "custom", "key": "note", "type": "single_line_text_field", "value": "x"}])
}

fn image() -> Value {
    json!({"id": gid("ImageSource", 1), "altText": "A shirt", "width": 10, "height": 10, "thumbhash": "abc",
        "url": "https://cdn.example/files/shirt.jpg?v=1"})
}

fn address() -> Value {
    json!({"id": gid("MailingAddress", 1), "address1": "Way 1", "address2": null, "city": "Town", "company": null,
        "countryCodeV2": "DE", "firstName": "A", "lastName": "B", "phone": null, "provinceCode": null, "zip": "01234"})
}

fn published() -> Value {
    json!([{"isPublished": true, "publishDate": "2026-01-01T00:00:00Z", "publication": {"id": gid("Publication", 1)}}])
}

fn rich_product() -> Value {
    let mut product = product();
    product["media"] = json!([{"__typename": "MediaImage", "id": gid("MediaImage", 1), "alt": "front", "mediaContentType": "IMAGE", "image": image()}]);
    product["category"] = json!({"id": "gid://shopify/TaxonomyCategory/aa-1", "fullName": "Apparel"});
    product["seo"] = json!({"title": "Shirts", "description": "All of them"});
    product["variants"][0]["media"] = json!([{"id": gid("MediaImage", 1)}]);
    product["variants"][0]["unitPriceMeasurement"] = json!({"measuredType": "VOLUME", "quantityUnit": "ML", "quantityValue": 500.0,
        "referenceUnit": "L", "referenceValue": 1});
    product["combinedListingRole"] = Value::Null;
    product
}

fn collection() -> Value {
    let condition = |name: &str, rest: Value| {
        let mut condition = json!({"__typename": format!("CollectionSourceInclusionCondition{name}"), "id": gid("Condition", 1)});
        condition.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        condition
    };
    let texts = |relation: &str| json!({"matchType": "ANY", "relation": relation, "values": ["a"]});
    json!({"id": gid("Collection", 1), "handle": "shirts", "title": "Shirts", "descriptionHtml": "", "sortOrder": "MANUAL",
    "templateSuffix": null, "seo": {"title": "t", "description": null}, "image": image(),
    "products": [{"id": gid("Product", 1)}, {"id": gid("Product", 2)}], "metafields": metafields(),
    "resourcePublicationsV2": published(),
    "sources": [
        {"__typename": "CollectionConditionsSource", "id": gid("CollectionConditionsSource", 1), "title": "Rules",
         "description": "d", "shareable": false, "targetType": "PRODUCTS",
         "inclusion": {"matchType": "ANY", "conditions": [
            condition("ProductTag", texts("TAGGED_WITH")),
            condition("ProductTitle", texts("STARTS_WITH")),
            condition("ProductType", texts("EQUALS")),
            condition("ProductVendor", texts("NOT_EQUALS")),
            condition("VariantTitle", texts("CONTAINS")),
            condition("ProductStatus", json!({"matchType": "ANY", "relation": "EQUALS", "values": ["ACTIVE"]})),
            condition("ProductCategory", json!({"matchType": "ANY", "relation": "EQUALS",
                "values": [{"category": {"id": "gid://shopify/TaxonomyCategory/aa-1"}, "includeDescendants": true}]})),
            condition("VariantPrice", json!({"relation": "LESS_THAN", "value": {"amount": "5.0", "currencyCode": "EUR"}})),
            condition("VariantCompareAtPrice", json!({"relation": "IS_SET", "value": null})),
            condition("VariantInventory", json!({"relation": "GREATER_THAN", "value": 3})),
            condition("VariantWeight", json!({"relation": "GREATER_THAN", "value": {"unit": "KILOGRAMS", "value": 1.5}})),
            condition("MetafieldBoolean", json!({"definition": {"id": "d"}, "relation": "EQUALS", "value": true})),
            condition("MetafieldInteger", json!({"definition": {"id": "d"}, "relation": "EQUALS", "value": 1})),
            condition("MetafieldDecimal", json!({"definition": {"id": "d"}, "relation": "EQUALS", "value": "1.5"})),
            condition("MetafieldMetaobject", json!({"definition": {"id": "d"}, "relation": "EQUALS", "value": {"id": "m"}})),
            condition("MetafieldMetaobjectList", json!({"definition": {"id": "d"}, "matchType": "ANY", "relation": "INCLUDES", "values": [{"id": "m"}]})),
            condition("MetafieldString", json!({"definition": {"id": "d"}, "matchType": "ANY", "relation": "EQUALS", "values": ["x"]})),
            condition("MetafieldStringList", json!({"definition": {"id": "d"}, "matchType": "ANY", "relation": "INCLUDES", "values": ["x"]})),
         ], "selections": [{"product": {"id": gid("Product", 1)}, "variantIds": [gid("ProductVariant", 1)]}]},
         "exclusion": {"matchType": null, "conditions": [
            {"__typename": "CollectionSourceExclusionConditionCollection", "id": "e1", "matchType": "ANY", "values": [{"id": gid("Collection", 2)}]}],
            "selections": [{"product": {"id": gid("Product", 2)}}]}},
        {"__typename": "CollectionSubCollectionsSource", "id": gid("CollectionSubCollectionsSource", 1), "title": "Below",
         "description": null, "collections": [{"id": gid("Collection", 3)}]},
    ]})
}

fn discount(name: &str) -> Value {
    let products = json!({"__typename": "DiscountProducts", "products": [{"id": gid("Product", 1)}], "productVariants": [{"id": gid("ProductVariant", 1)}]});
    let collections =
        json!({"__typename": "DiscountCollections", "collections": [{"id": gid("Collection", 1)}]});
    let mut discount = json!({"__typename": name, "title": "Ten", "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2027-01-01T00:00:00Z",
        "tags": ["a"], "combinesWith": {"orderDiscounts": true, "productDiscounts": false, "shippingDiscounts": false,
            "productDiscountsWithTagsOnSameCartLine": ["a"]},
        "context": {"__typename": "DiscountCustomers", "customers": [{"id": gid("Customer", 1)}]}});
    let mut add = |more: Value| discount.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    if name.contains("Code") {
        add(
            json!({"codes": [{"id": "c1", "code": "TEN"}, {"id": "c2", "code": "TENNER"}], "usageLimit": 5, "appliesOncePerCustomer": true}),
        );
    }
    let quantity = json!({"__typename": "DiscountMinimumQuantity", "greaterThanOrEqualToQuantity": "2"});
    if name.contains("Basic") {
        add(
            json!({"customerGets": {"items": products, "appliesOnOneTimePurchase": true, "appliesOnSubscription": true,
            "value": {"__typename": "DiscountAmount", "amount": {"amount": "5.0", "currencyCode": "EUR"}, "appliesOnEachItem": false}},
            "minimumRequirement": quantity, "recurringCycleLimit": 3}),
        );
    } else if name.contains("Bxgy") {
        add(json!({"usesPerOrderLimit": 1,
            "customerBuys": {"items": collections, "isOneTimePurchase": true, "isSubscription": false,
                "value": {"__typename": "DiscountQuantity", "quantity": "2"}},
            "customerGets": {"items": products, "appliesOnOneTimePurchase": true, "appliesOnSubscription": false,
                "value": {"__typename": "DiscountOnQuantity", "quantity": {"quantity": "1"},
                    "effect": {"__typename": "DiscountPercentage", "percentage": 1.0}}}}));
    } else {
        add(
            json!({"destinationSelection": {"__typename": "DiscountCountries", "countries": ["DE"], "includeRestOfWorld": false},
            "maximumShippingPrice": {"amount": "9.0", "currencyCode": "EUR"}, "appliesOnOneTimePurchase": true, "appliesOnSubscription": true,
            "minimumRequirement": {"__typename": "DiscountMinimumSubtotal", "greaterThanOrEqualToSubtotal": {"amount": "20.0", "currencyCode": "EUR"}},
            "recurringCycleLimit": 1, "context": {"__typename": "DiscountCustomerSegments", "segments": [{"id": gid("Segment", 1)}]}}),
        );
    }
    json!({"id": gid("DiscountNode", 1), "discount": discount})
}

fn draft_order() -> Value {
    let money = |amount: &str| json!({"amount": amount, "currencyCode": "EUR"});
    let off = json!({"title": "Friend", "description": "d", "value": 5.0, "valueType": "FIXED_AMOUNT",
        "amountSet": {"presentmentMoney": money("5.0"), "shopMoney": money("5.0")}});
    json!({"id": gid("DraftOrder", 1), "name": "#D1", "status": "OPEN", "note2": "n", "email": "a@example.com", "phone": null,
        "poNumber": "7", "tags": ["a"], "taxExempt": false, "acceptAutomaticDiscounts": false, "allowDiscountCodesInCheckout": true,
        "discountCodes": ["TEN"], "visibleToCustomer": true, "customAttributes": [{"key": "k", "value": null}],
        "appliedDiscount": off, "billingAddress": address(), "shippingAddress": address(), "presentmentCurrencyCode": "EUR",
        "shippingLine": {"title": "Post", "shippingRateHandle": null, "originalPriceSet": {"presentmentMoney": money("4.0")}},
        "customer": {"id": gid("Customer", 1)},
        "lineItems": [
            {"id": gid("DraftOrderLineItem", 1), "quantity": 2, "variant": {"id": gid("ProductVariant", 1)}, "priceOverride": money("1.0"),
             "appliedDiscount": null, "customAttributes": []},
            {"id": gid("DraftOrderLineItem", 2), "quantity": 1, "variant": null, "title": "Engraving", "sku": null, "taxable": true,
             "requiresShipping": false, "originalUnitPriceWithCurrency": money("3.0"), "weight": {"unit": "GRAMS", "value": 5.0},
             "appliedDiscount": off, "customAttributes": [{"key": "text", "value": "hi"}]}],
        "metafields": metafields()})
}

/// An item of each kind, with something in every field that can be written.
fn market() -> Value {
    json!({"id": gid("Market", 1), "name": "Alps", "handle": "alps", "status": "ACTIVE", "type": "REGION",
    "currencySettings": {"baseCurrency": {"currencyCode": "CHF", "manualRate": "0.95"}, "localCurrencies": true, "roundingEnabled": true},
    "priceInclusions": {"adaptivePricingEnabled": false, "inclusiveDutiesPricingStrategy": "ADD_DUTIES_AT_CHECKOUT",
        "inclusiveTaxPricingStrategy": "INCLUDES_TAXES_IN_PRICE"},
    "conditions": {
        "locationsCondition": {"applicationLevel": "SPECIFIED", "locations": [{"id": gid("Location", 1)}]},
        "regionsCondition": {"applicationLevel": "SPECIFIED", "regions": [
            {"__typename": "MarketRegionCountry", "id": gid("MarketRegionCountry", 1), "code": "AT"},
            {"__typename": "MarketRegionSubdivision", "id": gid("MarketRegionSubdivision", 2), "code": "BY", "country": {"code": "DE"}}]}},
    "webPresences": [{"id": gid("MarketWebPresence", 1)}], "metafields": metafields()})
}

fn price_list() -> Value {
    let money = |amount: &str| json!({"amount": amount, "currencyCode": "CHF"});
    json!({"id": gid("PriceList", 1), "name": "Alps", "currency": "CHF",
    "parent": {"adjustment": {"type": "PERCENTAGE_DECREASE", "value": 5.0}, "settings": {"compareAtMode": "ADJUSTED"}},
    "prices": [{"variant": {"id": gid("ProductVariant", 1)}, "price": money("20.0"), "compareAtPrice": money("25.0"), "originType": "FIXED",
        "quantityPriceBreaks": {"edges": [{"node": {"id": "b1", "minimumQuantity": 10, "price": money("15.0")}}], "pageInfo": {"hasNextPage": false}}}],
    "quantityRules": [{"productVariant": {"id": gid("ProductVariant", 1)}, "minimum": 2, "maximum": 20, "increment": 2, "isDefault": false,
        "originType": "FIXED"}]})
}

fn samples() -> Vec<(&'static str, Value)> {
    let mut samples = vec![
        ("shop", json!({"id": gid("Shop", 1), "metafields": metafields()})),
        ("locale", json!({"locale": "fr", "name": "French", "primary": false, "published": true})),
        (
            "location",
            json!({"id": gid("Location", 1), "name": "Store", "isActive": true, "isFulfillmentService": false,
            "fulfillsOnlineOrders": true, "address": {"address1": "Way 1", "address2": null, "city": "Town", "countryCode": "DE",
            "phone": null, "provinceCode": null, "zip": "1", "formatted": ["x"]}, "metafields": metafields()}),
        ),
        ("publication", json!({"id": gid("Publication", 1), "name": "Online Store", "autoPublish": true})),
        (
            "metafield_definition",
            json!({"id": gid("MetafieldDefinition", 1), "ownerType": "PRODUCT", "namespace": "custom", "key": "a",
            "name": "A", "description": "d", "type": {"name": "single_line_text_field", "category": "TEXT"},
            "validations": [{"name": "max", "type": "number_integer", "value": "5"}], "pinnedPosition": 1,
            "access": {"admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE"},
            "capabilities": {"adminFilterable": {"eligible": true, "enabled": true, "status": "FILTERABLE"},
                "uniqueValues": {"eligible": false, "enabled": false}, "smartCollectionCondition": {"eligible": true, "enabled": false}},
            "constraints": {"key": "category", "values": [{"value": "aa-1"}]}, "standardTemplate": null}),
        ),
        (
            "metaobject_definition",
            json!({"id": gid("MetaobjectDefinition", 1), "type": "author", "name": "Author", "description": "d",
            "displayNameKey": "name", "access": {"admin": "PUBLIC_READ_WRITE", "storefront": "PUBLIC_READ", "customerAccount": "NONE"},
            "capabilities": {"publishable": {"enabled": true}, "translatable": {"enabled": true},
                "renderable": {"enabled": true, "data": {"metaTitleKey": "name", "metaDescriptionKey": null}},
                "onlineStore": {"enabled": true, "data": {"urlHandle": "authors", "canCreateRedirects": true}}},
            "standardTemplate": null, "fieldDefinitions": [
                {"key": "name", "name": "Name", "description": null, "required": true, "type": {"name": "single_line_text_field"},
                 "validations": [], "capabilities": {"adminFilterable": {"eligible": true, "enabled": true}}},
                {"key": "friend", "name": "Friend", "description": "d", "required": false, "type": {"name": "metaobject_reference"},
                 "validations": [{"name": "metaobject_definition_id", "value": gid("MetaobjectDefinition", 2)}]}]}),
        ),
        (
            "metaobject",
            json!({"id": gid("Metaobject", 1), "type": "author", "handle": "a", "capabilities":
            {"publishable": {"status": "ACTIVE"}, "onlineStore": {"templateSuffix": "x"}}, "fields": [
                {"key": "name", "type": "single_line_text_field", "value": "A"}, {"key": "empty", "type": "json", "value": null}]}),
        ),
        ("product", rich_product()),
        (
            "inventory_item",
            json!({"id": gid("InventoryItem", 1), "sku": "S", "tracked": true, "requiresShipping": true,
            "harmonizedSystemCode": "610910", "countryCodeOfOrigin": "DE", "provinceCodeOfOrigin": "BE",
            "unitCost": {"amount": "4.0", "currencyCode": "EUR"}, "measurement": {"id": "m", "weight": {"unit": "GRAMS", "value": 100.0}},
            "countryHarmonizedSystemCodes": [{"countryCode": "US", "harmonizedSystemCode": "6109100012"}],
            "inventoryLevels": [{"id": "l1", "isActive": true, "location": {"id": gid("Location", 1)},
                "quantities": [{"name": "available", "quantity": 5}]}]}),
        ),
        ("collection", collection()),
        (
            "page",
            json!({"id": gid("Page", 1), "handle": "about", "title": "About", "body": "<p>Us</p>", "isPublished": true,
            "publishedAt": "2026-01-01T00:00:00Z", "templateSuffix": null, "metafields": metafields()}),
        ),
        (
            "page",
            json!({"id": gid("Page", 2), "handle": "draft", "title": "Draft", "body": "", "isPublished": false, "publishedAt": null}),
        ),
        (
            "blog",
            json!({"id": gid("Blog", 1), "handle": "news", "title": "News", "commentPolicy": "MODERATED", "templateSuffix": "x",
            "metafields": metafields()}),
        ),
        (
            "article",
            json!({"id": gid("Article", 1), "handle": "hello", "title": "Hello", "body": "<p>Hi</p>", "summary": null, "tags": ["a"],
            "author": {"name": "A"}, "blog": {"id": gid("Blog", 1)}, "isPublished": true, "publishedAt": "2026-01-01T00:00:00Z",
            "templateSuffix": null, "image": image(), "metafields": metafields()}),
        ),
        (
            "menu",
            json!({"id": gid("Menu", 1), "handle": "side", "title": "Side", "isDefault": false, "items": [
            {"id": gid("MenuItem", 1), "title": "A", "type": "PAGE", "url": "/pages/about", "resourceId": gid("Page", 1), "tags": [], "items": []},
            {"id": gid("MenuItem", 2), "title": "B", "type": "HTTP", "url": "https://b.example", "resourceId": null, "tags": ["t"], "items": []}]}),
        ),
        ("redirect", json!({"id": gid("UrlRedirect", 1), "path": "/old", "target": "/new"})),
        (
            "script_tag",
            json!({"id": gid("ScriptTag", 1), "src": "https://scripts.example.com/a.js", "displayScope": "ALL", "cache": false}),
        ),
        ("segment", json!({"id": gid("Segment", 1), "name": "Came back", "query": "number_of_orders > 1"})),
        ("policy", json!({"id": gid("ShopPolicy", 1), "type": "REFUND_POLICY", "body": "<p>30 days</p>"})),
        (
            "customer",
            json!({"id": gid("Customer", 1), "firstName": "A", "lastName": "B", "note": "n", "tags": ["a"], "taxExempt": true,
            "taxExemptions": ["CA_STATUS_CARD_EXEMPTION"], "locale": "de", "addressesV2": [address()],
            "defaultAddress": {"id": gid("MailingAddress", 1)},
            "defaultEmailAddress": {"emailAddress": "a@example.com", "marketingState": "SUBSCRIBED", "marketingOptInLevel": "SINGLE_OPT_IN",
                "marketingUpdatedAt": "2026-01-01T00:00:00Z", "sourceLocation": {"id": gid("Location", 1)}},
            "defaultPhoneNumber": {"phoneNumber": "+4930", "smsMarketingConsent": {"state": "SUBSCRIBED", "optInLevel": "SINGLE_OPT_IN",
                "updatedAt": "2026-01-01T00:00:00Z", "sourceLocation": null}}, "metafields": metafields()}),
        ),
        (
            "web_presence",
            json!({"id": gid("MarketWebPresence", 1), "alternateLocales": [{"locale": "en"}], "defaultLocale": {"locale": "de"},
            "domain": null, "subfolderSuffix": "alps"}),
        ),
        ("market", market()),
        (
            "market",
            json!({"id": gid("Market", 2), "name": "All", "handle": "all", "status": "DRAFT", "type": "LOCATION", "webPresences": [],
            "conditions": {"locationsCondition": {"applicationLevel": "ALL", "locations": []}, "regionsCondition": null}}),
        ),
        ("price_list", price_list()),
        (
            "catalog",
            json!({"__typename": "MarketCatalog", "id": gid("MarketCatalog", 1), "title": "Alps", "status": "ACTIVE",
            "markets": [{"id": gid("Market", 1)}], "priceList": {"id": gid("PriceList", 1)},
            "publication": {"id": gid("Publication", 2), "autoPublish": true, "includedProducts": [{"id": gid("Product", 1)}]}}),
        ),
        (
            "translation",
            json!({"id": gid("Product", 1) + "?locale=de", "resourceId": gid("Product", 1), "locale": "de",
            "translations": [{"key": "title", "locale": "de", "value": "Hemd"}]}),
        ),
        (
            "order",
            json!({"id": gid("Order", 1), "note": "n", "tags": ["a"], "poNumber": "1", "email": "a@example.com", "phone": "+4930",
            "customAttributes": [{"key": "k", "value": "v"}], "shippingAddress": address(), "metafields": metafields()}),
        ),
        ("draft_order", draft_order()),
    ];
    let files = [
        json!({"__typename": "MediaImage", "image": image()}),
        json!({"__typename": "GenericFile", "url": "https://cdn.example/files/a.pdf?v=1", "mimeType": "application/pdf", "originalFileSize": 3}),
        json!({"__typename": "Video", "filename": "a.mp4", "originalSource": {"url": "https://cdn.example/a.mp4", "mimeType": "video/mp4"}}),
        json!({"__typename": "Model3d", "filename": "a.glb", "originalSource": {"url": "https://cdn.example/a.glb"}}),
        json!({"__typename": "ExternalVideo", "originUrl": "https://video.example/1"}),
    ];
    for mut file in files {
        file["id"] = json!(gid("File", 1));
        file["alt"] = json!("words");
        samples.push(("file", file));
    }
    for name in ["Basic", "Bxgy", "FreeShipping"] {
        samples.push(("discount", discount(&format!("DiscountCode{name}"))));
        samples.push(("discount", discount(&format!("DiscountAutomatic{name}"))));
    }
    samples
}

/// The same item with everything changed that is not a name or an id.
fn spoilt(value: &Value, key: &str) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(key, inner)| (key.clone(), spoilt(inner, key))).collect()
        }
        Value::Array(values) => values.iter().map(|inner| spoilt(inner, key)).collect(),
        Value::Bool(yes)
            if !matches!(
                key,
                "shareable" | "isActive" | "eligible" | "primary" | "isDefault" | "isFulfillmentService"
            ) =>
        {
            json!(!yes)
        }
        Value::Number(number) => match number.as_u64() {
            Some(whole) => json!(whole + 1),
            None => json!(number.as_f64().unwrap() + 1.0),
        },
        Value::String(text) if matches!(key, "marketingState" | "state") => {
            json!(if text == "SUBSCRIBED" { "UNSUBSCRIBED" } else { "SUBSCRIBED" })
        }
        Value::String(_) if key == "amount" => json!("9.75"),
        Value::String(_)
            if matches!(
                key,
                "id" | "__typename"
                    | "type"
                    | "namespace"
                    | "key"
                    | "status"
                    | "ownerType"
                    | "locale"
                    | "code"
                    | "countries"
                    | "taxExemptions"
                    | "valueType"
                    | "unit"
                    | "currencyCode"
            ) =>
        {
            value.clone()
        }
        Value::String(text) => json!(format!("{text}~")),
        other => other.clone(),
    }
}

/// The same item with all its lists empty.
fn emptied(value: &Value) -> Value {
    match value {
        Value::Object(object) => object.iter().map(|(key, inner)| (key.clone(), emptied(inner))).collect(),
        Value::Array(_) => json!([]),
        other => other.clone(),
    }
}

#[test]
fn the_schema_takes_every_input() {
    let schema = schema();
    let (stock, ids) = (RestoreOptions { stock: true, ..RestoreOptions::default() }, IdMap::default());
    let (mut bad, mut calls) = (Vec::new(), BTreeSet::new());
    for (name, wanted) in samples() {
        let bare = json!({"id": wanted["id"], "discount": {"__typename": wanted["discount"]["__typename"]}});
        let (spoilt, emptied) = (spoilt(&wanted, ""), emptied(&wanted));
        let ways = [
            (&wanted, None, None),
            (&wanted, Some(&spoilt), None),
            (&wanted, Some(&bare), None),
            // All that its lists hold is taken back.
            (&emptied, Some(&wanted), Some(&wanted)),
        ];
        for (wanted, live, former) in ways {
            let draft =
                drafted(recipe(name).unwrap(), wanted, live, former, Links::new(&ids, gid::spelled), &stock);
            let done = draft.refusal.is_some() || !draft.steps.is_empty() || former.is_some();
            assert!(done, "{name}: nothing was done");
            for step in &draft.steps {
                let Work::Call { call, variables } = &step.work else { continue };
                calls.insert(call.root);
                let input = draft.links.fill(&upload::fill(&Value::Object(variables.clone()), &[]));
                if let Err(why) = verdict(&schema, call.document, &input) {
                    bad.push(format!("{name} {}: {why}", call.root));
                }
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n\n"));
    for taken in
        ["metafieldsDelete", "productVariantsBulkDelete", "productOptionsDelete", "customerAddressDelete"]
    {
        assert!(calls.contains(taken), "{taken}");
    }
    assert!(calls.len() > 60, "{} mutations were tried: {calls:?}", calls.len());
    // A control: a wrong name and a wrong type are refused.
    let document = include_str!("../../documents/write/pageCreate.graphql");
    assert!(verdict(&schema, document, &json!({"page": {"title": "A", "titel": "B"}})).is_err());
    assert!(verdict(&schema, document, &json!({"page": {"title": 5}})).is_err());
    assert!(verdict(&schema, document, &json!({"page": {"title": "A"}})).is_ok());
}

#[test]
fn every_kind_has_a_sample() {
    let samples = samples();
    let missing: Vec<&str> = RECIPES
        .iter()
        .map(|recipe| recipe.kind)
        .filter(|kind| !samples.iter().any(|(name, _)| name == kind))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Notes which fields of which input types a value says.
fn said(schema: &Schema, type_name: &str, value: &Value, sent: &mut BTreeMap<String, BTreeSet<String>>) {
    match (value, schema.types.get(type_name)) {
        (Value::Array(values), _) => values.iter().for_each(|one| said(schema, type_name, one, sent)),
        (Value::Object(fields), Some(ExtendedType::InputObject(input))) => {
            let known = sent.entry(type_name.to_owned()).or_default();
            known.extend(fields.keys().cloned());
            for (name, one) in fields {
                let Some(field) = input.fields.get(name.as_str()) else { continue };
                said(schema, field.ty.inner_named_type(), one, sent);
            }
        }
        _ => {}
    }
}

#[test]
fn every_writable_field_is_written_or_has_a_reason() {
    let schema = schema();
    let (stock, ids) = (RestoreOptions { stock: true, ..RestoreOptions::default() }, IdMap::default());
    let mut sent: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, wanted) in all_filled() {
        let (spoilt, emptied) = (spoilt(&wanted, ""), emptied(&wanted));
        let bare = json!({"id": wanted["id"], "discount": {"__typename": wanted["discount"]["__typename"]}});
        let ways = [
            (&wanted, None, None),
            (&wanted, Some(&spoilt), None),
            (&wanted, Some(&bare), None),
            (&wanted, Some(&emptied), None),
            (&emptied, Some(&wanted), Some(&wanted)),
        ];
        for (wanted, live, former) in ways {
            let draft =
                drafted(recipe(name).unwrap(), wanted, live, former, Links::new(&ids, gid::spelled), &stock);
            for step in &draft.steps {
                let Work::Call { call, variables } = &step.work else { continue };
                let input = draft.links.fill(&upload::fill(&Value::Object(variables.clone()), &[]));
                let document =
                    ExecutableDocument::parse_and_validate(&schema, call.document, "call").unwrap();
                for variable in &document.operations.get(None).unwrap().variables {
                    let value = input.get(variable.name.as_str()).unwrap_or(&Value::Null);
                    said(&schema, variable.ty.inner_named_type(), value, &mut sent);
                }
            }
        }
    }
    let (mut wrong, mut written) = (Vec::new(), 0);
    for (type_name, known) in &sent {
        let Some(ExtendedType::InputObject(input)) = schema.types.get(type_name.as_str()) else { continue };
        for (name, field) in &input.fields {
            let reasons = UNWRITTEN.iter().filter(|(of, unwritten, _)| {
                (of.is_empty() || *of == type_name) && *unwritten == name.as_str()
            });
            let (is_written, reasons) = (known.contains(name.as_str()), reasons.count());
            written += usize::from(is_written);
            let of_a_shape = OTHER_SHAPES.contains(&format!("{type_name}.{name}").as_str());
            if !is_written && reasons == 0 && !of_a_shape && field.directives.get("deprecated").is_none() {
                wrong.push(format!("{type_name}.{name} is neither written nor has a reason"));
            }
        }
    }
    for (of, name, why) in UNWRITTEN.iter().filter(|(of, ..)| !of.is_empty()) {
        let exists = matches!(schema.types.get(*of), Some(ExtendedType::InputObject(input)) if input.fields.contains_key(*name));
        if !exists || sent.get(*of).is_none_or(|known| known.contains(*name)) {
            wrong.push(format!("{of}.{name} is written, or is no field: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(written > 150, "{written}");
}
