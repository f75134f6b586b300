//! Draws the pictures of the tutorials: `cargo run --release --example tutorial_pictures`.
//!
//! Each is what a program on its page computes, drawn. Beside every picture goes a `.uri` file, the same picture as a data
//! URI: pages of rustdoc cannot refer to files beside them.

use std::path::PathBuf;

use demotic::data::{NextTokens, Sentences};
use demotic::explain::{Explained, IntegratedGradients, Target, overlay};
use demotic::models::{
    Denoiser, DiffusionSampling, GaussianDiffusion, Gpt, GptConfig, NoiseSchedule, RecurrentLm, RecurrentLmConfig,
};
use demotic::optimizers::Averaged;
use demotic::prelude::*;
use demotic::text::{CharTokenizer, Sampler, TokenHistory};
use demotic::train::metrics::{Average, Classification};
use demotic::train::plot::{Chart, ImageGrid, Picture};

fn main() -> Result<()> {
    save("line", line()?)?;
    save("iris", iris()?)?;
    save("rates", rates()?)?;
    save("surprise", surprise()?)?;
    save("overfitting", overfitting()?)?;
    save("temperature", temperature()?)?;
    save("threshold", threshold()?)?;
    save("corners", corners()?)?;
    save("places", places()?)
}

fn save(name: &str, picture: impl Into<Picture>) -> Result<()> {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/tutorials/images"));
    let path = folder.join(name).with_extension("svg");
    picture.into().save(&path)?;
    let failed = |e| Error::io("tutorial_pictures", &path, e);
    let bytes = std::fs::read(&path).map_err(failed)?;
    let uri = format!("data:image/svg+xml;base64,{}", base64(&bytes));
    std::fs::write(path.with_extension("uri"), uri).map_err(failed)?;
    println!("{}", path.display());
    Ok(())
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63];
            text.push(if i > chunk.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

/// Tutorial 3: points, and the line that gradient descent finds.
fn line() -> Result<Chart> {
    let mut rng = Rng::seed(1);
    let x = Tensor::uniform([100, 1], -1.0, 1.0, &mut rng)?;
    let noise = Tensor::normal([100, 1], 0.0, 0.1, &mut rng)?;
    let y = ((&x * 3.0 - 1.0) + noise)?;
    let (mut w, mut b) = (tensor![0.0], tensor![0.0]);
    let mut chart = Chart::new("A line through points").labels("x", "y");
    chart = chart.points("points", x.to_f64_vec().into_iter().zip(y.to_f64_vec()));
    for step in 0..=200 {
        if [0, 5, 20, 200].contains(&step) {
            let (slope, offset) = (w.item()?, b.item()?);
            chart = chart.xy_line(format!("after {step} steps"), [-1.0, 1.0].map(|x| (x, slope * x + offset)));
        }
        let (slope, offset) = (w.tracked()?, b.tracked()?);
        let grads = losses::mse(&(&x * &slope + &offset)?, &y)?.backward()?;
        w = (&w - grads.wrt(&slope)? * 0.1)?;
        b = (&b - grads.wrt(&offset)? * 0.1)?;
    }
    Ok(chart)
}

/// Tutorial 4: the losses of the flowers.
fn iris() -> Result<Chart> {
    let mut rng = Rng::seed(3);
    let flowers = Table::read_csv(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/iris.csv"))?;
    let (train, test) = flowers.split_stratified(0.8, "species", &mut rng)?;
    let prep = Preprocessor::fit(&train, "species")?;
    let (train, test) = (prep.transform(&train)?, prep.transform(&test)?);
    let mut model = sequential![Linear::new(4, 16, &mut rng)?, Relu, Linear::new(16, 3, &mut rng)?];
    let history = Trainer::new(losses::cross_entropy, Adam::new(0.02))
        .epochs(60)
        .batch_size(16)
        .validation(&test)
        .early_stopping(EarlyStopping::new(15))
        .fit(&mut model, &train, &mut rng)?;
    Ok(history.chart())
}

/// Tutorial 5: the error by steps, for three rates and for standardised features.
fn rates() -> Result<Chart> {
    let x = Tensor::from_nested([[100.0, 5.0], [120.0, 3.0], [150.0, 10.0]])?;
    let y = Tensor::from_nested([[200.0], [250.0], [350.0]])?;
    let centred = (&x - &x.mean_dims(&[0], true)?)?;
    let z = (&centred / &centred.square().mean_dims(&[0], true)?.sqrt())?;
    let errors = |x: &Tensor, rate: f64| -> Result<Vec<f64>> {
        let mut model = Linear {
            weight: Weight::new(Tensor::from_nested([[0.1, 0.2]])?)?,
            bias: Some(Param::new(Tensor::from_nested([0.0])?)?),
        };
        let mut opt = Sgd::new(rate);
        let mut errors = Vec::new();
        for _step in 0..200 {
            let loss = losses::mse(&model.forward(x, &mut Mode::eval())?, &y)?;
            errors.push(loss.item()?);
            if errors[errors.len() - 1] > 1e12 {
                break;
            }
            opt.step(&mut model, &loss.backward()?)?;
        }
        Ok(errors)
    };
    Ok(Chart::new("Three houses, one model, two kinds of features")
        .labels("step", "mean squared error")
        .log_y()
        .y_limits(1e-4, 1e10)
        .line("rate 0.1", errors(&x, 0.1)?)
        .line("rate 0.00007, just above the limit", errors(&x, 7e-5)?)
        .line("rate 0.00006, just below", errors(&x, 6e-5)?)
        .line("rate 0.1, standardised", errors(&z, 0.1)?))
}

/// Tutorial 7: three sentences, and what cannot be known of them.
fn surprise() -> Result<Chart> {
    let sentences = ["这是一个关于人工智能的文本。", "人工智能将改变我们的生活。", "人工智能需要受到规范。"];
    let lines = sentences.map(|sentence| format!("\n{sentence}\n"));
    let tokenizer = CharTokenizer::fit(&lines)?;
    let newline = tokenizer.encode("\n")?[0];
    let lines = lines.iter().map(|line| tokenizer.encode(line)).collect::<Result<Vec<_>>>()?;
    // To tell which of three sentences it is takes ln 3, once in each.
    let floor = 3.0 * 3f64.ln() / lines.iter().map(|line| line.len() - 1).sum::<usize>() as f64;
    let mut rng = Rng::seed(1);
    let (inputs, targets) = Sentences::new(lines, newline)?.batch(&[0, 1, 2], &mut rng)?;
    let config = RecurrentLmConfig::new(tokenizer.vocab_size()).embedding_size(16).hidden_size(32);
    let mut model = RecurrentLm::new(config, &mut rng)?;
    let mut opt = Adam::new(0.02).clip_norm(1.0);
    let mut curve = Vec::new();
    for _step in 0..80 {
        let loss = losses::token_cross_entropy(&model.forward(&inputs, &mut Mode::train(&mut rng))?, &targets)?;
        curve.push(loss.item()?);
        opt.step(&mut model, &loss.backward()?)?;
    }
    Ok(Chart::new("Three sentences learnt by heart")
        .labels("step", "nats per character")
        .log_y()
        .line("loss", curve)
        .horizontal((tokenizer.vocab_size() as f64).ln(), "guessing")
        .horizontal(floor, "what cannot be known"))
}

/// Tutorial 9: noise learnt by heart.
fn overfitting() -> Result<Chart> {
    let mut rng = Rng::seed(2);
    let noise = TokenStream::from_ids((0..200).map(|_| rng.below(12) as u32).collect::<Vec<u32>>())?;
    let (train, validation) = noise.split(0.7)?;
    let (train, validation) = (NextTokens::new(train, 8)?, NextTokens::new(validation, 8)?);
    let mut model = Gpt::new(GptConfig::new(12, 8).layers(1).heads(2).hidden_size(32), &mut rng)?;
    let history = Trainer::new(losses::token_cross_entropy, Adam::new(1e-2))
        .epochs(30)
        .batch_size(9)
        .validation(&validation)
        .fit(&mut model, &train, &mut rng)?;
    Ok(Chart::new("A text without any rule")
        .labels("epoch", "nats per token")
        .line("training", history.epochs.iter().map(|epoch| epoch.train_loss))
        .line("validation", history.epochs.iter().filter_map(|epoch| epoch.validation_loss))
        .horizontal(12f64.ln(), "guessing"))
}

/// Tutorial 10: the same logits at three temperatures.
fn temperature() -> Result<Chart> {
    let logits = tensor![2.0, 1.0, 0.0, -1.0];
    let mut chart = Chart::new("Four tokens at different temperatures").labels("token", "probability");
    for t in [0.5, 1.0, 2.0] {
        let p = Sampler::new().temperature(t)?.distribution(&logits, &TokenHistory::default())?;
        chart = chart.line(format!("T = {t}"), p.into_iter().map(|(_, p)| p));
    }
    Ok(chart)
}

/// Tutorial 12: precision and recall of the faulty parts.
fn threshold() -> Result<Chart> {
    let mut rng = Rng::seed(2);
    let (mut features, mut classes) = (Vec::new(), Vec::new());
    for i in 0..4000 {
        let faulty = i % 20 == 0;
        let shift = if faulty { 1.5 } else { 0.0 };
        features.extend(Tensor::normal([2], shift, 1.0, &mut rng)?.to_vec::<f32>()?);
        classes.push(i64::from(faulty));
    }
    let (x, y) = (Tensor::from_vec(features, [4000, 2])?, Tensor::from_vec(classes, [4000])?);
    let (train, test) = ((x.slice(0, ..2000)?, y.slice(0, ..2000)?), (x.slice(0, 2000..)?, y.slice(0, 2000..)?));
    let mut model = Linear::new(2, 1, &mut rng)?;
    let mut opt = Adam::new(0.05);
    for _step in 0..200 {
        let logits = model.forward(&train.0, &mut Mode::train(&mut rng))?;
        let target = train.1.to_dtype(DType::F32).reshape([2000, 1])?;
        opt.step(&mut model, &losses::bce_with_logits(&logits, &target)?.backward()?)?;
    }
    let probabilities = model.predict(&test.0)?.sigmoid();
    let mut curves = [Vec::new(), Vec::new(), Vec::new()];
    for i in 1..50 {
        let threshold = f64::from(i) / 100.0;
        let at = Classification::new().threshold(threshold).zero_division(1.0);
        curves[0].push((threshold, at.accuracy(&probabilities, &test.1)?));
        curves[1].push((threshold, at.precision(&probabilities, &test.1, Average::Binary)?));
        curves[2].push((threshold, at.recall(&probabilities, &test.1, Average::Binary)?));
    }
    let [accuracy, precision, recall] = curves;
    Ok(Chart::new("Faulty parts, one in twenty")
        .labels("threshold", "share")
        .xy_line("accuracy", accuracy)
        .xy_line("precision", precision)
        .xy_line("recall", recall))
}

/// Tutorial 17: dense layers that see the step as waves of four lengths.
#[derive(Clone)]
struct Dense {
    layers: Sequential,
}

module!(Dense { layers });

impl Denoiser for Dense {
    fn denoise(&self, x: &Tensor, steps: &Tensor, _: Option<&Tensor>, mode: &mut Mode) -> Result<Tensor> {
        let time = steps.to_dtype(DType::F32).unsqueeze(1)? / 100.0;
        let waves: Vec<Tensor> = [0.5, 1.0, 2.0, 4.0].map(|rate| (&time * (rate * std::f64::consts::PI)).cos()).into();
        let inputs: Vec<&Tensor> = std::iter::once(x).chain(&waves).collect();
        self.layers.at("layers", &Tensor::cat(&inputs, 1)?, mode)
    }
}

/// Tutorial 17: points on their way from noise to four corners, in twenty steps.
fn corners() -> Result<Chart> {
    let mut rng = Rng::seed(1);
    let layers = sequential![
        Linear::new(6, 48, &mut rng)?,
        Silu,
        Linear::new(48, 48, &mut rng)?,
        Silu,
        Linear::new(48, 2, &mut rng)?,
    ];
    let mut network = Dense { layers };
    let process = GaussianDiffusion::new(100, NoiseSchedule::cosine())?;
    let mut opt = Averaged::ema(Adam::new(4e-3), 0.99);
    for _step in 0..2500 {
        let places = Tensor::bernoulli([64, 2], 0.5, &mut rng)? * 2.0 - 1.0;
        let x = (places + Tensor::normal([64, 2], 0.0, 0.1, &mut rng)?)?;
        let loss = process.loss(&network, &x, None, &mut Mode::train(&mut rng))?;
        opt.step(&mut network, &loss.backward()?)?;
    }
    opt.swap(&mut network)?;
    let way = DiffusionSampling::ddim(20).clip(1.3);
    let mut x = Tensor::normal([64, 2], 0.0, 1.0, &mut rng)?;
    let mut chart = Chart::new("From noise to four corners").labels("x", "y");
    for i in 0..=20 {
        if [0, 12, 20].contains(&i) {
            let points: Vec<f64> = x.to_f64_vec();
            chart = chart.points(format!("after {i} steps"), points.chunks(2).map(|point| (point[0], point[1])));
        }
        if i < 20 {
            let (step, previous) = (99 - 5 * i, (i < 19).then(|| 94 - 5 * i));
            let steps = Tensor::from_vec(vec![step as i64; 64], [64])?;
            let predicted = no_grad(|| network.denoise(&x, &steps, None, &mut Mode::eval()))?;
            x = process.step_back(&x, &predicted, [Some(step), previous], &way, None)?;
        }
    }
    Ok(chart)
}

/// Tutorial 27: four digits, and which of their pixels speak for their class.
fn places() -> Result<ImageGrid> {
    let table = Table::read_csv("examples/data/digits.csv")?;
    let columns: Vec<&[f64]> = table.columns().filter_map(|(_, column)| column.numbers()).collect();
    let n = table.num_rows();
    let levels = (0..n).flat_map(|row| columns[..64].iter().map(move |pixel| (pixel[row] / 16.0) as f32));
    let x = Tensor::from_vec(levels.collect(), [n, 1, 8, 8])?;
    let y = Tensor::from_vec(columns[64].iter().map(|digit| *digit as i64).collect(), [n])?;
    let (train, test) = TensorDataset::new(x, y)?.split(0.8, &mut Rng::seed(2))?;
    let mut rng = Rng::seed(3);
    let mut model = sequential![
        Conv2d::new(1, 8, 3, &mut rng)?,
        Relu,
        MaxPool2d::new(2),
        Flatten::new(),
        Linear::new(72, 10, &mut rng)?
    ];
    Trainer::new(losses::cross_entropy, Adam::new(0.01)).epochs(5).batch_size(32).fit(&mut model, &train, &mut rng)?;
    let x = test.x().narrow(0, 0, 4)?;
    let of = Explained::layer(&model).target(Target::Predicted);
    let shown = overlay(&x, &IntegratedGradients::new().attribute(&of, &x)?.values)?;
    let both = Tensor::cat(&[&x.broadcast_to([4, 3, 8, 8])?, &shown], 0)?;
    let captions = test.y().to_vec::<i64>()?.into_iter().take(4).map(|digit| format!("a {digit}"));
    ImageGrid::new("What speaks for a digit", &both).map(|grid| grid.columns(4).captions(captions))
}
