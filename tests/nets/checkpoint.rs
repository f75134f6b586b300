//! Checkpoints, and files that mean harm.

use std::fs;
use std::path::{Path, PathBuf};

use demotic::io::{Checkpoint, CheckpointFolder, Metadata, safetensors};
use demotic::layers::Buffer;
use demotic::optimizers::schedule::{Curve, ReduceOnPlateau, Schedule};
use demotic::optimizers::{Adam, OptimizerState, ParameterState};
use demotic::prelude::*;

/// A model with parameters and a buffer.
struct Net {
    fc: Linear,
    mean: Buffer,
}

demotic::module!(Net { fc, mean });

fn net(seed: u64) -> Result<Net> {
    let mut rng = Rng::seed(seed);
    Ok(Net { fc: Linear::new(3, 2, &mut rng)?, mean: Buffer::new(Tensor::normal([2], 0.0, 1.0, &mut rng)?) })
}

fn step(net: &mut Net, opt: &mut dyn Optimizer) -> Result<()> {
    // The buffer has no gradient.
    let loss = net.fc.forward(&tensor![[1.0, -2.0, 0.5]], &mut Mode::eval())?.square().sum();
    opt.step(net, &loss.backward()?)
}

fn values(net: &Net) -> Result<Vec<Vec<f32>>> {
    Ok(vec![net.fc.weight.value()?.to_vec()?, net.fc.bias.as_ref().unwrap().to_vec()?, net.mean.get().to_vec()?])
}

/// A file with something of everything, and what it was made from.
fn saved(path: &Path) -> Result<(Net, Adam, Curve, Rng)> {
    let (mut model, mut opt, mut rng) = (net(1)?, Adam::new(0.1), Rng::seed(2));
    let mut curve = Curve::cosine(0.1, 10).warm_up(2);
    curve.start(&mut opt)?;
    for _ in 0..3 {
        step(&mut model, &mut opt)?;
        curve.step(&mut opt, 0.0)?;
    }
    rng.next_u64();
    let mut metadata = Metadata::new();
    metadata.insert_json("sizes", &[3, 2])?;
    metadata.insert("tokenizer", "字");
    Checkpoint::new()
        .model(&model)
        .optimizer(&opt)
        .schedule(&curve)
        .rng(&rng)
        .named_rng("order", &Rng::seed(7))
        .counter("step", u64::MAX)
        .numbers("losses", [0.1, f64::INFINITY, -0.0])
        .tensors("best", [("x", Tensor::from_nested([1i64, 2])?), ("y", Tensor::from_nested(true)?)])
        .metadata(metadata)
        .save(path)?;
    Ok((model, opt, curve, rng))
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ckpt");
    (folder, path)
}

#[test]
fn everything_comes_back_and_training_goes_on_as_if_uninterrupted() -> Result<()> {
    let (_folder, path) = folder();
    let (mut model, mut opt, mut curve, mut rng) = saved(&path)?;
    let checkpoint = Checkpoint::load(&path)?;
    let (mut other, mut other_opt, mut other_rng) = (net(5)?, Adam::new(9.0), Rng::seed(9));
    let mut other_curve = Curve::cosine(0.1, 10).warm_up(2);
    checkpoint.restore_model(&mut other)?;
    checkpoint.restore_optimizer(&mut other_opt)?;
    checkpoint.restore_schedule(&mut other_curve)?;
    checkpoint.restore_rng(&mut other_rng)?;
    assert_eq!(values(&model)?, values(&other)?);
    assert_eq!(rng.next_u64(), other_rng.next_u64());
    for _ in 0..5 {
        step(&mut model, &mut opt)?;
        curve.step(&mut opt, 0.0)?;
        step(&mut other, &mut other_opt)?;
        other_curve.step(&mut other_opt, 0.0)?;
        assert_eq!(opt.learning_rate(), other_opt.learning_rate());
        assert_eq!(values(&model)?, values(&other)?);
    }

    assert_eq!(checkpoint.get_rng("order")?, Rng::seed(7));
    assert_eq!(checkpoint.get_counter("step")?, u64::MAX);
    let losses = checkpoint.get_numbers("losses")?;
    assert_eq!(losses.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), [0.1f64, f64::INFINITY, -0.0].map(f64::to_bits));
    let best = checkpoint.get_tensors("best")?;
    assert_eq!((best[0].0.as_str(), best[0].1.to_vec::<i64>()?), ("x", vec![1, 2]));
    assert_eq!((best[1].0.as_str(), best[1].1.to_vec::<bool>()?, best[1].1.rank()), ("y", vec![true], 0));
    assert_eq!(checkpoint.get_metadata().get_json::<Vec<usize>>("sizes")?, [3, 2]);
    assert_eq!(checkpoint.get_metadata().get("tokenizer"), Some("字"));
    // A checkpoint of the checkpoint is the same file.
    let again = path.with_file_name("b.ckpt");
    checkpoint.save(&again)?;
    assert_eq!(fs::read(&path).unwrap(), fs::read(&again).unwrap());
    Ok(())
}

#[test]
fn all_types_and_layouts_of_tensors_come_back() -> Result<()> {
    let (_folder, path) = folder();
    let x = Tensor::normal([3, 50_000], 0.0, 100.0, &mut Rng::seed(0))?;
    let all = [DType::F32, DType::F64, DType::F16, DType::BF16, DType::I64, DType::U8, DType::Bool];
    let mut tensors: Vec<(String, Tensor)> = all.iter().map(|d| (d.to_string(), x.to_dtype(*d))).collect();
    tensors.push(("transposed".to_string(), x.t()));
    tensors.push(("empty".to_string(), Tensor::zeros([0, 3])?));
    Checkpoint::new().tensors("x", tensors.clone()).save(&path)?;
    let loaded = Checkpoint::load(&path)?;
    for ((name, want), (_, got)) in tensors.iter().zip(loaded.get_tensors("x")?) {
        assert_eq!((want.shape(), want.dtype()), (got.shape(), got.dtype()), "{name}");
        assert_eq!(want.to_f64_vec(), got.to_f64_vec(), "{name}");
    }
    Ok(())
}

/// The message of a result that must be an error, without the path.
#[track_caller]
fn message<T: std::fmt::Debug>(path: &Path, result: Result<T>) -> String {
    let e = result.expect_err("an error");
    e.message().replace(&path.display().to_string(), "FILE")
}

#[test]
fn what_does_not_fit_is_refused_word_for_word() -> Result<()> {
    let (_folder, path) = folder();
    let (model, ..) = saved(&path)?;
    let checkpoint = Checkpoint::load(&path)?;

    let mut rng = Rng::seed(0);
    let mut other = sequential![Linear::new(3, 2, &mut rng)?];
    let before = other.named_parameters()[0].1.to_vec::<f32>()?;
    let e = checkpoint.restore_model(&mut other).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Parameter);
    assert_eq!(e.help(), Some("build the model with the options that it had when the checkpoint was saved"));
    assert_eq!(
        message(&path, Err::<(), _>(e)),
        "restore_model: FILE does not fit the model: 2 missing (0.weight, 0.bias), \
         3 unexpected (fc.bias, fc.weight, mean)"
    );
    assert_eq!(other.named_parameters()[0].1.to_vec::<f32>()?, before);
    let mut wider = Net { fc: Linear::new(4, 2, &mut rng)?, mean: model.mean.clone() };
    assert_eq!(
        message(&path, checkpoint.restore_model(&mut wider)),
        "restore_model: FILE does not fit the model: \
         1 misshapen (fc.weight: [2, 3] f32 in the file, [2, 4] f32 in the model)"
    );

    let e = checkpoint.restore_optimizer(&mut Sgd::new(0.1)).unwrap_err();
    assert_eq!((e.kind(), e.message().as_str()), (ErrorKind::State, "Sgd: the state is of the optimizer `Adam`"));
    let e = checkpoint.restore_optimizer(&mut Adam::new(0.1).amsgrad(true)).unwrap_err();
    assert_eq!(e.help(), Some("was it saved with other options?"));
    let e = checkpoint.restore_schedule(&mut ReduceOnPlateau::new()).unwrap_err();
    assert_eq!(e.message(), "ReduceOnPlateau: the state is of the schedule `Curve`");

    let e = Checkpoint::new().counter("step", 3).restore_optimizer(&mut Sgd::new(0.1)).unwrap_err();
    assert_eq!(e.message(), "restore_optimizer: the checkpoint has no optimizer");
    assert_eq!(e.help(), Some("it has the counter step (3)"));
    assert_eq!(message(&path, checkpoint.get_counter("epoch")), "get_counter: FILE has no counter `epoch`");
    assert_eq!(message(&path, checkpoint.get_rng("x")), "get_rng: FILE has no random generator `x`");
    let e = Checkpoint::new().restore_model(&mut other).unwrap_err();
    assert_eq!(
        (e.message().as_str(), e.help()),
        ("restore_model: the checkpoint has no model", Some("it has nothing"))
    );

    let twice = Checkpoint::new().tensors("x", [("a", tensor![1.0]), ("a", tensor![2.0])]);
    assert_eq!(message(&path, twice.save(&path)), "save: two tensors are called `a`");
    Ok(())
}

/// CRC-64/XZ, one bit at a time.
fn crc(bytes: &[u8]) -> u64 {
    !bytes.iter().fold(u64::MAX, |sum, byte| {
        (0..8).fold(sum ^ u64::from(*byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xc96c_5795_d787_0f42 } else { 0 })
    })
}

/// Loads changed bytes. With `seal`, sizes and checksum are those that the changed file should have.
fn load(path: &Path, bytes: &[u8], seal: bool) -> Result<Checkpoint> {
    let mut bytes = bytes.to_vec();
    if seal {
        let size = bytes.len();
        bytes[12..20].copy_from_slice(&(size as u64).to_le_bytes());
        let sum = crc(&bytes[..size - 8]);
        bytes[size - 8..].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
    Checkpoint::load(path)
}

#[test]
fn damage_is_noticed_wherever_it_is() -> Result<()> {
    let (_folder, path) = folder();
    saved(&path)?;
    let good = fs::read(&path).unwrap();
    let size = good.len();
    assert!(load(&path, &good, true).is_ok(), "the test's checksum is the format's");

    assert_eq!(
        message(&path, load(&path, &good[..size - 1], false)),
        format!("load: FILE: truncated: {} of {size} bytes", size - 1)
    );
    assert_eq!(
        message(&path, load(&path, &good[..20], false)),
        "load: FILE: truncated: 20 bytes are too few for a checkpoint"
    );
    assert_eq!(message(&path, load(&path, &[], false)), "load: FILE: the file is empty");
    let longer = [&good[..], &[0; 3]].concat();
    assert_eq!(message(&path, load(&path, &longer, false)), "load: FILE: damaged: 3 bytes behind its end");
    for len in 0..size {
        assert!(load(&path, &good[..len], false).is_err(), "{len} bytes");
    }
    // Every bit of the first part and some of the rest.
    for bit in (0..200 * 8).chain((200 * 8..size * 8).step_by(61)) {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(load(&path, &bad, false).is_err(), "bit {bit}");
    }
    let mut bad = good.clone();
    bad[size - 20] ^= 4;
    let e = load(&path, &bad, false).unwrap_err();
    assert_eq!((e.kind(), e.help()), (ErrorKind::Format, Some("use an earlier checkpoint")));
    assert_eq!(message(&path, Err::<(), _>(e)), "load: FILE: damaged: the checksum does not match");

    let mut newer = good.clone();
    newer[8] = 4;
    let e = load(&path, &newer, true).unwrap_err();
    assert_eq!(e.help(), Some("it was written by another release of demotic: use that one"));
    let text = message(&path, Err::<(), _>(e));
    assert_eq!(text, "load: FILE: version 4 of the format, this release reads versions 1 to 3");

    safetensors::save_tensors([("x", &tensor![1.0])], &Metadata::new(), &path)?;
    let e = Checkpoint::load(&path).unwrap_err();
    assert_eq!(e.help(), Some("SaveLoad::load and io::safetensors read it"));
    assert_eq!(message(&path, Err::<(), _>(e)), "load: FILE: not a checkpoint: it seems to be a safetensors file");
    assert_eq!(Checkpoint::load(path.with_file_name("none")).unwrap_err().kind(), ErrorKind::Io);
    Ok(())
}

/// Files whose checksum is right and whose contents are not.
#[test]
fn lengths_that_lie_are_refused_and_take_no_memory() -> Result<()> {
    let (_folder, path) = folder();
    Checkpoint::new().tensors("g", [("name", tensor![1.0, 2.0])]).save(&path)?;
    let good = fs::read(&path).unwrap();
    let hostile = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let mut result = None;
        let memory = allocation_counter::measure(|| result = Some(load(&path, &bytes, true)));
        // The blocks that are read at once, and serde's limit for a list of unknown length.
        assert!(memory.bytes_max < 4 << 20, "{} bytes", memory.bytes_max);
        message(&path, result.unwrap())
    };
    let header = |bytes: &mut Vec<u8>, size: u64| bytes[20..28].copy_from_slice(&size.to_le_bytes());
    let size = good.len();
    assert_eq!(
        hostile(&|b| header(b, 1 << 40)),
        format!("load: FILE: damaged: a header of 1099511627776 bytes in a file of {size}")
    );
    assert_eq!(hostile(&|b| header(b, 3)).find("the header is malformed"), Some(12));

    // After the preamble: 1 group, a name of 1, 1 tensor, a name of 4, the type, 1 dimension, its size.
    assert_eq!(good[28..39], [1, 1, b'g', 1, 4, b'n', b'a', b'm', b'e', 0, 1]);
    assert_eq!(good[39], 2);
    assert_eq!(
        hostile(&|b| b[39] = 3),
        "load: FILE: the header is malformed: its tensors take 12 bytes, the file has 8 for them"
    );
    // A length of eight bytes follows 253.
    let huge = |b: &mut Vec<u8>, at: usize| {
        b.splice(at..at + 1, [253, 255, 255, 255, 255, 255, 255, 255, 15]);
        header(b, (u64::from_le_bytes(b[20..28].try_into().unwrap())) + 8);
    };
    assert_eq!(
        hostile(&|b| huge(b, 39)),
        "load: FILE: the header is malformed: its tensors take 4611686018427387900 bytes, the file has 8 for them"
    );
    for at in [28, 29, 31, 32, 38] {
        assert!(hostile(&|b| huge(b, at)).contains("the header is malformed"), "{at}");
    }
    // A type that there is not, a list of nine dimensions.
    assert!(hostile(&|b| b[37] = 99).contains("the header is malformed"));
    let nine = |b: &mut Vec<u8>| {
        b[38] = 9;
        b.splice(39..39, [1; 8]);
        let size = u64::from_le_bytes(b[20..28].try_into().unwrap());
        header(b, size + 8);
    };
    assert_eq!(
        hostile(&nine),
        "load: FILE: the header is malformed: tensor `name`: load: 9 dimensions, at most 8 are supported"
    );
    Ok(())
}

/// A state of zeros would make a generator return zeros for ever, and sampling from it never end.
#[test]
fn a_generator_of_zeros_is_refused() -> Result<()> {
    let (_folder, path) = folder();
    Checkpoint::new().rng(&Rng::seed(0)).save(&path)?;
    let mut bytes = fs::read(&path).unwrap();
    // No groups, optimizer, schedule; 1 generator, a name of 3; four integers of 9 bytes each.
    assert_eq!(bytes[28..36], [0, 0, 0, 1, 3, b'r', b'n', b'g']);
    bytes.splice(36..36 + 36, [0; 4]);
    let size = u64::from_le_bytes(bytes[20..28].try_into().unwrap());
    bytes[20..28].copy_from_slice(&(size - 32).to_le_bytes());
    assert!(message(&path, load(&path, &bytes, true)).contains("the state of the random generator is all zeros"));
    Ok(())
}

#[test]
fn saving_takes_no_copy_and_loading_one() -> Result<()> {
    let (_folder, path) = folder();
    let big = 8 << 20;
    let model = demotic::layers::Param::new(Tensor::zeros([big / 4])?)?;
    let memory = allocation_counter::measure(|| Checkpoint::new().model(&model).save(&path).unwrap());
    assert!(memory.bytes_max < 1 << 20, "{}", memory.bytes_max);
    let memory = allocation_counter::measure(|| drop(Checkpoint::load(&path).unwrap()));
    assert!(memory.bytes_max < big as u64 * 5 / 4 + (1 << 20), "{}", memory.bytes_max);
    Ok(())
}

#[test]
fn a_folder_keeps_the_last_and_touches_nothing_else() -> Result<()> {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("run/a");
    let folder = CheckpointFolder::new(&path).keep(2);
    assert_eq!((folder.list()?, folder.latest()?), (vec![], None));
    let names = || -> Result<Vec<String>> {
        Ok(folder.list()?.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_string()).collect())
    };
    for step in [1, 2, 30, 1_000_000_000, 40] {
        folder.save(step, &Checkpoint::new().counter("step", step))?;
        fs::write(path.join("step-x.ckpt"), "another file").unwrap();
    }
    assert_eq!(names()?, ["step-000000030.ckpt", "step-000000040.ckpt", "step-1000000000.ckpt"]);
    assert!(path.join("step-x.ckpt").exists());
    let e = CheckpointFolder::new(path.join("step-x.ckpt")).save(1, &Checkpoint::new()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    Ok(())
}

/// A file of an earlier version: its header ends `less` bytes before, which were 0 but for the `steps` of an optimizer.
fn earlier(bytes: &[u8], version: u8, less: usize, steps: u8) -> Vec<u8> {
    let header = u64::from_le_bytes(bytes[20..28].try_into().unwrap());
    let end = 28 + header as usize;
    assert_eq!(bytes[end - less..end], [&vec![0; less - 2][..], &[steps, 0]].concat());
    let mut bytes = [&bytes[..end - less], &bytes[end..]].concat();
    bytes[20..28].copy_from_slice(&(header - less as u64).to_le_bytes());
    bytes[8] = version;
    bytes
}

/// Files of the first version, which did not say what was frozen, are read as they are.
#[test]
fn files_of_the_first_version_are_read() -> Result<()> {
    let (_folder, path) = folder();
    let mut model = Linear::new(3, 2, &mut Rng::seed(0))?;
    Checkpoint::new()
        .tensors("model", [("weight", model.weight.value()?.detach()), ("bias", tensor![1.0, 2.0])])
        .counter("n", 7)
        .save(&path)?;
    // Nothing is said about freezing, steps and what is shared: a byte each.
    let bytes = earlier(&fs::read(&path).unwrap(), 1, 3, 0);
    let old = load(&path, &bytes, true)?;
    assert_eq!((old.get_counter("n")?, old.frozen()), (7, None));
    model.freeze("weight")?;
    old.restore_model(&mut model)?;
    assert_eq!(model.bias.as_ref().unwrap().to_vec::<f32>()?, [1.0, 2.0]);
    assert_eq!(model.num_trainable_parameters(), 2);

    Checkpoint::new().model(&model).save(&path)?;
    let new = Checkpoint::load(&path)?;
    assert_eq!(new.frozen().unwrap(), ["weight"]);
    model.unfreeze("*")?;
    model.freeze("bias")?;
    new.restore_model(&mut model)?;
    assert_eq!(model.num_trainable_parameters(), 0);
    Ok(())
}

/// Those of the second version did not say how many steps the optimizer had taken, and there was nothing to share.
#[test]
fn files_of_the_second_version_go_on_bit_for_bit() -> Result<()> {
    let (_folder, path) = folder();
    let new = || -> Result<(Linear, AdamW)> { Ok((Linear::new(3, 2, &mut Rng::seed(0))?, AdamW::new(0.1))) };
    let train = |(model, opt): &mut (Linear, AdamW)| -> Result<()> {
        for _ in 0..3 {
            let loss = model.forward(&tensor![[1.0, -2.0, 0.5]], &mut Mode::eval())?.square().sum();
            opt.step(model, &loss.backward()?)?;
        }
        Ok(())
    };
    let mut run = new()?;
    train(&mut run)?;
    Checkpoint::new().model(&run.0).optimizer(&run.1).save(&path)?;
    let bytes = earlier(&fs::read(&path).unwrap(), 2, 2, 3);
    let old = load(&path, &bytes, true)?;
    assert_eq!(old.get_optimizer_state()?.steps, 0);
    let mut resumed = new()?;
    old.restore_model(&mut resumed.0)?;
    old.restore_optimizer(&mut resumed.1)?;
    train(&mut run)?;
    train(&mut resumed)?;
    assert_eq!(run.0.weight.value()?.to_vec::<f32>()?, resumed.0.weight.value()?.to_vec::<f32>()?);
    assert_eq!(run.1.state().steps, 6);
    assert_eq!(resumed.1.state().steps, 6);
    Ok(())
}

/// An optimizer whose state is what it was given.
struct Held(OptimizerState);

impl Optimizer for Held {
    fn step(&mut self, _: &mut dyn Module, _: &demotic::autograd::Gradients) -> Result<()> {
        Ok(())
    }
    fn learning_rate(&self) -> f64 {
        self.0.learning_rate
    }
    fn set_learning_rate(&mut self, learning_rate: f64) {
        self.0.learning_rate = learning_rate;
    }
    fn state(&self) -> OptimizerState {
        self.0.clone()
    }
    fn load_state(&mut self, state: OptimizerState) -> Result<()> {
        self.0 = state;
        Ok(())
    }
}

/// Names of parameters and of their tensors may be anything, also such that together they look alike.
#[test]
fn states_of_further_optimizers_come_back_whatever_they_are_called() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let mut state = OptimizerState::new("Held", 0.25);
    for (path, name, x) in [("a", "b:c", 1.0), ("a:b", "c", 2.0), ("", "a:b:c", 3.0)] {
        let tensors = [(name.to_string(), tensor![x])].into();
        state.parameters.insert(path.into(), ParameterState::new(7, tensors));
    }
    state.shared.insert("a:b:c".into(), tensor![4.0]);
    state.shared.insert(":a:b:c".into(), tensor![5.0]);
    Checkpoint::new().named_optimizer("other", &Held(state.clone()))?.save(&path)?;
    let saved = Checkpoint::load(&path)?;
    let mut again = Held(OptimizerState::new("Held", 0.0));
    saved.restore_named_optimizer("other", &mut again)?;
    assert_eq!(format!("{:?}", again.0), format!("{state:?}"));
    for (path, name) in [("a", "b:c"), ("a:b", "c"), ("", "a:b:c")] {
        let value = |state: &OptimizerState| state.parameters[path].tensors[name].item();
        assert_eq!(value(&again.0)?, value(&state)?, "{path} {name}");
    }

    // One tensor more than are described.
    let tensors = saved.get_tensors("optimizer.other")?.iter().cloned().chain([("more".to_string(), tensor![1.0])]);
    let more = Checkpoint::load(&path)?.tensors("optimizer.other", tensors.collect::<Vec<_>>());
    let e = more.restore_named_optimizer("other", &mut again).unwrap_err();
    let expected = "`optimizer.other` has more tensors than it says: `more`";
    assert!(e.message().starts_with("restore_named_optimizer: ") && e.message().ends_with(expected), "{e}");
    let fewer: Vec<(String, Tensor)> = saved.get_tensors("optimizer.other")?[1..].to_vec();
    let e = Checkpoint::load(&path)?
        .tensors("optimizer.other", fewer)
        .restore_named_optimizer("other", &mut again)
        .unwrap_err();
    assert!(e.message().ends_with("`optimizer.other` has fewer tensors than it says"), "{e}");
    Ok(())
}
