//! Layers of every kind in files: what opens is what was saved.

use std::path::Path;
use std::time::Instant;

use demotic::autograd::Interpolation;
use demotic::io::{Metadata, safetensors};
use demotic::layers::{BagMode, Join, LayerConfig, register};
use demotic::prelude::*;
use demotic::{ConvOptions, PaddingMode};

type Boxed = Box<dyn Layer>;

/// Layers of every kind that works on images, sequences or volumes, or is made of others, with options that are not the default ones.
pub(super) fn described(rng: &mut Rng) -> Result<Vec<(Boxed, Tensor)>> {
    let rows = Tensor::normal([3, 4], 0.0, 1.0, rng)?;
    let lines = Tensor::normal([2, 4, 7], 0.0, 1.0, rng)?;
    let images = Tensor::normal([2, 4, 6, 7], 0.0, 1.0, rng)?;
    let volumes = Tensor::normal([2, 4, 4, 5, 6], 0.0, 1.0, rng)?;
    let numbers = Tensor::from_nested([[0i64, 2, 1], [2, 2, 0]])?;
    let grouped = ConvOptions::new().groups(2).stride([2, 1]).padding([1, 2]).padding_mode(PaddingMode::Reflect);
    let of_lines: Vec<Boxed> = vec![
        Box::new(Conv1d::new(4, 3, 3, rng)?.same().padding_mode(PaddingMode::Circular)),
        Box::new(ConvTranspose1d::new(4, 2, 3, rng)?.stride(2).output_padding(1)),
        Box::new(BatchNorm1d::new(4)?.momentum(0.5)?.eps(0.25)),
        Box::new(InstanceNorm1d::new(4)?.with_affine()?),
        Box::new(Dropout1d::new(0.25)?),
        Box::new(MaxPool1d::new(3).dilation(2)),
        Box::new(AvgPool1d::new(2).padding(1).count_include_pad(false)),
        Box::new(LpPool1d::new(2.0, 3).stride(1)),
        Box::new(AdaptiveAvgPool1d::new(3)),
        Box::new(AdaptiveMaxPool1d::new(2)),
        Box::new(ZeroPad1d::new([1, 2])),
        Box::new(ConstantPad1d::new([1, 0], 0.5)),
        Box::new(ReflectionPad1d::new(2)),
        Box::new(ReplicationPad1d::new([0, 3])),
        Box::new(CircularPad1d::new(1)),
    ];
    let of_images: Vec<Boxed> = vec![
        Box::new(Conv2d::with_options(4, 6, [3, 2], grouped, rng)?.without_bias()),
        Box::new(Conv2d::new(4, 3, 2, rng)?.dilation([1, 2])),
        Box::new(ConvTranspose2d::new(4, 2, 2, rng)?.stride(2).groups(2, rng)?),
        Box::new(BatchNorm2d::new(4)?.cumulative_average()),
        Box::new(BatchNorm2d::new(4)?.without_affine().without_running_stats()),
        Box::new(InstanceNorm2d::new(4)?.with_running_stats()?),
        Box::new(GroupNorm::new(2, 4)?.eps(0.5)),
        Box::new(GroupNorm::new(4, 4)?.without_affine()),
        Box::new(LocalResponseNorm::new(3).alpha(0.1).beta(0.5).k(2.0)),
        Box::new(Dropout2d::new(0.5)?),
        Box::new(FeatureAlphaDropout::new(0.5)?),
        Box::new(StochasticDepth::new(0.5)?),
        Box::new(MaxPool2d::new([3, 2]).stride([2, 1]).padding([1, 0]).ceil_mode(true)),
        Box::new(AvgPool2d::new(2).divisor_override(3)),
        Box::new(LpPool2d::new(3.0, 2).ceil_mode(true)),
        Box::new(AdaptiveAvgPool2d::new([Some(2), None])),
        Box::new(AdaptiveMaxPool2d::new([3, 2])),
        Box::new(GlobalAvgPool),
        Box::new(GlobalMaxPool),
        Box::new(ZeroPad2d::new([1, 0, -1, 2])),
        Box::new(ConstantPad2d::new(1, f64::NEG_INFINITY)),
        Box::new(ReflectionPad2d::new(1)),
        Box::new(ReplicationPad2d::new([1, 2, 0, 1])),
        Box::new(CircularPad2d::new(2)),
        Box::new(Upsample::scale([2.0, 1.5]).mode(Interpolation::Linear).align_corners(true)),
        Box::new(Upsample::scale(1.7).mode(Interpolation::Cubic).recompute_scale_factor(true)),
        Box::new(Upsample::size([3, 9]).mode(Interpolation::NearestExact)),
        Box::new(PixelShuffle::new(2)),
        Box::new(Unfold::new([2, 3]).stride(2).padding(1).dilation([2, 1])),
        Box::new(SqueezeExcitation::new(4, 2, rng)?),
        Box::new(SqueezeExcitation::new(4, 2, rng)?.activation(Silu).gate(Hardsigmoid)),
        Box::new(ConvNormActivation::new(4, 3, 3, rng)?.stride(2).activation(LeakyRelu { slope: 0.2 })),
        Box::new(ConvNormActivation::new(4, 3, 1, rng)?.without_activation()),
        Box::new(LayerNorm2d::new(4)?.eps(0.01)),
        Box::new(DepthwiseSeparable::new(4, 3, 3, rng)?.stride(2).padding(1).without_bias()),
        Box::new(ConvLstmCell::new(4, 2, 3, rng)?),
        Box::new(Prelu::with_slope(4, 0.5)?),
        Box::new(TimeDistributed::new(sequential![Flatten::new(), Linear::new(42, 2, rng)?])),
        Box::new(
            Parallel::new(Join::Concat(1))
                .with(Conv2d::new(4, 2, 3, rng)?.same())
                .with(sequential![Conv2d::new(4, 3, 1, rng)?, Relu]),
        ),
    ];
    let of_volumes: Vec<Boxed> = vec![
        Box::new(Conv3d::new(4, 2, [1, 2, 3], rng)?.padding([0, 1, 1])),
        Box::new(ConvTranspose3d::new(4, 2, 2, rng)?.without_bias()),
        Box::new(BatchNorm3d::new(4)?),
        Box::new(InstanceNorm3d::new(4)?.with_affine()?.momentum(0.25)?),
        Box::new(Dropout3d::new(0.5)?),
        Box::new(MaxPool3d::new(2)),
        Box::new(AvgPool3d::new([1, 2, 2])),
        Box::new(LpPool3d::new(1.0, 2)),
        Box::new(AdaptiveAvgPool3d::new(2)),
        Box::new(AdaptiveMaxPool3d::new(1)),
        Box::new(ZeroPad3d::new(1)),
        Box::new(ConstantPad3d::new(1, 7.0)),
        Box::new(ReflectionPad3d::new([1, 1, 0, 2, 1, 0])),
        Box::new(ReplicationPad3d::new(1)),
        Box::new(CircularPad3d::new(1)),
    ];
    let of_rows: Vec<Boxed> = vec![
        Box::new(Rrelu::new(0.1, 0.4)?),
        Box::new(GaussianNoise::new(0.5)?),
        Box::new(AlphaDropout::new(0.5)?),
        Box::new(DropConnect::new(Linear::new(4, 3, rng)?.without_bias(), 0.5)?),
        Box::new(Parallel::new(Join::Mean).with(Linear::new(4, 2, rng)?).with(Linear::new(4, 2, rng)?)),
        Box::new(Hardtanh { lo: -0.5, hi: 0.5 }),
        Box::new(Celu { alpha: 0.5 }),
        Box::new(Threshold { threshold: 0.1, value: -3.0 }),
        Box::new(Hardshrink { lambda: 0.25 }),
        Box::new(Softshrink { lambda: 0.25 }),
        Box::new(Softmin { dim: 0 }),
        Box::new(LogSoftmax { dim: 0 }),
        Box::new(Elu { alpha: 0.5 }),
        Box::new(Maxout { pieces: 4, dim: -1 }),
        Box::new(Glu { dim: -1 }),
        Box::new(Geglu { dim: -1 }),
        Box::new(Reglu { dim: -1 }),
        Box::new(Swiglu { dim: -1 }),
        Box::new(sequential![
            Relu,
            Relu6,
            Selu,
            Gelu,
            QuickGelu,
            Silu,
            Mish,
            Softsign,
            Hardswish,
            Hardsigmoid,
            Sigmoid,
            LogSigmoid
        ]),
        Box::new(sequential![Tanh, Tanhshrink]),
    ];
    let more: Vec<(Boxed, Tensor)> = vec![
        (Box::new(EmbeddingBag::new(5, 3, rng)?.mode(BagMode::Max).padding_idx(2)?), numbers.clone()),
        (Box::new(EmbeddingBag::new(5, 3, rng)?), numbers),
        (Box::new(Fold::new([5, 6], 2).padding(0)), Tensor::normal([2, 12, 20], 0.0, 1.0, rng)?),
        (Box::new(PixelUnshuffle::new(2)), Tensor::normal([2, 3, 4, 6], 0.0, 1.0, rng)?),
    ];
    let mut all = more;
    for (layers, x) in [(of_lines, lines), (of_images, images), (of_volumes, volumes), (of_rows, rows)] {
        all.extend(layers.into_iter().map(|layer| (layer, x.clone())));
    }
    Ok(all)
}

fn bits(x: &Tensor) -> (Vec<usize>, DType, Vec<u64>) {
    (x.shape().to_vec(), x.dtype(), x.to_f64_vec().iter().map(|x| x.to_bits()).collect())
}

fn there_and_back(model: &Sequential, path: &Path) -> Result<Sequential> {
    model.save(path)?;
    let again = Sequential::open(path)?;
    let first = std::fs::read(path).unwrap();
    again.save(path)?;
    assert_eq!(std::fs::read(path).unwrap(), first);
    Ok(again)
}

#[test]
fn layers_of_images_and_made_of_others_come_back() -> Result<()> {
    let (folder, mut rng) = (tempfile::tempdir().unwrap(), Rng::seed(3));
    let path = folder.path().join("m.safetensors");
    for (layer, x) in described(&mut rng)? {
        for dtype in [DType::F32, DType::F64] {
            let kind = layer.kind();
            let mut model = sequential![layer.clone()];
            let x = if x.dtype() == DType::F32 { x.to_dtype(dtype) } else { x.clone() };
            model.to_dtype(dtype)?;
            // Running statistics move.
            model.forward(&x, &mut Mode::train(&mut Rng::seed(1)))?;
            let again = there_and_back(&model, &path)?;
            assert_eq!(again.get(0).map(Module::kind), Some(kind));
            assert_eq!(format!("{:?}", again.get(0)), format!("{:?}", model.get(0)));
            assert_eq!(bits(&again.predict(&x)?), bits(&model.predict(&x)?), "{kind} {dtype}");
            // In training too: dropout of the same probability, with the same generator.
            let [y, z] = [&model, &again].map(|model| model.forward(&x, &mut Mode::train(&mut Rng::seed(5))));
            assert_eq!(bits(&y?), bits(&z?), "{kind} {dtype}");
        }
    }
    Ok(())
}

/// A layer of the program's own with numbers of all kinds.
#[derive(Clone, Debug, PartialEq)]
struct Bounds {
    lower: f64,
    upper: Option<f64>,
    list: Vec<f64>,
    pair: (f64, f64),
    name: String,
    nested: f64,
}

module!(Bounds {}, plain { lower, upper, list, pair, name, nested });

impl Layer for Bounds {
    fn forward(&self, x: &Tensor, _: &mut Mode) -> Result<Tensor> {
        Ok(x.clamp_min(self.lower))
    }
}

impl Architecture for Bounds {
    const KIND: &'static str = "tests::Bounds";
    type Config = LayerConfig;

    fn config(&self) -> Result<LayerConfig> {
        let config = LayerConfig::new().with("lower", self.lower).with("upper", self.upper);
        let config = config.with("list", self.list.clone()).with("pair", self.pair).with("name", self.name.as_str());
        Ok(config.with("nested", LayerConfig::new().with("number", self.nested)))
    }

    fn from_config(mut config: LayerConfig, _: &mut Rng) -> Result<Self> {
        let layer = Self {
            lower: config.take("lower")?,
            upper: config.take("upper")?,
            list: config.take("list")?,
            pair: config.take("pair")?,
            name: config.take("name")?,
            nested: config.take::<LayerConfig>("nested")?.take("number")?,
        };
        config.done()?;
        Ok(layer)
    }
}

/// JSON has no infinite numbers; texts that look like them stay texts.
#[test]
fn infinite_options_of_layers_come_back() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    register::<Bounds>()?;
    for number in [f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0, 5e-324, 0.1] {
        for upper in [None, Some(number)] {
            let layer = Bounds {
                lower: number,
                upper,
                list: vec![1.0, number],
                pair: (number, 2.0),
                name: number.to_string(),
                nested: number,
            };
            let again = there_and_back(&sequential![layer.clone()], &path)?;
            assert_eq!(again.get(0).and_then(|layer| layer.downcast_ref()), Some(&layer));
        }
    }
    let nan = Bounds { lower: f64::NAN, upper: None, list: vec![], pair: (0.0, 0.0), name: "NaN".into(), nested: 0.0 };
    let again = there_and_back(&sequential![nan], &path)?;
    assert!(again.get(0).and_then(|layer| layer.downcast_ref::<Bounds>()).unwrap().lower.is_nan());

    let mut config = LayerConfig::new().with("number", "infinite");
    let e = config.take::<f64>("number").unwrap_err();
    assert_eq!(e.message(), "from_config: `number`: invalid type: string \"infinite\", expected f64");
    let mut config = LayerConfig::new().with("number", f64::INFINITY);
    assert!(
        config.take::<usize>("number").unwrap_err().message().contains("invalid type: string \"inf\", expected usize")
    );
    Ok(())
}

/// A file without tensors that says this of its model.
fn claiming(description: String, path: &Path) {
    let metadata = Metadata::from_iter([("demotic.model", description)]);
    safetensors::save_tensors::<&str>([], &metadata, path).unwrap();
}

/// Containers in each other, and in the innermost one a long list: read once, and not once for each level.
#[test]
fn nested_configurations_take_time_and_memory_of_their_length() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let nested = |levels: usize, length: usize| {
        let numbers = vec!["0"; length].join(",");
        let inner = format!(r#"{{"kind":"ZeroPad1d","config":{{"margins":[{numbers}]}}}}"#);
        let (begin, end) = (r#"{"kind":"Sequential","config":["#.repeat(levels), "]}".repeat(levels));
        format!(r#"{{"version":1,"kind":"Sequential","config":[{begin}{inner}{end}]}}"#)
    };
    let seconds = |levels: usize| {
        claiming(nested(levels, 300_000), &path);
        (0..5).fold(f64::INFINITY, |least, _| {
            let start = Instant::now();
            assert!(Sequential::open(&path).is_ok());
            least.min(start.elapsed().as_secs_f64())
        })
    };
    let (flat, deep) = (seconds(1), seconds(40));
    assert!(deep < 4.0 * flat, "{deep} s in 40 levels, {flat} s in one");

    let long = nested(2, 3_000_000);
    let length = long.len();
    claiming(long, &path);
    let e = Sequential::open(&path).unwrap_err();
    let expected = format!("open: {}: the model's description has {length} bytes, 4194304 are read", path.display());
    assert_eq!(e.message(), expected);
    assert_eq!(e.help(), Some("make the model as it was, then read its parameters with load(path)"));
    Ok(())
}

#[test]
fn descriptions_that_are_too_long_to_be_read_are_not_written() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let long = sequential![AdaptiveAvgPool1d::new(&*vec![Some(1usize); 3_000_000])];
    long.save(&path)?;
    let e = Sequential::open(&path).unwrap_err();
    assert!(e.message().contains("could not be described: a description of 6000"), "{e}");
    Ok(())
}

/// What no saved layer has.
#[test]
fn configurations_of_layers_that_make_no_sense_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    let conv = |fields: &str| {
        format!(
            r#"{{"in_channels":2,"out_channels":2,"kernel":[1],"groups":1,"bias":false,"stride":[1],"dilation":[1],"padding":[0],"padding_mode":"zeros","output_padding":[0]{fields}}}"#
        )
    };
    let huge = usize::MAX;
    let plain = conv("");
    let cases = [
        ("Conv1d", conv(r#","more":1"#)),
        ("Conv1d", conv("").replace(r#""groups":1"#, r#""groups":0"#)),
        ("Conv1d", conv("").replace(r#""in_channels":2"#, &format!(r#""in_channels":{huge}"#))),
        ("Conv1d", conv("").replace(r#""kernel":[1]"#, &format!(r#""kernel":[{huge}]"#))),
        ("Conv2d", conv("").replace(r#""kernel":[1]"#, r#""kernel":[1,1,1]"#)),
        ("Conv2d", conv("").replace("zeros", "ones")),
        ("ConvLstmCell", format!(r#"{{"hidden":1,"conv":{plain}}}"#)),
        ("ConvLstmCell", format!(r#"{{"hidden":{huge},"conv":{plain}}}"#)),
        ("BatchNorm2d", r#"{"channels":0,"eps":1e-5,"momentum":0.1,"weight":false,"bias":false,"running_stats":false}"#.into()),
        ("BatchNorm2d", r#"{"channels":2,"eps":1e-5,"momentum":7,"weight":false,"bias":false,"running_stats":false}"#.into()),
        ("BatchNorm2d", format!(r#"{{"channels":{huge},"eps":1e-5,"momentum":0.1,"weight":true,"bias":true,"running_stats":true}}"#)),
        ("GroupNorm", r#"{"channels":3,"groups":2,"eps":1e-5,"weight":false,"bias":false}"#.into()),
        ("Prelu", format!(r#"{{"channels":{huge}}}"#)),
        ("Rrelu", r#"{"lower":0.5,"upper":0.25}"#.into()),
        ("Rrelu", r#"{"lower":0.5,"upper":"inf"}"#.into()),
        ("GaussianNoise", r#"{"std":"inf"}"#.into()),
        ("Dropout2d", r#"{"p":2}"#.into()),
        ("DropConnect", r#"{"linear":7,"p":0.5}"#.into()),
        ("EmbeddingBag", r#"{"num_embeddings":2,"dim":2,"mode":"median","padding_idx":null}"#.into()),
        ("EmbeddingBag", format!(r#"{{"num_embeddings":{huge},"dim":{huge},"mode":"sum","padding_idx":null}}"#)),
        ("Upsample", r#"{"size":null,"scale_factor":null,"mode":"nearest","align_corners":false,"recompute_scale_factor":false}"#.into()),
        ("Parallel", r#"["sum"]"#.into()),
        ("Parallel", r#"["sum",[{"kind":"Nothing"}]]"#.into()),
        ("Parallel", r#"["all",[]]"#.into()),
        ("TimeDistributed", "[]".into()),
        ("TimeDistributed", r#"[{"kind":"Relu","config":"relu"},{"kind":"Relu","config":"relu"}]"#.into()),
        ("GlobalAvgPool", r#"{"size":1}"#.into()),
        ("Lambda", "{}".into()),
    ];
    for (kind, config) in cases {
        claiming(
            format!(r#"{{"version":1,"kind":"Sequential","config":[{{"kind":"{kind}","config":{config}}}]}}"#),
            &path,
        );
        assert!(Sequential::open(&path).is_err(), "{kind} {config}");
    }
}
