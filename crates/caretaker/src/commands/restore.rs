//! `caretaker restore`: plan, apply, undo, show.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::Path;

use anyhow::Context as _;
use connectors::contract::{PlanAction, RestoreOptions};
use flows::FlowError;
use flows::restore::{Ask, Plan, PlanItem, RestoreReport, Selection};

use crate::arguments::{RestoreCommand, RestorePlan};
use crate::commands::diff::short;
use crate::files;
use crate::home::Home;
use crate::output::{Output, exit};
use crate::works::{Aids, ApplyRestore, PlanRestore, ShowRestore, UndoRestore};

/// Items of a plan that are shown to people one by one.
const ITEMS_SHOWN: usize = 40;

pub(crate) async fn run(home: &Home, command: &RestoreCommand, output: &Output) -> anyhow::Result<u8> {
    let session = home.session().await?;
    match command {
        RestoreCommand::Plan(words) => {
            let connection = session.connection(&words.name).await?;
            let plan = session.work(&connection, work(words), output).await?;
            each_was_found(&plan)?;
            write_plan(&plan, &words.out)?;
            output.result(&plan, || plan_text(&plan, &words.out))?;
            Ok(exit::DONE)
        }
        RestoreCommand::Apply { plan: path } => {
            let (file, ask) = read_plan(path)?;
            if ask.tenant != home.tenant {
                return Err(FlowError::NotFound(format!(
                    "there is no connection `{}`: `caretaker connection list` names those that there are",
                    ask.connection
                ))
                .into());
            }
            let connection = session.connection(&ask.connection).await?;
            let aids = Aids { lent: Some(&file), ..Aids::default() };
            let work = ApplyRestore { to: Some(ask.target) };
            print_report(output, &session.work_with(&connection, work, aids, output).await?)
        }
        RestoreCommand::Undo { restore } => {
            let row = session.catalog.restore(&home.tenant, *restore).await?;
            let connection = session.connection(&row.connection).await?;
            let work = UndoRestore { restore: *restore, to: Some(row.target) };
            print_report(output, &session.work(&connection, work, output).await?)
        }
        RestoreCommand::Show { restore } => {
            let row = session.catalog.restore(&home.tenant, *restore).await?;
            let connection = session.connection(&row.connection).await?;
            print_report(output, &session.work(&connection, ShowRestore { restore: *restore }, output).await?)
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

fn work(words: &RestorePlan) -> PlanRestore {
    PlanRestore {
        at: words.at.clone(),
        revert: words.revert.clone(),
        kinds: words.kind.clone(),
        ids: words.id.clone(),
        options: RestoreOptions { stock: words.stock, fields: words.field.clone() },
        to: words.to.clone(),
    }
}

/// Writes a plan for its owner's eyes only: it holds what the shop's items hold.
pub(crate) fn write_plan(plan: &Plan, path: &Path) -> anyhow::Result<()> {
    files::write_private(path, serde_json::to_string_pretty(plan)?.as_bytes())
}

/// A plan as it lies there, and what it was drawn up for.
fn read_plan(path: &Path) -> anyhow::Result<(File, Ask)> {
    let opened = File::open(path).with_context(|| format!("could not read `{}`", path.display()))?;
    let plan: Plan = serde_json::from_reader(BufReader::new(&opened)).map_err(|error| {
        FlowError::Conflict(format!("`{}` is not a plan as it was drawn up: {error}", path.display()))
    })?;
    let rewound = (&opened).rewind();
    rewound.with_context(|| format!("`{}` is no file: a plan is read twice", path.display()))?;
    Ok((opened, plan.ask))
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
