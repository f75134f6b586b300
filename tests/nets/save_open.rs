//! One line to save, one to open: models with their architecture, their preprocessing or tokenizer.

use std::path::{Path, PathBuf};

use demotic::data::{Column, Preprocessor, Table};
use demotic::io::{Checkpoint, Metadata, safetensors};
use demotic::models::{
    BeamSearch, Generate, GenerateOptions, Gpt, GptConfig, LinearRegression, Mlp, Pooling, PositionKind, RecurrentCell,
    RecurrentLm, RecurrentLmConfig, Seq2Seq, Seq2SeqLstm, Seq2SeqLstmConfig, Seq2SeqTokens, Seq2SeqTransformer,
    Seq2SeqTransformerConfig, Tcn, TcnConfig, TextCnn, TextCnnConfig, TransformerClassifier,
    TransformerClassifierConfig,
};
use demotic::prelude::*;
use demotic::text::{BpeOptions, BpeTokenizer, CharTokenizer, Sampler, Tokenizer, WordPieceTokenizer, WordTokenizer};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("m.safetensors")
    }
}

/// Every parameter as bits, in the order of the fields.
fn bits(model: &impl Module) -> Vec<(String, DType, Vec<u64>)> {
    let state = model.named_parameters();
    state.into_iter().map(|(name, t)| (name, t.dtype(), t.to_f64_vec().iter().map(|x| x.to_bits()).collect())).collect()
}

/// The model that comes back has the same parameters, bit for bit, and a file of the same bytes.
fn there_and_back<M: Architecture>(model: &M) -> M {
    let folder = Folder::new();
    let path = folder.file();
    model.save(&path).unwrap();
    let again = M::open(&path).unwrap();
    assert_eq!(bits(&again), bits(model));
    let first = std::fs::read(&path).unwrap();
    again.save(&path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
    again
}

fn same(a: &Tensor, b: &Tensor) {
    assert_eq!(a.shape(), b.shape());
    let bits = |x: &Tensor| x.to_f64_vec().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(a), bits(b));
}

fn ids(rows: usize, columns: usize, below: usize) -> Tensor {
    let mut rng = Rng::seed(7);
    let ids = (0..rows * columns).map(|_| rng.below(below) as i64).collect();
    Tensor::from_vec::<i64>(ids, [rows, columns]).unwrap()
}

#[test]
fn every_table_model_comes_back() -> Result<()> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([5, 4], 0.0, 1.0, &mut rng)?;
    let activations: [fn(Mlp) -> Mlp; 6] = [
        |mlp| mlp,
        |mlp| mlp.activation(GeluTanh),
        |mlp| mlp.activation(LeakyRelu { slope: 0.3 }),
        |mlp| mlp.activation(Softplus { beta: 2.0, threshold: 10.0 }),
        |mlp| mlp.activation(Activation::Mish),
        |mlp| mlp.activation(Hardtanh { lo: -0.5, hi: 0.25 }),
    ];
    for activation in activations {
        let model = activation(Mlp::new(&[4, 7, 3, 2], &mut rng)?).dropout(0.25)?;
        let again = there_and_back(&model);
        same(&again.predict(&x)?, &model.predict(&x)?);
        // Dropout is there as well: training draws the same.
        let train = |model: &Mlp| model.forward(&x, &mut Mode::train(&mut Rng::seed(5)));
        same(&train(&again)?, &train(&model)?);
    }
    let y = Tensor::normal([5, 2], 0.0, 1.0, &mut rng)?;
    for dtype in [DType::F32, DType::F64] {
        let x = x.to_dtype(dtype);
        let model = LinearRegression::fit(&x, &y.to_dtype(dtype))?;
        let again = there_and_back(&model);
        assert_eq!(again.weight()?.dtype(), dtype);
        same(&again.predict(&x)?, &model.predict(&x)?);
    }
    Ok(())
}

/// The same for a language model, which also continues a prompt in the same way.
fn language_model<M: Architecture + Layer + Generate>(model: &M) -> Result<M> {
    let again = there_and_back(model);
    let prompt = ids(2, 5, 11);
    same(&again.predict(&prompt)?, &model.predict(&prompt)?);
    let options = GenerateOptions::new().max_new_tokens(6).sampler(Sampler::new().temperature(1.5)?);
    let continue_it = |model: &M| model.generate(&[3, 1, 4], &options, &mut Rng::seed(9));
    assert_eq!(continue_it(&again)?, continue_it(model)?);
    Ok(again)
}

#[test]
fn every_language_model_comes_back() -> Result<()> {
    let mut rng = Rng::seed(2);
    let config = GptConfig::new(11, 16).layers(2).heads(2).hidden_size(8);
    let with = |config: &GptConfig, rng: &mut Rng| -> Result<()> {
        let model = Gpt::new(config.clone(), rng)?;
        assert_eq!(language_model(&model)?.config(), config);
        Ok(())
    };
    with(&config, &mut rng)?;
    with(&config.clone().untied().dropout(0.1).intermediate_size(12).with_checkpointing(), &mut rng)?;
    with(&config.clone().activation(LeakyRelu { slope: 0.2 }).with_inverse_layer_scaling(), &mut rng)?;
    for cell in [RecurrentCell::Rnn, RecurrentCell::Lstm, RecurrentCell::Gru] {
        let config = RecurrentLmConfig::new(11).cell(cell).embedding_size(6).hidden_size(6).layers(2);
        for config in [config.clone(), config.tied()] {
            language_model(&RecurrentLm::new(config, &mut rng)?)?;
        }
    }
    Ok(())
}

#[test]
fn every_classifier_and_translator_comes_back() -> Result<()> {
    let mut rng = Rng::seed(3);
    let config = TransformerClassifierConfig::new(11, 3, 9).hidden_size(8).heads(2);
    let configs = [
        config.clone(),
        config.clone().norm_last().positions(PositionKind::Learned).pooling(Pooling::Max),
        config.clone().pooling(Pooling::First).padding_id(None).activation(TransformerActivation::Relu),
    ];
    let sentences = (ids(4, 7, 10) + 1i64).narrow(1, 0, 7)?;
    for config in configs {
        let model = TransformerClassifier::new(config, &mut rng)?;
        let again = there_and_back(&model);
        assert_eq!(again.config(), model.config());
        same(&again.predict(&sentences)?, &model.predict(&sentences)?);
    }

    let model =
        TextCnn::new(TextCnnConfig::new(11, 3).embedding_size(4).num_filters(3).kernel_sizes(&[2, 5]), &mut rng)?;
    let again = there_and_back(&model);
    assert_eq!(again.config(), model.config());
    same(&again.predict(&sentences)?, &model.predict(&sentences)?);
    for config in [TcnConfig::tokens(12, 3, 2).channels(&[4, 3, 3]), TcnConfig::new(4, 1).channels(&[4]).kernel_size(2)]
    {
        let mut model = Tcn::new(config, &mut rng)?;
        // The lengths of the weights are numbers of their own.
        model.for_each_mut("*", |_, norm: &mut WeightNorm| norm.g.set(&(&*norm.g * 1.5)))?;
        let again = there_and_back(&model);
        assert_eq!(again.config(), model.config());
        let x = match model.config().vocab_size {
            Some(_) => sentences.clone(),
            None => Tensor::uniform([2, 5, 4], 0.0, 1.0, &mut rng)?,
        };
        same(&again.predict(&x)?, &model.predict(&x)?);
    }

    fn translator<M: Architecture + Seq2Seq>(model: &M) -> Result<()> {
        let again = there_and_back(model);
        let sources = model.tokens().sources(&[vec![3, 4, 5], vec![6]])?;
        let (inputs, _) = model.tokens().teacher_forcing(&[vec![3], vec![4, 5]])?;
        let forward = |model: &M| model.forward(&sources, &inputs, &mut Mode::eval());
        same(&forward(&again)?, &forward(model)?);
        let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(5);
        let translate = |model: &M| model.translate(&sources, &options, &mut Rng::seed(0));
        assert_eq!(translate(&again)?, translate(model)?);
        Ok(())
    }
    let tokens = Seq2SeqTokens::new(9, 8);
    let config = Seq2SeqTransformerConfig::new(tokens.clone(), 10).hidden_size(8).heads(2).encoder_layers(1);
    translator(&Seq2SeqTransformer::new(config.clone(), &mut rng)?)?;
    let config = config.untied().norm_last().positions(PositionKind::Learned);
    translator(&Seq2SeqTransformer::new(config, &mut rng)?)?;
    let config = Seq2SeqLstmConfig::new(tokens).hidden_size(6).embedding_size(5).layers(2);
    translator(&Seq2SeqLstm::new(config, &mut rng)?)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_mlp_comes_back(sizes in proptest::collection::vec(1usize..9, 2..6), p in proptest::option::of(0.0f64..1.0), seed in any::<u64>()) {
        let mut model = Mlp::new(&sizes, &mut Rng::seed(seed)).unwrap();
        if let Some(p) = p {
            model = model.dropout(p).unwrap();
        }
        prop_assert_eq!(there_and_back(&model).config().unwrap(), model.config().unwrap());
    }
}

/// A model of a user's, with what those of this crate do not have: a list of layers of unknown number, and another name.
#[derive(Clone)]
struct Tower {
    floors: Vec<Linear>,
    slope: f64,
}

module!(Tower { floors }, plain { slope });

impl Architecture for Tower {
    const KIND: &'static str = "tests/Tower";
    type Config = (usize, f64);

    fn config(&self) -> Result<(usize, f64)> {
        Ok((self.floors.len(), self.slope))
    }

    fn from_config((floors, slope): (usize, f64), rng: &mut Rng) -> Result<Self> {
        let floors = (0..floors.min(10)).map(|_| Linear::new(2, 2, rng)).collect::<Result<_>>()?;
        // A user's model may draw as it likes.
        let _ = (rng.below(3), rng.normal(), Tensor::normal([2], 0.0, 1.0, rng)?);
        Ok(Self { floors, slope })
    }
}

impl Layer for Tower {
    fn forward(&self, x: &Tensor, mode: &mut Mode) -> Result<Tensor> {
        self.floors.iter().try_fold(x.clone(), |x, floor| Ok(floor.forward(&x, mode)?.leaky_relu(self.slope)))
    }
}

#[test]
fn a_users_model_takes_part() -> Result<()> {
    let model = Tower::from_config((3, 0.1), &mut Rng::seed(4))?;
    let again = there_and_back(&model);
    same(&again.predict(&tensor![[1.0, -2.0]])?, &model.predict(&tensor![[1.0, -2.0]])?);

    let folder = Folder::new();
    let houses = houses();
    let prep = Preprocessor::regression("price").ignore(&["district"]).fit(&houses)?;
    let mut model = model;
    model.floors.push(Linear::new(2, 1, &mut Rng::seed(0))?);
    let e = Pipeline::new(prep.clone(), model.clone()).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Shape, "two features where there is one: {e}");
    // What JSON has no words for is found when the model is saved.
    let model = Tower { floors: Vec::new(), slope: f64::INFINITY };
    model.save(folder.file())?;
    let e = Tower::open(folder.file()).err().unwrap().message();
    assert!(
        e.contains("could not be described: save: the configuration of this tests/Tower has no form in JSON"),
        "{e}"
    );
    let mut loaded = Tower { floors: Vec::new(), slope: 0.0 };
    loaded.load(folder.file())
}

fn houses() -> Table {
    Table::from_columns([
        ("area", Column::from([80.0, 100.0, 120.0, 140.0, 95.0, 130.0])),
        ("district", Column::from(["north", "south", "south", "north", "east", "east"])),
        ("price", Column::from([160.5, 220.0, 260.0, 280.0, 205.0, 275.0])),
    ])
    .unwrap()
}

#[test]
fn a_pipeline_prices_raw_rows() -> Result<()> {
    let (folder, mut rng) = (Folder::new(), Rng::seed(5));
    let table = houses();
    let prep = Preprocessor::fit(&table, "price")?;
    let data = prep.transform(&table)?;
    let by_hand = |model: &dyn Layer| -> Result<Vec<f64>> {
        let output = model.predict(data.x())?.to_dtype(DType::F64);
        Ok(prep.inverse_target(&output)?.to_f64_vec())
    };
    let mlp = Mlp::new(&[prep.num_features(), 8, 1], &mut rng)?.activation(Silu);
    let linear = LinearRegression::fit(data.x(), data.y())?;
    let wide = LinearRegression::fit(&data.x().to_dtype(DType::F64), &data.y().to_dtype(DType::F64))?;
    let models: [Box<dyn Layer>; 3] = [Box::new(mlp), Box::new(linear), Box::new(wide)];
    for (i, model) in models.into_iter().enumerate() {
        let expected = match i {
            2 => None,
            _ => Some(by_hand(&*model)?),
        };
        let pipeline = Pipeline::new(prep.clone(), model)?;
        let prices = pipeline.predict(&table)?;
        if let Some(expected) = expected {
            assert_eq!(prices, expected);
        }
        pipeline.save_with(&Metadata::from_iter([("author", "a person")]), folder.file())?;
        let again = Pipeline::open(folder.file())?;
        assert_eq!(again.predict(&table)?, prices);
        assert_eq!(again.preprocessor(), &prep);
        for (row, price) in prices.iter().enumerate() {
            let (Some(area), Some(district)) = (table.column("area")?.get(row), table.column("district")?.get(row))
            else {
                panic!("{row}")
            };
            // The target is not asked for, nor is an order; what training did not have is not passed over.
            let extra = [("district", district), ("colour", "red".into()), ("area", area)];
            let e = again.predict_row(&extra).unwrap_err();
            assert!(e.message().contains("`colour`"), "{e}");
            let found = again.predict_row(&[("district", district), ("area", area)])?;
            assert!((found - price).abs() < 1e-3, "{found} {price}");
        }
        let file = safetensors::Reader::open(folder.file())?;
        assert_eq!(file.metadata().get("author"), Some("a person"));
    }
    // A least-squares fit through six points with four free numbers is close to them.
    let pipeline = Pipeline::open(folder.file())?;
    for (found, price) in pipeline.predict(&table)?.iter().zip([160.5, 220.0, 260.0, 280.0, 205.0, 275.0]) {
        assert!((found - price).abs() < 10.0, "{found} {price}");
    }
    // Many rows go through in parts.
    let many = table.rows(&(0..10_000).map(|i| i % 6).collect::<Vec<_>>())?;
    let (all, six) = (pipeline.predict(&many)?, pipeline.predict(&table)?);
    assert_eq!(all.len(), 10_000);
    assert!(all.iter().enumerate().all(|(i, x)| (x - six[i % 6]).abs() < 1e-9));
    assert_eq!(pipeline.predict(&table.head(0))?, Vec::<f64>::new());

    let e = pipeline.predict_row(&[("area", 100.0.into())]).unwrap_err();
    assert!(e.message().contains("district"), "{e}");
    let e = pipeline.classify(&table).unwrap_err();
    assert_eq!(e.message(), "classify: the target is a number, not a class");
    assert_eq!(e.help(), Some("predict() gives numbers; Preprocessor::classification(target) makes classes of them"));
    assert!(pipeline.predict_row(&[]).is_err());
    Ok(())
}

#[test]
fn a_pipeline_names_classes_with_probabilities() -> Result<()> {
    let folder = Folder::new();
    let table = Table::from_columns([
        ("x", Column::from([-1.0, 0.0, 1.0])),
        ("kind", Column::from(["low", "middle", "high"])),
    ])?;
    let prep = Preprocessor::classification("kind").fit(&table)?;
    let mut model = Mlp::new(&[1, 3], &mut Rng::seed(0))?;
    // Logits of the three classes that can be computed by hand.
    model.load_state_dict(
        &[
            ("layers.0.weight".to_string(), tensor![[0.0], [0.0], [0.0]]),
            ("layers.0.bias".into(), tensor![0.0, 1.0, 2.0]),
        ]
        .into(),
    )?;
    Pipeline::new(prep.clone(), model)?.save(folder.file())?;
    let pipeline = Pipeline::open(folder.file())?;
    let found = pipeline.classify_row(&[("x", 0.5.into())])?;
    let classes = prep.classes().unwrap();
    let sum: f64 = (0..3).map(|i| f64::from(i).exp()).sum();
    for (i, (name, p)) in found.probabilities().enumerate() {
        assert_eq!(name, classes[i]);
        assert!((p - (i as f64).exp() / sum).abs() < 1e-7, "{p}");
    }
    assert_eq!((found.class(), found.index()), (classes[2].as_str(), 2));
    assert_eq!(found.to_string(), format!("{} (66.5 %)", classes[2]));
    assert_eq!(found.probability_of(&classes[2]), Some(found.probability()));
    assert_eq!(found.probability_of("none"), None);
    let e = pipeline.predict(&table).unwrap_err();
    assert_eq!(e.message(), "predict: the target is a class, not a number");

    // One logit for two classes is that of the second.
    let table = table.rows(&[0, 2])?;
    let prep = Preprocessor::classification("kind").fit(&table)?;
    let mut model = Mlp::new(&[1, 1], &mut Rng::seed(0))?;
    model.load_state_dict(
        &[("layers.0.weight".to_string(), tensor![[0.0]]), ("layers.0.bias".into(), tensor![3.0])].into(),
    )?;
    let found = Pipeline::new(prep.clone(), model)?.classify(&table)?;
    let second = 1.0 / (1.0 + (-3f64).exp());
    assert_eq!(found.len(), 2);
    assert!((found[0].probability() - second).abs() < 1e-12 && found[0].class() == prep.classes().unwrap()[1]);

    let e = Pipeline::new(prep, Mlp::new(&[1, 4], &mut Rng::seed(0))?).unwrap_err();
    assert_eq!(e.message(), "Pipeline::new: the model gives [1, 4], expected [n, 2]: a logit for each class");
    Ok(())
}

/// A layer of which files know nothing.
#[derive(Clone)]
struct Nameless(Linear);

impl Module for Nameless {
    fn visit(&self, visitor: &mut demotic::layers::Visitor<'_>) {
        visitor.field("linear", &self.0);
    }
    fn visit_mut(&mut self, visitor: &mut demotic::layers::VisitorMut<'_>) {
        visitor.field("linear", &mut self.0);
    }
}

impl Layer for Nameless {
    fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> Result<Tensor> {
        self.0.at("linear", x, mode)
    }
}

#[test]
fn what_does_not_fit_together_is_no_pipeline() -> Result<()> {
    let (folder, mut rng) = (Folder::new(), Rng::seed(0));
    let prep = Preprocessor::fit(&houses(), "price")?;
    let e = Pipeline::new(prep.clone(), Mlp::new(&[4, 2], &mut rng)?).unwrap_err();
    assert_eq!(e.message(), "Pipeline::new: the model gives [1, 2], expected [n, 1]: a number for each row");
    assert_eq!(Pipeline::new(prep.clone(), Mlp::new(&[5, 1], &mut rng)?).unwrap_err().kind(), ErrorKind::Shape);
    let features = Preprocessor::unsupervised().fit(&houses())?;
    let e = Pipeline::new(features, Mlp::new(&[5, 1], &mut rng)?).unwrap_err();
    assert_eq!(e.message(), "Pipeline::new: the preprocessor was fitted without a target");

    // A model that cannot be opened again is not saved as if it could.
    let e = Pipeline::new(prep.clone(), Nameless(Linear::new(4, 1, &mut rng)?))?.save(folder.file()).unwrap_err();
    assert_eq!(e.message(), "save: a Nameless cannot be made anew from a file: it has no Architecture");
    assert!(!folder.file().exists());
    let model = sequential![Linear::new(4, 1, &mut rng)?, Nameless(Linear::new(1, 1, &mut rng)?)];
    let e = Pipeline::new(prep.clone(), model)?.save(folder.file()).unwrap_err();
    assert_eq!(e.message(), "config: the layer `1`, a Nameless, cannot be described: it has no Architecture");
    assert!(!folder.file().exists());

    // Preprocessing and model that were written together, but do not belong together.
    Mlp::new(&[9, 1], &mut rng)?.save_with(&prep, folder.file())?;
    let e = Pipeline::open(folder.file()).unwrap_err();
    assert!(e.message().starts_with(&format!("open: {}: ", folder.file().display())), "{e}");
    Mlp::new(&[4, 1], &mut rng)?.save(folder.file())?;
    let e = Pipeline::open(folder.file()).unwrap_err();
    assert_eq!(e.message(), format!("open: {}: holds a model, but no preprocessing", folder.file().display()));
    assert_eq!(e.help(), Some("Mlp::open(path) opens the model alone"));

    // The other way round: the model of a pipeline is opened alone where that is said.
    let pipeline = Pipeline::new(prep.clone(), sequential![Mlp::new(&[4, 1], &mut rng)?])?;
    pipeline.save(folder.file())?;
    for e in [
        Sequential::open(folder.file()).map(drop).unwrap_err(),
        Mlp::open(folder.file()).map(drop).unwrap_err(),
        Gpt::open(folder.file()).map(drop).unwrap_err(),
    ] {
        let message =
            "holds a `Sequential` with the preprocessing of its table, without which its numbers mean something else";
        assert_eq!(e.message(), format!("open: {}: {message}", folder.file().display()));
        let help = "Pipeline::open(path) opens all of it; Sequential::open_with_metadata(path) the model, with the rest as metadata";
        assert_eq!(e.help(), Some(help));
        assert!(e.to_string().contains("tests/nets/save_open.rs"), "{e}");
    }
    let (alone, metadata) = Sequential::open_with_metadata(folder.file())?;
    assert_eq!(Preprocessor::from_json(metadata.get("demotic.preprocessor").unwrap())?, prep);
    assert_eq!(alone.state_dict().len(), 2);
    // Parameters for a model that the program has made are read as ever.
    sequential![Mlp::new(&[4, 1], &mut rng)?].load(folder.file())?;

    // Probabilities are no logits.
    let classes = Preprocessor::classification("district").fit(&houses())?;
    let (width, number) = (classes.num_features(), classes.classes().unwrap().len());
    let mut of_end = |end: Box<dyn Layer>| -> Result<Option<String>> {
        let model = sequential![Linear::new(width, number, &mut rng)?, end];
        Ok(Pipeline::new(classes.clone(), model).err().map(|e| e.message()))
    };
    for (end, name) in [(Box::new(Softmax::new(-1)) as Box<dyn Layer>, "softmax"), (Box::new(Sigmoid), "sigmoid")] {
        assert_eq!(of_end(end)?, Some(format!("Pipeline::new: the model ends in a {name}, expected logits")));
    }
    // The softmax of these is that of what they are made from.
    assert_eq!(of_end(Box::new(LogSoftmax::new(-1)))?, None);
    Gpt::new(GptConfig::new(5, 4).layers(1).hidden_size(8), &mut rng)?.save_with(&prep, folder.file())?;
    let e = Pipeline::open(folder.file()).unwrap_err();
    let message = "from_config: there is no layer that is called `Gpt`";
    assert_eq!(e.message(), format!("open: {}: {message}", folder.file().display()));
    Ok(())
}

/// Layers of every kind that has a configuration, with options that are not the default ones.
pub(super) fn described_layers(rng: &mut Rng) -> Result<Vec<(Box<dyn Layer>, Tensor)>> {
    let rows = Tensor::normal([3, 4], 0.0, 1.0, rng)?;
    let steps = Tensor::normal([2, 5, 4], 0.0, 1.0, rng)?;
    let numbers = Tensor::from_nested([0i64, 2, 1])?;
    let mut adapted = Embedding::new(5, 3, rng)?.norm_type(1.5)?.max_norm(0.75)?.padding_idx(2)?;
    adapted = adapted.scale_grad_by_freq();
    let heads = AttentionHeads::new(4, 2)?.kv_heads(2)?.scale(0.3)?.dropout(0.1)?;
    let heads = heads.rotary(RotaryPositions::new(9, 2)?.base(100.0)?.interleaved())?;
    let options = TransformerOptions::new(4, 2).feedforward(6).dropout(0.2).eps(1e-3).norm_first();
    let options = options.activation(TransformerActivation::GeluTanh);
    let recurrent = Recurrent::new(4, 3).layers(2).bidirectional().without_bias().dropout(0.25);
    let of_rows: Vec<Box<dyn Layer>> = vec![
        Box::new(Linear::new(4, 3, rng)?),
        Box::new(Linear::new(4, 3, rng)?.without_bias()),
        Box::new(LayerNorm::new(4)?.eps(0.25)),
        Box::new(LayerNorm::new([3, 4])?.without_bias()),
        Box::new(LayerNorm::new(4)?.without_affine()),
        Box::new(RmsNorm::new(4)?),
        Box::new(RmsNorm::new(4)?.eps(0.5).without_affine()),
        Box::new(RmsNorm::new(4)?.unit_offset()?),
        Box::new(Dropout::new(0.125)?),
        Box::new(Flatten::dims(0, 1)),
        Box::new(LearnedPositions::new(7, 4, rng)?),
        Box::new(SinusoidalPositions::new(7, 4)?),
        Box::new(RotaryPositions::new(7, 4)?.dims(2)?.base(50.0)?),
        Box::new(Rnn::new(4, 3, rng)?.relu()),
        Box::new(Gru::with(recurrent, rng)?),
        Box::new(Lstm::with(recurrent.projection(2), rng)?),
        Box::new(RnnCell::new(4, 3, rng)?.relu().without_bias()),
        Box::new(GruCell::new(4, 3, rng)?.without_bias()),
        Box::new(LstmCell::new(4, 3, rng)?),
        Box::new(Activation::from(Elu { alpha: 0.5 })),
        Box::new(LeakyRelu { slope: 0.25 }),
        Box::new(Softplus { beta: 2.0, threshold: 5.0 }),
        Box::new(Hardtanh { lo: -0.5, hi: 0.75 }),
        Box::new(Softmax { dim: 0 }),
        Box::new(GeluTanh),
        Box::new(Residual::new(Linear::new(4, 4, rng)?)),
        Box::new(Residual::new(Linear::new(4, 2, rng)?).with_shortcut(sequential![Linear::new(4, 2, rng)?, Tanh])),
        Box::new(sequential![sequential![Linear::new(4, 2, rng)?], Relu, sequential![]]),
        Box::new(Mlp::new(&[4, 3, 2], rng)?.activation(Gelu).dropout(0.5)?),
    ];
    let of_steps: Vec<Box<dyn Layer>> = vec![
        Box::new(MultiHeadAttention::new(4, 2, rng)?.dropout(0.1)?.zero_attention()),
        Box::new(MultiHeadAttention::new(4, 2, rng)?.bias_kv(rng)?.key_and_value_dims(4, 4, rng)?.without_bias()),
        Box::new(SelfAttention::new(4, heads, rng)?.causal()),
        Box::new(TransformerEncoderLayer::new(&options, rng)?),
        Box::new(TransformerEncoder::new(&options.clone().without_bias(), 2, rng)?.with_norm(LayerNorm::new(4)?)),
    ];
    let mut all: Vec<(Box<dyn Layer>, Tensor)> = vec![(Box::new(adapted), numbers)];
    all.extend(of_rows.into_iter().map(|layer| (layer, rows.clone())));
    all.extend(of_steps.into_iter().map(|layer| (layer, steps.clone())));
    Ok(all)
}

#[test]
fn every_layer_comes_back() -> Result<()> {
    demotic::layers::register::<Mlp>()?;
    let mut rng = Rng::seed(3);
    let (mut all, mut inputs) = (Sequential::new(), Vec::new());
    for (layer, x) in described_layers(&mut rng)? {
        let again = there_and_back(&sequential![layer.clone()]);
        let kind = layer.kind();
        assert_eq!(again.get(0).map(Module::kind), Some(kind));
        let (y, z) = (layer.predict(&x)?, again.predict(&x)?);
        assert_eq!(y.to_f64_vec(), z.to_f64_vec(), "{kind}");
        // In training too: dropout of the same probability, with the same generator.
        let [y, z] =
            [&*layer, again.get(0).unwrap()].map(|layer| layer.forward(&x, &mut Mode::train(&mut Rng::seed(5))));
        assert_eq!(y?.to_f64_vec(), z?.to_f64_vec(), "{kind}");
        all.push(layer);
        inputs.push(x);
    }
    let again = there_and_back(&all);
    for ((one, other), x) in all.iter().zip(again.iter()).zip(&inputs) {
        assert_eq!(one.predict(x)?.to_f64_vec(), other.predict(x)?.to_f64_vec(), "{}", one.kind());
    }
    // One by one, as what they are.
    there_and_back(&Linear::new(3, 2, &mut rng)?);
    there_and_back(&Lstm::new(3, 2, &mut rng)?);
    Ok(())
}

#[test]
fn a_pipeline_of_any_layers_comes_back() -> Result<()> {
    let (folder, mut rng) = (Folder::new(), Rng::seed(0));
    let houses = houses();
    let prep = Preprocessor::fit(&houses, "price")?;
    let hidden = Residual::new(sequential![LayerNorm::new(8)?, Linear::new(8, 8, &mut rng)?, Gelu, Dropout::new(0.1)?]);
    let model = sequential![Linear::new(4, 8, &mut rng)?, hidden, Linear::new(8, 1, &mut rng)?];
    let pipeline = Pipeline::new(prep, model)?;
    pipeline.save(folder.file())?;
    let again = Pipeline::open(folder.file())?;
    assert_eq!(again.predict(&houses)?, pipeline.predict(&houses)?);
    assert_eq!(again.model().kind(), "Sequential");
    assert_eq!(Pipeline::open_as::<Sequential>(folder.file())?.predict(&houses)?, pipeline.predict(&houses)?);
    Ok(())
}

/// Descriptions of layers that nobody wrote.
#[test]
fn damaged_descriptions_of_layers_are_errors() -> Result<()> {
    let folder = Folder::new();
    let path = folder.file();
    let open = |config: &str| {
        let linear = Linear::new(2, 2, &mut Rng::seed(0)).unwrap();
        let state = linear.state_dict();
        let description = format!(r#"{{"version":1,"kind":"Sequential","config":{config}}}"#);
        let metadata = Metadata::from_iter([("demotic.model", description)]);
        let tensors = state.iter().map(|(name, tensor)| (format!("0.{name}"), tensor)).collect::<Vec<_>>();
        let named = tensors.iter().map(|(name, tensor)| (name.as_str(), *tensor));
        safetensors::save_tensors(named, &metadata, &path).unwrap();
        Sequential::open(&path).map(drop)
    };
    let linear = |fields: &str| format!(r#"[{{"kind":"Linear","config":{{{fields}}}}}]"#);
    open(&linear(r#""in_features":2,"out_features":2,"bias":true"#))?;
    let message =
        |config: &str| open(config).unwrap_err().message().replace(&format!("open: {}: ", path.display()), "");
    let sizes = r#""in_features":2,"out_features":2"#;
    assert_eq!(message(&linear(sizes)), "from_config: there is no `bias`");
    assert_eq!(
        message(&linear(&format!(r#"{sizes},"bias":true,"biass":1"#))),
        "from_config: there is no option `biass`"
    );
    assert!(
        message(&linear(&format!(r#"{sizes},"bias":3"#))).starts_with("from_config: `bias`: invalid type: integer `3`")
    );
    assert!(
        message(&linear(r#""in_features":-2"#)).starts_with("from_config: `in_features`: invalid value: integer `-2`")
    );
    let huge = linear(r#""in_features":4294967296,"out_features":4294967296,"bias":true"#);
    assert_eq!(message(&huge), format!("the configuration is that of {} parameters, the file has 6", usize::MAX));
    assert_eq!(message(r#"[{"kind":"Nothing"}]"#), "from_config: there is no layer that is called `Nothing`");
    let e = open(r#"[{"kind":"Nothing"}]"#).unwrap_err();
    assert_eq!(e.help(), Some("if it is one of your own, call layers::register::<TheLayer>() first"));
    assert_eq!(
        message(r#"[{"kind":"Relu","config":"gelu"}]"#),
        "from_config: the configuration of a Relu is that of a Gelu"
    );
    assert_eq!(
        message(r#"[{"kind":"Residual","config":[]}]"#),
        "from_config: a Residual of 0 layers, expected one, or one and a shortcut"
    );
    let gru = r#"{"features":2,"hidden":2,"layers":1,"bidirectional":false,"bias":true,"dropout":0.0,"projection":null,"relu":true}"#;
    assert!(message(&format!(r#"[{{"kind":"Gru","config":{gru}}}]"#)).contains("with relu"));
    for config in ["7", "{}", "[1]", r#"[{"kind":7}]"#, r#"[{"kind":"Relu","config":{}}]"#, "[[]]", "null"] {
        assert!(open(config).is_err(), "{config}");
    }
    // As many layers as the text is long, and a few levels more than can be read.
    let many = vec![r#"{"kind":"Relu","config":"relu"}"#; 10_000].join(",");
    let e = message(&format!("[{many}]"));
    assert!(e.contains("0.weight"), "{e}");
    let deep = (0..60).fold(sequential![Relu], |inner, _| sequential![inner]);
    deep.save(&path)?;
    let e = Sequential::open(&path).unwrap_err();
    assert!(e.message().contains("is nested more than 100 levels deep"), "{e}");
    there_and_back(&(0..45).fold(sequential![Linear::new(2, 2, &mut Rng::seed(0))?], |inner, _| sequential![inner]));
    Ok(())
}

/// JSON has no ∞, which limits the largest element of a vector.
#[test]
fn embeddings_with_infinite_norms_come_back() -> Result<()> {
    let folder = Folder::new();
    let words = Embedding::new(3, 2, &mut Rng::seed(0))?.norm_type(f64::INFINITY)?.max_norm(0.5)?;
    let model = sequential![words.clone()];
    model.save(folder.file())?;
    let again = Sequential::open(folder.file())?;
    let layer = again.get(0).and_then(|layer| layer.downcast_ref::<Embedding>()).unwrap();
    assert_eq!(format!("{layer:?}"), format!("{words:?}"));
    assert_eq!(layer.weight.value()?.to_vec::<f32>()?, words.weight.value()?.to_vec::<f32>()?);
    Ok(())
}

#[test]
fn weights_with_adapters_are_not_described() -> Result<()> {
    let (folder, mut rng) = (Folder::new(), Rng::seed(0));
    let mut model = sequential![Linear::new(4, 2, &mut rng)?];
    model.for_each_mut("0", |_, linear: &mut Linear| linear.weight.adapt(WeightNorm::new(&linear.weight)?))?;
    model.save(folder.file())?;
    let e = Sequential::open(folder.file()).unwrap_err();
    assert!(
        e.message().ends_with("config: a weight has an adapter, a WeightNorm, of which configurations know nothing"),
        "{e}"
    );
    let mut again = model.clone();
    again.load(folder.file())?;
    Ok(())
}

const TEXT: &str = "the cat sat on the mat and the dog sat on the cat. 你好，世界！";

/// A language model with a tokenizer goes on with a prompt as before.
fn with_tokenizer(tokenizer: impl Tokenizer + Clone + 'static) -> Result<()> {
    let folder = Folder::new();
    let config = GptConfig::new(tokenizer.vocab_size(), 32).layers(1).heads(2).hidden_size(8);
    let gpt = Gpt::new(config, &mut Rng::seed(6))?;
    let options = GenerateOptions::new().max_new_tokens(8);
    let expected = gpt.generate_text(&tokenizer, "the cat", &options, &mut Rng::seed(8))?;
    let check = |pipeline: &TextPipeline<Gpt>| -> Result<()> {
        assert_eq!(pipeline.tokenizer().encode("the cat sat")?, tokenizer.encode("the cat sat")?);
        assert_eq!(pipeline.generate("the cat", &options, &mut Rng::seed(8))?, expected);
        let pieces = pipeline.stream("the cat", &options, &mut Rng::seed(8))?.collect::<Result<String>>()?;
        assert_eq!(pieces, expected.text);
        Ok(())
    };
    gpt.save_with(&tokenizer, folder.file())?;
    check(&TextPipeline::open(folder.file())?)?;
    // Both at once, and the model alone from the same file.
    let author = Metadata::from_iter([("author", "a person")]);
    gpt.save_with(&(&tokenizer, &author), folder.file())?;
    check(&TextPipeline::open(folder.file())?)?;
    let (alone, metadata) = Gpt::open_with_metadata(folder.file())?;
    assert_eq!(bits(&alone), bits(&gpt));
    assert_eq!(metadata.get("author"), Some("a person"));

    let pipeline = TextPipeline::new(gpt, tokenizer.clone());
    check(&pipeline)?;
    pipeline.save_with(&author, folder.file())?;
    let pipeline = TextPipeline::<Gpt>::open(folder.file())?;
    check(&pipeline)?;
    let (model, own) = pipeline.into_parts();
    assert_eq!((own.vocab_size(), model.config().vocab_size), (tokenizer.vocab_size(), tokenizer.vocab_size()));
    Ok(())
}

#[test]
fn every_tokenizer_travels_with_its_model() -> Result<()> {
    with_tokenizer(CharTokenizer::fit([TEXT])?.with_special_tokens(&["<pad>"])?)?;
    with_tokenizer(BpeTokenizer::train([TEXT], &BpeOptions::new().vocab_size(280))?)?;
    let mut words = WordTokenizer::new().oov_token("<?>");
    words.fit_on_texts([TEXT])?;
    with_tokenizer(words)?;
    let vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "##s", "mat"];
    with_tokenizer(WordPieceTokenizer::new(vocabulary)?)
}

#[cfg(feature = "tokenizers")]
#[test]
fn a_tokenizer_of_hugging_face_travels_with_its_model() -> Result<()> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join("tests/golden/tokenizers/tokenizer.json");
    with_tokenizer(demotic::text::HuggingFaceTokenizer::load(path)?)
}

#[test]
fn texts_are_classified_and_translated() -> Result<()> {
    let (folder, mut rng) = (Folder::new(), Rng::seed(0));
    let mut words = WordTokenizer::new().oov_token("<?>");
    words.fit_on_texts(["good bad food view the was and"])?;
    let config = TransformerClassifierConfig::new(words.vocab_size(), 2, 6).hidden_size(8).heads(2);
    let model = TransformerClassifier::new(config, &mut rng)?;
    let e = TextPipeline::classifier(model.clone(), words.clone(), &["one"]).unwrap_err();
    assert_eq!(e.message(), "TextPipeline::classifier: 1 names for 2 classes");
    let pipeline = TextPipeline::classifier(model.clone(), words.clone(), &["bad", "good"])?;
    let texts = ["the food was good", "bad", "the view was good and the food was bad and bad"];
    let batch = words.encode_batch(texts, &demotic::text::BatchOptions::new().max_length(6))?;
    let expected = model.predict(&batch.ids)?.softmax(-1)?.to_f64_vec();
    pipeline.save(folder.file())?;
    let again = TextPipeline::<TransformerClassifier>::open(folder.file())?;
    let found = again.classify_batch(&texts)?;
    for (found, expected) in found.iter().zip(expected.chunks(2)) {
        assert!((found.probability_of("good").unwrap() - expected[1]).abs() < 1e-6);
    }
    assert!((again.classify(texts[1])?.probability() - found[1].probability()).abs() < 1e-6);
    let e = TextPipeline::new(model, words).classify("good").unwrap_err();
    assert_eq!(e.message(), "classify: the classes have no names");

    let letters = CharTokenizer::fit(["abcdef"])?.with_special_tokens(&["<pad>", "<start>", "<end>"])?;
    let digits = CharTokenizer::fit(["012345"])?.with_special_tokens(&["<pad>", "<start>", "<end>"])?;
    let special = |name: &str| digits.id(name).unwrap();
    let tokens = Seq2SeqTokens::new(letters.vocab_size(), digits.vocab_size())
        .padding_id(special("<pad>"))
        .start_id(special("<start>"))
        .end_id(special("<end>"));
    let model = Seq2SeqLstm::new(Seq2SeqLstmConfig::new(tokens).hidden_size(8).embedding_size(4), &mut rng)?;
    let pipeline = TextPipeline::new(model, letters.clone()).with_target_tokenizer(digits.clone());
    pipeline.save(folder.file())?;
    let again = TextPipeline::<Seq2SeqLstm>::open(folder.file())?;
    let options = GenerateOptions::new().sampler(Sampler::greedy()).max_new_tokens(6);
    let found = again.translate("badcafe", &options, &mut rng)?;
    assert_eq!(found, pipeline.translate("badcafe", &options, &mut rng)?);
    let sources = again.model().tokens().sources(&[letters.encode("badcafe")?])?;
    let by_hand = again.model().translate(&sources, &options, &mut rng)?;
    assert_eq!(found.text, digits.decode_without_special(&by_hand[0].tokens)?);
    assert!(found.text.chars().all(|c| c.is_ascii_digit()), "{}", found.text);
    let batch = again.translate_batch(&["badcafe", "fed"], &options, &mut rng)?;
    assert_eq!((batch.len(), &batch[0]), (2, &found));
    let beams = again.translate_beams("fed", &BeamSearch::new(2)?, &options)?;
    assert!(beams[0].1.score >= beams[1].1.score);
    let e = again.translate("fed", &options.clone().samples(2), &mut rng).unwrap_err();
    assert_eq!(e.help(), Some("translate_batch returns all of them"));
    Ok(())
}

/// A file of a Gpt with these metadata under `demotic.model`.
fn with_description(path: &Path, description: &str) {
    let gpt = Gpt::new(GptConfig::new(5, 4).layers(1).heads(1).hidden_size(2), &mut Rng::seed(0)).unwrap();
    let state = gpt.state_dict();
    let metadata = Metadata::from_iter([("demotic.model", description)]);
    safetensors::save_tensors(state.iter().map(|(name, tensor)| (name.as_str(), tensor)), &metadata, path).unwrap();
}

const CONFIG: &str = r#"{"vocab_size":5,"context_length":4,"hidden_size":2,"num_layers":1,"num_heads":1,"intermediate_size":8,
    "dropout":0.0,"layer_norm_eps":1e-5,"tied":true,"checkpointing":false}"#;

fn described(config: &str) -> String {
    format!(r#"{{"version":1,"kind":"Gpt","config":{config}}}"#)
}

#[test]
fn files_that_cannot_be_opened_say_what_to_do() -> Result<()> {
    let folder = Folder::new();
    let path = folder.file();
    let at = path.display();
    let error = |result: Result<Gpt>| {
        let e = result.err().unwrap();
        (e.message(), e.help().unwrap_or_default().to_string())
    };
    let say = |message: &str, help: &str| (format!("open: {at}: {message}"), help.to_string());

    // Files from before, and of others: parameters alone. They load as ever.
    let gpt = Gpt::new(GptConfig::new(5, 4).layers(1).heads(1).hidden_size(2), &mut Rng::seed(1))?;
    let state = gpt.state_dict();
    safetensors::save_tensors(state.iter().map(|(n, t)| (n.as_str(), t)), &Metadata::new(), &path)?;
    assert_eq!(
        error(Gpt::open(&path)),
        say(
            "the file holds tensors, but does not say of what model",
            "make the model as it was, then read its parameters with load(path)"
        )
    );
    let mut other = Gpt::new(gpt.config().clone(), &mut Rng::seed(2))?;
    other.load(&path)?;
    assert_eq!(bits(&other), bits(&gpt));

    Mlp::new(&[2, 1], &mut Rng::seed(0))?.save(&path)?;
    assert_eq!(error(Gpt::open(&path)), say("holds a `Mlp`, not a `Gpt`", "open it as what it is: Mlp::open(path)"));
    gpt.save(&path)?;
    let e = Mlp::open(&path).unwrap_err();
    assert_eq!((e.message(), e.kind()), (format!("open: {at}: holds a `Gpt`, not a `Mlp`"), ErrorKind::Format));

    Checkpoint::new().model(&gpt).save(&path)?;
    assert_eq!(
        error(Gpt::open(&path)),
        say(
            "a checkpoint of a training run, not a model's file",
            "make the model as it was and write Checkpoint::load(path)?.restore_model(&mut model)?; then save() it"
        )
    );

    with_description(&path, &described(CONFIG).replace("\"version\":1", "\"version\":2"));
    assert_eq!(
        error(Gpt::open(&path)),
        say(
            "version 2 of a model's description, this release reads version 1",
            "it was written by another release of demotic: use that one"
        )
    );
    with_description(&path, &described(CONFIG));
    assert_eq!(Gpt::open(&path)?.config().vocab_size, 5, "an older file's configuration may have fewer options");

    // An activation that only the program knows.
    #[derive(Debug, Clone)]
    struct Square;
    module!(Square {});
    impl Layer for Square {
        fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
            Ok(x.square())
        }
    }
    let model = Mlp::new(&[2, 3, 1], &mut Rng::seed(0))?.activation(Square);
    model.save(&path)?;
    let e = Mlp::open(&path).unwrap_err();
    let message = "holds the parameters of a `Mlp` that could not be described: config: the activation `Square` is unknown to files";
    assert_eq!(e.message(), format!("open: {at}: {message}"));
    let mut loaded = Mlp::new(&[2, 3, 1], &mut Rng::seed(1))?.activation(Square);
    loaded.load(&path)?;
    assert_eq!(bits(&loaded), bits(&model));

    let missing = folder.0.path().join("missing.safetensors");
    assert_eq!(Gpt::open(&missing).unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(Gpt::open(folder.0.path()).unwrap_err().kind(), ErrorKind::Io);
    Ok(())
}

#[test]
fn damaged_descriptions_are_errors() {
    let folder = Folder::new();
    let path = folder.file();
    let deep = described(&"[".repeat(100_000));
    let deep_kind = format!(r#"{{"version":1,"kind":{}"#, "{\"a\":".repeat(100_000));
    let cases = [
        "",
        "null",
        "[]",
        "7",
        "{",
        "{}",
        "{\"version\":1}",
        "{\"version\":-1,\"kind\":\"Gpt\"}",
        "{\"version\":1,\"kind\":7,\"config\":{}}",
        "{\"version\":1,\"kind\":\"Gpt\"}",
        "{\"version\":1,\"kind\":\"Gpt\",\"config\":null}",
        "{\"version\":1,\"kind\":\"Gpt\",\"config\":[1,2,3]}",
        &described(&CONFIG.replace("\"tied\":true", "\"tied\":\"yes\"")),
        &described(&CONFIG.replace("\"vocab_size\":5", "\"vocab_size\":-5")),
        &described(&CONFIG.replace("\"vocab_size\":5", "\"vocab_size\":5.5")),
        &described(&CONFIG.replace("\"vocab_size\":5", "\"vocab_size\":1e99")),
        &described(&CONFIG.replace("\"tied\":true,", "")),
        &described(&CONFIG.replace("\"tied\":true", "\"tide\":true")),
        &described(&CONFIG.replace("\"dropout\":0.0", "\"dropout\":1e999")),
        &deep,
        &deep_kind,
    ];
    for case in cases {
        with_description(&path, case);
        let e = Gpt::open(&path).expect_err(case);
        let start = format!("open: {}: the model's description is damaged: ", path.display());
        assert!(e.message().starts_with(&start), "{e}");
        assert_eq!(e.kind(), ErrorKind::Format);
    }
}

#[test]
fn hostile_configurations_are_refused_at_once() {
    let folder = Folder::new();
    let path = folder.file();
    let sizes = ["vocab_size\":5", "context_length\":4", "hidden_size\":2", "num_layers\":1", "intermediate_size\":8"];
    for size in sizes {
        let (name, _) = size.split_once(':').unwrap();
        for value in [1u64 << 20, 1 << 32, 1 << 40, 1 << 62, u64::MAX] {
            with_description(&path, &described(&CONFIG.replace(size, &format!("{name}:{value}"))));
            let e = Gpt::open(&path).expect_err(name).message();
            assert!(e.contains("the configuration is that of") && e.ends_with("parameters, the file has 96"), "{e}");
        }
    }
    // What does not fit otherwise.
    for (from, to, problem) in [
        ("\"num_heads\":1", "\"num_heads\":3", "Gpt::new: hidden_size 2 is not a multiple of num_heads 3"),
        ("\"num_heads\":1", "\"num_heads\":0", "Gpt::new: num_heads is 0, expected at least 1"),
        ("\"dropout\":0.0", "\"dropout\":2.0", "Dropout::new: p is 2, expected a probability from 0 to 1"),
        ("1e-5", "0.0", "Gpt::new: layer_norm_eps is 0, expected a positive number"),
        ("\"vocab_size\":5", "\"vocab_size\":3", "does not fit the model: 1 misshapen"),
        ("\"intermediate_size\":8", "\"intermediate_size\":7", "does not fit the model: 3 misshapen"),
    ] {
        with_description(&path, &described(&CONFIG.replace(from, to)));
        let e = Gpt::open(&path).unwrap_err();
        assert!(e.message().contains(problem), "{e}");
        assert!(e.message().contains("m.safetensors"), "{e}");
    }
}

/// Sizes of every configuration, each from 0 to the largest, alone and together: a number of parameters, and an error at once or
/// a model that is small.
#[test]
fn no_configuration_overflows_or_builds_without_end() {
    let sizes = [0, 1, 1 << 40, 1 << 60, usize::MAX / 2, usize::MAX];
    let mut rng = Rng::seed(0);
    let mut check = |json: serde_json::Value| {
        let config = &json["config"];
        fn try_one<M: Architecture>(config: &serde_json::Value, rng: &mut Rng) {
            let Ok(config) = serde_json::from_value::<M::Config>(config.clone()) else { return };
            let parameters = M::min_parameters(&config);
            match M::from_config(config, rng) {
                Ok(model) => assert_eq!((parameters, parameters < 10_000), (model.num_parameters(), true)),
                Err(e) => assert!(!e.message().is_empty()),
            }
        }
        match json["kind"].as_str().unwrap() {
            "Gpt" => try_one::<Gpt>(config, &mut rng),
            "RecurrentLm" => try_one::<RecurrentLm>(config, &mut rng),
            "TransformerClassifier" => try_one::<TransformerClassifier>(config, &mut rng),
            "Seq2SeqTransformer" => try_one::<Seq2SeqTransformer>(config, &mut rng),
            "Seq2SeqLstm" => try_one::<Seq2SeqLstm>(config, &mut rng),
            "TextCnn" => try_one::<TextCnn>(config, &mut rng),
            "Tcn" => try_one::<Tcn>(config, &mut rng),
            "LinearRegression" => try_one::<LinearRegression>(config, &mut rng),
            "Mlp" => try_one::<Mlp>(config, &mut rng),
            other => panic!("{other}"),
        }
    };
    let small = [
        ("Gpt", serde_json::to_value(GptConfig::new(3, 2).layers(1).heads(1).hidden_size(2)).unwrap()),
        ("RecurrentLm", serde_json::to_value(RecurrentLmConfig::new(3).embedding_size(2).hidden_size(2)).unwrap()),
        (
            "TransformerClassifier",
            serde_json::to_value(TransformerClassifierConfig::new(3, 2, 2).hidden_size(2).heads(1).layers(1)).unwrap(),
        ),
        (
            "Seq2SeqTransformer",
            serde_json::to_value(
                Seq2SeqTransformerConfig::new(Seq2SeqTokens::new(5, 5), 3).hidden_size(2).heads(1).layers(1),
            )
            .unwrap(),
        ),
        (
            "Seq2SeqLstm",
            serde_json::to_value(Seq2SeqLstmConfig::new(Seq2SeqTokens::new(5, 5)).hidden_size(2).embedding_size(2))
                .unwrap(),
        ),
        ("TextCnn", serde_json::to_value(TextCnnConfig::new(3, 2).embedding_size(2).num_filters(2)).unwrap()),
        ("Tcn", serde_json::to_value(TcnConfig::tokens(3, 2, 1).channels(&[2, 2])).unwrap()),
        ("LinearRegression", serde_json::json!({"features": 2, "outputs": 1})),
    ];
    for (kind, config) in small {
        check(serde_json::json!({"kind": kind, "config": config}));
        let names: Vec<String> =
            config.as_object().unwrap().iter().filter(|(_, v)| v.is_u64()).map(|(name, _)| name.clone()).collect();
        assert!(names.len() >= 2, "{kind}: {names:?}");
        // Two at a time, so that small sizes of one meet large ones of the other.
        for first in &names {
            for second in &names {
                for a in sizes {
                    for b in sizes {
                        let mut config = config.clone();
                        config[first] = a.into();
                        config[second] = b.into();
                        check(serde_json::json!({"kind": kind, "config": config}));
                    }
                }
            }
        }
    }
    for a in sizes {
        for b in sizes {
            let mut config = serde_json::to_value(TextCnnConfig::new(3, 2).embedding_size(2).num_filters(2)).unwrap();
            config["kernel_sizes"] = serde_json::json!([a, 1, b]);
            check(serde_json::json!({"kind": "TextCnn", "config": config}));
            let mut config = serde_json::to_value(TcnConfig::new(2, 1)).unwrap();
            config["channels"] = serde_json::json!([a, 1, b]);
            check(serde_json::json!({"kind": "Tcn", "config": config}));
            check(
                serde_json::json!({"kind": "Mlp", "config": {"sizes": [a, 1, b], "activation": "relu", "dropout": null}}),
            );
        }
    }
}

#[test]
fn opening_leaves_out_the_drawing_and_keeps_generators_as_they_are() -> Result<()> {
    let rng = Rng::seed(3);
    let json = serde_json::to_string(&rng).unwrap();
    assert_eq!(serde_json::from_str::<Rng>(&json).unwrap(), rng);
    // As it has always been written: a list of four numbers.
    let state: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(state["s"].as_array().map(Vec::len), Some(4));
    Ok(())
}
