//! Every document that restoring sends, for those who check what is sent.

use crate::platforms::shopify::documents::Document;

macro_rules! documents {
    ($($folder:literal / $name:literal,)*) => {
        &[$(Document {
            name: $name,
            text: include_str!(concat!("../documents/", $folder, "/", $name, ".graphql")),
        }),*]
    };
}

static DOCUMENTS: &[Document] = documents![
    "live" / "code_creation",
    "live" / "collection_by_handle",
    "live" / "customer_by_email",
    "live" / "customer_by_phone",
    "live" / "discount_by_code",
    "live" / "files",
    "live" / "job",
    "live" / "metafield_definition_by_key",
    "live" / "metafield_definition_values",
    "live" / "metaobject_by_handle",
    "live" / "metaobject_definition_by_type",
    "live" / "product_by_handle",
    "live" / "translatable_content",
    "write" / "articleCreate",
    "write" / "articleDelete",
    "write" / "articleUpdate",
    "write" / "blogCreate",
    "write" / "blogDelete",
    "write" / "blogUpdate",
    "write" / "catalogContextUpdate",
    "write" / "catalogCreate",
    "write" / "catalogDelete",
    "write" / "catalogUpdate",
    "write" / "collectionCreate",
    "write" / "collectionDelete",
    "write" / "collectionReorderProducts",
    "write" / "collectionUpdate",
    "write" / "customerAddressCreate",
    "write" / "customerAddressDelete",
    "write" / "customerAddressUpdate",
    "write" / "customerCreate",
    "write" / "customerDelete",
    "write" / "customerEmailMarketingConsentUpdate",
    "write" / "customerSmsMarketingConsentUpdate",
    "write" / "customerUpdate",
    "write" / "customerUpdateDefaultAddress",
    "write" / "customerWhatsAppMarketingConsentUpdate",
    "write" / "discountAutomaticBasicCreate",
    "write" / "discountAutomaticBasicUpdate",
    "write" / "discountAutomaticBxgyCreate",
    "write" / "discountAutomaticBxgyUpdate",
    "write" / "discountAutomaticDelete",
    "write" / "discountAutomaticFreeShippingCreate",
    "write" / "discountAutomaticFreeShippingUpdate",
    "write" / "discountCodeBasicCreate",
    "write" / "discountCodeBasicUpdate",
    "write" / "discountCodeBxgyCreate",
    "write" / "discountCodeBxgyUpdate",
    "write" / "discountCodeDelete",
    "write" / "discountCodeFreeShippingCreate",
    "write" / "discountCodeFreeShippingUpdate",
    "write" / "discountCodeRedeemCodeBulkDelete",
    "write" / "discountRedeemCodeBulkAdd",
    "write" / "draftOrderCreate",
    "write" / "draftOrderDelete",
    "write" / "draftOrderUpdate",
    "write" / "fileCreate",
    "write" / "fileDelete",
    "write" / "fileUpdate",
    "write" / "inventoryActivate",
    "write" / "inventoryDeactivate",
    "write" / "inventoryItemUpdate",
    "write" / "inventorySetQuantities",
    "write" / "locationActivate",
    "write" / "locationAdd",
    "write" / "locationDeactivate",
    "write" / "locationDelete",
    "write" / "locationEdit",
    "write" / "locationLocalPickupDisable",
    "write" / "locationLocalPickupEnable",
    "write" / "marketCreate",
    "write" / "marketDelete",
    "write" / "marketUpdate",
    "write" / "menuCreate",
    "write" / "menuDelete",
    "write" / "menuUpdate",
    "write" / "metafieldDefinitionCreate",
    "write" / "metafieldDefinitionDelete",
    "write" / "metafieldDefinitionUpdate",
    "write" / "metafieldsDelete",
    "write" / "metafieldsSet",
    "write" / "metaobjectDefinitionCreate",
    "write" / "metaobjectDefinitionDelete",
    "write" / "metaobjectDefinitionUpdate",
    "write" / "metaobjectDelete",
    "write" / "metaobjectUpdate",
    "write" / "metaobjectUpsert",
    "write" / "orderUpdate",
    "write" / "pageCreate",
    "write" / "pageDelete",
    "write" / "pageUpdate",
    "write" / "priceListCreate",
    "write" / "priceListDelete",
    "write" / "priceListFixedPricesAdd",
    "write" / "priceListFixedPricesDelete",
    "write" / "priceListUpdate",
    "write" / "productAddMedia",
    "write" / "productDelete",
    "write" / "productOptionUpdate",
    "write" / "productOptionsCreate",
    "write" / "productOptionsDelete",
    "write" / "productReorderMedia",
    "write" / "productSet",
    "write" / "productUpdate",
    "write" / "productVariantDetachMedia",
    "write" / "productVariantsBulkCreate",
    "write" / "productVariantsBulkDelete",
    "write" / "productVariantsBulkReorder",
    "write" / "productVariantsBulkUpdate",
    "write" / "publicationCreate",
    "write" / "publicationUpdate",
    "write" / "publishablePublish",
    "write" / "publishableUnpublish",
    "write" / "quantityPricingByVariantUpdate",
    "write" / "quantityRulesAdd",
    "write" / "quantityRulesDelete",
    "write" / "scriptTagCreate",
    "write" / "scriptTagDelete",
    "write" / "scriptTagUpdate",
    "write" / "segmentCreate",
    "write" / "segmentDelete",
    "write" / "segmentUpdate",
    "write" / "shopLocaleDisable",
    "write" / "shopLocaleEnable",
    "write" / "shopLocaleUpdate",
    "write" / "shopPolicyUpdate",
    "write" / "stagedUploadsCreate",
    "write" / "standardMetafieldDefinitionEnable",
    "write" / "standardMetaobjectDefinitionEnable",
    "write" / "translationsRegister",
    "write" / "translationsRemove",
    "write" / "urlRedirectCreate",
    "write" / "urlRedirectDelete",
    "write" / "urlRedirectUpdate",
    "write" / "webPresenceCreate",
    "write" / "webPresenceDelete",
    "write" / "webPresenceUpdate",
];

/// Every document that restoring sends.
pub(crate) fn documents() -> impl Iterator<Item = Document> {
    DOCUMENTS.iter().copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_listed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platforms/shopify/documents");
        let files: BTreeSet<String> = ["live", "write"]
            .iter()
            .flat_map(|name| std::fs::read_dir(folder.join(name)).unwrap())
            .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let listed: BTreeSet<String> = documents().map(|document| document.name.to_owned()).collect();
        assert_eq!(listed, files);
    }

    #[test]
    fn every_write_asks_what_was_refused() {
        let silent: Vec<&str> = documents()
            .filter(|document| document.text.starts_with("mutation") && !document.text.contains("serErrors"))
            .map(|document| document.name)
            .collect();
        assert_eq!(silent, Vec::<&str>::new());
        assert!(documents().any(|document| document.text.starts_with("mutation")));
    }
}
