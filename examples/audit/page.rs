//! The report and the card.

use std::time::Instant;

use demotic::card::{Energy, ModelCard};
use demotic::data::Column;
use demotic::data::quality::{Drift, Finding, Problem, label_errors};
use demotic::fairness::{Compromise, Fairness, Rate, by_group, tradeoff};
use demotic::prelude::*;
use demotic::train::Report;
use demotic::train::explain::permutation_importance;
use demotic::train::metrics::{Bootstrap, Interval};
use serde_json::{Value, json};

use crate::learn::{self, Model, NAMES};
use crate::loans::BIAS;
use crate::options::Options;
use crate::subject::Subject;

/// A share in per cent.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// A table of texts.
pub fn texts(columns: &[(&str, Vec<String>)]) -> Result<Table> {
    Table::from_columns(columns.iter().map(|(name, values)| (*name, values.iter().cloned().collect::<Column>())))
}

pub fn write(subject: &Subject, options: &Options, rng: &mut Rng, start: Instant) -> Result<Value> {
    let training = Instant::now();
    let (model, history) = match &options.model {
        Some(path) => {
            // Whoever trained it may have called the outcome as the table does, or yes.
            let own = subject.wished.as_deref().unwrap_or(crate::subject::YES);
            (Model::open(path, &[own, crate::subject::YES])?, None)
        }
        None => {
            let (model, history) = learn::train(subject, options, None, false, rng)?;
            (model, Some(history))
        }
    };
    let seconds = training.elapsed().as_secs_f64();
    let test = &subject.test;
    let scores = model.scores(&test.table)?;
    let measured = Fairness::measure(&scores, &test.y, &test.groups)?;
    let bias = learn::conditional_bias(subject, options, rng)?;
    let (ways, failed) = learn::ways(subject, options, &model, rng)?;

    let mut page = Report::new(format!("Audit of {}", subject.name))
        .about(format!(
            "A model predicts whether {}. This page says what is wrong with the data, how good the model is, what it looks at, whom it treats \
             worse, and what it would cost to change that.",
            subject.wish
        ))
        .about("Everything was measured on rows that the model did not learn from. Intervals say how far chance alone could move a number.");
    let mut card = ModelCard::new(format!("A model of {}", subject.name))
        .license("mit")
        .task("tabular-classification")
        .dataset(&subject.name)
        .tag("demotic")
        .tag("fairness")
        .purpose(format!(
            "Predicts whether {}. It was made by the example `audit`, to show what should be known about a model.",
            subject.wish
        ))
        .out_of_scope(
            "Deciding on people without a person who can change the decision, and on people unlike those in the table.",
        );

    page = summary(page, subject, &measured, bias.as_ref())?;
    page = data(page, subject, options)?;
    let (labels, label_text) = labels(subject, options)?;
    page = page.section("Labels that may be wrong").text(&label_text);
    let drift = Drift::between(&subject.train.table, &test.table, options.seed)?;
    page = page.section("Is the test part like the training part?").text(
        "If it were not, what is measured below would not say what happens later. The same comparison serves for rows that come in \
         next month.",
    );
    page = match drift.findings().as_slice() {
        [] => page.text(format!(
            "It is: no column differs by more than chance, and a classifier that tries to tell the parts apart is right as often as a coin \
             (area under its ROC curve {:.2}).",
            drift.told_apart
        )),
        found => found.iter().fold(page, |page, finding| page.text(finding.message.as_str())),
    };
    if let (Model::Own { net, prep }, Some(history)) = (&model, &history) {
        page = page.model(&net.summary([1, prep.num_features()])?).history(history);
        card = card.training(format!(
            "A network of {} numbers; {}. Rows were divided at random: {} to learn from, {} to stop in time and to set thresholds, {} to test on.",
            net.num_parameters(),
            history.summary(),
            subject.train.table.num_rows(),
            subject.calibration.table.num_rows(),
            test.table.num_rows()
        ));
    }
    let both = Tensor::stack(&[&scores.rsub_scalar(1.0), &scores], 1)?;
    page = page.classification(&both, &test.y, &NAMES, Some(&test.table))?;
    let columns: Vec<String> = test
        .table
        .column_names()
        .filter(|name| *name != options.target && !subject.unseen.iter().any(|own| own == name))
        .map(String::from)
        .collect();
    let repeats = if options.quick { 5 } else { 20 };
    let importance = permutation_importance(&test.table, &columns, repeats, rng, |table| {
        metrics::roc_auc(&model.scores(table)?, &test.y)
    })?;
    page = page.importance(&importance, "the area under the ROC curve");
    let mut ranked: Vec<_> = importance.iter().collect();
    ranked.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let looks: Vec<String> = ranked.iter().take(3).map(|one| format!("{} ({:.3})", one.column, one.mean)).collect();
    card = card.explanation(format!(
        "It looks most at {}; in brackets, what is lost of the area under the ROC curve without it.",
        looks.join(", ")
    ));

    page = crate::why::write(page, subject, options, &model, rng)?;
    let (reliable, said, covered) = crate::sure::write(page, subject, &model, rng)?;
    page = reliable;
    for text in said {
        card = card.reliability(text);
    }
    page = groups(page, &measured, test.groups.names().len())?;
    let (mut page, compared) = mitigation(page, subject, &ways, &failed)?;
    for text in &subject.changes {
        card = card.data(text.as_str());
    }
    for finding in &subject.findings {
        card = card.quality(finding.message.as_str());
    }
    let bootstrap = Bootstrap::new().resamples(if options.quick { 200 } else { 1000 });
    let accuracy = bootstrap.interval(&both, &test.y, metrics::accuracy)?;
    let roc = bootstrap.interval(&both, &test.y, metrics::roc_auc)?;
    let energy = Energy::estimate(seconds, options.watts)?;
    card = card
        .quality(label_text)
        .metric("accuracy", accuracy.value, Some(accuracy))
        .metric("ROC AUC", roc.value, Some(roc))
        .by_group(subject.groups.join(", "), &measured)
        .limits(unequal(&measured, Rate::Selection)?)
        .energy(energy);
    page = page
        .section("Energy")
        .text(format!(
            "Training took {seconds:.1} s. At {} W for the whole machine, which is assumed and not measured, that is {:.4} Wh.",
            options.watts,
            1e3 * energy.kilowatt_hours()
        ))
        .setting("target", &options.target)
        .setting("groups", subject.groups.join(", "))
        .seed(options.seed)
        .timing("training", seconds)
        .timing("everything", start.elapsed().as_secs_f64());
    std::fs::create_dir_all(&options.out).map_err(|e| Error::io("audit", &options.out, e))?;
    page.save(options.out.join("report.html"))?;
    card.save(&options.out)?;
    if let Model::Own { prep, net } = model {
        Pipeline::new(prep, net)?.with_csv(subject.csv.clone()).save(options.out.join("model.safetensors"))?;
    }
    Ok(json!({
        "rows": subject.table.num_rows(),
        "accuracy": accuracy.value,
        "coverage": covered,
        "found": found(&subject.findings),
        "label errors": labels,
        "bias": bias.map(|(_, value, [low, high])| json!({ "value": value, "low": low, "high": high })),
        "ways": compared,
        "seconds": start.elapsed().as_secs_f64(),
    }))
}

/// What was found, for the check.
fn found(findings: &[Finding]) -> Value {
    let of = |problem: Problem| findings.iter().filter(move |finding| finding.problem == problem);
    let columns = |problem| of(problem).flat_map(|finding| finding.columns.clone()).collect::<Vec<_>>();
    let outliers: serde_json::Map<String, Value> =
        of(Problem::Outliers).map(|finding| (finding.columns.join(","), json!(finding.rows.len()))).collect();
    json!({
        "duplicates": of(Problem::Duplicates).map(|finding| finding.rows.len()).sum::<usize>(),
        "outliers": outliers,
        "leaks": columns(Problem::Leak),
        "missing by group": columns(Problem::MissingByGroup),
    })
}

/// The groups that are chosen most and least often, in words.
fn unequal(measured: &Fairness, rate: Rate) -> Result<String> {
    let mut rates: Vec<(&str, Interval)> =
        measured.groups().iter().filter_map(|group| Some((group.name.as_str(), group.rate(rate)?))).collect();
    rates.sort_by(|a, b| b.1.value.total_cmp(&a.1.value));
    let (Some((most, high)), Some((least, low))) = (rates.first(), rates.last()) else { return Ok(String::new()) };
    if rates.len() < 2 {
        return Ok(format!("There is only one group, `{most}`: nothing can be compared."));
    }
    Ok(format!(
        "Of the group `{most}`, {} are chosen ({} to {}); of `{least}`, {} ({} to {}).",
        percent(high.value),
        percent(high.low),
        percent(high.high),
        percent(low.value),
        percent(low.low),
        percent(low.high)
    ))
}

/// What matters most, first.
fn summary(
    page: Report,
    subject: &Subject,
    measured: &Fairness,
    bias: Option<&(String, f64, [f64; 2])>,
) -> Result<Report> {
    let serious =
        subject.findings.iter().filter(|finding| finding.severity == demotic::data::quality::Severity::Serious);
    let mut page = serious.fold(page, |page, finding| page.warning(format!("{}.", finding.message)));
    if measured.groups().len() > 1 {
        let difference = measured.difference_interval(Rate::Selection, 0)?;
        let remark = format!("95 %: {} to {}", percent(difference.low), percent(difference.high));
        page = page.fact("difference of selection rates", percent(difference.value), remark);
        page = page.fact(
            "ratio of selection rates",
            format!("{:.2}", measured.demographic_parity_ratio()?),
            "below 0.8 is a usual sign of trouble",
        );
        if difference.low > 0.0 && difference.value > 0.05 {
            page = page.warning(format!("The groups are treated differently. {}", unequal(measured, Rate::Selection)?));
        }
    }
    if let Some((who, value, [low, high])) = bias {
        let odds = |x: f64| format!("{:.2}", x.exp());
        page = page.fact(
            format!("odds, {who}, all else equal"),
            odds(*value),
            format!("95 %: {} to {}", odds(*low), odds(*high)),
        );
        if *low > 0.0 || *high < 0.0 {
            page = page.warning(format!(
                "The decisions in the table itself depend on the group: with all else equal, the odds of the outcome are {} times as high ({who}). \
                 A model that learns from them learns that too.",
                odds(*value)
            ));
        }
    }
    Ok(page)
}

fn data(page: Report, subject: &Subject, options: &Options) -> Result<Report> {
    let mut page = page.data(&subject.table, Some(&options.target));
    if options.data.is_none() {
        page = page.text(format!(
            "These people are invented, and the decisions on them are known to be unfair: of a woman's application, {BIAS} is taken from \
             the log-odds that a man has with the same one, which leaves {:.0} % of his odds (examples/make_loans.rs). The audit was not told.",
            100.0 * (-BIAS).exp()
        ));
    }
    page = page.section("What is wrong with the data");
    if subject.findings.is_empty() {
        page = page.text(
            "Nothing was found: no missing values, repeated rows, outliers, constant columns or columns that tell the outcome.",
        );
    }
    // As lines, since tables show the beginning of long texts alone.
    for finding in &subject.findings {
        let some: Vec<String> = finding.rows.iter().take(4).map(usize::to_string).collect();
        let rows = match finding.rows.len() {
            0 => String::new(),
            n => format!(" (rows {}{})", some.join(", "), if n > 4 { " …" } else { "" }),
        };
        let Finding { message, advice, .. } = finding;
        page = page.text(format!("{}: {message}{rows}. What to do: {advice}.", finding.severity.name().to_uppercase()));
    }
    Ok(subject.changes.iter().fold(page.text("What was done about it here:"), |page, text| page.text(text)))
}

/// How many labels a model does not believe, and what that means.
fn labels(subject: &Subject, options: &Options) -> Result<(usize, String)> {
    let (p, y) = learn::out_of_fold(subject, options)?;
    let found = label_errors(&p, &y)?;
    let n = found.rows.len();
    let text = format!(
        "Of {} outcomes in the training part, {n} ({}) are not believed by models that did not see them (confident learning). Where chance has a \
         part in the outcome, most of these are no mistakes; the first to look at are the rows {} of the training part.",
        y.numel(),
        percent(n as f64 / y.numel() as f64),
        found.rows.iter().take(5).map(usize::to_string).collect::<Vec<_>>().join(", ")
    );
    Ok((n, text))
}

fn groups(page: Report, measured: &Fairness, all: usize) -> Result<Report> {
    let mut page = page.section("Whom it treats worse").text(format!(
        "{all} groups are compared by what happens to them. \"Chosen\" is who gets the outcome that people wish for. Black lines are 95 % intervals: \
         where those of two groups lie apart, the difference is more than chance."
    ));
    for (rate, what) in [
        (Rate::Selection, "Of all people in the group, how many are chosen."),
        (
            Rate::TruePositive,
            "Of those who actually got the outcome, how many the model would choose: who deserves it, and gets it.",
        ),
        (Rate::FalsePositive, "Of those who actually did not get it, how many the model would choose."),
        (
            Rate::Precision,
            "Of the chosen, how many actually got the outcome: whether being chosen means the same in each group.",
        ),
        (Rate::Error, "Of all, how often the model is wrong."),
    ] {
        page = page.picture(by_group(measured, rate).width(640.0), what);
    }
    page = page.table(&measured.to_table());
    let mut names = Vec::new();
    let mut values = Vec::new();
    let mut meanings = Vec::new();
    for (name, value, meaning) in [
        ("demographic parity, difference", measured.demographic_parity_difference(), "how many are chosen"),
        ("equal opportunity, difference", measured.equal_opportunity_difference(), "who deserves it and gets it"),
        ("equalized odds, difference", measured.equalized_odds_difference(), "the worse of both kinds of errors"),
        ("predictive parity, difference", measured.predictive_parity_difference(), "of the chosen, who deserves it"),
        ("calibration, difference", measured.calibration_difference(), "how right probabilities are"),
    ] {
        names.push(name.to_string());
        meanings.push(meaning.to_string());
        values.push(value.map_or_else(|e| e.message(), |value| format!("{value:.3}")));
    }
    page = page.text("Largest distance between two groups, 0 if they are treated alike:");
    page = page.table(&texts(&[("measure", names), ("value", values), ("of what", meanings)])?);
    page = page.text(
        "These cannot all be 0 at once where the groups differ in how often they get the outcome (Kleinberg and others, 2016). Which of them matters \
         is a decision of people, not of a program.",
    );
    Ok(measured.notes().iter().fold(page, |page, note| page.text(format!("Note: {note}."))))
}

/// What can be done about it, and what it costs.
fn mitigation(page: Report, subject: &Subject, ways: &[learn::Way], failed: &[String]) -> Result<(Report, Vec<Value>)> {
    let test = &subject.test;
    let mut page = page.section("What it would cost to treat them alike");
    let mut points = Vec::new();
    let mut rows: [Vec<String>; 4] = Default::default();
    let mut results = Vec::new();
    for way in ways {
        let measured = Fairness::measure(&way.scores, &test.y, &test.groups)?;
        let accuracy = measured.overall().rate(Rate::Accuracy).map_or(f64::NAN, |rate| rate.value);
        let Ok(difference) = measured.demographic_parity_difference() else { continue };
        let chance = measured.equal_opportunity_difference().map_or("not defined".into(), percent);
        points.push(Compromise::new(&way.name, accuracy, difference));
        let cells = [way.name.clone(), percent(accuracy), percent(difference), chance];
        rows.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
        results.push(json!({ "name": way.name, "accuracy": accuracy, "difference": difference }));
    }
    if points.is_empty() {
        return Ok((page.text("There is only one group in the test part, so there is nothing to compare."), results));
    }
    page = page.picture(
        tradeoff(&points, "difference of selection rates", "accuracy").size(640.0, 420.0),
        "To the left the groups are treated more alike, above the outcomes in the table are met more often. Where these outcomes are \
         unfair themselves, meeting them less is not a loss.",
    );
    let [names, accuracy, difference, chance] = rows;
    page = page.table(&texts(&[
        ("what is done", names),
        ("accuracy", accuracy),
        ("difference of selection", difference),
        ("of who deserves it", chance),
    ])?);
    for way in ways {
        page = page.text(format!("{}: {}.", way.name, way.how));
    }
    Ok((failed.iter().fold(page, |page, text| page.text(format!("Not possible here. {text}."))), results))
}
