//! One item on its way into a plan: what is wanted, what is there, and what would be done.

use connectors::contract::{IdMap, ItemPlan, KindSpec, PlanAction, Restorable};
use domain::{MediaRef, RecordKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::look::Parts;
use super::plan::PlanItem;
use super::refer::{Node, Refs, tag};
use super::shelf::Shelved;
use crate::error::Result;
use crate::fields::{Place, undo};

/// An item on its way into a plan. What it holds lies on the shelf.
pub(super) struct Candidate {
    pub(super) item: PlanItem,
    pub(super) spec: &'static KindSpec,
    /// Its [`Payload`].
    pub(super) payload: Shelved,
    /// Ids of it and its parts that are others on the live store, as looking at it told.
    pub(super) paired: Vec<(String, String)>,
    pub(super) refs: Refs,
}

/// What an item holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Payload {
    /// What it shall be.
    pub(super) wanted: Value,
    /// What it is; `None` where it is gone.
    pub(super) live: Option<Value>,
    /// The state that a revert takes back.
    pub(super) former: Option<Value>,
    /// Its stored media.
    pub(super) media: Vec<MediaRef>,
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
        let made = self.is_created();
        Node { id: tag(&self.item.id), spec: self.spec, refs: &self.refs, made }
    }
}

/// An item that is wanted.
pub(super) struct Wanted {
    pub(super) key: RecordKey,
    pub(super) spec: &'static KindSpec,
    pub(super) needed: bool,
    pub(super) state: State,
}

/// In which state it is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// As it was.
    Whole,
    /// What changed in a window shall be taken back.
    Back,
    /// It was made in the window.
    New,
}

/// An item that is wanted, with what is there in its place.
pub(super) struct Found {
    pub(super) wanted: Wanted,
    pub(super) live_id: Option<Box<str>>,
    /// Its [`Payload`], in which `wanted` is the backup's.
    pub(super) payload: Shelved,
    pub(super) paired: Vec<(String, String)>,
    /// Another item of the backup that is what was found in its place.
    pub(super) twin: Option<Box<str>>,
}

impl Found {
    /// Whether it would be made anew.
    pub(super) fn is_created(&self) -> bool {
        self.live_id.is_none()
            && self.twin.is_none()
            && self.wanted.state == State::Whole
            && self.wanted.spec.restore == Restorable::Yes
    }
}

fn without_change(action: PlanAction, losses: Vec<String>) -> ItemPlan {
    ItemPlan { action, fields: Vec::new(), losses, requests: 0, cost: 0 }
}

/// The payload by whose natural key an item is looked for: other items' ids in that key are present ones.
pub(super) fn known_as(spec: &KindSpec, payload: &Value, ids: &IdMap) -> Value {
    let mut payload = payload.clone();
    for reference in spec.references.iter().filter(|one| spec.natural_key.contains(&one.pointer)) {
        if let Some(id) = payload.pointer_mut(reference.pointer)
            && let Some(old) = id.as_str()
        {
            *id = ids.resolve(old).into();
        }
    }
    payload
}

impl Parts<'_> {
    pub(super) async fn candidate(&self, found: Found, ids: &IdMap) -> Result<Candidate> {
        let Found { wanted: Wanted { key, spec, needed, state }, live_id, payload: mut place, paired, twin } =
            found;
        let mut payload: Payload = self.shelf.get(place).await?;
        let (kept, stays) = match (state, &payload.live) {
            // It is there, and nobody asked for more.
            (State::Whole, Some(_)) if needed => {
                (Vec::new(), Some("others refer to it; it is there and left as it is"))
            }
            (State::Whole, _) => (Vec::new(), None),
            (State::Back, Some(live)) => {
                // What the platform itself sets is neither taken back nor told as edited since.
                let concerns = |place: &Place| {
                    self.concerns(place) && !spec.volatile.iter().any(|pointer| place.is_within(pointer))
                };
                let after = payload.former.clone().unwrap_or_default();
                let undone = undo(&payload.wanted, &after, live, concerns);
                payload.wanted = undone.wanted;
                place = self.shelf.put(&payload).await?;
                (undone.kept, None)
            }
            // It was changed in the window and deleted since: a later decision, which stays.
            (State::Back | State::New, None) => {
                (Vec::new(), Some("it has been deleted since; that stays so"))
            }
            (State::New, Some(_)) => {
                (Vec::new(), Some("it was made in that window; what was made is left in place"))
            }
        };
        let Payload { wanted, live, former, .. } = &payload;
        let plan = match (spec.restore, stays) {
            (Restorable::Never(why), _) => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            _ if twin.is_some() => {
                let twin = twin.unwrap_or_default();
                let why = format!(
                    "What is there is `{twin}` of the backup, which people know by the same name: there can be one."
                );
                without_change(PlanAction::Cannot { why }, Vec::new())
            }
            (_, Some(note)) => without_change(PlanAction::Skip, vec![note.to_owned()]),
            (Restorable::UpdateOnly(why), None) if live.is_none() => {
                without_change(PlanAction::Cannot { why: why.to_owned() }, Vec::new())
            }
            _ => {
                let options = &self.ask.options;
                self.store.plan_back(spec, wanted, live.as_ref(), former.as_ref(), ids, options)
            }
        };
        let refs = Refs::of(spec, wanted, plan.action == PlanAction::Create);
        let (after, again) = (None, false);
        let item = PlanItem { kind: key.kind, id: key.id, live_id, needed, after, again, plan, kept };
        Ok(Candidate { item, spec, payload: place, paired, refs })
    }

    /// Whether a field may be touched.
    fn concerns(&self, place: &Place) -> bool {
        let fields = &self.ask.options.fields;
        fields.is_empty() || fields.iter().any(|pointer| place.is_within(pointer))
    }
}
