//! Trains two models on as many ranks as there are, and compares them with those that one process comes to: bit for bit.
//!
//! `mpirun -n 2 target/release/examples/distributed`, and `--help` for the options. Without `mpirun` it is one rank.

use std::path::PathBuf;
use std::process::ExitCode;

use demotic::data::{CsvOptions, NextTokens};
use demotic::distributed::{DataParallel, Group, OneProcess, Sharding};
use demotic::io::CheckpointFolder;
use demotic::layers::{Slot, Visitor};
use demotic::models::{Gpt, GptConfig, Mlp};
use demotic::optimizers::schedule::Curve;
use demotic::prelude::*;
use demotic::text::{CharTokenizer, TokenStream, Tokenizer};

const USAGE: &str = "\
mpirun -n RANKS distributed [options]
  --task houses|text      one of the two models (default: both)
  --quick                 a minute's work in seconds
  --steps N               how many steps of the optimizer
  --micro-batches N       how many batches make a step, on all ranks together (default 4)
  --sharding none|optimizer|gradients
  --checkpoints FOLDER    save there every few steps, and go on from what is there
  --every N               after how many steps (default 10)
  --slow MILLISECONDS     wait so long after each step, for tests that end ranks in between
  --alone                 do not compare with one process
  --fail RANK             let a rank fail after the third step";

/// Of a house with the area, the age and so on, what did it cost?
const HOUSES: &str = include_str!("../../../examples/data/houses.csv");

/// What the character model reads.
const TEXT: &str = include_str!("../../../README.md");

#[derive(Clone)]
struct Options {
    houses: bool,
    text: bool,
    quick: bool,
    steps: Option<u64>,
    micro_batches: usize,
    sharding: Sharding,
    checkpoints: Option<PathBuf>,
    every: u64,
    slow: u64,
    alone: bool,
    fail: Option<usize>,
}

impl Options {
    fn read() -> Result<Option<Self>> {
        let mut options = Self {
            houses: true,
            text: true,
            quick: false,
            steps: None,
            micro_batches: 4,
            sharding: Sharding::None,
            checkpoints: None,
            every: 10,
            slow: 0,
            alone: false,
            fail: None,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| wrong(format!("{arg} needs a value")));
            match arg.as_str() {
                "--help" => return Ok(None),
                "--quick" => options.quick = true,
                "--alone" => options.alone = true,
                "--task" => {
                    let task = value()?;
                    (options.houses, options.text) = (task == "houses", task == "text");
                }
                "--steps" => options.steps = Some(number(&arg, &value()?)?),
                "--micro-batches" => options.micro_batches = number(&arg, &value()?)?,
                "--every" => options.every = number(&arg, &value()?)?,
                "--slow" => options.slow = number(&arg, &value()?)?,
                "--fail" => options.fail = Some(number(&arg, &value()?)?),
                "--checkpoints" => options.checkpoints = Some(value()?.into()),
                "--sharding" => {
                    options.sharding = match value()?.as_str() {
                        "none" => Sharding::None,
                        "optimizer" => Sharding::Optimizer,
                        "gradients" => Sharding::Gradients,
                        other => return Err(wrong(format!("--sharding {other}"))),
                    }
                }
                other => return Err(wrong(format!("{other} is no option"))),
            }
        }
        Ok(Some(options))
    }
}

fn wrong(message: String) -> Error {
    Error::argument("distributed", message).with_help(USAGE)
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T> {
    text.parse().map_err(|_| wrong(format!("{name} {text}: expected a number")))
}

/// All bits of a model in one number (FNV-1a).
fn digest(model: &dyn Module) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut on_slot = |_: &str, slot: Slot<'_>| {
        let value = match slot {
            Slot::Param(param) => param.value().detach(),
            Slot::Buffer(buffer) => buffer.get(),
        };
        for x in value.to_f64_vec() {
            for byte in x.to_bits().to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
            }
        }
    };
    model.visit(&mut Visitor::new(&mut on_slot));
    hash
}

/// What both models' trainers have in common.
fn train<M: Layer + 'static>(
    group: &dyn Group,
    options: &Options,
    name: &str,
    mut trainer: Trainer<'_>,
    model: &mut M,
    data: &dyn Dataset<Batch = (Tensor, Tensor)>,
    rng: &mut Rng,
) -> Result<f64> {
    let parallel = DataParallel::new(group).sharding(options.sharding);
    trainer = trainer.accumulate(options.micro_batches).distributed(parallel);
    if let Some(folder) = &options.checkpoints {
        let folder = CheckpointFolder::new(folder.join(name)).keep(2);
        trainer = trainer.checkpoints(folder.clone()).checkpoint_every(options.every);
        if let Some(latest) = folder.latest()? {
            trainer = trainer.resume(latest);
        }
    }
    let (slow, fails) = (options.slow, options.fail == Some(group.rank()));
    trainer = trainer.every(1, move |report, _: &M| {
        if fails && report.step == 3 {
            return Err(Error::state("distributed", "this rank was asked to fail"));
        }
        std::thread::sleep(std::time::Duration::from_millis(slow));
        Ok(std::ops::ControlFlow::Continue(()))
    });
    let history = trainer.fit(model, data, rng)?;
    Ok(history.last().map_or(f64::NAN, |last| last.validation_loss.unwrap_or(last.train_loss)))
}

/// A perceptron with dropout on the prices of houses.
fn houses(group: &dyn Group, options: &Options) -> Result<(u64, f64)> {
    let mut rng = Rng::seed(1);
    let table = Table::from_csv_reader(HOUSES.as_bytes(), &CsvOptions::default())?;
    let (train_part, validation) = table.split(0.85, &mut rng)?;
    let prep = Preprocessor::regression("price").fit(&train_part)?;
    let (data, validation) = (prep.transform(&train_part)?, prep.transform(&validation)?);
    // Those of rank 0 count.
    let mut model = Mlp::new(&[prep.num_features(), 64, 64, 1], &mut Rng::seed(group.rank() as u64))?
        .activation(Gelu)
        .dropout(0.02)?;
    let trainer = Trainer::new(losses::mse, Adam::new(3e-3).clip_norm(1.0))
        .max_steps(options.steps.unwrap_or(if options.quick { 60 } else { 1500 }))
        .batch_size(16)
        .validation(&validation)
        .metric("rmse", metrics::rmse);
    let loss = train(group, options, "houses", trainer, &mut model, &data, &mut rng)?;
    Ok((digest(&model), loss))
}

/// A small GPT with dropout on the characters of a text.
fn text(group: &dyn Group, options: &Options) -> Result<(u64, f64)> {
    let tokenizer = CharTokenizer::fit([TEXT])?;
    let (stream, kept) = TokenStream::from_ids(tokenizer.encode(TEXT)?)?.split(0.9)?;
    let (layers, width, context) = if options.quick { (2, 32, 32) } else { (4, 128, 64) };
    let (data, kept) = (NextTokens::new(stream, context)?, NextTokens::new(kept, context)?);
    let config =
        GptConfig::new(tokenizer.vocab_size(), context).layers(layers).heads(4).hidden_size(width).dropout(0.1);
    let mut model = Gpt::new(config, &mut Rng::seed(group.rank() as u64))?;
    let steps = options.steps.unwrap_or(if options.quick { 12 } else { 600 });
    let trainer = Trainer::new(losses::token_cross_entropy, AdamW::new(3e-3).decay_matrices_only().clip_norm(1.0))
        .max_steps(steps)
        .batch_size(4)
        .step_schedule(Curve::cosine(3e-3, steps).warm_up(steps / 10))
        .validation(&kept);
    let loss = train(group, options, "text", trainer, &mut model, &data, &mut Rng::seed(2))?;
    Ok((digest(&model), loss))
}

fn main() -> ExitCode {
    demotic_mpi::main(|group| {
        let Some(options) = Options::read()? else {
            if group.rank() == 0 {
                println!("{USAGE}");
            }
            return Ok(());
        };
        type Task = fn(&dyn Group, &Options) -> Result<(u64, f64)>;
        let tasks: [(&str, bool, Task); 2] = [("houses", options.houses, houses), ("text", options.text, text)];
        for (name, _, task) in tasks.into_iter().filter(|(_, is_wanted, _)| *is_wanted) {
            let begun = std::time::Instant::now();
            let (bits, loss) = task(group, &options)?;
            let seconds = begun.elapsed().as_secs_f64();
            // Every rank has them.
            let own = Tensor::from_slice(&[(bits >> 32) as i64, (bits & 0xffff_ffff) as i64], [2])?;
            for (rank, others) in group.all_gather(&own)?.into_iter().enumerate() {
                if others.to_vec::<i64>()? != own.to_vec::<i64>()? {
                    return Err(Error::state("distributed", format!("rank {rank} has other weights")));
                }
            }
            if group.rank() > 0 {
                continue;
            }
            println!("{name}: {} ranks, {seconds:.1} s, loss {loss:.4}, bits {bits:016x}", group.size());
            if !options.alone {
                // Without checkpoints: from the beginning.
                let alone = Options { checkpoints: None, slow: 0, fail: None, ..options.clone() };
                let (expected, _) = task(&*OneProcess::new().handle(), &alone)?;
                if expected != bits {
                    let message = format!("one process comes to the bits {expected:016x}, not {bits:016x}");
                    return Err(Error::state("distributed", message));
                }
                println!("{name}: one process comes to the same bits");
            }
        }
        group.barrier()
    })
}
