//! `caretaker restore`: plan, apply, undo, show.

use std::path::Path;

use anyhow::Context as _;
use connectors::contract::{PlanAction, RestoreOptions};
use domain::Action;
use flows::FlowError;
use flows::restore::{Ask, Plan, PlanItem, RestoreReport, Selection};

use crate::arguments::{RestoreCommand, RestorePlan};
use crate::commands::backup::Bar;
use crate::commands::diff::short;
use crate::files;
use crate::home::Home;
use crate::output::{Output, exit};

/// Items of a plan that are shown to people one by one.
const ITEMS_SHOWN: usize = 40;

pub(crate) async fn run(home: &Home, command: &RestoreCommand, output: &Output) -> anyhow::Result<u8> {
    let cell = home.open().await?;
    let bar = Bar::new(output);
    match command {
        RestoreCommand::Plan(words) => {
            let ask = ask(home, &cell, words).await?;
            let plan = flows::restore::draw(&cell, &ask, &bar).await?;
            each_was_found(&plan)?;
            write_plan(&plan, &words.out)?;
            output.result(&plan, || plan_text(&plan, &words.out))?;
            Ok(exit::DONE)
        }
        RestoreCommand::Apply { plan } => {
            let plan = read_plan(plan)?;
            if plan.ask.tenant != home.tenant {
                return Err(FlowError::NotFound(format!(
                    "there is no connection `{}`: `caretaker connection list` names those that there are",
                    plan.ask.connection
                ))
                .into());
            }
            let report = flows::restore::apply(&cell, &plan, &bar).await?;
            print_report(output, &report)
        }
        RestoreCommand::Undo { restore } => {
            let report = flows::restore::undo(&cell, &home.tenant, *restore, &bar).await?;
            print_report(output, &report)
        }
        RestoreCommand::Show { restore } => {
            let report = flows::restore::show(&cell, &home.tenant, *restore).await?;
            print_report(output, &report)
        }
    }
}

/// Refuses a plan that passes over something that was asked for by its id: a slip of the pen would look like success.
fn each_was_found(plan: &Plan) -> anyhow::Result<()> {
    let names = |item: &PlanItem, id: &str| {
        !item.needed && (&*item.id == id || item.id.rsplit('/').next().is_some_and(|tail| tail == id))
    };
    let missing = plan.ask.ids.iter().filter(|id| !plan.items.iter().any(|item| names(item, id)));
    let missing: Vec<String> = missing.map(|id| format!("`{id}`")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let place = match plan.ask.selection {
        Selection::At(number) => format!("in snapshot {number}"),
        Selection::Revert(from, to) => format!("among what changed from snapshot {from} to {to}"),
    };
    Err(FlowError::NotFound(format!(
        "{} is not {place} (of the kinds that were asked for); no plan was written",
        missing.join(", ")
    ))
    .into())
}

async fn ask(home: &Home, cell: &flows::Cell, words: &RestorePlan) -> anyhow::Result<Ask> {
    let reader = flows::read::open(cell, &home.tenant, &words.name, Action::Read, "plan a restore").await?;
    let platform = cell.connection(&home.tenant, &words.name).await?.scope.platform;
    let number = async |at: &str| -> anyhow::Result<_> {
        let head = flows::read::snapshot(&reader, at).await?;
        for kind in &words.kind {
            flows::read::check_kind(&platform, [&head, reader.head()], kind)?;
        }
        Ok(head.name.number)
    };
    let selection = match &words.revert {
        Some(window) => {
            let (from, to) = window.split_once("..").ok_or_else(|| {
                FlowError::Input(format!("`{window}` is not a window: write FROM..TO, such as 3..4"))
            })?;
            let (from, to) = (number(from).await?, number(to).await?);
            if from >= to {
                return Err(FlowError::Input(format!("the window {from}..{to} is empty")).into());
            }
            Selection::Revert(from, to)
        }
        None => Selection::At(number(words.at.as_deref().unwrap_or("latest")).await?),
    };
    Ok(Ask {
        tenant: home.tenant.clone(),
        connection: words.name.clone(),
        target: words.to.clone().unwrap_or_else(|| words.name.clone()),
        selection,
        kinds: words.kind.clone(),
        ids: words.id.clone(),
        options: RestoreOptions { stock: words.stock, fields: words.field.clone() },
    })
}

/// Writes a plan for its owner's eyes only: it holds what the shop's items hold.
pub(crate) fn write_plan(plan: &Plan, path: &Path) -> anyhow::Result<()> {
    files::write_private(path, serde_json::to_string_pretty(plan)?.as_bytes())
}

fn read_plan(path: &Path) -> anyhow::Result<Plan> {
    let text = std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()))?;
    serde_json::from_slice(&text).map_err(|error| {
        FlowError::Conflict(format!("`{}` is not a plan as it was drawn up: {error}", path.display())).into()
    })
}

fn plan_text(plan: &Plan, path: &Path) -> String {
    let mut text = String::new();
    let acts = plan.items.iter().filter(|item| item.plan.action != PlanAction::Skip || !item.kept.is_empty());
    for item in acts.clone().take(ITEMS_SHOWN) {
        let mark = match &item.plan.action {
            PlanAction::Create => "create",
            PlanAction::Update => "update",
            PlanAction::Skip => "skip  ",
            PlanAction::Delete => "delete",
            PlanAction::Cannot { .. } => "cannot",
        };
        let needed = if item.needed { " (others refer to it)" } else { "" };
        text += &format!("{mark} {} {}{needed}\n", item.kind, item.id);
        if let PlanAction::Cannot { why } = &item.plan.action {
            text += &format!("       {why}\n");
        }
        for field in &item.plan.fields {
            text += &format!("       {}: {} -> {}\n", field.path, short(&field.from), short(&field.to));
        }
        for kept in &item.kept {
            text += &format!("       {} was edited again since and stays {}\n", kept.path, short(&kept.to));
        }
        for loss in &item.plan.losses {
            text += &format!("       lost: {loss}\n");
        }
    }
    let more = acts.count().saturating_sub(ITEMS_SHOWN);
    if more > 0 {
        text += &format!("… and {more} more, in the file\n");
    }
    for order in &plan.orders {
        text += &format!(
            "order {} ({}) was placed at a price that is taken back\n",
            order.name, order.created_at
        );
    }
    let time = plan.seconds.map_or_else(String::new, |seconds| format!(", about {seconds:.0} s"));
    text + &format!(
        "{} to create, {} to update, {} to leave, {} that cannot be restored; {} requests{time}.\nDo it: `caretaker restore apply {}`",
        plan.count(|action| *action == PlanAction::Create),
        plan.count(|action| *action == PlanAction::Update),
        plan.count(|action| *action == PlanAction::Skip),
        plan.count(|action| matches!(action, PlanAction::Cannot { .. })),
        plan.requests,
        path.display()
    )
}

fn print_report(output: &Output, report: &RestoreReport) -> anyhow::Result<u8> {
    output.result(report, || {
        let mut text = String::new();
        for item in &report.items {
            for problem in &item.problems {
                text += &format!("{} {}: {problem}\n", item.kind, item.id);
            }
            if item.possibly_twice {
                text += &format!("{} {}: it cannot be known whether it was made twice; look in the shop\n", item.kind, item.id);
            }
        }
        text += &format!(
            "Restore {}: {} created, {} updated, {} deleted, {} left, {} cannot be restored; {} requests, {:.1} s.",
            report.restore,
            report.created,
            report.updated,
            report.deleted,
            report.skipped,
            report.cannot,
            report.requests,
            std::time::Duration::from_millis(report.duration_ms).as_secs_f64()
        );
        if report.complete { text } else { text + "\nNot whole: see above." }
    })?;
    Ok(if report.complete { exit::DONE } else { exit::INCOMPLETE })
}
