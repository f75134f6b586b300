//! Part 3: a real model of a real table.

use demotic::data::CsvOptions;
use demotic::models::{LinearRegression, Mlp};
use demotic::optimizers::Adam;
use demotic::optimizers::schedule::ReduceOnPlateau;
use demotic::prelude::*;
use demotic::regularizers::L2;
use demotic::train::plot::Chart;
use demotic::train::{History, predict};
use serde_json::{Value, json};

use crate::houses::{House, NOISE};
use crate::options::{Options, in_options};

/// The bundled houses; `examples/make_houses.rs` says how they were made.
const HOUSES: &str = include_str!("../data/houses.csv");

/// A model with the preprocessing that it was trained behind.
struct Fitted {
    model: Mlp,
    prep: Preprocessor,
    history: History,
}

/// How far predictions are off, in the unit of the target.
#[derive(Clone, Copy)]
struct Scores {
    rmse: f64,
    mae: f64,
    r2: f64,
}

impl Scores {
    fn of(prediction: &Tensor, target: &Tensor) -> Result<Self> {
        Ok(Self {
            rmse: metrics::rmse(prediction, target)?,
            mae: metrics::mae(prediction, target)?,
            r2: metrics::r2(prediction, target)?,
        })
    }

    fn json(self) -> Value {
        json!({ "rmse": self.rmse, "mae": self.mae, "r2": self.r2 })
    }
}

pub fn run(options: &Options) -> Result<Value> {
    match &options.data {
        Some(path) => println!("A model of {}\n", path.display()),
        None => {
            println!(
                "\n━━ 3. A real model ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━\n"
            );
            println!(
                "4,000 houses, which are invented: `examples/make_houses.rs` drew them and gave each a price by a formula, plus a"
            );
            println!(
                "noise of {NOISE} × 10,000 yuan. So it is known how well the best of all models could do. Areas are in m², ages in years,"
            );
            println!("distances to the metro in km, prices in 10,000 yuan.\n");
        }
    }
    let target = options.target.as_str();
    let table = match &options.data {
        Some(path) => {
            let table = options.csv.read(path).map_err(in_options)?.drop(&options.ignore)?;
            if options.drop_missing { table.drop_missing(&[target])? } else { table }
        }
        None => Table::from_csv_reader(HOUSES.as_bytes(), &CsvOptions::default())?,
    };
    println!("{}\n", table.head(5));

    // The test part is looked at once, at the very end.
    let mut rng = Rng::seed(options.seed);
    let (rest, test) = table.split(0.8, &mut rng)?;
    println!("{} rows to learn from, {} to test on.\n", rest.num_rows(), test.num_rows());
    // For comparing other programs on the same split.
    rest.write_csv(options.out.join("train.csv"))?;
    test.write_csv(options.out.join("test.csv"))?;

    let fitted = fit(&rest, options, &mut rng, true).map_err(in_options)?;
    let prep = &fitted.prep;
    println!(
        "The columns become {} numbers: one for each text that occurs, the others scaled to mean 0 and spread 1.",
        prep.num_features()
    );
    println!("So is {target}, in which the losses below are counted:\n");
    println!("{}\n", fitted.model.summary([1, fitted.prep.num_features()])?);
    println!("{}\n", fitted.history);

    let (prediction, actual) = in_units(&fitted.model, &fitted.prep, &test)?;
    let mlp = Scores::of(&prediction, &actual)?;
    let linear = baseline(&rest, &test, target)?;
    let unit = if options.data.is_none() { "10,000 yuan".to_string() } else { format!("units of {target}") };
    println!("How far predictions for the {} rows of the test part are off, in {unit}:\n", test.num_rows());
    println!("                           RMSE      MAE       R²");
    for (name, s) in [("linear regression", linear), ("neural network", mlp)] {
        println!("{name:<20} {:>10.3} {:>8.3} {:>8.4}", s.rmse, s.mae, s.r2);
    }
    if options.data.is_none() {
        println!("{:<20} {NOISE:>10.3}                     (of the invented prices; no model can do better)", "noise");
    }

    let folds = cross_validate(&rest, options, &mut rng)?;
    let mean = folds.iter().sum::<f64>() / folds.len() as f64;
    let spread = (folds.iter().map(|f| (f - mean).powi(2)).sum::<f64>() / folds.len() as f64).sqrt();
    println!(
        "\nIs that luck? Trained {} times, each time without another part of the {} rows, it is off by {mean:.3} ± {spread:.3}",
        folds.len(),
        rest.num_rows()
    );
    println!("(mean and standard deviation of the RMSE on the parts left out).");
    if (mlp.rmse - mean).abs() > 2.0 * spread {
        let (luck, off) = if mlp.rmse < mean { ("good", "less") } else { ("bad", "more") };
        println!(
            "The test part is off by {off} than that: the {:.3} above had {luck} luck, expect some {mean:.3}.",
            mlp.rmse
        );
    }

    // One file holds the weights, the sizes of the layers, and the preprocessing.
    let path = options.out.join("model.safetensors");
    let Fitted { model, prep, history } = fitted;
    let pipeline = Pipeline::new(prep, model)?;
    pipeline.save(&path)?;
    let opened = Pipeline::open(&path)?;
    // Of the test part, one that the model has never seen.
    let house = test.head(1);
    let truth = house.column(target)?.numbers().and_then(|prices| prices.first().copied());
    let house = house.drop(&[target])?;
    let (price, before) = (opened.predict(&house)?, pipeline.predict(&house)?);
    let same = price == before;
    let price = price[0];
    // What a model answers to, though it knows nothing of it.
    opened.preprocessor().unseen(&test).iter().for_each(|line| println!("\nnote: {line}"));
    println!(
        "\nSaved to {} and opened again. A row of the test part, which it has never seen:\n{house}\n",
        path.display()
    );
    println!("  predicted {target}: {price:>10.2}  ({unit})");
    if let Some(truth) = truth {
        println!("  true {target}:      {truth:>10.2}");
    }
    if let Some(house) = House::first_of(&house).filter(|_| options.data.is_none()) {
        let formula = house.price();
        println!(
            "  by the formula:  {formula:>10.2}  (the true price without its noise: what a perfect model would say)"
        );
    }

    draw(options, &history, &prediction, &actual)?;
    println!("\nPictures: {0}/loss.png, {0}/predicted.png", options.out.display());
    Ok(json!({
        "rows": table.num_rows(),
        "test_rows": test.num_rows(),
        "epochs": history.epochs.len(),
        "mlp": mlp.json(),
        "linear_regression": linear.json(),
        "noise_floor": options.data.is_none().then_some(NOISE),
        "cross_validation_rmse": folds,
        "prediction": price,
        "truth": truth,
        "same_after_loading": same,
    }))
}

/// Trains a network on a table, a part of which is kept back to know when to stop.
fn fit(table: &Table, options: &Options, rng: &mut Rng, progress: bool) -> Result<Fitted> {
    let (train, validation) = table.split(0.85, rng)?;
    let prep = Preprocessor::regression(&options.target).fit(&train)?;
    let (train, validation) = (prep.transform(&train)?, prep.transform(&validation)?);
    let mut model = Mlp::new(&[prep.num_features(), 64, 64, 1], rng)?.activation(Gelu).dropout(0.02)?;
    let trainer = Trainer::new(losses::mse, Adam::new(3e-3))
        .epochs(options.epochs)
        .batch_size(32)
        .validation(&validation)
        .penalty(L2::new(1e-5).on("*.weight"))
        .schedule(ReduceOnPlateau::new().factor(0.5).patience(6))
        .early_stopping(EarlyStopping::new(25));
    let mut trainer = if progress { trainer.progress() } else { trainer };
    let history = trainer.fit(&mut model, &train, rng)?;
    Ok(Fitted { model, prep, history })
}

/// Predictions and targets for a table, in the unit of the target.
fn in_units<L: Layer>(model: &L, prep: &Preprocessor, table: &Table) -> Result<(Tensor, Tensor)> {
    let (prediction, target) = predict(model, &prep.transform(table)?)?;
    Ok((prep.inverse_target(&prediction)?, prep.inverse_target(&target)?))
}

/// The least-squares plane through the same features.
fn baseline(train: &Table, test: &Table, target: &str) -> Result<Scores> {
    let prep = Preprocessor::regression(target).fit(train)?;
    let data = prep.transform(train)?;
    let model = LinearRegression::fit(data.x(), data.y())?;
    let (prediction, actual) = in_units(&model, &prep, test)?;
    Scores::of(&prediction, &actual)
}

/// The RMSE of each part when the network is trained on the others. Preprocessing is fitted anew for each.
fn cross_validate(table: &Table, options: &Options, rng: &mut Rng) -> Result<Vec<f64>> {
    let folds = if options.quick { 2 } else { 5 };
    let mut errors = Vec::with_capacity(folds);
    for fold in KFold::new(folds).shuffle(rng).split(table.num_rows())? {
        let fitted = fit(&table.rows(&fold.train)?, options, rng, false)?;
        let (prediction, actual) = in_units(&fitted.model, &fitted.prep, &table.rows(&fold.test)?)?;
        errors.push(metrics::rmse(&prediction, &actual)?);
    }
    Ok(errors)
}

fn draw(options: &Options, history: &History, prediction: &Tensor, actual: &Tensor) -> Result<()> {
    let points = actual.to_f64_vec().into_iter().zip(prediction.to_f64_vec());
    let mut target = options.target.clone();
    if options.data.is_none() {
        target += " (10,000 yuan)";
    }
    let scatter = Chart::new("Predicted against actual (test part)")
        .labels(format!("actual {target}"), format!("predicted {target}"))
        .diagonal()
        .points("test rows", points);
    for format in ["svg", "png"] {
        history.chart().save(options.out.join("loss").with_extension(format))?;
        scatter.save(options.out.join("predicted").with_extension(format))?;
    }
    Ok(())
}
