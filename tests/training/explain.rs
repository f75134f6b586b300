//! Explanations: what is refused, how they hold on models of several kinds, and that they are the same on any number of threads.

use demotic::data::{Column, Preprocessor, Table};
use demotic::explain::*;
use demotic::parallel::with_threads;
use demotic::prelude::*;

fn model(rng: &mut Rng) -> Result<Sequential> {
    Ok(sequential![Linear::new(4, 8, rng)?, Relu, Linear::new(8, 3, rng)?])
}

#[track_caller]
fn refused<T>(result: Result<T>, message: &str) {
    assert_eq!(result.map(|_| ()).unwrap_err().message(), message);
}

#[test]
fn what_cannot_be_explained_is_said() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = model(&mut rng)?;
    let x = Tensor::normal([2, 4], 0.0, 1.0, &mut rng)?;
    let of = Explained::layer(&model).target(Target::Class(1));
    // Targets.
    let beyond = of.target(Target::Class(3));
    refused(gradient(&beyond, &x), "gradient: class 3 does not exist, the model gives 3 numbers for each example");
    let all = Explained::layer(&model);
    refused(saliency(&all, &x), "saliency: the model gives 3 numbers for each example, expected one");
    refused(saliency(&of.target(Target::Classes(&[0])), &x), "saliency: 1 classes for 2 examples");
    let bad: Function<'_> = &|y| y.sum_dims(&[0], false);
    refused(
        gradient(&of.target(Target::Custom(bad)), &x),
        "gradient: the target gives [3] for 2 examples, expected [2]",
    );
    // Inputs.
    let empty = Tensor::zeros([0, 4])?;
    let message = "gradient: the input has shape [0, 4], in which there is nothing to explain";
    refused(gradient(&of, &empty), message);
    let message = "Occlusion: the input has shape [2, 0], in which there is nothing to explain";
    refused(Occlusion::new(&[1]).attribute(&of, &Tensor::zeros([2, 0])?), message);
    let nan = tensor![[0.0, 1.0, 2.0, 3.0], [0.0, f32::NAN, 0.0, 0.0]];
    refused(saliency(&of, &nan), "saliency: NaN in row 1, column 1 of the input");
    refused(exact_shapley(&of, &nan, &x, None), "exact_shapley: NaN in row 1, column 1 of the input");
    let wild = sequential![Lambda::new(|x: &Tensor| Ok(x.log())), Linear::new(4, 1, &mut rng)?];
    let found = KernelShap::new(&x).attribute(&Explained::layer(&wild), &Tensor::full([1, 4], -1.0)?, &mut rng);
    refused(found, "KernelShap: the model gives NaN for example 0");
    // Models without a gradient, or without layers.
    let step = |x: &Tensor| x.sign().detach().select(1, 0);
    let none = Explained::function(&step);
    let e = gradient(&none, &x).unwrap_err();
    assert_eq!(e.message(), "gradient: the model's output has no gradient by its input");
    assert_eq!(e.help(), Some("methods that only ask the model need none: Occlusion, Lime, KernelShap"));
    assert_eq!(exact_shapley(&none, &x, &x, None)?.values.shape(), [2, 4]);
    refused(deep_lift(&none, &x, None), "deep_lift: a function is explained, expected a model");
    let tanh = sequential![Linear::new(4, 1, &mut rng)?, Tanh];
    refused(
        guided_backprop(&Explained::layer(&tanh), &x),
        "guided_backprop: the model has no ReLU, whose gradients would be guided",
    );
    let ids = Tensor::from_nested([[1i64, 2, 3]])?;
    let words = sequential![Embedding::new(5, 2, &mut rng)?, Flatten::new(), Linear::new(6, 1, &mut rng)?];
    let of_words = Explained::layer(&words);
    refused(gradient(&of_words, &ids), "gradient: the input is of type i64, which has no gradients");
    let e = gradient(&of_words.at("2.x", &ids), &Tensor::zeros([1, 2])?).unwrap_err();
    assert_eq!(e.message(), "gradient: no part of the model is called `2.x` while it runs");
    // Chains.
    let normed = sequential![Linear::new(4, 4, &mut rng)?, LayerNorm::new(4)?, Linear::new(4, 1, &mut rng)?];
    refused(
        deep_lift(&Explained::layer(&normed), &x, None),
        "deep_lift: `1` is a LayerNorm, for which this method has no rule",
    );
    let message = "Relevance: `1` is a Softmax, for which this method has no rule";
    let soft = sequential![Linear::new(4, 2, &mut rng)?, Softmax { dim: -1 }];
    let found = Relevance::default().attribute(&Explained::layer(&soft).target(Target::Class(0)), &x);
    assert_eq!(found.as_ref().unwrap_err().help(), Some("explain the logits: a model without its last layer"));
    refused(found, message);
    let skip =
        sequential![Residual::new(sequential![Linear::new(4, 4, &mut rng)?, Relu]), Linear::new(4, 1, &mut rng)?];
    let message = "deep_lift: `0` (Residual) does more than to run its layers one after the other";
    refused(deep_lift(&Explained::layer(&skip), &x, None), message);
    // Baselines, backgrounds, groups.
    let other = Tensor::zeros([1, 5])?;
    let message = "IntegratedGradients: a baseline of shape [1, 5] (f32) for inputs of [2, 4] (f32)";
    refused(IntegratedGradients::new().baseline(&other).attribute(&of, &x), message);
    let message = "KernelShap: a background of [1, 5] (f32) for inputs of [2, 4] (f32)";
    refused(KernelShap::new(&other).attribute(&of, &x, &mut rng), message);
    refused(
        Lime::new().baseline(&x).attribute(&of, &x, &mut rng),
        "Lime: a baseline of shape [2, 4], expected one example: [1, ..]",
    );
    let groups = Groups::each(&[5]);
    refused(ablation(&of, &x, None, Some(&groups)), "ablation: groups of 5 elements for inputs of shape [2, 4]");
    // Numbers.
    refused(
        IntegratedGradients::new().steps(0).attribute(&of, &x),
        "IntegratedGradients: 0 steps, expected 1 to 10,000",
    );
    refused(SmoothGrad::new(0, 0.1).attribute(&of, &x, &mut rng), "SmoothGrad: 0 samples, expected 1 to 10000000");
    refused(
        SmoothGrad::new(5, f64::NAN).attribute(&of, &x, &mut rng),
        "SmoothGrad: the noise is NaN, expected a number from 0 on",
    );
    refused(gradient_shap(&of, &x, &x, 0, &mut rng), "gradient_shap: 0 samples, expected 1 to 10000000");
    refused(
        KernelShap::new(&x).samples(0).attribute(&of, &x, &mut rng),
        "KernelShap: 0 samples, expected 1 to 10000000",
    );
    refused(Lime::new().samples(0).attribute(&of, &x, &mut rng), "Lime: 0 samples, expected 1 to 10000000");
    refused(
        Lime::new().width(0.0).attribute(&of, &x, &mut rng),
        "Lime: width 0 and alpha 1, expected a positive one and one from 0 on",
    );
    let wide = Tensor::zeros([1, 21])?;
    let sum: Function<'_> = &|x| x.sum_dims(&[1], false);
    refused(
        exact_shapley(&Explained::function(sum), &wide, &wide, None),
        "exact_shapley: 21 groups, expected at most 20",
    );
    let many = Tensor::zeros([1, 1001])?;
    let found = KernelShap::new(&many).attribute(&Explained::function(sum), &many, &mut rng);
    refused(found, "KernelShap: 1001 groups, expected at most 1000");
    let found = KernelShap::new(&wide).samples(9_000_000).attribute(&Explained::function(sum), &wide, &mut rng);
    refused(found, "KernelShap: 9000000 samples for 21 groups, expected at most 2380952");
    let message = "Occlusion: a window of [5], moved by [1], for examples of shape [4]";
    refused(Occlusion::new(&[5]).attribute(&of, &x), message);
    refused(GradCam::new("1").attribute(&of, &x), "GradCam: `1` gives [2, 8], expected [n, channels, places..]");
    refused(GradCam::new("9").attribute(&of, &x), "representation: no part of the model is called `9` while it runs");
    Ok(())
}

#[test]
fn measures_and_examples_that_make_no_sense_are_refused() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = model(&mut rng)?;
    let x = Tensor::normal([2, 4], 0.0, 1.0, &mut rng)?;
    let of = Explained::layer(&model).target(Target::Predicted);
    refused(Faithfulness::new(0).deletion(&of, &x, &x), "deletion: 0 steps, expected 1 to 10,000");
    let message = "insertion: an attribution of shape [2, 3] for inputs of [2, 4]";
    refused(Faithfulness::new(2).insertion(&of, &x, &Tensor::zeros([2, 3])?), message);
    let message = "infidelity: perturbations of shape [2, 4] (f32) for inputs of [2, 4] (f32), expected [k, n, ..]";
    refused(infidelity(&of, &x, &x, &x), message);
    refused(attention_rollout(&[], Heads::Mean), "attention_rollout: there are no layers");
    let message = "attention_rollout: weights of shape [1, 2, 3], expected [.., heads, T, T] of each layer";
    refused(attention_rollout(&[Tensor::zeros([1, 2, 3])?], Heads::Mean), message);
    let loss: ExampleLoss<'_> = &|y, _| Ok(y.sum());
    refused(tracin(&[], (&x, &x), (&x, &x), loss), "tracin: there are no models");
    refused(
        tracin(&[(&model, 1.0)], (&x, &x), (&x, &x), loss),
        "tracin: the loss gives [] for 2 examples, expected [2]",
    );
    refused(neighbors(&x, &x, 3, Distance::Cosine), "neighbors: 3 neighbors of 2 representations");
    let labels = Tensor::from_nested([0i64, 0])?;
    refused(LinearProbe::fit(&x, &labels, 1.0), "LinearProbe: all labels are 0, expected two classes or more");
    refused(
        randomization(&Relu, &x, &mut rng, |_, x| Ok(x.clone())),
        "randomization: the model has no parameters that could be made random",
    );
    refused(overlay(&x, &x), "overlay: pictures of shape [2, 4], expected [n, channels, height, width]");
    refused(colored_text(&["a"], &[]), "colored_text: 1 tokens and 0 numbers");
    // Not a number in what is shown is nothing.
    assert!(colored_text(&["a"], &[f64::NAN])?.contains(",0.00)"));
    Ok(())
}

/// Inputs that are no numbers are refused by where they are; those that are too large for what is made of them are explained or refused.
#[test]
fn nothing_that_is_no_number_comes_out() -> Result<()> {
    let mut rng = Rng::seed(3);
    let mut model = sequential![Linear::new(2, 3, &mut rng)?, Relu, Linear::new(3, 1, &mut rng)?];
    model.to_dtype(DType::F64)?;
    let of = Explained::layer(&model);
    let plain = Tensor::from_vec(vec![1.0, 2.0, -0.5, 0.3], [2, 2])?;
    let all = |x: &Tensor| -> Vec<(&str, Result<Tensor>)> {
        let mut rng = Rng::seed(4);
        vec![
            ("gradient_x_input", gradient_x_input(&of, x)),
            ("SmoothGrad", SmoothGrad::new(3, 0.1).attribute(&of, x, &mut rng)),
            ("IntegratedGradients", IntegratedGradients::new().attribute(&of, x).map(|found| found.values)),
            ("gradient_shap", gradient_shap(&of, x, &plain, 5, &mut rng).map(|found| found.values)),
            ("deep_lift", deep_lift(&of, x, None).map(|found| found.values)),
            ("deep_shap", deep_shap(&of, x, &plain).map(|found| found.values)),
            ("Relevance", Relevance::default().attribute(&of, x).map(|found| found.values)),
            ("Occlusion", Occlusion::new(&[1]).attribute(&of, x)),
            ("ablation", ablation(&of, x, None, None).map(|found| found.values)),
            ("Lime", Lime::new().samples(20).attribute(&of, x, &mut rng).map(|found| found.values)),
            ("exact_shapley", exact_shapley(&of, x, &plain, None).map(|found| found.values)),
            ("KernelShap", KernelShap::new(&plain).attribute(&of, x, &mut rng).map(|found| found.values)),
        ]
    };
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let x = Tensor::from_vec(vec![1.0, 2.0, 3.0, bad], [2, 2])?;
        for (op, found) in all(&x) {
            refused(found, &format!("{op}: {bad} in row 1, column 1 of the input"));
        }
        let e = attention_rollout(&[Tensor::full([1, 2, 2], bad)?], Heads::Mean).unwrap_err();
        assert_eq!(e.message(), format!("attention_rollout: {bad} in row 0, at [0, 0] of the weights"));
    }
    for huge in [1e154, 1e200, 1.7e308] {
        for x in [[huge, huge], [huge, -huge], [-huge, 0.0]] {
            for (op, found) in all(&Tensor::from_vec(x.to_vec(), [1, 2])?) {
                if let Ok(found) = found {
                    assert!(found.to_f64_vec().iter().all(|v| v.is_finite()), "{op} {x:?}: {found}");
                }
            }
        }
    }
    Ok(())
}

/// Columns that are spread over several features count as one, and a class that does not exist is an error.
#[test]
fn rows_of_a_table_by_its_columns() -> Result<()> {
    let n = 60;
    let age: Vec<f64> = (0..n).map(|i| 20.0 + f64::from(i * 7 % 40)).collect();
    let town: Vec<&str> = (0..n).map(|i| ["A", "B", "C"][i as usize % 3]).collect();
    let paid: Vec<&str> = (0..n as usize).map(|i| if age[i] > 38.0 || town[i] == "B" { "yes" } else { "no" }).collect();
    let table = Table::from_columns([("age", age.into()), ("town", town.into()), ("paid", Column::from(paid))])?;
    let prep = Preprocessor::classification("paid").fit(&table)?;
    let data = prep.transform(&table)?;
    let mut rng = Rng::seed(1);
    let mut model = sequential![Linear::new(4, 16, &mut rng)?, Relu, Linear::new(16, 2, &mut rng)?];
    let mut opt = Adam::new(0.02);
    for _ in 0..150 {
        let loss = losses::cross_entropy(&model.forward(data.x(), &mut Mode::train(&mut rng))?, data.y())?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    let pipeline = Pipeline::new(prep, model)?;
    let explain = |class| shap_rows(&pipeline, &table.head(5), &table, class, &mut Rng::seed(0));
    let found = explain(Some("yes"))?;
    assert_eq!(found.columns, ["age", "town"]);
    for (values, output) in found.values.iter().zip(&found.outputs) {
        assert!((found.base + values.iter().sum::<f64>() - output).abs() < 1e-6);
    }
    let probabilities = pipeline.classify(&table.head(5))?;
    let yes = probabilities[1].probability_of("yes").unwrap();
    assert!((found.outputs[1] - yes).abs() < 1e-6);
    // Both classes: what speaks for one speaks against the other.
    let other = explain(Some("no"))?;
    assert!(found.values.iter().flatten().zip(other.values.iter().flatten()).all(|(a, b)| (a + b).abs() < 1e-6));
    // Row 1 paid because of its town.
    assert!(found.values[1][1] > 0.1 && found.values[1][1] > found.values[1][0].abs(), "{:?}", found.values);
    refused(explain(Some("maybe")), "shap_rows: class `maybe` does not exist");
    refused(explain(None), "shap_rows: the target is a class, and none is named");
    Ok(())
}

fn loans() -> Result<Table> {
    let income: Vec<f64> = (0..80).map(|i| 1000.0 + 50.0 * f64::from(i * 37 % 80)).collect();
    let years: Vec<f64> = (0..80).map(|i| f64::from(i * 11 % 12)).collect();
    let home: Vec<&str> = (0..80).map(|i| ["rent", "own"][i * 13 % 7 % 2]).collect();
    Table::from_columns([("income", income.into()), ("years", Column::from(years)), ("home", home.into())])
}

fn score(table: &Table) -> Result<Vec<f64>> {
    let of = |name| Ok::<_, Error>(table.column(name)?.numbers().unwrap().to_vec());
    let home =
        table.column("home")?.iter().map(|x| if x.text() == Some("own") { 1.0 } else { 0.0 }).collect::<Vec<_>>();
    let points = of("income")?.into_iter().zip(of("years")?).zip(home);
    Ok(points.map(|((income, years), home)| income / 1000.0 + 0.25 * years + home).collect())
}

#[test]
fn what_would_have_to_be_otherwise() -> Result<()> {
    let known = loans()?;
    let row = known.rows(&[3])?;
    let before = score(&row)?[0];
    let wanted = before + 1.6;
    let find = |how: Counterfactuals, seed| how.find(&row, &known, &mut Rng::seed(seed), score);
    let found = find(Counterfactuals::at_least(wanted), 0)?;
    assert!(!found.is_empty() && found.windows(2).all(|pair| pair[0].distance <= pair[1].distance));
    for one in &found {
        assert!(one.prediction >= wanted && (score(&one.row)?[0] - one.prediction).abs() < 1e-12);
        let years = one.row.column("years")?.numbers().unwrap()[0];
        assert_eq!(years, years.trunc(), "years stay whole");
    }
    // Only what may change does, in its direction.
    let rules = Counterfactuals::at_least(wanted)
        .change("home", Change::Fixed)
        .change("income", Change::Between(1000.0, 4000.0))
        .change("years", Change::Rising);
    for one in find(rules.clone(), 1)? {
        let of = |table: &Table, name| table.column(name).unwrap().numbers().unwrap()[0];
        assert!(one.changes.iter().all(|(column, ..)| column != "home"));
        assert!(of(&one.row, "income") <= 4000.0 && of(&one.row, "years") >= of(&row, "years"));
    }
    let sparse = find(Counterfactuals::at_least(wanted).sparse(), 2)?;
    assert_eq!(sparse[0].changes.len(), 1, "{:?}", sparse[0].changes);
    assert_eq!(find(rules.clone(), 5)?, find(rules, 5)?);
    // None there is.
    assert!(find(Counterfactuals::at_least(1e9), 0)?.is_empty());
    refused(find(Counterfactuals::between(2.0, 1.0), 0), "counterfactuals: predictions from 2 to 1 are wanted");
    refused(find(Counterfactuals::at_least(1.0).change("x", Change::Fixed), 0), "column: the table has no column `x`");
    let two = known.head(2);
    let found = Counterfactuals::at_least(1.0).find(&two, &known, &mut Rng::seed(0), score);
    refused(found, "counterfactuals: 2 rows to explain and 80 known ones");
    Ok(())
}

/// Tokens have no gradients: what is taken away are ids, what is differentiated are their vectors.
#[test]
fn tokens_by_their_ids_and_by_their_vectors() -> Result<()> {
    let mut rng = Rng::seed(4);
    let model = sequential![
        Embedding::new(9, 6, &mut rng)?,
        Flatten::new(),
        Linear::new(24, 8, &mut rng)?,
        Tanh,
        Linear::new(8, 2, &mut rng)?
    ];
    let (ids, none) =
        (Tensor::from_nested([[3i64, 1, 7, 2], [5, 5, 1, 8]])?, Tensor::zeros([1, 4])?.to_dtype(DType::I64));
    let of = Explained::layer(&model).target(Target::Class(1));
    let by_ids = exact_shapley(&of, &ids, &none, None)?;
    assert!(by_ids.gaps().iter().all(|gap| gap.abs() < 1e-5));
    let kernel = KernelShap::new(&none).attribute(&of, &ids, &mut rng)?;
    assert!(kernel.values.allclose(&by_ids.values, 1e-3, 1e-5, false)?);
    let lime = Lime::new().baseline(&none).samples(16).alpha(0.0).width(10.0).attribute(&of, &ids, &mut rng)?;
    assert_eq!(lime.values.shape(), [2, 4]);
    let (vectors, padding) = (representation(&model, "0", &ids)?, representation(&model, "0", &none)?);
    let found = IntegratedGradients::new().baseline(&padding).attribute(&of.at("0", &ids), &vectors)?;
    assert!(found.gaps().iter().all(|gap| gap.abs() < 1e-4), "{:?}", found.gaps());
    for (a, b) in found.outputs.iter().zip(&by_ids.outputs) {
        assert!((a - b).abs() < 1e-6);
    }
    let groups = Groups::tokens(&["a", "b", "c", "d"], 6)?;
    assert_eq!(groups.sum(&found.values)?.shape(), [2, 4]);
    Ok(())
}

/// Whoever asks for weights of attention gets those of every layer, and the model gives what it gives to others.
#[test]
fn attention_is_told_to_those_who_ask() -> Result<()> {
    use demotic::models::{Gpt, GptConfig, Llama, LlamaConfig};
    let mut rng = Rng::seed(5);
    let ids = Tensor::from_nested([[1i64, 4, 2, 3, 0]])?;
    let check = |model: &dyn Layer, heads: usize, layers: usize| -> Result<()> {
        let mut maps = AttentionMaps::default();
        let y = model.forward(&ids, &mut Mode::eval().with_hooks(&mut maps))?;
        assert!(y.allclose(&model.forward(&ids, &mut Mode::eval())?, 1e-4, 1e-5, false)?);
        assert_eq!(maps.layers.len(), layers);
        for (path, weights) in &maps.layers {
            assert_eq!(weights.shape(), [1, heads, 5, 5], "{path}");
            let sums = weights.sum_dims(&[-1], false)?;
            assert!(sums.add_scalar(-1.0).abs().max()?.item()? < 1e-5 && path.contains("attn"), "{path}");
        }
        let from = attention_rollout(&maps.weights(), Heads::Mean)?;
        // Nothing comes from later tokens.
        assert_eq!(from.select(0, 0)?.select(0, 0)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 0.0, 0.0]);
        Ok(())
    };
    let gpt = Gpt::new(GptConfig::new(6, 8).layers(3).heads(2).hidden_size(8), &mut rng)?;
    check(&gpt, 2, 3)?;
    let llama = Llama::new(LlamaConfig::new(6, 8).layers(2).heads(2).hidden_size(8), &mut rng)?;
    check(&llama, 2, 2)
}

#[test]
fn explanations_are_drawn() -> Result<()> {
    use demotic::train::plot::{self, Beeswarm};
    let table = loans()?;
    let curves = ice(&table, "income", 6, "points", score)?;
    let svg = plot::ice(&curves).to_svg()?;
    assert!(svg.contains("points by income") && svg.matches("<path").count() + svg.matches("<polyline").count() > 20);
    assert!(plot::ale(&ale(&table, "income", 5, "points", score)?).to_svg()?.contains("What income does to points"));
    let f: Function<'_> = &|x| x.sum_dims(&[1], false);
    let (of, x) = (Explained::function(f), Tensor::ones([2, 3])?);
    let fall = Faithfulness::new(3).deletion(&of, &x, &x)?;
    assert_eq!(fall.outputs, [[3.0, 2.0, 1.0, 0.0], [3.0, 2.0, 1.0, 0.0]]);
    assert!(plot::faithfulness("Taken away", &[("x", &fall), ("y", &fall)]).to_svg()?.contains("Taken away"));
    // More columns than there is room for, texts among them, and numbers that cannot be drawn.
    let names: Vec<String> = (0..30).map(|i| format!("column {i}")).collect();
    let mut values = vec![vec![0.5; 30]; 700];
    values[3][2] = f64::NAN;
    let picture = Beeswarm::new("All", &names, &values, &vec![vec![f64::NAN; 30]; 700])?;
    assert!(picture.to_svg()?.contains("the first 20 of 30"));
    let e = Beeswarm::new("All", &names, &values, &[]).unwrap_err();
    assert_eq!(e.message(), "Beeswarm: 700 rows of values and 0 of features, by 30 names");
    assert!(Beeswarm::new("", &[""; 0], &[], &[])?.to_svg()?.starts_with("<svg"));
    Ok(())
}

/// An explanation by gradients is about the weights; edges of the picture itself are not.
#[test]
fn explanations_change_with_the_weights() -> Result<()> {
    let mut rng = Rng::seed(2);
    let model = sequential![
        Conv2d::new(1, 6, 3, &mut rng)?,
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(54, 3, &mut rng)?
    ];
    let x = Tensor::uniform([4, 1, 8, 8], 0.0, 1.0, &mut rng)?;
    let by_gradient = |model: &dyn Layer, x: &Tensor| saliency(&Explained::layer(model).target(Target::Class(0)), x);
    let found = randomization(&model, &x, &mut rng, by_gradient)?;
    assert_eq!(found.iter().map(|step| step.layer.as_str()).collect::<Vec<_>>(), ["4", "0"]);
    assert!(found.iter().all(|step| step.correlation < 0.7), "{found:?}");
    let by_picture = |_: &dyn Layer, x: &Tensor| Ok(x.clone());
    assert!(randomization(&model, &x, &mut rng, by_picture)?.iter().all(|step| (step.correlation - 1.0).abs() < 1e-9));
    Ok(())
}

/// Random numbers come from the generator that is given, and threads decide nothing.
#[test]
fn the_same_seed_gives_the_same_bits() -> Result<()> {
    let run = || -> Result<Vec<f64>> {
        let mut rng = Rng::seed(7);
        let model = sequential![Linear::new(30, 64, &mut rng)?, Gelu, Linear::new(64, 1, &mut rng)?];
        let (x, background) =
            (Tensor::normal([3, 30], 0.0, 1.0, &mut rng)?, Tensor::normal([9, 30], 0.0, 1.0, &mut rng)?);
        let of = Explained::layer(&model);
        let mut all = KernelShap::new(&background).samples(300).attribute(&of, &x, &mut rng)?.values.to_f64_vec();
        all.extend(Lime::new().samples(200).attribute(&of, &x, &mut rng)?.values.to_f64_vec());
        all.extend(SmoothGrad::new(5, 0.2).attribute(&of, &x, &mut rng)?.to_f64_vec());
        all.extend(gradient_shap(&of, &x, &background, 40, &mut rng)?.values.to_f64_vec());
        all.extend(IntegratedGradients::new().attribute(&of, &x)?.values.to_f64_vec());
        all.extend(neighbors(&background, &x, 4, Distance::Cosine)?.concat().iter().map(|found| found.distance));
        Ok(all)
    };
    let one = with_threads(1, run)??;
    let two = with_threads(2, run)??;
    assert!(one.iter().zip(&two).all(|(a, b)| a.to_bits() == b.to_bits()));
    Ok(())
}
