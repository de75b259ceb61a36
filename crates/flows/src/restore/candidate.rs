//! One item on its way into a plan: what is wanted, what is there, and what would be done.

use connectors::contract::{IdMap, ItemPlan, KindSpec, PlanAction, Restorable};
use domain::{MediaRef, RecordKey};
use repository::Record;
use serde_json::Value;

use super::look::Parts;
use super::parse;
use super::plan::PlanItem;
use super::refer::Node;
use crate::error::Result;
use crate::fields::{Place, undo};

/// An item on its way into a plan: what is wanted, and what is there.
pub(super) struct Candidate {
    pub(super) item: PlanItem,
    pub(super) spec: &'static KindSpec,
    pub(super) wanted: Value,
    pub(super) live: Option<Value>,
    /// The state that a revert takes back.
    pub(super) former: Option<Value>,
    /// Its stored media.
    pub(super) media: Vec<MediaRef>,
    /// Ids of it and its parts that are others on the live store, as looking at it told.
    pub(super) paired: Vec<(String, String)>,
}

impl Candidate {
    pub(super) fn key(&self) -> RecordKey {
        RecordKey { kind: self.item.kind.clone(), id: self.item.id.clone() }
    }

    pub(super) fn is_written(&self) -> bool {
        matches!(self.item.plan.action, PlanAction::Create | PlanAction::Update)
    }

    pub(super) fn is_created(&self) -> bool {
        self.item.plan.action == PlanAction::Create
    }

    /// As others may refer to it, and it to them.
    pub(super) fn node(&self) -> Node<'_> {
        Node { id: &self.item.id, spec: self.spec, payload: &self.wanted, made: self.is_created() }
    }
}

/// An item that is wanted, with what is there in its place.
pub(super) struct Found {
    pub(super) wanted: Wanted,
    pub(super) live: Option<(Box<str>, Value)>,
    pub(super) paired: Vec<(String, String)>,
}

impl Found {
    /// Whether it would be made anew.
    pub(super) fn is_created(&self) -> bool {
        self.live.is_none()
            && matches!(self.wanted.state, State::Whole(_))
            && self.wanted.spec.restore == Restorable::Yes
    }
}

fn without_change(action: PlanAction, losses: Vec<String>) -> ItemPlan {
    ItemPlan { action, fields: Vec::new(), losses, requests: 0, cost: 0 }
}

/// An item that is wanted.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) key: RecordKey,
    pub(super) spec: &'static KindSpec,
    pub(super) needed: bool,
    pub(super) state: State,
    pub(super) media: Vec<MediaRef>,
}

impl Wanted {
    pub(super) fn whole(record: Record, spec: &'static KindSpec, needed: bool) -> Result<Self> {
        let state = State::Whole(parse(&record.payload)?);
        Ok(Self { key: record.key, spec, needed, state, media: record.meta.media_refs })
    }

    /// The payload by whose natural key it is looked for: other items' ids in that key are present ones.
    pub(super) fn known_as(&self, ids: &IdMap) -> Value {
        let mut payload = self.state.was().clone();
        for reference in
            self.spec.references.iter().filter(|one| self.spec.natural_key.contains(&one.pointer))
        {
            if let Some(id) = payload.pointer_mut(reference.pointer)
                && let Some(old) = id.as_str()
            {
                *id = ids.resolve(old).into();
            }
        }
        payload
    }
}

/// In which state it is wanted.
#[derive(Clone)]
pub(super) enum State {
    /// The item shall be this.
    Whole(Value),
    /// What changed from the one to the other shall be taken back.
    Back { before: Value, after: Value },
    /// It was made in the window.
    New(Value),
}

impl State {
    /// The payload in the backup.
    pub(super) fn was(&self) -> &Value {
        match self {
            Self::Whole(payload) | Self::New(payload) | Self::Back { before: payload, .. } => payload,
        }
    }
}

impl Parts<'_> {
    pub(super) fn candidate(&self, found: Found, ids: &IdMap) -> Result<Candidate> {
        let Found { wanted: Wanted { key, spec, needed, state, media }, live, paired } = found;
        let (live_id, live) = live.unzip();
        let mut former = None;
        let (wanted, kept, stays) = match (state, &live) {
            // It is there, and nobody asked for more.
            (State::Whole(payload), Some(_)) if needed => {
                (payload, Vec::new(), Some("others refer to it; it is there and left as it is"))
            }
            (State::Whole(payload), _) => (payload, Vec::new(), None),
            (State::Back { before, after }, Some(live)) => {
                // What the platform itself sets is neither taken back nor told as edited since.
                let concerns = |place: &Place| {
                    self.concerns(place) && !spec.volatile.iter().any(|pointer| place.is_within(pointer))
                };
                let undone = undo(&before, &after, live, concerns);
                former = Some(after);
                (undone.wanted, undone.kept, None)
            }
            // It was changed in the window and deleted since: a later decision, which stays.
            (State::Back { before, .. }, None) => {
                (before, Vec::new(), Some("it has been deleted since; that stays so"))
            }
            (State::New(payload), None) => {
                (payload, Vec::new(), Some("it has been deleted since; that stays so"))
            }
            (State::New(payload), Some(_)) => {
                (payload, Vec::new(), Some("it was made in that window; what was made is left in place"))
            }
        };
        let plan = match (spec.restore, stays) {
            (Restorable::Never(why), _) => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            (_, Some(note)) => without_change(PlanAction::Skip, vec![note.to_owned()]),
            (Restorable::UpdateOnly(why), None) if live.is_none() => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            _ => {
                let options = &self.ask.options;
                self.store.plan_back(spec, &wanted, live.as_ref(), former.as_ref(), ids, options)
            }
        };
        let (after, again) = (None, false);
        let item = PlanItem { kind: key.kind, id: key.id, live_id, needed, after, again, plan, kept };
        Ok(Candidate { item, spec, wanted, live, former, media, paired })
    }

    /// Whether a field may be touched.
    fn concerns(&self, place: &Place) -> bool {
        let fields = &self.ask.options.fields;
        fields.is_empty() || fields.iter().any(|pointer| place.is_within(pointer))
    }
}
