//! Models: as they are trained usually, and with the groups in mind.

use demotic::data::{Outliers, WeightedDataset};
use demotic::fairness::{Groups, Parity, ParityConstraint, ThresholdOptimizer, reweighing};
use demotic::losses::BceWithLogits;
use demotic::models::Mlp;
use demotic::prelude::*;
use demotic::train::{History, Weighted};

use crate::options::Options;
use crate::subject::{NO, Part, Subject, YES};

/// What gives each row a probability of the outcome that people wish for.
#[allow(clippy::large_enum_variant)]
pub enum Model {
    /// Trained here, with the preprocessing in front of it.
    Own { prep: Preprocessor, net: Mlp },
    /// From a file, and what it calls that outcome.
    File { pipeline: Pipeline, wish: String },
}

impl Model {
    /// The model of a file, which has to know the outcome by one of these names.
    pub fn open(path: &std::path::Path, names: &[&str]) -> Result<Self> {
        let pipeline = Pipeline::open(path)?;
        let Some(classes) = pipeline.preprocessor().classes() else {
            let e =
                Error::argument("audit", format!("{}: a model of numbers, expected one of classes", path.display()));
            return Err(e.with_help("Preprocessor::classification(target) or ::binary(target) makes one"));
        };
        let Some(wish) = names.iter().find(|name| classes.iter().any(|class| class == *name)) else {
            let known = classes.join(", ");
            let mut names = names.to_vec();
            names.dedup();
            let message = format!("{}: none of its classes, {known}, is {}", path.display(), names.join(" or "));
            return Err(
                Error::argument("audit", message).with_help("--positive VALUE names the outcome that people wish for")
            );
        };
        Ok(Self::File { wish: (*wish).to_string(), pipeline })
    }

    /// The model with its preprocessing, and what it calls the outcome.
    pub fn pipeline(&self) -> Result<(Pipeline, &str)> {
        Ok(match self {
            Self::Own { prep, net } => (Pipeline::new(prep.clone(), net.clone())?, YES),
            Self::File { pipeline, wish } => (pipeline.clone(), wish),
        })
    }

    /// Logits of the wished for outcome, `[n]` in `F64`.
    pub fn logits(&self, table: &Table) -> Result<Tensor> {
        let n = table.num_rows();
        match self {
            Self::Own { prep, net } => net.predict(&prep.transform_features(table)?)?.to_dtype(DType::F64).reshape([n]),
            Self::File { pipeline, wish } => {
                let found = pipeline.classify(table)?;
                let p: Vec<f64> = found.iter().map(|one| one.probability_of(wish).unwrap_or(0.0)).collect();
                Ok(Tensor::from_vec(p, [n])?.logit(Some(1e-7)))
            }
        }
    }

    /// The same as probabilities.
    pub fn scores(&self, table: &Table) -> Result<Tensor> {
        Ok(self.logits(table)?.sigmoid())
    }
}

/// The preprocessing that is learnt from the training part.
pub fn preprocessing(subject: &Subject, options: &Options, blind: bool) -> Result<Preprocessor> {
    let mut unseen = subject.unseen.clone();
    if blind {
        unseen.extend(subject.groups.iter().chain(&subject.banded).cloned());
    }
    unseen.sort();
    unseen.dedup();
    Preprocessor::binary(&options.target)
        .positive(YES)
        .ignore(&unseen)
        .clip_outliers(Outliers::Quantiles { low: 0.005, high: 0.99 })
        .limit_categories(30)
        .fit(&subject.train.table)
}

fn network(prep: &Preprocessor, rng: &mut Rng) -> Result<Mlp> {
    Mlp::new(&[prep.num_features(), 16, 1], rng)?.activation(Gelu).dropout(0.1)
}

/// As models are usually trained; with weights for the rows, if there are any.
pub fn train(
    subject: &Subject,
    options: &Options,
    weights: Option<&Tensor>,
    blind: bool,
    rng: &mut Rng,
) -> Result<(Model, History)> {
    let prep = preprocessing(subject, options, blind)?;
    let (data, validation) = (prep.transform(&subject.train.table)?, prep.transform(&subject.calibration.table)?);
    let mut net = network(&prep, rng)?;
    let n = data.y().shape()[0];
    let ones = Tensor::ones([n])?;
    let data = WeightedDataset::new(data, weights.unwrap_or(&ones))?;
    let validation = WeightedDataset::new(validation.clone(), &Tensor::ones([validation.y().shape()[0]])?)?;
    let loss = BceWithLogits::new().reduction(Reduction::None);
    let history = Trainer::with_task(Weighted::new(loss), AdamW::new(5e-3).weight_decay(0.02))
        .epochs(if options.quick { 15 } else { 60 })
        .batch_size(32)
        .validation(&validation)
        .early_stopping(EarlyStopping::new(10))
        .fit(&mut net, &data, rng)?;
    Ok((Model::Own { prep, net }, history))
}

/// Trained so that the probabilities of the groups differ by at most twice the slack.
pub fn constrained(subject: &Subject, options: &Options, parity: Parity, slack: f64, rng: &mut Rng) -> Result<Model> {
    let prep = preprocessing(subject, options, false)?;
    let data = prep.transform(&subject.train.table)?;
    let mut net = network(&prep, rng)?;
    let constraint = ParityConstraint::new(parity, slack, &subject.train.y, &subject.train.groups)?;
    let (rounds, steps) = if options.quick { (5, 30) } else { (12, 50) };
    constraint.train(&mut net, data.x(), data.y(), &mut Adam::new(0.02), rounds, steps, rng)?;
    Ok(Model::Own { prep, net })
}

/// A way to decide: what it is, and the decisions or scores for the test part.
pub struct Way {
    pub name: String,
    pub how: &'static str,
    pub scores: Tensor,
}

/// What can be done about unequal treatment, on the test part.
pub fn ways(subject: &Subject, options: &Options, model: &Model, rng: &mut Rng) -> Result<(Vec<Way>, Vec<String>)> {
    let (test, held) = (&subject.test, &subject.calibration);
    let way = |name: &str, how, scores| Way { name: name.to_string(), how, scores };
    let plain = model.scores(&test.table)?;
    let mut ways = vec![way("as it is", "the same threshold, 0.5, for everybody", plain.clone())];
    let mut failed = Vec::new();
    if let Model::Own { .. } = model {
        let (blind, _) = train(subject, options, None, true, rng)?;
        ways.push(way(
            "not told the group",
            "before training: the column is left out; others may still tell it",
            blind.scores(&test.table)?,
        ));
        let weights = reweighing(&subject.train.y, &subject.train.groups)?;
        let (weighed, _) = train(subject, options, Some(&weights), false, rng)?;
        ways.push(way(
            "rows weighed",
            "before training: rows weigh so that the outcome does not depend on the group",
            weighed.scores(&test.table)?,
        ));
        let slacks: &[f64] = if options.quick { &[0.02] } else { &[0.08, 0.04, 0.02, 0.0] };
        for slack in slacks {
            match constrained(subject, options, Parity::Demographic, *slack, rng) {
                Ok(model) => ways.push(way(
                    &format!("constrained to {slack}"),
                    "during training: the mean probability of each group lies so near to that of all (Lagrange multipliers)",
                    model.scores(&test.table)?,
                )),
                Err(e) => failed.push(format!("Training under constraints: {}", e.message())),
            }
        }
    }
    // Of all rows that are not tested on, since thresholds of few rows are a matter of chance.
    let known = &subject.train;
    let scores = Tensor::cat(&[&model.scores(&known.table)?, &model.scores(&held.table)?], 0)?;
    let y = Tensor::cat(&[&known.y, &held.y], 0)?;
    let names =
        |part: &Part| part.groups.codes().iter().map(|code| part.groups.names()[*code].clone()).collect::<Vec<_>>();
    let groups = Groups::named([names(known), names(held)].concat())?;
    // Who is alone in a group, or in one that has only one outcome, is decided on as before: nothing can be learnt of such a group.
    let (mut fitting, mut left_out) = ((0..y.numel()).collect::<Vec<usize>>(), Vec::new());
    let outcomes = y.to_vec::<i64>()?;
    for (code, name) in groups.names().iter().enumerate() {
        let of =
            |outcome: i64| groups.codes().iter().zip(&outcomes).any(|(group, own)| *group == code && *own == outcome);
        if !(of(0) && of(1)) {
            fitting.retain(|row| groups.codes()[*row] != code);
            left_out.push(name.clone());
        }
    }
    if !left_out.is_empty() {
        failed.push(format!(
            "Thresholds of their own for `{}`: all of its rows have the same outcome, and the threshold stays 0.5",
            left_out.join("`, `")
        ));
    }
    let known_group = |row: &usize| {
        let name = &test.groups.names()[test.groups.codes()[*row]];
        groups.names().contains(name) && !left_out.contains(name)
    };
    let deciding: Vec<usize> = (0..test.y.numel()).filter(known_group).collect();
    let (scores, y, groups) = (taken(&scores, &fitting)?, taken(&y, &fitting)?, groups.rows(&fitting)?);
    let (of_test, groups_of_test) = (taken(&plain, &deciding)?, test.groups.rows(&deciding)?);
    for (parity, name, how) in [
        (
            Parity::Demographic,
            "thresholds, same selection",
            "after training: a threshold for each group, with which as many of each are chosen",
        ),
        (
            Parity::EqualizedOdds,
            "thresholds, same errors",
            "after training: thresholds and chance for each group, with which errors are as frequent",
        ),
    ] {
        let fitted = ThresholdOptimizer::new(parity).fit(&scores, &y, &groups);
        match fitted.and_then(|fitted| fitted.decide(&of_test, &groups_of_test, rng)) {
            Ok(decided) => {
                let mut all = plain.gt_scalar(0.5).to_dtype(DType::F64).to_f64_vec();
                deciding.iter().zip(decided.to_f64_vec()).for_each(|(row, value)| all[*row] = value);
                ways.push(way(name, how, Tensor::from_vec(all, [test.y.numel()])?));
            }
            Err(e) => failed.push(format!("Thresholds of groups ({name}): {}", e.message())),
        }
    }
    Ok((ways, failed))
}

/// Some rows of a vector.
fn taken(t: &Tensor, rows: &[usize]) -> Result<Tensor> {
    t.index_select(0, &Tensor::from_vec(rows.iter().map(|row| *row as i64).collect::<Vec<_>>(), [rows.len()])?)
}

/// Probabilities of the training rows by models that did not see them: each fifth is judged by one of the others.
pub fn out_of_fold(subject: &Subject, options: &Options) -> Result<(Tensor, Tensor)> {
    let prep = preprocessing(subject, options, false)?;
    let Part { table, y, .. } = &subject.train;
    let (x, n) = (prep.transform_features(table)?, table.num_rows());
    let mut p = vec![0.0; n];
    for fold in KFold::new(5).split(n)? {
        let labels = taken(y, &fold.train)?.to_dtype(DType::F32);
        let model = demotic::fairness::logistic_learner(&taken(&x, &fold.train)?, &labels, &labels.ones_like(), 1.0)?;
        let judged = model.predict(&taken(&x, &fold.test)?)?.sigmoid().to_f64_vec();
        fold.test.iter().zip(judged).for_each(|(row, value)| p[*row] = value);
    }
    let p = Tensor::from_vec(p, [n])?;
    Ok((Tensor::stack(&[&p.rsub_scalar(1.0), &p], 1)?, y.clone()))
}

/// How the decisions in the table depend on a group, all else being equal: the difference of the log-odds of two groups in a logistic
/// regression by everything else, with the chance that belongs to it (from resampling), if there are two groups.
pub fn conditional_bias(
    subject: &Subject,
    options: &Options,
    rng: &mut Rng,
) -> Result<Option<(String, f64, [f64; 2])>> {
    let [group] = subject.groups.as_slice() else { return Ok(None) };
    let names = subject.train.groups.names();
    let [first, second] = names else { return Ok(None) };
    let ignored: Vec<&String> = subject.unseen.iter().filter(|name| *name != group).chain(&subject.banded).collect();
    // Both of them as the whole table: what was decided, and not what a model made of it.
    let prep = Preprocessor::binary(&options.target)
        .positive(YES)
        .ignore(&ignored)
        .categorical(&[group])
        .clip_outliers(Outliers::Quantiles { low: 0.005, high: 0.99 })
        .limit_categories(30)
        .fit(&subject.clean)?;
    let features = prep.feature_names();
    let place = |value: &str| features.iter().position(|name| *name == format!("{group}={value}"));
    let (Some(a), Some(b)) = (place(first), place(second)) else { return Ok(None) };
    let data = prep.transform(&subject.clean)?;
    let n = subject.clean.num_rows();
    let y = data.y().reshape([n])?;
    let difference = |weights: &Tensor| -> Result<f64> {
        let model = demotic::fairness::logistic_learner(data.x(), &y, weights, 0.01)?;
        let found = model.named_parameters();
        let w = found[0].1.to_f64_vec();
        Ok(w[b] - w[a])
    };
    let value = difference(&Tensor::ones([n])?)?;
    let mut drawn = Vec::new();
    for _ in 0..if options.quick { 20 } else { 100 } {
        // Rows are drawn anew: how often each of them is, is its weight.
        let mut counts = vec![0.0f32; n];
        (0..n).for_each(|_| counts[rng.below(n)] += 1.0);
        drawn.push(difference(&Tensor::from_vec(counts, [n])?)?);
    }
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    let spread = (drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (drawn.len() - 1) as f64).sqrt();
    let text = format!("{second} against {first}");
    Ok(Some((text, value, [value - 1.96 * spread, value + 1.96 * spread])))
}

/// The names of both outcomes.
pub const NAMES: [&str; 2] = [NO, YES];
