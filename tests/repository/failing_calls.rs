//! Calls that fail, over the whole crate: each error names the line of the program that called.

use std::fs;
use std::sync::Arc;

use demotic::compress::qat::{FakeQuantize, Levels, Ranges};
use demotic::compress::{
    Distill, Masks, Pruning, Rank, Scores, Taught, TransformerImportance, TransformerSizes, attention_transfer,
    compare, densify, factorize, relation_angles, relation_distances, similarity_preserving, sparsify, stored_targets,
    without_layers, written,
};
use demotic::data::quality::{Drift, Quality, label_errors};
use demotic::data::{
    Aggregate, Audio, Channels, Column, ColumnKind, DatePart, GroupKFold, ImageDataset, JoinKind, NextTokens, NpyRows,
    Npz, Padding, Preprocessor, Samples, Sentences, StratifiedSampler, TableFile, TimeFeatures, Transforms,
    WeightedDataset, WeightedSampler, Windows, document_mask, read_npy,
};
use demotic::distributed::{DataParallel, Grid, Group, Mailbox, Message, OneProcess, Shard, Shards, ThreadGroup};
use demotic::explain::{
    Counterfactuals, Distance, Explained, Faithfulness, GradCam, IntegratedGradients, KernelShap, Lime, LinearProbe,
    Occlusion, Relevance, RelevanceRule, SmoothGrad, Target, ablation, ale, colored_text, deep_lift, exact_shapley,
    ice, infidelity, neighbors, overlay, partial_dependence, permutation_importance, probe_layers, representation,
    sensitivity, tracin,
};
use demotic::fairness::{
    Fairness, Groups, Parity, ParityConstraint, ThresholdOptimizer, bands, logistic_learner, reweighing,
};
use demotic::io::{Checkpoint, Metadata, gguf, open_source, pytorch, safetensors};
use demotic::models::{
    BeamSearch, Generate, GenerateOptions, Gpt, GptConfig, Mlp, RecurrentLm, RecurrentLmConfig, ResNet, ResNetConfig,
    Vit, VitConfig,
};
use demotic::optimizers::schedule::Curve;
use demotic::optimizers::{Lookahead, clip};
use demotic::prelude::*;
use demotic::privacy::{
    Accountant, Accounting, DpOptimizer, Federated, Lira, MembershipAudit, PoissonSampler, Proximal, SecureSum,
    exposure, gaussian_delta, noise_for, scaled_confidence,
};
use demotic::regularizers::Constraint;
use demotic::reliability::{
    Attack, Calibration, Calibrator, ConformalSets, Corruption, Laplace, Mahalanobis, NearestNeighbours, Norm, Outputs,
    Smoothing, SplitConformal, Spread, Swag, coverage, energy, jackknife_plus, mc_dropout,
};
use demotic::text::{
    BatchOptions, ChatTemplate, DecodeStream, Message as Said, PublishedTokenizer, Sampler, WordPieceTokenizer,
    WordTokenizer,
};
use demotic::train::running::{self, Metric};
use demotic::train::{Callback, Callbacks, Context, StepReport, embedding};
use demotic::tune::{
    self, SearchSpace, Tuner, cross_validate, learning_curve, nested_cross_validate, validation_curve,
};

use super::error_places::each_names_its_line;

/// A call that fails, with the lines on which it begins and ends.
macro_rules! call {
    ($name:literal, $call:expr) => {
        (line!(), $name, $call.err(), line!() + 12)
    };
}

fn table() -> Result<Table> {
    let words = ["x", "y", "x", "y", "x", "y"].map(String::from).to_vec();
    Table::from_columns([
        ("a", Column::from(vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])),
        ("b", Column::from(vec![1.0, 0.0, 1.0, 0.0, 1.0, 0.0])),
        ("word", Column::from(words)),
    ])
}

fn network(rng: &mut Rng) -> Result<Sequential> {
    Ok(sequential![Linear::new(2, 4, rng)?, Relu, Linear::new(4, 3, rng)?])
}

#[test]
fn of_compress() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = network(&mut rng)?;
    let other = Linear::new(2, 3, &mut rng)?;
    let (x, wide) = (Tensor::ones([4, 2])?, Tensor::ones([4, 5])?);
    let data = TensorDataset::new(x.clone(), Tensor::zeros([4, 3])?)?;
    let narrow = TensorDataset::new(wide.clone(), Tensor::zeros([4, 3])?)?;
    let gradients =
        Linear::new(7, 7, &mut rng)?.forward(&Tensor::ones([1, 7])?, &mut Mode::eval())?.sum().backward()?;
    let others = Pruning::magnitude(0.5).masks(&other)?;
    let gpt = Gpt::new(GptConfig::new(9, 8).layers(2).hidden_size(8).heads(2), &mut rng)?;
    let levels = Levels::INT8;
    let importance = TransformerImportance::new(&gpt);
    let short = GenerateOptions::new().max_new_tokens(3);
    each_names_its_line(vec![
        call!("Masks::of_zeros", Masks::of_zeros(&model, "nothing")),
        call!("Masks::and", others.and(&Pruning::magnitude(0.5).masks(&Linear::new(4, 4, &mut rng)?)?)),
        call!("Masks::apply", others.apply(&mut model)),
        call!("FakeQuantize", FakeQuantize::new(levels, Ranges::MovingAverage(2.0))),
        call!("FakeQuantize::learned", FakeQuantize::learned(levels, -1.0)),
        call!("FakeQuantize::forward", FakeQuantize::per_channel(levels, Ranges::MinMax, 3, 4)?.predict(&x)),
        call!("relation_distances", relation_distances(&x, &Tensor::ones([3, 2])?)),
        call!("relation_angles", relation_angles(&x, &Tensor::ones([3, 2])?)),
        call!("similarity_preserving", similarity_preserving(&x, &Tensor::ones([3, 2])?)),
        call!("attention_transfer", attention_transfer(&x, &Tensor::ones([3, 2])?)),
        call!("Scores::taylor", Scores::new().taylor(&model, &gradients)),
        call!("Scores::movement", Scores::new().movement(&model, &gradients)),
        call!("factorize", factorize(&mut model, &["nothing"], Rank::Fixed(1))),
        call!("factorize with rank 0", factorize(&mut model, &["*"], Rank::Fixed(0))),
        call!("sparsify", sparsify(&mut model, &["nothing"], 0.5)),
        call!("densify", densify(&mut model, &["nothing"])),
        call!("Taught::by", Taught::by(&model, narrow.clone(), 2)),
        call!("Taught::new", Taught::new(data.clone(), Tensor::ones([3, 3])?)),
        call!("stored_targets", stored_targets(&model, &narrow, 2)),
        call!("stored_targets of no batch", stored_targets(&model, &data, 0)),
        call!("written", written(&gpt, &[[99i64]], &short, &mut rng)),
        call!("compare", compare(&[("one", &model)], &wide, "loss", &|_| Ok(0.0))),
        call!("TransformerImportance::add", TransformerImportance::new(&gpt).add(&gpt, &gradients)),
        call!("TransformerImportance::shrink", importance.shrink(&gpt, &TransformerSizes::new().heads(9))),
        call!("without_layers", without_layers(&gpt, &[7])),
        call!("Distill", {
            let task = Distill::new(Linear::new(2, 5, &mut rng)?, 2.0, 0.5);
            Trainer::with_task(task, Adam::new(0.1)).fit(&mut model, &data, &mut rng)
        }),
        call!("GradualPruning", {
            let prune = demotic::compress::GradualPruning::new(Pruning::magnitude(0.5).on("nothing"), 0, 2);
            Trainer::new(losses::mse, Adam::new(0.1)).callback(prune).fit(&mut model, &data, &mut rng)
        }),
    ]);
    Ok(())
}

#[test]
fn of_explain() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = network(&mut rng)?;
    let of = Explained::layer(&model).target(Target::Class(1));
    let (x, wide) = (Tensor::ones([4, 2])?, Tensor::ones([4, 5])?);
    let step = |x: &Tensor| x.sign().detach().select(1, 0);
    let function = Explained::function(&step);
    let labels = Tensor::from_nested([0i64, 1, 0, 1])?;
    let (table, logits) = (table()?, model.predict(&x)?);
    let few = |_: &Table| Ok(vec![0.0]);
    let square = |y: &Tensor, t: &Tensor| y.sub(t)?.square().sum_dims(&[1], false);
    each_names_its_line(vec![
        call!("ice", ice(&table, "none", 3, "p", few)),
        call!("ice with few predictions", ice(&table, "a", 3, "p", few)),
        call!("ale", ale(&table, "a", 3, "p", few)),
        call!("ale of words", ale(&table, "word", 3, "p", few)),
        call!("partial_dependence", partial_dependence(&table, "a", 3, "p", few)),
        call!("permutation_importance", permutation_importance(&table, &["none"], 2, &mut rng, |_| Ok(0.0))),
        call!("permutation_importance of NaN", permutation_importance(&table, &["a"], 2, &mut rng, |_| Ok(f64::NAN))),
        call!("deep_lift", deep_lift(&of, &x, Some(&wide))),
        call!("deep_lift of a function", deep_lift(&function, &x, None)),
        call!("Faithfulness", Faithfulness::new(3).deletion(&of, &x, &wide)),
        call!("Faithfulness without steps", Faithfulness::new(0).insertion(&of, &x, &x)),
        call!("infidelity", infidelity(&of, &x, &x, &wide)),
        call!("sensitivity", sensitivity(&x, &wide, |x| Ok(x.clone()))),
        call!("GradCam", GradCam::new("nothing").attribute(&of, &x)),
        call!("SmoothGrad", SmoothGrad::new(0, 0.1).attribute(&of, &x, &mut rng)),
        call!("IntegratedGradients", IntegratedGradients::new().attribute(&of, &wide)),
        call!("Lime", Lime::new().attribute(&of, &wide, &mut rng)),
        call!("Occlusion", Occlusion::new(&[9, 9]).attribute(&of, &x)),
        call!("ablation", ablation(&of, &x, Some(&wide), None)),
        call!("Relevance", Relevance::new(RelevanceRule::Epsilon(1e-6)).attribute(&of, &wide)),
        call!("exact_shapley", exact_shapley(&of, &x, &wide, None)),
        call!("KernelShap", KernelShap::new(&wide).attribute(&of, &x, &mut rng)),
        call!("Groups::patches", demotic::explain::Groups::patches(&[3, 4, 4], 0)),
        call!("Groups::given", demotic::explain::Groups::given(vec![0, 7], vec!["a".into()])),
        call!("Groups::sum", demotic::explain::Groups::given(vec![0, 0], vec!["a".into()])?.sum(&wide)),
        call!("overlay", overlay(&x, &wide)),
        call!("colored_text", colored_text(&["a"], &[1.0, 2.0])),
        call!("representation", representation(&model, "nothing", &x)),
        call!("representation of other inputs", representation(&model, "0", &wide)),
        call!("tracin", tracin(&[(&model, 0.1)], (&wide, &logits), (&x, &logits), &square)),
        call!("neighbors", neighbors(&x, &wide, 2, Distance::Euclidean)),
        call!("LinearProbe", LinearProbe::fit(&x, &Tensor::from_nested([0i64])?, 1.0)),
        call!("LinearProbe::predict", LinearProbe::fit(&x, &labels, 1.0)?.predict(&wide)),
        call!("probe_layers", probe_layers(&model, &["nothing"], (&x, &labels), (&x, &labels), 1.0)),
        call!("Counterfactuals", Counterfactuals::between(0.0, 1.0).find(&table, &table, &mut rng, few)),
    ]);
    Ok(())
}

#[test]
fn of_fairness_privacy_and_reliability() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = network(&mut rng)?;
    let (x, wide) = (Tensor::ones([4, 2])?, Tensor::ones([4, 5])?);
    let (p, y) = (tensor![0.1, 0.6, 0.7, 0.2], Tensor::from_nested([0i64, 1, 0, 1])?);
    let groups = Groups::named(["a", "a", "b", "b"])?;
    let three = Tensor::from_nested([0i64, 1, 2, 2])?;
    let sampler = PoissonSampler::new(4, 0.5, Rng::seed(1))?;
    let private = || DpOptimizer::new(Sgd::new(0.1), 1.0, 1.0, &sampler, Rng::seed(2));
    let mut federated = Federated::new(vec![2, 2], Rng::seed(0))?;
    let attack = Attack::new(0.1, Norm::Max)?;
    let table = table()?;
    let logits = model.predict(&x)?;
    each_names_its_line(vec![
        call!("Groups::of", Groups::of(&table, &["none"], "a")),
        call!("bands", bands(table.column("word")?, &[1.0])),
        call!("bands in no order", bands(table.column("a")?, &[2.0, 1.0])),
        call!("Fairness", Fairness::measure(&Tensor::ones([3])?, &y, &groups)),
        call!("Fairness::level", Fairness::measure(&p, &y, &groups)?.level(2.0)),
        call!("disparate_impact", Fairness::measure(&p, &y, &groups)?.disparate_impact("c").map(drop)),
        call!("logistic_learner", logistic_learner(&x, &y, &wide, 1.0).map(drop)),
        call!("reweighing", reweighing(&three, &groups)),
        call!("ThresholdOptimizer", ThresholdOptimizer::new(Parity::Demographic).fit(&p, &three, &groups)),
        call!("ParityConstraint", ParityConstraint::new(Parity::Demographic, -1.0, &y, &groups)),
        call!("ParityConstraint::violation", {
            ParityConstraint::new(Parity::Demographic, 0.1, &y, &groups)?.violation(&Tensor::ones([3])?)
        }),
        call!("Accountant::add", Accountant::new(Accounting::Rdp).add(-1.0, 0.1, 1)),
        call!("Accountant::epsilon", Accountant::new(Accounting::Rdp).epsilon(2.0)),
        call!("noise_for", noise_for(Accounting::Rdp, -1.0, 1e-5, 0.1, 10)),
        call!("gaussian_delta", gaussian_delta(-1.0, 1.0)),
        call!("exposure", exposure(1.0, &Tensor::zeros([0])?)),
        call!("Federated", Federated::new(vec![], Rng::seed(0))),
        call!("Federated::rate", Federated::new(vec![1], Rng::seed(0))?.rate(2.0)),
        call!("Federated::round", {
            federated.round(&mut Linear::new(2, 1, &mut rng)?, &|_, model, _| {
                *model = Linear::new(3, 1, &mut Rng::seed(0))?;
                Ok(())
            })
        }),
        call!("Proximal", Proximal::new(&model, -1.0)),
        call!("Proximal::penalty", Proximal::new(&model, 1.0)?.penalty(&Linear::new(2, 1, &mut rng)?)),
        call!("MembershipAudit", MembershipAudit::of_losses(&Tensor::zeros([0])?, &p)),
        call!("scaled_confidence", scaled_confidence(&x, &Tensor::from_nested([7i64; 4])?)),
        call!("Lira", Lira::new(&x, &wide)),
        call!("PoissonSampler", PoissonSampler::new(4, 2.0, Rng::seed(0))),
        call!("DpOptimizer::accumulate", private()?.accumulate(&Tensor::ones([2, 2])?)),
        call!("SecureSum::mask", SecureSum::new(2, 3, &mut rng)?.mask(0, &[1.0])),
        call!("SecureSum::sum", SecureSum::new(2, 3, &mut rng)?.sum(&[(0, &[1, 2])])),
        call!("Attack", Attack::new(0.1, Norm::Max)?.range(1.0, 0.0)),
        call!("fgsm", attack.fgsm(&model, &wide, &y)),
        call!("fgsm of other classes", attack.fgsm(&model, &x, &Tensor::from_nested([9i64; 4])?)),
        call!("pgd", attack.pgd(&model, &x, &y, 0, &mut rng)),
        call!("black_box", attack.black_box(&model, &wide, &y, 3, &mut rng)),
        call!("Calibrator", Calibrator::fit(Calibration::Platt, &wide, &three)),
        call!("Calibrator::probabilities", {
            Calibrator::fit(Calibration::Temperature, &logits, &three)?.probabilities(&Tensor::full([4, 3], f64::NAN)?)
        }),
        call!("SplitConformal", SplitConformal::fit(&p, &x, 0.1)),
        call!("jackknife_plus", jackknife_plus(&x, &p, 0.1)),
        call!("ConformalSets", ConformalSets::least_ambiguous(&x, &y, 0.1)),
        call!("coverage", coverage(&[true], &groups)),
        call!("Corruption", Corruption::Erase.apply(&x, 2.0, &mut rng)),
        call!("Corruption::sweep", Corruption::Noise.sweep(&x, &[f64::NAN], &mut rng, &mut |_| Ok(0.0))),
        call!("Smoothing", Smoothing::new(0.1)?.certify(&model, &wide.select(0, 0)?, &mut rng)),
        call!("energy", energy(&x, 0.0)),
        call!("Mahalanobis", Mahalanobis::fit(&x, &Tensor::from_nested([0i64])?)),
        call!("NearestNeighbours", NearestNeighbours::fit(&x, 1, false)?.scores(&wide)),
        call!("Spread", Spread::of(&[x.clone(), wide.clone()], Outputs::Numbers)),
        call!("Spread::of_models", Spread::of_models(&[Box::new(network(&mut rng)?)], &wide, Outputs::Logits)),
        call!("mc_dropout", mc_dropout(&model, &x, 3, Outputs::Numbers, &mut rng)),
        call!("Swag::collect", {
            let mut swag = Swag::new(2)?;
            swag.collect(&model)?;
            swag.collect(&Linear::new(2, 1, &mut rng)?)
        }),
        call!("Swag::sample", Swag::new(2)?.sample(&mut network(&mut rng)?, &mut rng)),
        call!("Laplace", Laplace::classification(&x, &Tensor::ones([3, 2])?, 1.0)),
        call!("Laplace::variance", Laplace::regression(&x, 1.0, 1.0)?.variance(&wide)),
    ]);
    Ok(())
}

#[test]
fn of_data() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let written = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name)
    };
    let csv = written("a.csv", b"a,b\n1,2\n3,x\n");
    let npy = written("a.npy", b"\x93NUMPY and no more");
    let mut rng = Rng::seed(0);
    let table = table()?;
    let (x, y) = (Tensor::ones([4, 2])?, Tensor::from_nested([0i64, 1, 0, 1])?);
    let data = TensorDataset::new(x.clone(), y.clone())?;
    let pictures = ImageDataset::new(Tensor::zeros([2, 1, 4, 4])?, Tensor::from_nested([0i64, 1])?)?;
    fs::create_dir_all(path("pictures/cat")).unwrap();
    written("pictures/cat/one.png", b"\x89PNG\r\n\x1a\n and no more");
    let files = ImageDataset::open_folder(path("pictures"), Channels::Rgb)?;
    let words = TokenStream::from_ids((0..20i64).collect())?;
    let sentences = Sentences::new([[1i64, 2, 3], [4, 5, 6]], 0)?;
    let windows = Windows::new(&Tensor::ones([9, 2])?, 3, 1)?;
    let rows = NpyRows::open({
        demotic::data::write_npy(path("rows.npy"), &x)?;
        path("rows.npy")
    })?;
    let ragged = vec![Tensor::ones([2])?, Tensor::ones([3])?];
    let (own, wrong) = (line!() + 1, data.clone());
    let wrong = wrong.map(|(x, y), _: &mut Rng| Ok((x.reshape([4, 2])?, y)));
    let file = TableFile::open_csv_in(&csv, &CsvOptions::new(), 1)?;
    let fitted = Preprocessor::regression("a").fit(&table)?;
    let weights = tensor![1.0, 1.0, 1.0, 1.0];
    let absent = WeightedDataset::new(data.clone(), &weights)?;
    let changed = TableFile::open_csv_in(written("b.csv", b"a,b\n1,2\n3,4\n"), &CsvOptions::new(), 1)?;
    written("b.csv", b"a,b\n1");
    let mut said = Vec::new();
    for batch in files.batches(1) {
        said.extend(batch.err());
    }
    each_names_its_line(vec![
        call!("Dataset::batch", data.batch(&[9], &mut rng)),
        call!("Dataset::batch_range", data.batch_range(3..9, &mut rng)),
        call!("Dataset::batch of a reference", Dataset::batch(&&data, &[9], &mut rng)),
        call!("Dataset::batch of an Arc", Arc::new(data.clone()).batch_range(3..9, &mut rng)),
        call!("Subset::batch", data.subset(vec![0])?.batch(&[1], &mut rng)),
        call!("Concat::batch", data.clone().concat(data.clone())?.batch(&[8], &mut rng)),
        call!("Concat::batch of other columns", {
            let wide = TensorDataset::new(Tensor::ones([4, 3])?, y.clone())?;
            data.clone().concat(wide)?.batch(&[0, 5], &mut rng)
        }),
        call!("Zipped::batch", data.clone().zip(data.clone())?.batch(&[8], &mut rng)),
        call!("Enumerated::batch", data.clone().enumerate().batch(&[8], &mut rng)),
        call!("Cached::batch", data.clone().cached().batch(&[8], &mut rng)),
        call!("Collated::batch", ragged.clone().collated().batch(&[0, 1], &mut rng)),
        call!("Collated::batches", ragged.clone().collated().batches(2).next().unwrap()),
        call!("Collated::prefetch", ragged.clone().collated().batches(2).prefetch(|_| Ok(()))),
        call!("Samples::get", ragged.get(7, &mut rng)),
        call!("WeightedDataset::batch", absent.batch(&[7], &mut rng)),
        call!("batches of 0", data.batches(0).next().unwrap()),
        call!("ImageDataset::batch", pictures.batch(&[3], &mut rng)),
        call!("ImageDataset::batch_range", pictures.batch_range(0..9, &mut rng)),
        call!("ImageDataset::picture", files.picture(0)),
        call!("ImageDataset::batches of a damaged file", files.batches(1).next().unwrap()),
        call!("ImageDataset::batches, collected", files.batches(1).collect::<Result<Vec<_>>>()),
        call!("Transforms of a batch", {
            let turned = pictures.clone().transform(Transforms::new().center_crop([9, 0]));
            turned.batch(&[0], &mut rng)
        }),
        call!("NextTokens", NextTokens::new(words.clone(), 5)?.batch(&[99], &mut rng)),
        call!("Sentences", sentences.batch(&[9], &mut rng)),
        call!("Windows", windows.batch(&[99], &mut rng)),
        call!("NpyRows", rows.batch(&[99], &mut rng)),
        call!("TableFile::block", file.block(9)),
        call!("TableFile::blocks", changed.blocks().collect::<Result<Vec<_>>>()),
        call!("TableFile::dataset", file.dataset(fitted.clone())),
        call!("StratifiedSampler", data.batches(2).sampler(&StratifiedSampler::new(&[1, 1])?).next().unwrap()),
        call!("WeightedSampler", WeightedSampler::new(vec![f64::NAN])),
        call!("read_npy", read_npy(&npy)),
        call!("Npz", Npz::open(&npy)),
        call!("Audio", Audio::from_wav(&npy)),
        call!("Table::column", table.column("none").map(drop)),
        call!("Table::select", table.select(&["a", "none"])),
        call!("Table::map", table.map("none", |_| 1.0)),
        call!("Table::filter_by", table.filter_by(&["none"], |_| true)),
        call!("Table::cast", table.cast("word", ColumnKind::Number)),
        call!("Table::derive", table.derive::<_, f64>("a", &["none"], |_| 1.0)),
        call!("Table::group_by", table.group_by(&["none"], &[("a", Aggregate::Mean)])),
        call!("Table::group_by of words", table.group_by(&["b"], &[("word", Aggregate::Mean)])),
        call!("Table::join", table.join(&table, &["none"], JoinKind::Inner)),
        call!("Table::concat", Table::concat(&[&table, &table.select(&["a"])?])),
        call!("Table::date_parts", table.date_parts("word", &[DatePart::Year])),
        call!("Table::oversampled", table.oversampled("none", &mut rng)),
        call!("Table::split_stratified", table.split_stratified(0.5, "none", &mut rng)),
        call!("read_csv of another format", Table::read_csv(&npy)),
        call!("Preprocessor::fit", Preprocessor::classification("none").fit(&table)),
        call!("Preprocessor::transform", fitted.transform(&table.select(&["b"])?)),
        call!("Preprocessor::class_names", fitted.class_names(&y).map(drop)),
        call!("Preprocessor::inverse_features", fitted.inverse_features(&Tensor::ones([2, 99])?)),
        call!("Preprocessor::from_json", Preprocessor::from_json("{")),
        call!("TimeFeatures", TimeFeatures::new().lags("word", &[1]).apply(&table)),
        call!("Windows::from_table", Windows::from_table(&table, &["word"], 2, 1)),
        call!("Windows::from_groups", Windows::from_groups(&table, "word", &["none"], 2, 1)),
        call!("Padding", Padding::new().width(1).pad(&ragged)),
        call!("document_mask", document_mask(&x, 0)),
        call!("KFold", KFold::new(9).split(3).map(drop)),
        call!("GroupKFold", GroupKFold::new(3).split(&[0, 0]).map(drop)),
        call!("Quality", Quality::new().target("none").examine(&table)),
        call!("Drift", Drift::between(&table, &table.select(&["word"])?, 0)),
        call!("label_errors", label_errors(&x, &y)),
        call!("class_weights", TensorDataset::new(x.clone(), x.clone())?.class_weights()),
        call!("Curve", Curve::steps(-1.0, 5, 0.1).at(1)),
    ]);
    assert_eq!(said.len(), 1);
    // What a closure of the program says keeps its line.
    for e in [wrong.batch(&[0], &mut rng), wrong.batches(3).next().unwrap()].map(Result::unwrap_err) {
        assert_eq!((e.location().file(), e.location().line()), (file!(), own), "{e}");
    }
    Ok(())
}

#[test]
fn of_text_and_files() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let written = |name: &str, bytes: &[u8]| {
        fs::write(path(name), bytes).unwrap();
        path(name)
    };
    let mut rng = Rng::seed(0);
    let json = written("tokenizer.json", b"{\"model\": {\"type\": \"none\"}}");
    let text = written("a.txt", b"no weights");
    let model = path("model.safetensors");
    Linear::new(2, 3, &mut rng)?.save(&model)?;
    written("config.json", b"{\"model_type\": \"gpt2\", \"n_layer\": \"many\"}");
    let letters = demotic::text::CharTokenizer::fit(["ab"])?;
    let pieces = WordPieceTokenizer::new(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "a"])?;
    let mut words = WordTokenizer::new();
    words.fit_on_texts(["a b"])?;
    let template = ChatTemplate::new("{{ messages[0].content.nothing() }}")?;
    let tokens = TokenStream::from_ids((0..20i64).collect())?;
    let mut reader = safetensors::Reader::open(&model)?;
    let _ = &mut reader;
    let checkpoint = Checkpoint::new();
    let prune = GenerateOptions::new();
    sequential![Lambda::new(|x| Ok(x.clone()))].save(path("function.safetensors"))?;
    let boxed: Box<dyn Tokenizer> = Box::new(letters.clone());
    let gpt = Gpt::new(GptConfig::new(9, 8).layers(1).hidden_size(8).heads(2), &mut rng)?;
    let wrong = demotic::text::CharTokenizer::fit(["abcdefghijklmnopqrstuvwxyz"])?;
    each_names_its_line(vec![
        call!("Tokenizer::encode", letters.encode("abc")),
        call!("Tokenizer::decode", letters.decode(&[77])),
        call!("DecodeStream", letters.decode_stream().push(77)),
        call!("DecodeStream of a trait object", DecodeStream::new(&letters as &dyn Tokenizer).push(77)),
        call!("encode_batch", letters.encode_batch(["ab", "abc"], &BatchOptions::new())),
        call!("Tokenizer::encode of a boxed one", boxed.encode("abc")),
        call!("Tokenizer::decode of a boxed one", boxed.decode(&[77])),
        call!("encode_pair", pieces.encode_pair("a", "a", Some(2))),
        call!("PublishedTokenizer", PublishedTokenizer::load(&json)),
        call!("PublishedTokenizer::from_json", PublishedTokenizer::from_json("{}")),
        call!("text::load", demotic::text::load(&json).map(drop)),
        call!("text::from_json", demotic::text::from_json("{}").map(drop)),
        call!("ChatTemplate", ChatTemplate::new("{% if %}")),
        call!("ChatTemplate::render", template.render(&[Said::user("x")], true)),
        call!("TokenStream::slice", tokens.slice(5..99)),
        call!("TokenStream::open", TokenStream::open(&text)),
        call!("TokenStream::write", TokenStream::write(path("tokens"), [99i64], 5)),
        call!("TokenStream::write_with", TokenStream::write_with(path("tokens"), 5, |out| out.push(&[99]))),
        call!("Sampler::top_p", Sampler::new().top_p(2.0)),
        call!(
            "Sampler::sample",
            Sampler::new().sample(&Tensor::ones([2, 3])?, &demotic::text::TokenHistory::default(), &mut rng)
        ),
        call!("load_tensors", safetensors::load_tensors(&text)),
        call!("Reader::tensor", reader.tensor("none")),
        call!("open_source", open_source(&text).map(drop)),
        call!("gguf", gguf::Reader::open(&text)),
        call!("pytorch", pytorch::Reader::open(&text)),
        call!("Metadata", Metadata::new().get_json::<f64>("none")),
        call!("Checkpoint::load", Checkpoint::load(&text)),
        call!("Checkpoint::restore_model", checkpoint.restore_model(&mut Linear::new(2, 3, &mut rng)?)),
        call!("Checkpoint::get_counter", checkpoint.get_counter("none")),
        call!("load", Linear::new(5, 3, &mut rng)?.load(&model)),
        call!("save", Linear::new(5, 3, &mut rng)?.save(path("none/model.safetensors"))),
        call!("open of a function", Sequential::open(path("function.safetensors"))),
        call!("from_pretrained", Gpt::from_pretrained(folder.path())),
        call!("pretrained::load", demotic::pretrained::load(folder.path()).map(drop)),
        call!("pretrained::tokenizer", demotic::pretrained::tokenizer(folder.path()).map(drop)),
        call!("pretrained::chat_template", demotic::pretrained::chat_template(folder.path()).map(drop)),
        call!("TextPipeline::from_pretrained", TextPipeline::<Gpt>::from_pretrained(folder.path())),
        call!("ImageProcessor::from_pretrained", demotic::pipeline::ImageProcessor::from_pretrained(folder.path())),
        call!("save_pretrained", gpt.save_pretrained(&text)),
        call!("generate", gpt.generate(&[99], &prune, &mut rng)),
        call!("generate_text", gpt.generate_text(&wrong, "xyz", &prune, &mut rng)),
        call!("stream_text", gpt.stream_text(&wrong, "xyz", &prune, &mut rng).map(drop)),
    ]);
    Ok(())
}

struct Stubborn;

impl Callback for Stubborn {
    fn step(&mut self, run: &mut Context<'_>, _: &StepReport) -> Result<()> {
        run.model().named_parameters()[0].1.matmul(&Tensor::ones([9, 9])?).map(drop)
    }
}

#[test]
fn of_training() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "no folder").unwrap();
    let nowhere = folder.path().join("file/a.csv");
    let mut rng = Rng::seed(0);
    let mut model = network(&mut rng)?;
    let x = Tensor::ones([4, 2])?;
    let y = Tensor::from_nested([0i64, 1, 2, 1])?;
    let data = TensorDataset::new(x.clone(), y.clone())?;
    let other = TensorDataset::new(Tensor::ones([4, 7])?, y.clone())?;
    let trainer = || Trainer::new(losses::cross_entropy, Adam::new(0.1)).epochs(1);
    let mut loop_of = Callbacks::new().with(demotic::train::HistoryFile::csv(&nowhere));
    let mut opt = Adam::new(0.1);
    let ragged = vec![(Tensor::ones([2])?, 0i64), (Tensor::ones([3])?, 1)].collated();
    let grads = Linear::new(7, 7, &mut rng)?.forward(&Tensor::ones([1, 7])?, &mut Mode::eval())?.sum().backward()?;
    let folds = || KFold::new(2).split(4);
    let outer: Vec<_> = folds()?.collect();
    let space = || SearchSpace::new().float("x", 0.0, 1.0);
    let (row, column) = (Tensor::ones([4, 1])?, Tensor::ones([4])?);
    each_names_its_line(vec![
        call!("fit", trainer().fit(&mut model, &other, &mut rng)),
        call!("fit of ragged samples", trainer().batch_size(2).fit(&mut model, &ragged, &mut rng)),
        call!(
            "fit with a metric",
            trainer().metric("rmse", metrics::rmse).validation(&data).fit(&mut model, &data, &mut rng)
        ),
        call!("fit with a running metric", {
            let trainer = trainer().running_metric("r2", running::RunningR2::default()).validation(&data);
            let mut trainer = trainer;
            trainer.fit(&mut model, &data, &mut rng)
        }),
        call!("fit with an interval of 0", trainer().checkpoint_every(0).fit(&mut model, &data, &mut rng)),
        call!("fit with a file", {
            let file = demotic::train::HistoryFile::csv(&nowhere);
            trainer().callback(file).fit(&mut model, &data, &mut rng)
        }),
        call!("fit with a penalty", {
            let penalty = regularizers::L2::new(-1.0);
            trainer().penalty(penalty).fit(&mut model, &data, &mut rng)
        }),
        call!("fit with batches in advance", trainer().prefetch(2).fit(&mut model, &other, &mut rng)),
        call!("evaluate", trainer().evaluate(&model, &other)),
        call!("predict", demotic::train::predict(&model, &other)),
        call!("Callbacks::fit_begin", loop_of.fit_begin(&mut model, &mut opt)),
        call!("Callbacks::resume", Callbacks::new().resume("none", &mut model, &mut opt, &mut rng)),
        call!("Optimizer::step", opt.step(&mut Linear::new(2, 2, &mut rng)?, &grads)),
        call!("Lookahead", Lookahead::new(Sgd::new(0.1), 0, 0.5).step(&mut Linear::new(7, 7, &mut rng)?, &grads)),
        call!(
            "clip",
            clip::by_norm(&mut Linear::new(2, 2, &mut rng)?.forward(&x, &mut Mode::eval())?.sum().backward()?, -1.0)
        ),
        call!("Metric::update", running::RunningR2::default().update(&x, &column)),
        call!("Metric::value", running::RunningR2::default().value()),
        call!("Metric::merge", running::RunningR2::default().merge(&running::RunningF1::default())),
        call!("Metric::update of a function", running::averaged(metrics::rmse).update(&x, &column)),
        call!("Metric::update of a boxed one", {
            let mut boxed: Box<dyn Metric> = Box::new(running::RunningR2::default());
            boxed.update(&x, &column)
        }),
        call!("accuracy", metrics::accuracy(&x, &column)),
        call!("rmse", metrics::rmse(&x, &column)),
        call!("confusion_matrix", metrics::confusion_matrix(&x, &y, 2)),
        call!("bootstrap", metrics::Bootstrap::new().resamples(0).interval(&row, &row, metrics::rmse)),
        call!(
            "Bootstrap of another shape",
            metrics::Bootstrap::new().resamples(10).interval(&x, &column, metrics::rmse)
        ),
        call!("silhouette", metrics::silhouette(&x, &column)),
        call!("pca", embedding::pca(&x, 9)),
        call!("write_csv", trainer().fit(&mut model, &data, &mut rng)?.write_csv(&nowhere)),
        call!("plot", demotic::train::plot::predicted(&x, &column)),
        call!(
            "save a plot",
            demotic::train::plot::Chart::new("a").line("b", [1.0]).save(nowhere.with_extension("svg"))
        ),
        call!("cross_validate", cross_validate(folds()?, &mut rng, |_, _| Ok(f64::NAN))),
        call!("learning_curve", learning_curve(folds()?, &[2.0], &mut rng, |_, _| Ok((0.0, 0.0)))),
        call!("validation_curve", validation_curve("x", &[], folds()?, &mut rng, |_, _, _| Ok((0.0, 0.0)))),
        call!("Tuner::run", Tuner::new(space()).trials(2).run(|_| Ok(f64::NAN))),
        call!("Tuner::run of an empty space", Tuner::new(SearchSpace::new()).trials(2).run(|_| Ok(0.0))),
        call!("Tuner::run_folds", Tuner::new(space()).trials(2).run_folds(&[], |_, _| Ok(0.0))),
        call!("Study::write_csv", Tuner::new(space()).trials(2).run(|_| Ok(0.0))?.write_csv(&nowhere)),
        call!("nested_cross_validate", {
            nested_cross_validate(&outer, |_| KFold::new(9).split(2), &Tuner::new(space()).trials(2), |_, _| Ok(0.0))
        }),
        call!("check_classes", tune::check_classes(&outer, &[0, 0, 1, 1])),
    ]);
    let e = trainer().callback(Stubborn).fit(&mut model, &data, &mut rng).unwrap_err();
    assert!(e.location().file().ends_with("failing_calls.rs"), "{e}");
    Ok(())
}

#[test]
fn of_models_and_ranks() -> Result<()> {
    let mut rng = Rng::seed(0);
    let x = Tensor::ones([4, 2])?;
    let ids = Tensor::from_nested([[1i64, 99]])?;
    let gpt = Gpt::new(GptConfig::new(9, 8).layers(1).hidden_size(8).heads(2), &mut rng)?;
    let words = RecurrentLm::new(RecurrentLmConfig::new(9).embedding_size(4).hidden_size(4), &mut rng)?;
    let mlp = Mlp::new(&[2, 3, 1], &mut rng)?;
    let one = OneProcess::new();
    let group: &dyn Group = &one;
    let mut model = network(&mut rng)?;
    let short = GenerateOptions::new().max_new_tokens(3);
    let shard = || vec![Shard::new("none.npy", 0..4)];
    let resnet = ResNet::new(ResNetConfig::resnet18().width(4).blocks([1, 1, 1, 1]), &mut rng)?;
    let mailbox = Mailbox::new();
    mailbox.fail(1, "gone");
    let other = Linear::new(2, 2, &mut rng)?;
    each_names_its_line(vec![
        call!("Gpt::predict", gpt.predict(&ids)),
        call!("Gpt::predict of floats", gpt.predict(&x)),
        call!("RecurrentLm::predict", words.predict(&ids)),
        call!("Mlp::predict", mlp.predict(&Tensor::ones([4, 5])?)),
        call!("Mlp", Mlp::new(&[2], &mut rng)),
        call!("Sequential::predict", model.predict(&Tensor::ones([4, 5])?)),
        call!("ResNet::predict", resnet.predict(&Tensor::ones([1, 1, 8, 8])?)),
        call!("ResNet::with_head", resnet.with_head(0, &mut rng)),
        call!("Vit", Vit::new(VitConfig::new(8, 0, 8, 1), &mut rng)),
        call!("TransformerEncoder", TransformerEncoder::new(&TransformerOptions::new(6, 4), 2, &mut rng)),
        call!("BeamSearch", BeamSearch::new(0)),
        call!("beams", gpt.beam_search(&[99], &BeamSearch::new(2)?, &short)),
        call!("stream", gpt.stream(&[99], &short, &mut rng).map(drop)),
        call!("speculate", gpt.speculate(&gpt, 99, &[1], &short, &mut rng).map(drop)),
        call!("score", gpt.score(&[1, 99])),
        call!("all_reduce", ThreadGroup::run(2, |group| group.all_reduce(&Tensor::ones([group.rank() + 1])?))),
        call!("receive", group.receive(7, 0)),
        call!("send", group.send(&x, 7, 0)),
        call!("broadcast", group.broadcast(&x, 7)),
        call!("reduce_scatter", group.reduce_scatter(&Tensor::scalar(1.0))),
        call!("Grid", Grid::new(group, [2, 2, 2])),
        call!("Message", Message::from_bytes(&[1, 2, 3])),
        call!("Mailbox", mailbox.check()),
        call!("DataParallel::step", DataParallel::new(group).step(&model, 0).map(drop)),
        call!("ParallelStep::backward", {
            let mut parallel = DataParallel::new(group);
            parallel.step(&other, 1)?.backward(&model.forward(&x, &mut Mode::eval())?.sum(), f64::NAN)
        }),
        call!("Shards", Shards::<(Tensor, Tensor)>::new(shard(), 2, |_| Err(Error::state("open", "closed")))),
        call!("shard_blocks", demotic::distributed::shard_blocks(&mut model, group)),
    ]);
    Ok(())
}
