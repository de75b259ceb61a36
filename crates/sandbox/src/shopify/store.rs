//! The state: one table per kind, with the indexes that lists and look-ups need.
//!
//! A search sees a write only after a delay, as on the real platform; a direct read sees it at once. While a write is
//! not yet searchable its table remembers what the search still believes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::value::{Gid, Kind, Obj, Val, obj};

/// The first id that is given, and the step to the next: ids have thirteen digits and only ever grow.
const ID_FIRST: u64 = 7_100_000_000_000;
const ID_STEP: u64 = 32_768;
/// Stores of different seeds give different ids, as two shops of the platform do.
const ID_RANGE: u64 = 50_000_000_000;
const ID_RANGES: u64 = 40;

/// What the search still believes about an object.
#[derive(Debug)]
pub(crate) struct Lagging {
    pub(crate) visible_at: Duration,
    /// The object before the write; `None` when it is new.
    pub(crate) old: Option<Arc<Obj>>,
}

/// All objects of one kind.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) rows: BTreeMap<u64, Arc<Obj>>,
    pub(crate) by_updated: BTreeSet<(i64, u64)>,
    pub(crate) by_key: HashMap<Box<str>, u64>,
    pub(crate) lagging: HashMap<u64, Lagging>,
}

/// Something that the store will do by itself a little later.
#[derive(Debug)]
pub(crate) enum Later {
    /// New order of a collection's products.
    Reorder { collection: Gid, moves: Vec<(Gid, usize)> },
    /// Codes of a discount, and what tells how many of them came.
    Codes { discount: Gid, creation: Gid, codes: Vec<Box<str>> },
    /// Nothing more than the job's end.
    Nothing,
}

/// A job and when it ends.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) due: Duration,
    pub(crate) job: Gid,
    pub(crate) later: Later,
}

/// The whole state of one shop.
#[derive(Debug)]
pub(crate) struct Store {
    tables: Vec<Table>,
    next_id: u64,
    /// The time of the write that is going on, in seconds since 1970.
    pub(crate) now: i64,
    /// The same on the clock that never goes back.
    pub(crate) monotonic: Duration,
    pub(crate) search_lag: Duration,
    pub(crate) job_time: Duration,
    pub(crate) pending: Vec<Pending>,
    /// What webhooks are to be told about the write that is going on.
    pub(crate) changes: Vec<Change>,
    /// Set while the first state is made: nothing lags, nobody is told.
    pub(crate) seeding: bool,
    pub(crate) seed: u64,
    /// Bulk operations that the write that is going on has started.
    pub(crate) bulk_started: Vec<Gid>,
    /// Answers of mutations by their `@idempotent` keys.
    pub(crate) idempotent: HashMap<String, super::mutate::Kept>,
    pub(crate) shop: Gid,
    pub(crate) app: Gid,
    pub(crate) installation: Gid,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Update,
    Delete,
    /// What is told under names of its own: a place is used again, or is not any more; what somebody agrees to; tags; codes.
    Activate,
    Deactivate,
    AgreeToMail,
    AgreeToSms,
    AgreeToWhatsApp,
    Tag,
    Untag,
    AddCode,
    RemoveCode,
}

/// One thing that a webhook may be told.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) gid: Gid,
    pub(crate) verb: Verb,
    /// What was there before it went.
    pub(crate) was: Option<Arc<Obj>>,
    /// Of a level of stock: whose it is, and where.
    pub(crate) stocked: Option<(Gid, Gid)>,
}

/// The levels of stock of an item: by their id, where they are, and what they say.
fn levels(item: Option<&Arc<Obj>>) -> Vec<(Gid, Gid, &Obj)> {
    let all = item.map(|item| item.list("inventoryLevels")).unwrap_or_default();
    all.iter()
        .filter_map(Val::as_obj)
        .filter_map(|level| Some((level.gid("id")?, level.gid("location")?, level)))
        .collect()
}

/// Fields whose changes are told under names of their own.
fn own_fields(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::InventoryItem => &["inventoryLevels"],
        Kind::Location => &["isActive", "deactivatedAt"],
        Kind::Customer => {
            &["tags", "emailMarketingConsent", "smsMarketingConsent", "whatsAppMarketingConsent"]
        }
        _ => &[],
    }
}

/// An object without them.
fn rest(kind: Kind, obj: &Obj) -> Obj {
    let mut rest = Obj::clone(obj);
    for name in own_fields(kind) {
        rest.take(name);
    }
    if let (Kind::DiscountCodeNode, Some(Val::Obj(discount))) = (kind, rest.get_mut("discount")) {
        discount.take("codes");
    }
    rest
}

/// What of a change is told under names of its own.
fn own_verbs(kind: Kind, old: &Obj, new: &Obj) -> Vec<Verb> {
    let mut verbs = Vec::new();
    let mut when = |is_so: bool, verb: Verb| verbs.extend(is_so.then_some(verb));
    let has_more = |one: &[Val], other: &[Val]| one.iter().any(|value| !other.contains(value));
    match kind {
        Kind::Location if old.flag("isActive") != new.flag("isActive") => {
            let active = new.flag("isActive") == Some(true);
            when(true, if active { Verb::Activate } else { Verb::Deactivate });
        }
        Kind::Customer => {
            for (name, verb) in [
                ("emailMarketingConsent", Verb::AgreeToMail),
                ("smsMarketingConsent", Verb::AgreeToSms),
                ("whatsAppMarketingConsent", Verb::AgreeToWhatsApp),
            ] {
                when(old.get(name) != new.get(name), verb);
            }
            when(has_more(new.list("tags"), old.list("tags")), Verb::Tag);
            when(has_more(old.list("tags"), new.list("tags")), Verb::Untag);
        }
        Kind::DiscountCodeNode => {
            let codes = |node: &Obj| -> Vec<Val> {
                let codes = node.obj("discount").map(|discount| discount.list("codes")).unwrap_or_default();
                codes.iter().filter_map(|code| code.as_obj()?.get("id").cloned()).collect()
            };
            let (had, has) = (codes(old), codes(new));
            when(has_more(&has, &had), Verb::AddCode);
            when(has_more(&had, &has), Verb::RemoveCode);
        }
        _ => {}
    }
    verbs
}

impl Store {
    pub(crate) fn new(seed: u64, search_lag: Duration, job_time: Duration) -> Self {
        Self {
            tables: Kind::ALL.iter().map(|_| Table::default()).collect(),
            next_id: ID_FIRST + seed % ID_RANGES * ID_RANGE,
            now: 0,
            monotonic: Duration::ZERO,
            search_lag,
            job_time,
            pending: Vec::new(),
            changes: Vec::new(),
            seeding: true,
            seed,
            bulk_started: Vec::new(),
            idempotent: HashMap::new(),
            shop: Gid::new(Kind::Shop, 1),
            app: Gid::new(Kind::App, 1),
            installation: Gid::new(Kind::AppInstallation, 1),
        }
    }

    pub(crate) fn table(&self, kind: Kind) -> &Table {
        static EMPTY: std::sync::OnceLock<Table> = std::sync::OnceLock::new();
        self.tables.get(kind as usize).unwrap_or_else(|| EMPTY.get_or_init(Table::default))
    }

    fn table_mut(&mut self, kind: Kind) -> Option<&mut Table> {
        self.tables.get_mut(kind as usize)
    }

    /// A new id.
    pub(crate) fn mint(&mut self, kind: Kind) -> Gid {
        self.next_id += ID_STEP;
        Gid::new(kind, self.next_id)
    }

    pub(crate) fn get(&self, gid: Gid) -> Option<&Arc<Obj>> {
        self.table(gid.kind()).rows.get(&gid.number())
    }

    pub(crate) fn has(&self, gid: Gid) -> bool {
        self.get(gid).is_some()
    }

    /// The object that a text names, when it is of that kind and exists.
    pub(crate) fn find(&self, kind: Kind, id: &str) -> Option<Gid> {
        let gid = Gid::parse(id)?;
        (gid.kind() == kind && self.has(gid)).then_some(gid)
    }

    /// The object with that natural key, see [`natural_keys`].
    pub(crate) fn by_key(&self, kind: Kind, key: &str) -> Option<Gid> {
        self.table(kind).by_key.get(key).map(|number| Gid::new(kind, *number))
    }

    pub(crate) fn gids(&self, kind: Kind) -> impl DoubleEndedIterator<Item = Gid> + '_ {
        self.table(kind).rows.keys().map(move |number| Gid::new(kind, *number))
    }

    /// Adds an object under a new id and stamps it.
    pub(crate) fn insert(&mut self, kind: Kind, obj: Obj) -> Gid {
        let gid = self.mint(kind);
        self.put(gid, obj);
        gid
    }

    /// Adds an object under a given id.
    pub(crate) fn put(&mut self, gid: Gid, mut obj: Obj) {
        let now = self.now;
        if has_times(gid.kind()) {
            if obj.get("createdAt").is_none() {
                obj.set("createdAt", Val::Time(now));
            }
            if obj.get("updatedAt").is_none() {
                obj.set("updatedAt", Val::Time(now));
            }
        }
        obj.shrink();
        let made = Arc::new(obj);
        self.replace(gid, Some(&made));
        self.tell(gid, Verb::Create);
        if gid.kind() == Kind::InventoryItem {
            self.tell_levels(gid, None, Some(&made));
        }
    }

    /// Changes an object and stamps it.
    pub(crate) fn edit(&mut self, gid: Gid, edit: impl FnOnce(&mut Obj)) {
        let old = self.get(gid).cloned();
        self.edit_silently(gid, |obj| {
            edit(obj);
        });
        let new = self.get(gid).cloned();
        let (Some(old), Some(new)) = (old, new) else { return };
        let own = own_verbs(gid.kind(), &old, &new);
        let moved =
            gid.kind() == Kind::InventoryItem && old.list("inventoryLevels") != new.list("inventoryLevels");
        // What is told under a name of its own is no change of the rest.
        if (moved || !own.is_empty()) && rest(gid.kind(), &old) == rest(gid.kind(), &new) {
            self.stamp(gid);
        } else {
            self.touch(gid);
        }
        for verb in own {
            self.tell(gid, verb);
        }
        if moved {
            self.tell_levels(gid, Some(&old), Some(&new));
        }
    }

    fn tell_levels(&mut self, item: Gid, old: Option<&Arc<Obj>>, new: Option<&Arc<Obj>>) {
        let (old, new) = (levels(old), levels(new));
        let had = |id: Gid| old.iter().find(|(own, ..)| *own == id).map(|(_, _, level)| *level);
        for (id, location, level) in &new {
            match had(*id) {
                None => self.tell_stock(*id, (item, *location), Verb::Create),
                Some(before) if before != *level => self.tell_stock(*id, (item, *location), Verb::Update),
                Some(_) => {}
            }
        }
        for (id, location, _) in &old {
            if !new.iter().any(|(own, ..)| own == id) {
                self.tell_stock(*id, (item, *location), Verb::Delete);
            }
        }
    }

    fn tell_stock(&mut self, level: Gid, stocked: (Gid, Gid), verb: Verb) {
        if self.note(level, verb)
            && let Some(change) = self.changes.last_mut()
        {
            change.stocked = Some(stocked);
        }
    }

    /// Changes an object without a new `updatedAt`: so do some of the platform's own changes.
    pub(crate) fn edit_silently(&mut self, gid: Gid, edit: impl FnOnce(&mut Obj)) {
        let Some(old) = self.get(gid) else { return };
        let mut obj = Obj::clone(old);
        edit(&mut obj);
        self.replace(gid, Some(&Arc::new(obj)));
    }

    /// Stamps an object as changed now.
    pub(crate) fn touch(&mut self, gid: Gid) {
        self.stamp(gid);
        self.tell(gid, Verb::Update);
    }

    fn stamp(&mut self, gid: Gid) {
        let now = self.now;
        if has_times(gid.kind()) {
            self.edit_silently(gid, |obj| obj.set("updatedAt", Val::Time(now)));
        }
    }

    /// Removes an object and, for kinds that have one, leaves an event.
    pub(crate) fn remove(&mut self, gid: Gid) {
        let Some(old) = self.get(gid).cloned() else { return };
        self.replace(gid, None);
        if gid.kind() == Kind::ProductVariant {
            self.forget_prices(gid);
        }
        if let Some(subject_type) = event_subject(gid.kind()) {
            let title = old.str("title").or_else(|| old.str("name")).unwrap_or("item").to_owned();
            let event = obj! {
                "action": "destroy",
                "appTitle": "Practice",
                "attributeToApp": true,
                "createdAt": Val::Time(self.now),
                "message": Val::text(format!("Practice deleted {title}.")),
                "subjectId": Val::Id(gid),
                "subjectType": subject_type,
            };
            self.insert(Kind::BasicEvent, event);
        }
        if self.note(gid, Verb::Delete)
            && let Some(change) = self.changes.last_mut()
        {
            change.was = Some(old);
        }
    }

    /// What price lists say of a variant goes with it.
    fn forget_prices(&mut self, variant: Gid) {
        let of = |one: &Val| one.as_obj().and_then(|one| one.gid("variant")) == Some(variant);
        for list in self.gids(Kind::PriceList).collect::<Vec<_>>() {
            for name in ["prices", "rules"] {
                if self.get(list).is_some_and(|list| list.list(name).iter().any(of)) {
                    self.edit_silently(list, |list| list.edit_list(name, |all| all.retain(|one| !of(one))));
                }
            }
        }
    }

    fn tell(&mut self, gid: Gid, verb: Verb) {
        self.note(gid, verb);
    }

    /// Notes what webhooks are to be told. Whether it was not noted yet.
    fn note(&mut self, gid: Gid, verb: Verb) -> bool {
        if self.seeding {
            return false;
        }
        if self
            .changes
            .iter()
            .any(|change| change.gid == gid && (change.verb == verb || change.verb == Verb::Create))
        {
            return false;
        }
        self.changes.push(Change { gid, verb, was: None, stocked: None });
        true
    }

    fn replace(&mut self, gid: Gid, new: Option<&Arc<Obj>>) {
        let (lag, monotonic, seeding) = (self.search_lag, self.monotonic, self.seeding);
        let number = gid.number();
        let kind = gid.kind();
        let Some(table) = self.table_mut(kind) else { return };
        let old = match new {
            Some(new) => table.rows.insert(number, Arc::clone(new)),
            None => table.rows.remove(&number),
        };
        if let Some(old) = &old {
            if let Some(updated) = old.int("updatedAt") {
                table.by_updated.remove(&(updated, number));
            }
            for key in natural_keys(kind, old) {
                if table.by_key.get(key.as_str()) == Some(&number) {
                    table.by_key.remove(key.as_str());
                }
            }
        }
        if let Some(new) = new {
            if let Some(updated) = new.int("updatedAt") {
                table.by_updated.insert((updated, number));
            }
            for key in natural_keys(kind, new) {
                table.by_key.insert(key.into(), number);
            }
        }
        if seeding || lag.is_zero() {
            return;
        }
        let visible_at = monotonic + lag;
        table
            .lagging
            .entry(number)
            .and_modify(|entry| {
                if entry.visible_at <= monotonic {
                    entry.old.clone_from(&old);
                }
                entry.visible_at = visible_at;
            })
            .or_insert(Lagging { visible_at, old });
        if table.lagging.len() > 4_096 {
            table.lagging.retain(|_, entry| entry.visible_at > monotonic);
        }
    }

    /// Starts a job that ends a little later, and says its id.
    pub(crate) fn start_job(&mut self, later: Later) -> Gid {
        let job = self.insert(Kind::Job, obj! { "done": false });
        self.end_later(job, later);
        job
    }

    /// Does something a little later; then the job, or what else stands for it, is done.
    pub(crate) fn end_later(&mut self, job: Gid, later: Later) {
        self.pending.push(Pending { due: self.monotonic + self.job_time, job, later });
        if self.job_time.is_zero() {
            self.advance();
        }
    }

    /// Ends the jobs that are due.
    pub(crate) fn advance(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let monotonic = self.monotonic;
        let (due, waiting) =
            std::mem::take(&mut self.pending).into_iter().partition(|job: &Pending| job.due <= monotonic);
        self.pending = waiting;
        for pending in due {
            self.finish(pending.later);
            self.edit_silently(pending.job, |job| job.set("done", true));
        }
    }

    fn finish(&mut self, later: Later) {
        match later {
            Later::Reorder { collection, moves } => {
                super::mutate::collections::reorder(self, collection, &moves);
            }
            Later::Codes { discount, creation, codes } => {
                super::mutate::discounts::import_codes(self, discount, creation, &codes);
            }
            Later::Nothing => {}
        }
    }

    /// A handle made of a title, free in its kind (and, for kinds with a parent, below it).
    pub(crate) fn free_handle(&self, kind: Kind, prefix: &str, wanted: &str) -> String {
        let base = handleize(wanted);
        let taken = |handle: &str| self.by_key(kind, &format!("{prefix}{handle}")).is_some();
        if !taken(&base) {
            return base;
        }
        (1_u32..).map(|n| format!("{base}-{n}")).find(|handle| !taken(handle)).unwrap_or(base)
    }
}

/// Kinds that carry `createdAt` and `updatedAt`.
pub(crate) fn has_times(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::Menu
            | Kind::UrlRedirect
            | Kind::Publication
            | Kind::Channel
            | Kind::Job
            | Kind::BasicEvent
            | Kind::ShopLocale
            | Kind::MarketWebPresence
            | Kind::App
            | Kind::AppInstallation
            | Kind::AppCatalog
            | Kind::BulkOperation
            | Kind::TaxonomyCategory
            | Kind::ProductSetOperation
            | Kind::StandardMetafieldDefinitionTemplate
    )
}

/// The subject type of a deletion's event, for the kinds whose deletions are recorded.
fn event_subject(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Article => "ARTICLE",
        Kind::Blog => "BLOG",
        Kind::Collection => "COLLECTION",
        Kind::Comment => "COMMENT",
        Kind::Customer => "CUSTOMER",
        Kind::DiscountAutomaticNode => "DISCOUNT_AUTOMATIC_NODE",
        Kind::DiscountCodeNode => "DISCOUNT_CODE_NODE",
        Kind::DraftOrder => "DRAFT_ORDER",
        Kind::Order => "ORDER",
        Kind::Page => "PAGE",
        Kind::Product => "PRODUCT",
        Kind::ProductVariant => "PRODUCT_VARIANT",
        _ => return None,
    })
}

/// The keys by which an object can be found, unique within its kind.
pub(crate) fn natural_keys(kind: Kind, obj: &Obj) -> Vec<String> {
    let handle = || obj.str("handle").map(str::to_owned).into_iter();
    match kind {
        Kind::Product | Kind::Collection | Kind::Page | Kind::Blog | Kind::Menu | Kind::Market => {
            handle().collect()
        }
        Kind::MarketWebPresence => obj.str("subfolderSuffix").map(str::to_owned).into_iter().collect(),
        Kind::Article => {
            let blog = obj.gid("blog").map_or(0, Gid::number);
            handle().map(|handle| format!("{blog}/{handle}")).collect()
        }
        Kind::Metaobject => {
            let of = obj.str("type").unwrap_or_default();
            handle().map(|handle| format!("{of}/{handle}")).collect()
        }
        Kind::MetaobjectDefinition => obj.str("type").map(str::to_owned).into_iter().collect(),
        Kind::MetafieldDefinition => vec![format!(
            "{}/{}/{}",
            obj.str("ownerType").unwrap_or_default(),
            obj.str("namespace").unwrap_or_default(),
            obj.str("key").unwrap_or_default()
        )],
        Kind::UrlRedirect => obj.str("path").map(str::to_owned).into_iter().collect(),
        Kind::Customer => {
            let mail = obj.str("email").map(|mail| mail.to_lowercase());
            mail.into_iter().chain(obj.str("phone").map(str::to_owned)).collect()
        }
        Kind::MediaImage | Kind::Video | Kind::Model3d | Kind::GenericFile => {
            let path = obj.str("url").map(|url| url.split_once('?').map_or(url, |(path, _)| path).to_owned());
            path.into_iter().collect()
        }
        Kind::Location | Kind::Publication | Kind::Segment | Kind::PriceList => {
            obj.str("name").map(str::to_owned).into_iter().collect()
        }
        Kind::ShopPolicy => obj.str("type").map(str::to_owned).into_iter().collect(),
        Kind::ShopLocale => obj.str("locale").map(str::to_owned).into_iter().collect(),
        Kind::DiscountCodeNode => obj
            .obj("discount")
            .map(|discount| discount.list("codes"))
            .unwrap_or_default()
            .iter()
            .filter_map(|code| code.as_obj()?.str("code").map(str::to_lowercase))
            .collect(),
        _ => Vec::new(),
    }
}

/// A title as a handle: lower case, everything but letters and digits as single hyphens.
pub(crate) fn handleize(title: &str) -> String {
    let mut handle = String::with_capacity(title.len());
    for c in title.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            handle.push(c);
        } else if !handle.is_empty() && !handle.ends_with('-') {
            handle.push('-');
        }
    }
    let trimmed = handle.trim_end_matches('-');
    if trimmed.is_empty() { "item".to_owned() } else { trimmed.to_owned() }
}
