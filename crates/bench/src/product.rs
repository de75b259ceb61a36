//! One product as a shop's REST interface writes it: what repeats, repeats as there; what is text, reads as text.

use std::fmt::Write as _;

use crate::chance::Chance;
use crate::words::Vocabulary;

/// Product ids lie this far apart, and a record's own chance decides where in the gap.
const ID_GAP: u64 = 32_768;
const PRODUCT_ID_MIN: u64 = 7_000_000_000_000;
const VARIANT_ID_MIN: u64 = 41_000_000_000_000;
const IMAGE_ID_MIN: u64 = 31_000_000_000_000;
const OPTION_ID_MIN: u64 = 9_000_000_000_000;
/// Most variants that a product has room for, in ids.
const VARIANTS_MAX: u64 = 16;

struct Variant<'a> {
    id: u64,
    title: String,
    price: String,
    sku: String,
    colour: &'a str,
    barcode: u64,
    grams: u64,
    weight_tenths: u64,
    inventory_item_id: u64,
    inventory_quantity: u64,
}

struct Image {
    id: u64,
    mark: u64,
    version: u64,
}

/// A product, before it is written.
pub(crate) struct Product<'a> {
    number: u64,
    pub(crate) id: u64,
    title: String,
    body_html: String,
    vendor: &'a str,
    product_type: &'a str,
    created_at: String,
    updated_at: String,
    variants_updated_at: String,
    handle: String,
    tags: String,
    status: &'static str,
    variants: Vec<Variant<'a>>,
    images: Vec<Image>,
}

impl<'a> Product<'a> {
    /// The product with this number; ids rise with it.
    pub(crate) fn new(words: &'a Vocabulary, seed: u64, number: u64) -> Self {
        let chance = &mut Chance::stream(seed, number);
        let id = PRODUCT_ID_MIN + number * ID_GAP + chance.below(ID_GAP);
        let title_words = chance.between(2, 6);
        let title = words.name(chance, title_words);
        let handle = title.to_lowercase().replace(' ', "-");
        let (created_at, updated_at) = (time(chance), time(chance));
        let variants = (0..chance.one_of(&[1, 1, 1, 1, 2, 2, 3, 4, 5, 6]))
            .map(|turn| variant(words, chance, number, turn, &handle))
            .collect();
        let images = (0..chance.one_of(&[0, 1, 1, 2, 3]))
            .map(|turn| Image {
                id: IMAGE_ID_MIN + number * 100 + turn,
                mark: chance.bits(),
                version: 1_600_000_000 + chance.below(100_000_000),
            })
            .collect();
        let paragraphs = chance.one_of(&[1, 1, 2, 2, 3, 4]);
        Self {
            number,
            id,
            title,
            body_html: html(words, chance, paragraphs),
            vendor: pick(chance, &words.vendors),
            product_type: pick(chance, &words.types),
            created_at,
            variants_updated_at: updated_at.clone(),
            updated_at,
            handle,
            tags: tags(words, chance),
            status: chance.one_of(&["active", "active", "active", "draft", "archived"]),
            variants,
            images,
        }
    }

    /// What a merchant does between two backups: mostly prices and stock, sometimes texts, seldom the title.
    pub(crate) fn edit(&mut self, words: &Vocabulary, seed: u64) {
        let chance = &mut Chance::stream(!seed, self.number);
        match chance.below(10) {
            0..6 => {
                for variant in &mut self.variants {
                    variant.inventory_quantity = chance.between(0, 500);
                    variant.price = format!("{}.99", chance.between(3, 400));
                }
            }
            6..9 => {
                self.body_html.push_str("\n<p>");
                words.push_sentence(&mut self.body_html, chance);
                self.body_html.push_str("</p>");
            }
            _ => {
                self.title.push(' ');
                let more = words.name(chance, 1);
                self.title.push_str(&more);
                self.status = "archived";
            }
        }
        self.updated_at = format!(
            "2026-11-20T{:02}:{:02}:{:02}-05:00",
            chance.below(10),
            chance.below(60),
            chance.below(60)
        );
    }

    /// Appends it as one line of JSON, without the line's end.
    pub(crate) fn write(&self, line: &mut String) {
        let Self { number, id, .. } = self;
        // Writing into a text cannot fail.
        let _ = write!(line, "{{\"id\":{id},\"title\":\"{}\",\"body_html\":\"", self.title);
        push_escaped(line, &self.body_html);
        let _ = write!(
            line,
            "\",\"vendor\":\"{}\",\"product_type\":\"{}\",\"created_at\":\"{created}\",\"handle\":\"{}\",\"updated_at\":\"{}\",\"published_at\":\"{created}\",\"template_suffix\":null,\"published_scope\":\"global\",\"tags\":\"{}\",\"status\":\"{}\",\"admin_graphql_api_id\":\"gid://shopify/Product/{id}\",\"variants\":[",
            self.vendor,
            self.product_type,
            self.handle,
            self.updated_at,
            self.tags,
            self.status,
            created = self.created_at,
        );
        for (turn, variant) in self.variants.iter().enumerate() {
            separate(line, turn);
            self.write_variant(line, variant, turn + 1);
        }
        let _ = write!(
            line,
            "],\"options\":[{{\"id\":{},\"product_id\":{id},\"name\":\"Color\",\"position\":1,\"values\":[",
            OPTION_ID_MIN + number
        );
        let mut colours: Vec<&str> = self.variants.iter().map(|variant| variant.colour).collect();
        colours.sort_unstable();
        colours.dedup();
        for (turn, colour) in colours.iter().enumerate() {
            separate(line, turn);
            let _ = write!(line, "\"{colour}\"");
        }
        line.push_str("]}],\"images\":[");
        for (turn, image) in self.images.iter().enumerate() {
            separate(line, turn);
            let _ = write!(
                line,
                "{{\"id\":{},\"product_id\":{id},\"position\":{},\"alt\":null,\"width\":1600,\"height\":1600,\"src\":\"https://cdn.shopify.com/s/files/1/0533/2089/files/{}-{:016x}.jpg?v={}\"}}",
                image.id,
                turn + 1,
                self.handle,
                image.mark,
                image.version
            );
        }
        line.push_str("]}");
    }

    fn write_variant(&self, line: &mut String, variant: &Variant<'_>, position: usize) {
        let _ = write!(
            line,
            "{{\"id\":{id},\"product_id\":{},\"title\":\"{}\",\"price\":\"{}\",\"sku\":\"{}\",\"position\":{position},\"inventory_policy\":\"deny\",\"compare_at_price\":null,\"fulfillment_service\":\"manual\",\"inventory_management\":\"shopify\",\"option1\":\"{}\",\"option2\":null,\"created_at\":\"{}\",\"updated_at\":\"{}\",\"taxable\":true,\"barcode\":\"{}\",\"grams\":{},\"weight\":{}.{},\"weight_unit\":\"kg\",\"inventory_item_id\":{},\"inventory_quantity\":{},\"requires_shipping\":true,\"admin_graphql_api_id\":\"gid://shopify/ProductVariant/{id}\"}}",
            self.id,
            variant.title,
            variant.price,
            variant.sku,
            variant.colour,
            self.created_at,
            self.variants_updated_at,
            variant.barcode,
            variant.grams,
            variant.weight_tenths / 10,
            variant.weight_tenths % 10,
            variant.inventory_item_id,
            variant.inventory_quantity,
            id = variant.id,
        );
    }
}

fn variant<'a>(
    words: &'a Vocabulary,
    chance: &mut Chance,
    number: u64,
    turn: u64,
    handle: &str,
) -> Variant<'a> {
    let id = VARIANT_ID_MIN + (number * VARIANTS_MAX + turn) * ID_GAP + chance.below(ID_GAP);
    let prefix: String = handle.chars().take(4).collect::<String>().to_uppercase();
    Variant {
        id,
        title: format!(
            "{} / {}",
            pick(chance, &words.colours),
            chance.one_of(&["XS", "S", "M", "L", "XL", "XXL"])
        ),
        price: format!("{}.{:02}", chance.between(3, 400), chance.one_of(&[0_u8, 50, 95, 99])),
        sku: format!("{prefix}-{:05}-{turn}", chance.below(100_000)),
        colour: pick(chance, &words.colours),
        barcode: chance.between(1_000_000_000_000, 9_999_999_999_999),
        grams: chance.between(20, 5_000),
        weight_tenths: chance.between(1, 50),
        inventory_item_id: id + 2_047 + chance.below(999),
        inventory_quantity: chance.between(0, 500),
    }
}

fn html(words: &Vocabulary, chance: &mut Chance, paragraphs: u64) -> String {
    let mut text = String::new();
    for turn in 0..paragraphs {
        if turn > 0 {
            text.push('\n');
        }
        if chance.percent(30) {
            let heading = words.name(chance, 3);
            let _ = writeln!(text, "<h3>{heading}</h3>");
        }
        if chance.percent(25) {
            text.push_str("<ul>\n");
            for _ in 0..chance.between(2, 5) {
                text.push_str("<li>");
                words.push_sentence(&mut text, chance);
                text.push_str("</li>\n");
            }
            text.push_str("</ul>");
        } else {
            text.push_str("<p data-mce-fragment=\"1\">");
            for sentence in 0..chance.between(2, 4) {
                if sentence > 0 {
                    text.push(' ');
                }
                words.push_sentence(&mut text, chance);
            }
            text.push_str("</p>");
        }
    }
    text
}

/// None to six different ones.
fn tags(words: &Vocabulary, chance: &mut Chance) -> String {
    let mut chosen: Vec<&str> = Vec::new();
    let wanted = usize::try_from(chance.between(0, 6)).unwrap_or_default();
    while chosen.len() < wanted {
        let tag = pick(chance, &words.tags);
        if !chosen.contains(&tag) {
            chosen.push(tag);
        }
    }
    chosen.join(", ")
}

fn time(chance: &mut Chance) -> String {
    format!(
        "20{:02}-{:02}-{:02}T{:02}:{:02}:{:02}-05:00",
        chance.between(18, 26),
        chance.between(1, 12),
        chance.between(1, 28),
        chance.below(24),
        chance.below(60),
        chance.below(60)
    )
}

fn pick<'a>(chance: &mut Chance, from: &'a [String]) -> &'a str {
    let turn = usize::try_from(chance.below(from.len() as u64)).unwrap_or_default();
    from.get(turn).map_or("", String::as_str)
}

fn separate(line: &mut String, turn: usize) {
    if turn > 0 {
        line.push(',');
    }
}

/// Quotes and line ends are all that the texts hold besides letters.
fn push_escaped(line: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '"' => line.push_str("\\\""),
            '\n' => line.push_str("\\n"),
            letter => line.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn written(product: &Product<'_>) -> String {
        let mut line = String::new();
        product.write(&mut line);
        line
    }

    #[test]
    fn a_product_is_json_on_one_line_and_follows_the_seed() {
        let words = Vocabulary::new(42);
        for number in 0..200 {
            let line = written(&Product::new(&words, 42, number));
            assert!(!line.contains('\n'));
            let value: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value.as_object().unwrap().len(), 17);
            assert_eq!(value["variants"][0].as_object().unwrap().len(), 23);
            assert_eq!(serde_json::to_string(&value).unwrap(), line, "no spaces, numbers as they are");
            assert_eq!(line, written(&Product::new(&words, 42, number)));
            assert_ne!(line, written(&Product::new(&words, 43, number)));
        }
    }

    #[test]
    fn an_edit_changes_what_a_merchant_changes() {
        let words = Vocabulary::new(42);
        let mut fields = std::collections::BTreeMap::new();
        for number in 0..500 {
            let mut product = Product::new(&words, 42, number);
            let before: Value = serde_json::from_str(&written(&product)).unwrap();
            product.edit(&words, 42);
            let after: Value = serde_json::from_str(&written(&product)).unwrap();
            assert_eq!(before["id"], after["id"]);
            for (name, value) in before.as_object().unwrap() {
                if *value != after[name] {
                    *fields.entry(name.clone()).or_insert(0) += 1;
                }
            }
        }
        assert_eq!(fields["updated_at"], 500);
        assert!((250..350).contains(&fields["variants"]), "{fields:?}");
        assert!((110..190).contains(&fields["body_html"]), "{fields:?}");
        assert!((25..80).contains(&fields["title"]), "{fields:?}");
    }
}
