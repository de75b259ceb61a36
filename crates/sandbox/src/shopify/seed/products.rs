//! Products with options, variants, stock, images and metafields.

use super::{CATEGORIES, DAY, Dice};
use crate::shopify::files::FILES;
use crate::shopify::store::{Store, handleize};
use crate::shopify::value::{Gid, Kind, Obj, Val, obj};

const MATERIALS: &[&str] =
    &["Oak", "Linen", "Clay", "Steel", "Wool", "Birch", "Glass", "Cork", "Brass", "Cotton", "Slate", "Felt"];
const STYLES: &[&str] = &[
    "Plain", "Quiet", "Folded", "Round", "Tall", "Woven", "Narrow", "Bright", "Calm", "Ribbed", "Wide",
    "Small",
];
const NOUNS: &[(&str, &str, &str)] = &[
    ("Chair", "Seating", "fr-1"),
    ("Table", "Tables", "fr-2"),
    ("Lamp", "Lighting", "hg-1"),
    ("Bowl", "Kitchen", "hg-2"),
    ("Blanket", "Textiles", "hg-1"),
    ("Shelf", "Storage", "fr-2"),
    ("Mug", "Kitchen", "hg-2"),
    ("Vase", "Decor", "hg-1"),
    ("Scarf", "Clothing", "aa-1"),
    ("Basket", "Storage", "hg-1"),
    ("Stool", "Seating", "fr-1"),
    ("Tray", "Kitchen", "hg-2"),
];
const VENDORS: &[&str] =
    &["Norrholm", "Halden & Pine", "Studio Fjell", "Werkraum", "Ostholz", "Tidewater Goods"];
const TAGS: &[&str] =
    &["new", "sale", "wood", "handmade", "gift", "winter", "summer", "bestseller", "outlet", "limited"];
const COLORS: &[&str] = &["Sand", "Moss", "Chalk", "Rust", "Night", "Clover"];
const SIZES: &[&str] = &["S", "M", "L", "XL"];
const CARE: &[&str] =
    &["Wipe with a dry cloth", "Wash at thirty degrees", "Keep away from heat", "Oil once a year"];

/// Makes this many products.
pub(super) fn fill(store: &mut Store, dice: &mut Dice, count: u32) {
    let locations: Vec<Gid> = store.gids(Kind::Location).collect();
    let publications: Vec<Gid> = store.gids(Kind::Publication).collect();
    let now = store.now;
    let mut recent: Vec<Gid> = Vec::new();
    for number in 1..=count {
        let created = now - 400 * DAY + i64::from(number) * (300 * DAY) / i64::from(count.max(1));
        let updated = created + dice.between(0, 90) * DAY;
        let style = dice.word(STYLES);
        let material = dice.word(MATERIALS);
        let (noun, product_type, category) = dice.pick(NOUNS).unwrap_or(("Chair", "Seating", "fr-1"));
        let title = format!("{style} {material} {noun} {number}");
        let product = store.mint(Kind::Product);
        let base = dice.between(500, 40_000);

        let mut media: Vec<Gid> = Vec::new();
        for place in 1..=dice.between(1, 3) {
            media.push(image(
                store,
                &format!("{}-{place}.png", handleize(&title)),
                Some(format!("{title}, view {place}")),
                created,
            ));
        }
        let (options, combinations) = options(store, dice);
        let mut variants: Vec<Gid> = Vec::new();
        for (at, values) in combinations.into_iter().enumerate() {
            let position = i64::try_from(at).unwrap_or(0) + 1;
            variants.push(variant(
                store,
                dice,
                product,
                values,
                base + 250 * (position - 1),
                (number, position),
                (created, updated),
                &locations,
                &media,
            ));
        }

        let mut tags: Vec<&'static str> = (0..dice.below(4)).map(|_| dice.word(TAGS)).collect();
        tags.sort_unstable();
        tags.dedup();
        let status = match dice.below(20) {
            0 => "DRAFT",
            1 => "ARCHIVED",
            _ => "ACTIVE",
        };
        let published: Vec<Val> = publications
            .iter()
            .enumerate()
            .filter(|(at, _)| status == "ACTIVE" && (*at == 0 || number % 3 == 0))
            .map(|(_, publication)| {
                Val::from(obj! { "publication": *publication, "publishDate": Val::Time(created) })
            })
            .collect();
        let mut obj = obj! {
            "title": Val::text(&title), "handle": Val::text(handleize(&title)),
            "descriptionHtml": Val::text(format!(
                "<p>The <strong>{title}</strong> is made of {} and fits a {} room.</p><ul><li>Height {} cm</li><li>Made in batches of {}</li></ul>",
                material.to_lowercase(), style.to_lowercase(), dice.between(10, 180), dice.between(5, 60),
            )),
            "vendor": dice.word(VENDORS), "productType": product_type, "status": status, "tags": tags.into_iter().map(Val::Lit).collect::<Vec<_>>(),
            "category": Gid::parse(&format!("gid://shopify/TaxonomyCategory/{category}")).filter(|_| CATEGORIES.len() > 1),
            "options": options, "variants": variants, "media": media, "publications": published,
            "createdAt": Val::Time(created), "updatedAt": Val::Time(updated),
        };
        if status == "ACTIVE" {
            obj.set("publishedAt", Val::Time(created));
        }
        if number % 4 == 0 {
            obj.set("seo", obj! { "title": Val::text(format!("{title} | Practice")), "description": Val::text(format!("{style}, {}, in stock", material.to_lowercase())) });
        }
        if number % 7 == 0 {
            obj.set("templateSuffix", "wide");
        }
        let mut metafields = vec![
            metafield(store, "custom", "material", "single_line_text_field", Val::Lit(material), created),
            metafield(
                store,
                "custom",
                "batch",
                "number_integer",
                Val::text(dice.between(1, 500).to_string()),
                created,
            ),
        ];
        if number % 2 == 0 {
            metafields.push(metafield(
                store,
                "custom",
                "care",
                "multi_line_text_field",
                Val::Lit(dice.word(CARE)),
                created,
            ));
        }
        if let Some(related) = dice.pick(&recent).filter(|_| number % 3 == 0) {
            metafields.push(metafield(
                store,
                "custom",
                "related",
                "product_reference",
                Val::text(related.to_string()),
                created,
            ));
        }
        if number % 5 == 0 && !recent.is_empty() {
            let ids: Vec<String> = recent.iter().take(3).map(Gid::to_string).collect();
            let value = serde_json::json!(ids).to_string();
            metafields.push(metafield(
                store,
                "custom",
                "goes_with",
                "list.product_reference",
                Val::text(value),
                created,
            ));
        }
        obj.set("metafields", metafields);
        store.put(product, obj);
        if recent.len() == 8 {
            recent.remove(0);
        }
        recent.push(product);
    }
}

/// An image whose bytes follow from its name.
pub(super) fn image(store: &mut Store, name: &str, alt: Option<String>, created: i64) -> Gid {
    let size = crate::shopify::files::generated(&format!("{FILES}{name}"), store.seed).len();
    let side = i64::from(crate::png::SIDE);
    store.insert(
        Kind::MediaImage,
        obj! {
            "url": Val::text(format!("{FILES}{name}?v={created}")), "alt": alt, "mimeType": "image/png", "width": side, "height": side,
            "originalFileSize": size, "createdAt": Val::Time(created), "updatedAt": Val::Time(created),
        },
    )
}

/// A metafield of an object that is being made.
pub(super) fn metafield(
    store: &mut Store,
    namespace: &'static str,
    key: &'static str,
    type_name: &'static str,
    value: Val,
    at: i64,
) -> Val {
    Val::from(obj! {
        "id": Val::Id(store.mint(Kind::Metafield)), "namespace": namespace, "key": key, "type": type_name, "value": value,
        "createdAt": Val::Time(at), "updatedAt": Val::Time(at),
    })
}

fn option(store: &mut Store, name: &'static str, position: i64, values: &[&'static str]) -> Val {
    let values: Vec<Val> = values
        .iter()
        .map(|value| Val::from(obj! { "id": Val::Id(store.mint(Kind::ProductOptionValue)), "name": *value }))
        .collect();
    Val::from(
        obj! { "id": Val::Id(store.mint(Kind::ProductOption)), "name": name, "position": position, "optionValues": values },
    )
}

/// Options, and the combinations of their values that are sold.
fn options(store: &mut Store, dice: &mut Dice) -> (Vec<Val>, Vec<Vec<Val>>) {
    let take = |list: &'static [&'static str], count: u64| {
        list.get(..usize::try_from(count).unwrap_or(1)).unwrap_or(list)
    };
    match dice.below(3) {
        0 => (vec![option(store, "Title", 1, &["Default Title"])], vec![vec![Val::Lit("Default Title")]]),
        1 => {
            let colors = take(COLORS, 2 + dice.below(3));
            (
                vec![option(store, "Color", 1, colors)],
                colors.iter().map(|color| vec![Val::Lit(color)]).collect(),
            )
        }
        _ => {
            let colors = take(COLORS, 2);
            let sizes = take(SIZES, 2 + dice.below(2));
            let both = vec![option(store, "Color", 1, colors), option(store, "Size", 2, sizes)];
            let all = colors
                .iter()
                .flat_map(|color| sizes.iter().map(move |size| vec![Val::Lit(color), Val::Lit(size)]));
            (both, all.collect())
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one call, in one loop")]
fn variant(
    store: &mut Store,
    dice: &mut Dice,
    product: Gid,
    values: Vec<Val>,
    price: i64,
    (number, position): (u32, i64),
    (created, updated): (i64, i64),
    locations: &[Gid],
    media: &[Gid],
) -> Gid {
    let item = store.mint(Kind::InventoryItem);
    let mut obj = obj! {
        "product": product, "values": values, "position": position, "price": Val::Cents(price), "inventoryItem": item,
        "createdAt": Val::Time(created), "updatedAt": Val::Time(updated),
    };
    if dice.one_in(4) {
        obj.set("compareAtPrice", Val::Cents(price + price / 4));
    }
    if dice.one_in(3) {
        obj.set("barcode", Val::text(format!("40{number:06}{position:04}")));
    }
    if dice.one_in(8) {
        obj.set("inventoryPolicy", "CONTINUE");
    }
    if position > 1 && dice.one_in(2) {
        obj.set("media", media.first().map(|first| vec![*first]));
    }
    if dice.one_in(10) {
        let batch = metafield(
            store,
            "custom",
            "shade",
            "single_line_text_field",
            Val::Lit(dice.word(COLORS)),
            created,
        );
        obj.set("metafields", vec![batch]);
    }
    let variant = store.insert(Kind::ProductVariant, obj);
    let mut levels: Vec<Val> = Vec::new();
    for (at, location) in locations.iter().enumerate() {
        if at == 0 || dice.one_in(3) {
            levels.push(level(store, *location, dice.between(0, 80), updated));
        }
    }
    let mut own: Obj = obj! {
        "variant": variant, "sku": Val::text(format!("P{number:05}-{position:02}")), "inventoryLevels": levels,
        "unitCost": Val::Cents(price / 2), "weight": obj! { "unit": "GRAMS", "value": 100.0 + f64::from(number % 50) * 20.0 },
        "createdAt": Val::Time(created), "updatedAt": Val::Time(updated),
    };
    if dice.one_in(5) {
        own.set("countryCodeOfOrigin", "DE");
        own.set("harmonizedSystemCode", "940360");
    }
    store.put(item, own);
    variant
}

fn level(store: &mut Store, location: Gid, available: i64, at: i64) -> Val {
    Val::from(obj! {
        "id": Val::Id(store.mint(Kind::InventoryLevel)), "location": location, "available": available, "updatedAt": Val::Time(at),
    })
}
