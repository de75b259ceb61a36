//! Pages, blogs and articles.

use serde_json::{Map, Value, json};

use super::draft::Draft;
use super::field::{Field, Form, moved, same};
use super::part::{Named, Part};
use super::picture;
use super::place;
use super::plain::{self, IdIn, Plain};
use super::product::by_namespace_and_key;
use super::step::Call;

static PAGE_CREATE: Call = Call::new("pageCreate", include_str!("../documents/write/pageCreate.graphql"), 10);
static PAGE_UPDATE: Call = Call::new("pageUpdate", include_str!("../documents/write/pageUpdate.graphql"), 10);
static BLOG_CREATE: Call = Call::new("blogCreate", include_str!("../documents/write/blogCreate.graphql"), 10);
static BLOG_UPDATE: Call = Call::new("blogUpdate", include_str!("../documents/write/blogUpdate.graphql"), 10);
static ARTICLE_CREATE: Call =
    Call::new("articleCreate", include_str!("../documents/write/articleCreate.graphql"), 10);
static ARTICLE_UPDATE: Call =
    Call::new("articleUpdate", include_str!("../documents/write/articleUpdate.graphql"), 10);

static PAGE: Plain = Plain {
    create: &PAGE_CREATE,
    update: &PAGE_UPDATE,
    input: "page",
    node: "page",
    id: IdIn::Variable,
    fields: &[
        same("title", Form::Plain),
        same("handle", Form::Plain),
        same("body", Form::Plain),
        same("templateSuffix", Form::Text),
    ],
};

static BLOG: Plain = Plain {
    create: &BLOG_CREATE,
    update: &BLOG_UPDATE,
    input: "blog",
    node: "blog",
    id: IdIn::Variable,
    fields: &[
        same("title", Form::Plain),
        same("handle", Form::Plain),
        same("commentPolicy", Form::Plain),
        same("templateSuffix", Form::Text),
    ],
};

static ARTICLE: Plain = Plain {
    create: &ARTICLE_CREATE,
    update: &ARTICLE_UPDATE,
    input: "article",
    node: "article",
    id: IdIn::Variable,
    fields: &[
        same("title", Form::Plain),
        same("handle", Form::Plain),
        same("body", Form::Plain),
        same("summary", Form::Text),
        same("tags", Form::Set),
        same("templateSuffix", Form::Text),
        moved("blog/id", "blogId", Form::Id),
        same("author", Form::Made(author)),
    ],
};

/// Parts of all three.
pub(super) static PARTS: &[Part] = &[Part { at: "metafields", key: Named(by_namespace_and_key), parts: &[] }];

fn author(author: &Value) -> Value {
    json!({"name": place::text(author, "name").unwrap_or_default()})
}

const PUBLISHED: Field = same("isPublished", Form::Plain);
const PUBLISHED_AT: Field = moved("publishedAt", "publishDate", Form::Plain);

/// Draws up a page.
pub(super) fn page(draft: &mut Draft<'_>) {
    let input = draft.fields(PAGE.fields, "", draft.wanted, draft.live);
    finish(draft, &PAGE, input, "The page");
}

/// Draws up a blog.
pub(super) fn blog(draft: &mut Draft<'_>) {
    plain::draft(draft, &BLOG);
    plain::new_id(draft, "The blog");
    draft.own_metafields();
}

/// Draws up an article.
pub(super) fn article(draft: &mut Draft<'_>) {
    let mut input = draft.fields(ARTICLE.fields, "", draft.wanted, draft.live);
    picture::picture(draft, &mut input, "url");
    finish(draft, &ARTICLE, input, "The article");
    if draft.is_birth() {
        draft.losses.push("Its comments do not come back: Shopify has no way to make one.".to_owned());
    }
}

/// When it is shown, and the rest. The API takes either that something is shown or when it is, never both.
fn finish(draft: &mut Draft<'_>, plain: &Plain, mut input: Map<String, Value>, what: &str) {
    let (wanted, live) = (draft.wanted, draft.live);
    let dated = place::text(wanted, "publishedAt").is_some();
    input.extend(draft.fields(&[if dated { PUBLISHED_AT } else { PUBLISHED }], "", wanted, live));
    plain::write(draft, plain, input);
    plain::new_id(draft, what);
    draft.own_metafields();
}
