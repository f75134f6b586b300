//! What beginners get wrong, and what they read then, word for word.

use demotic::data::{CsvOptions, DatePart};
use demotic::models::{Gpt, LinearRegression};
use demotic::prelude::*;
use demotic::tensor;

/// The error's message and its help; the error must point to this file.
#[track_caller]
fn told<T>(result: Result<T>) -> (String, String) {
    let Err(error) = result else { panic!("there is no error") };
    assert!(error.to_string().contains("tests/nets/mistakes.rs"), "not the caller's line: {error}");
    (error.message(), error.help().unwrap_or_default().to_string())
}

macro_rules! tells {
    ($result:expr, $message:expr, $help:expr $(,)?) => {
        assert_eq!(told($result), ($message.to_string(), $help.to_string()));
    };
}

fn ones<const N: usize>(shape: [usize; N]) -> Tensor {
    Tensor::ones(shape).unwrap()
}

#[test]
fn sizes_of_linear_layers() -> Result<()> {
    let mut rng = Rng::seed(0);
    tells!(
        Linear::new(10, 4, &mut rng)?.predict(&ones([2, 4])),
        "linear: the input [2, 4] has 4 features, the layer takes 10",
        "are the sizes swapped? Linear::new(4, 10, ..) takes 4 features",
    );
    let model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(7, 2, &mut rng)?];
    tells!(
        model.predict(&ones([2, 4])),
        "linear: the input [2, 8] has 8 features, the layer takes 7",
        "make it of the size of what comes in: Linear::new(8, 2, ..)",
    );
    let classifier = Linear::new(784, 10, &mut rng)?;
    tells!(
        classifier.predict(&ones([2, 28, 28])),
        "linear: the input [2, 28, 28] has 28 features, the layer takes 784",
        "flatten the examples first: flatten(1, -1), or a Flatten layer",
    );
    assert_eq!(classifier.predict(&ones([2, 28, 28]).flatten(1, -1)?)?.shape(), [2, 10]);
    tells!(
        classifier.predict(&ones([28, 28])),
        "linear: the input [28, 28] has 28 features, the layer takes 784",
        "flatten the example first: flatten(0, -1); before layers that take batches, make it one: unsqueeze(0)",
    );
    assert_eq!(classifier.predict(&ones([28, 28]).flatten(0, -1)?)?.shape(), [10]);
    tells!(
        classifier.predict(&Tensor::scalar(1.0)),
        "linear: input [] and weight [10, 784], expected [.., in] and [out, in]",
        "give a single number the shape [1, 1]",
    );
    tells!(
        classifier.predict(&ones([2, 784]).to_dtype(DType::F64)),
        "linear: an input of f64 for a weight of f32",
        "convert the input with to_dtype(DType::F32); Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32",
    );
    tells!(
        classifier.predict(&ones([2, 784]).to_dtype(DType::U8)),
        "linear: the input must be f32 or f64, not u8",
        "convert with to_dtype(DType::F32)",
    );
    Ok(())
}

#[test]
fn targets_of_losses() {
    let (column, row) = (ones([4, 1]), ones([4]));
    let reshape = "reshape the target to [4, 1]";
    tells!(losses::mse(&column, &row), "mse: the prediction has shape [4, 1], the target [4]", reshape);
    tells!(losses::mae(&column, &row), "mae: the prediction has shape [4, 1], the target [4]", reshape);
    tells!(losses::huber(&column, &row, 1.0), "huber: the prediction has shape [4, 1], the target [4]", reshape);
    tells!(
        losses::bce_with_logits(&column, &row),
        "bce_with_logits: the prediction has shape [4, 1], the target [4]",
        reshape,
    );
    tells!(
        losses::mse(&column, &column.to_dtype(DType::I64)),
        "mse: the target must be f32, not i64",
        "convert with to_dtype(DType::F32)",
    );
    let logits = ones([4, 3]);
    let classes = row.to_dtype(DType::I64);
    assert!(losses::cross_entropy(&logits, &classes).is_ok());
    tells!(
        losses::cross_entropy(&logits, &row),
        "cross_entropy: class numbers of type f32, expected i64",
        "convert them with to_dtype(DType::I64); tensor![..] is always f32, Tensor::from_nested([0_i64, 1]) is i64",
    );
    tells!(
        losses::cross_entropy(&logits, &classes.reshape([4, 1]).unwrap()),
        "cross_entropy: targets of shape [4, 1] for logits [4, 3], expected [4]",
        "class numbers have no dimension of classes: reshape them to [4]",
    );
    tells!(
        losses::cross_entropy(&logits, &classes.one_hot(3).unwrap()),
        "cross_entropy: targets of shape [4, 3] for logits [4, 3], expected [4]",
        "one-hot rows are probabilities: to_dtype(DType::F32); or give class numbers",
    );
    tells!(
        losses::cross_entropy(&logits, &(&classes + 2)),
        "cross_entropy: target 0 is class 3, the logits have 3 classes (0 ..= 2)",
        "classes are counted from 0, and the last layer has an output for each",
    );
    // One class is no choice, and no error either, as in PyTorch: there is nothing to lose.
    assert_eq!(losses::cross_entropy(&column, &(&classes - 1)).unwrap().item().unwrap(), 0.0);
}

#[test]
fn learning_rates() -> Result<()> {
    let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let loss = |model: &Linear| losses::mse(&model.forward(&ones([3, 2]), &mut Mode::eval())?, &ones([3, 1]));
    for (rate, name) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let grads = loss(&model)?.backward()?;
        tells!(
            Sgd::new(rate).step(&mut model, &grads),
            format!("Sgd: the learning rate is {name}, expected a finite number that is not negative"),
            "",
        );
    }
    // Nothing moves at rate 0, with which a warm-up may begin.
    let (before, grads) = (model.weight.value()?.to_vec::<f32>()?, loss(&model)?.backward()?);
    Sgd::new(0.0).step(&mut model, &grads)?;
    assert_eq!(model.weight.value()?.to_vec::<f32>()?, before);

    // A step at a huge rate throws the weights so far that after a few the gradient is no number any more.
    let mut opt = Sgd::new(1e30);
    let mut step = || {
        let grads = loss(&model)?.backward()?;
        opt.step(&mut model, &grads)
    };
    let failed = (0..5).map(|_| step()).find(Result::is_err).unwrap_or(Ok(()));
    tells!(
        failed,
        "Sgd: the gradient of `weight` has NaN or infinite values",
        "lower the learning rate, or clip the gradients; look for a division by zero, log(0), or NaN in the data. \
         The model is unchanged",
    );
    Ok(())
}

#[test]
fn backward_passes() -> Result<()> {
    let x = ones([2]).tracked()?;
    let loss = x.square().sum();
    let grads = loss.backward()?;
    tells!(
        loss.backward(),
        "backward: the graph behind `sum` was freed by an earlier backward pass",
        "call backward_retain() the first time, or compute the loss again",
    );
    tells!(
        x.square().backward(),
        "backward: the output has shape [2], expected a single number",
        "reduce the loss first, for example with mean()",
    );
    tells!(
        ones([2]).sum().backward(),
        "backward: there is nothing to differentiate: the output was not computed from tracked tensors",
        "parameters are tracked unless frozen (unfreeze(\"*\") makes all of a model trainable), other tensors by tracked(); no_grad \
         and predict record nothing",
    );
    tells!(
        grads.wrt(&ones([2])),
        "wrt: the tensor is not tracked",
        "track it with tracked() before the loss is computed from it",
    );
    let only = "only tensors made with tracked() and parameters have gradients here; for others use autograd::grad";
    tells!(grads.wrt(&loss), "wrt: the loss does not depend on this tensor", only);
    tells!(grads.wrt(&ones([2]).tracked()?), "wrt: the loss does not depend on this tensor", only);
    tells!(
        Tensor::arange(3)?.tracked(),
        "tracked: a tensor with gradients must be f32 or f64, not i64",
        "convert with to_dtype(DType::F32)",
    );
    tells!(
        demotic::autograd::grad(&[&x.sum()], &[&ones([2])], Default::default()),
        "grad: input 0 is not tracked",
        "track it with tracked() before using it",
    );
    tells!(
        demotic::autograd::grad(&[&x.sum()], &[&ones([2]).tracked()?], Default::default()),
        "grad: the outputs do not depend on input 0",
        "set allow_unused to get zeros for it",
    );
    Ok(())
}

#[test]
fn gradients_of_another_model() -> Result<()> {
    let mut model = Linear::new(2, 2, &mut Rng::seed(0))?;
    let grads = model.clone().forward(&ones([1, 2]), &mut Mode::eval())?.sum().backward()?;
    tells!(
        Adam::new(0.1).step(&mut model, &grads),
        "Adam: the loss does not depend on `weight`, `bias`",
        "compute the loss with the model that the optimizer gets, and use all of it; or freeze what is not to be \
         trained; or pass over it with .allow_unused()",
    );
    Ok(())
}

/// A layer used twice is trained by both uses.
#[test]
fn a_layer_used_twice() -> Result<()> {
    let layer = Linear::new(1, 1, &mut Rng::seed(0))?.without_bias();
    let w = layer.weight.value()?.item()?;
    let once = layer.forward(&ones([1, 1]), &mut Mode::eval())?;
    let grads = layer.forward(&once, &mut Mode::eval())?.sum().backward()?;
    assert_eq!(grads.wrt(&layer.weight.value()?)?.item()?, 2.0 * w);
    Ok(())
}

#[test]
fn types_and_shapes_of_operands() {
    let (x, doubles) = (ones([2, 3]), ones([2, 3]).to_dtype(DType::F64));
    let convert = "types are never converted silently: use to_dtype(DType::F32) on the second";
    // Bare literals are `f64` in Rust.
    let bare = Tensor::from_vec(vec![1.0, 2.0, 3.0], [3]).unwrap();
    for pair in [&x + &doubles, &x + &bare, &bare * &x] {
        let e = pair.unwrap_err();
        let help = e.help().unwrap();
        assert!(help.starts_with("types are never converted silently: use to_dtype(DType::F"), "{help}");
        assert!(help.ends_with("; Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32"), "{help}");
    }
    tells!(
        bare.to_vec::<f32>().map(|_| bare.clone()),
        "to_vec: the elements are f64, not f32",
        "convert with to_dtype(DType::F32); Tensor::from_vec(vec![1.0]) makes f64, tensor![1.0] and 1.0_f32 make f32",
    );
    tells!(&x * &x.gt_scalar(0.0), "mul: operands of types f32 and bool", convert);
    tells!(
        &x * &x.t(),
        "mul: shapes [2, 3] and [3, 2] do not broadcast",
        "`*` and mul go element by element; the matrix product is matmul",
    );
    tells!(
        &x + &x.t(),
        "add: shapes [2, 3] and [3, 2] do not broadcast",
        "counted from the last, dimensions must be equal, or one of them 1 or absent",
    );
    tells!(
        x.matmul(&x),
        "matmul: inner sizes differ, [2, 3] × [2, 3] (3 ≠ 2)",
        "the second operand fits transposed: b.t()",
    );
    tells!(
        x.matmul(&ones([2])),
        "matmul: inner sizes differ, [2, 3] × [2] (3 ≠ 2)",
        "the first operand fits transposed: a.t()",
    );
    tells!(x.matmul(&ones([5])), "matmul: inner sizes differ, [2, 3] × [5] (3 ≠ 5)", "");
}

#[test]
fn names_of_columns() -> Result<()> {
    let table = |text: &str| Table::from_csv_reader(text.as_bytes(), &CsvOptions::new());
    let houses = table("area,price,kind\n1,2,a\n2,3,b\n")?;
    let known = "the columns are area, price, kind";
    let meant = format!("did you mean `price`? {known}");
    tells!(houses.column("prise"), "column: the table has no column `prise`", meant);
    tells!(houses.column("Price"), "column: the table has no column `Price`", meant);
    tells!(houses.select(&["area", "prize"]), "select: the table has no column `prize`", meant);
    tells!(Preprocessor::fit(&houses, "pric"), "fit: the table has no column `pric`", meant);
    tells!(houses.column("rooms"), "column: the table has no column `rooms`", known);
    tells!(houses.column(""), "column: the table has no column ``", known);
    let long = "x".repeat(1000);
    tells!(houses.column(&long), format!("column: the table has no column `{}…`", &long[..80]), known);
    tells!(
        table("area;price\n1;2\n")?.column("price"),
        "column: the table has no column `price`",
        "the only column is `area;price`: set the file's delimiter with CsvOptions::delimiter",
    );
    Ok(())
}

#[test]
fn sizes_beyond_all_memory_show_the_line_that_asked_for_them() {
    let shape = [1 << 20, 1 << 20];
    let errors = [
        (line!(), Tensor::zeros(shape).unwrap_err()),
        (line!(), Tensor::ones(shape).unwrap_err()),
        (line!(), Tensor::full(shape, 2.0).unwrap_err()),
        (line!(), Tensor::normal(shape, 0.0, 1.0, &mut Rng::seed(0)).unwrap_err()),
        (line!(), metrics::confusion_matrix(&Tensor::zeros([1, 2]).unwrap(), &tensor![0_i64], usize::MAX).unwrap_err()),
    ];
    for (line, e) in errors {
        let place = format!("at tests/nets/mistakes.rs:{line}");
        assert!(e.to_string().contains(&place), "{e}, expected {place}");
    }
}

#[test]
fn another_delimiter_is_named() {
    for (text, delimiter) in [("a;b;c\n1,5;2;3\n", "';'"), ("a\tb\n1,2\t3\n", "'\\t'"), ("a|b\n1,2|3\n", "'|'")] {
        let e = Table::from_csv_reader(text.as_bytes(), &CsvOptions::new()).unwrap_err();
        let expected = format!(
            "the header seems to be separated by {delimiter}: read with CsvOptions::new().delimiter({delimiter})"
        );
        assert_eq!(e.help(), Some(expected.as_str()));
    }
}

#[test]
fn a_pipeline_for_tables_is_not_one_for_texts() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prices.safetensors");
    let table = Table::from_csv_reader("x,y\n1,2\n2,4\n3,7\n".as_bytes(), &CsvOptions::new())?;
    let prep = Preprocessor::fit(&table, "y")?;
    let data = prep.transform(&table)?;
    Pipeline::new(prep, LinearRegression::fit(data.x(), data.y())?)?.save(&path)?;
    let e = TextPipeline::<Gpt>::open(&path).unwrap_err();
    assert_eq!(e.help(), Some("it holds a preprocessor for tables: Pipeline::open(path) opens it"));
    Ok(())
}

#[test]
fn parts_of_dates_say_what_they_are_parts_of() -> Result<()> {
    let csv = "joined,x,y\n12.05.2020,1,2\n01.02.2021,2,4\n03.03.2022,3,7\n";
    let table = Table::from_csv_reader(csv.as_bytes(), &CsvOptions::new())?;
    let parts = table.parse_dates("joined", "%d.%m.%Y")?.date_parts("joined", &[DatePart::Year])?;
    let prep = Preprocessor::fit(&parts, "y")?;
    for table in [table.clone(), table.parse_dates("joined", "%d.%m.%Y")?] {
        let e = prep.transform(&table).unwrap_err();
        assert!(e.message().ends_with("has no column `joined_year`"), "{e}");
        let help = "it is a part of the dates in `joined`: Table::date_parts makes it, and a Pipeline with the options of the file, .with_csv(options), does so itself";
        assert_eq!(e.help(), Some(help));
    }
    // Others are not.
    assert!(table.column("joined_years").unwrap_err().help().unwrap().starts_with("the columns are"));
    Ok(())
}

#[test]
fn names_of_parameters() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut net =
        demotic::models::ResNet::new(demotic::models::ResNetConfig::resnet18().width(8).classes(3), &mut rng)?;
    let nothing = |pattern: &str| format!("freeze: no parameter matches `{pattern}`");
    tells!(net.freeze("fx.*"), nothing("fx.*"), "did you mean `fc.*`?");
    tells!(net.freeze("fc"), nothing("fc"), "did you mean `fc.*`?");
    tells!(net.freeze("*.wieght"), nothing("*.wieght"), "did you mean `*.weight`?");
    tells!(net.freeze("layr1.*"), nothing("layr1.*"), "did you mean `layer1.*`?");
    tells!(
        net.freeze("encoder.*"),
        nothing("encoder.*"),
        "the parameters are conv1.weight, bn1.weight, bn1.bias, layer1.0.conv1.weight, layer1.0.bn1.weight, layer1.0.bn1.bias, \
         layer1.0.conv2.weight, layer1.0.bn2.weight, and 54 more",
    );
    let mut empty = sequential![Relu];
    tells!(empty.freeze("*"), nothing("*"), "there are no parameters");
    let grads = losses::mse(&net.predict(&ones([1, 3, 32, 32]))?, &ones([1, 3]));
    assert!(grads.is_ok());
    Ok(())
}

#[test]
fn everything_is_frozen() -> Result<()> {
    let (mut rng, mut model) = (Rng::seed(0), Linear::new(2, 1, &mut Rng::seed(0))?);
    let data = TensorDataset::new(ones([4, 2]), ones([4, 1]))?;
    model.freeze("*")?;
    let mut trainer = Trainer::new(losses::mse, Sgd::new(0.1)).epochs(1);
    tells!(
        trainer.fit(&mut model, &data, &mut rng),
        "fit: all parameters of the model are frozen: there is nothing to train",
        "unfreeze(\"*\") makes all of them trainable, a pattern such as \"head.*\" those of a part",
    );
    model.unfreeze("bias")?;
    assert_eq!(trainer.fit(&mut model, &data, &mut rng)?.epochs.len(), 1);
    Ok(())
}

/// What an optimizer remembers of one model is wrong for another.
#[test]
fn an_optimizer_for_a_second_model() -> Result<()> {
    let model = |seed| Linear::new(2, 1, &mut Rng::seed(seed));
    let step = |opt: &mut dyn Optimizer, model: &mut Linear| {
        let loss = losses::mse(&model.forward(&ones([3, 2]), &mut Mode::eval())?, &ones([3, 1]))?;
        opt.step(model, &loss.backward()?)
    };
    let (mut first, mut second, mut opt) = (model(0)?, model(1)?, Adam::new(0.1));
    step(&mut opt, &mut first)?;
    let before = second.weight.value()?.to_vec::<f32>()?;
    tells!(
        step(&mut opt, &mut second),
        "Adam: this is another model than that of the steps before",
        "an optimizer serves one model, or its clones: make a new one for another model; to go on with one that was opened from a \
         file, opt.load_state(opt.state())",
    );
    assert_eq!(second.weight.value()?.to_vec::<f32>()?, before);
    // Clones, new values, parts that are new, and what the help says.
    step(&mut opt, &mut first.clone())?;
    first.weight.set(&ones([1, 2]))?;
    first.freeze("*")?;
    first.unfreeze("*")?;
    step(&mut opt, &mut first)?;
    first.bias = model(2)?.bias;
    step(&mut opt, &mut first)?;
    let state = opt.state();
    opt.load_state(state)?;
    step(&mut opt, &mut second)?;
    assert!(step(&mut opt, &mut first).is_err());
    // Without a memory there is nothing to mix up.
    let mut plain = Sgd::new(0.1);
    step(&mut plain, &mut first)?;
    step(&mut plain, &mut second)?;
    let mut heavy = Sgd::new(0.1).momentum(0.9);
    step(&mut heavy, &mut first)?;
    assert!(step(&mut heavy, &mut second).is_err());
    Ok(())
}

#[test]
fn values_that_are_no_answers() -> Result<()> {
    let help = "0 stands for no and 1 for yes; classes of more than two kinds go with cross_entropy, other numbers with mse or huber";
    let p = tensor![0.5, 0.5];
    tells!(losses::bce(&p, &tensor![0.0, 2.0]), "bce: the target contains 2, expected numbers from 0 to 1", help);
    let logits = "bce_with_logits: the target contains -1, expected numbers from 0 to 1";
    tells!(losses::bce_with_logits(&p, &tensor![1.0, -1.0]), logits, help);
    assert!(losses::bce_with_logits(&p, &tensor![0.1, 0.9]).is_ok());
    assert!(losses::bce_with_logits(&p, &tensor![f64::NAN, 0.9])?.item()?.is_nan());

    let scores = ones([2, 3]);
    tells!(
        metrics::accuracy(&scores, &tensor![0.0, 1.0]),
        "accuracy: class numbers of type f32, expected i64",
        "convert them with to_dtype(DType::I64)",
    );
    assert_eq!(metrics::accuracy(&scores, &tensor![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])?, 0.5);
    assert_eq!(metrics::accuracy(&ones([2, 1]), &tensor![1.0, 0.0])?, 0.5);
    let named = metrics::confusion_matrix(&scores, &Tensor::from_nested([0i64, 2])?, 3)?;
    tells!(
        named.with_names(["a", "b"]),
        "confusion_matrix: 2 names for 3 classes",
        "the names stand in the order of the class numbers, one for each class",
    );
    Ok(())
}

#[test]
fn adapters_larger_than_the_matrix() -> Result<()> {
    let mut model = sequential![Linear::new(48, 16, &mut Rng::seed(0))?, Linear::new(16, 2, &mut Rng::seed(1))?];
    let (mut rng, before) = (Rng::seed(2), model.num_parameters());
    tells!(
        model.add_lora("0.*", 17, 1.0, &mut rng),
        "lora: a rank of 17 for a weight of 16 × 48",
        "a matrix has at most the rank of its smaller side, here 16",
    );
    assert!(model.add_lora("*", 17, 1.0, &mut rng).is_err() && model.add_lora("1.*", 8, 1.0, &mut rng).is_err());
    assert_eq!(model.num_parameters(), before);
    // Of several, some may be smaller.
    assert_eq!(model.add_lora("*", 16, 1.0, &mut rng)?, 2);
    Ok(())
}

#[test]
fn pictures_that_are_too_small() -> Result<()> {
    let mut rng = Rng::seed(0);
    let net = sequential![Conv2d::new(1, 4, 3, &mut rng)?, MaxPool2d::new(2), MaxPool2d::new(2), Flatten::new()];
    let e = net.predict(&ones([2, 1, 5, 8])).unwrap_err();
    assert_eq!(e.message(), "max_pool2d: the height of the input is 1, less than a kernel that spans 2");
    assert_eq!(e.help(), Some("images become smaller with every pooling: use fewer, or larger images"));
    assert!(e.to_string().contains("in layer `2`"), "{e}");
    assert_eq!(net.predict(&ones([2, 1, 10, 10]))?.shape(), [2, 16]);
    let model = sequential![net, Linear::new(20, 3, &mut rng)?];
    tells!(
        model.predict(&ones([2, 1, 10, 10])),
        "linear: the input [2, 16] has 16 features, the layer takes 20",
        "make it of the size of what comes in: Linear::new(16, 3, ..)",
    );
    Ok(())
}

/// JSON has no infinite numbers, and an option that is one would come back as one that is not there.
#[test]
fn options_of_models_that_no_file_could_hold() {
    use demotic::models::{GptConfig, Mlp};
    for p in [f64::INFINITY, f64::NAN, -1.0] {
        let rng = &mut Rng::seed(0);
        let config = || GptConfig::new(5, 4).layers(1).heads(1).hidden_size(4);
        assert!(Gpt::new(config().embedding_dropout(p), rng).is_err());
        assert!(Gpt::new(config().attention_dropout(p), rng).is_err());
        assert!(Mlp::new(&[2, 3, 1], rng).unwrap().dropout(p).is_err());
    }
    for eps in [f64::INFINITY, f64::NAN] {
        let mut config = GptConfig::new(5, 4).layers(1).heads(1).hidden_size(4);
        config.layer_norm_eps = eps;
        let path = std::env::temp_dir().join("never_written");
        assert!(Gpt::new(config, &mut Rng::seed(0)).and_then(|gpt| gpt.save(path)).is_err());
    }
}
