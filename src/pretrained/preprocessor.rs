//! What is done to pictures before a published model sees them: `preprocessor_config.json`, or what timm has in its `config.json`.

use std::path::Path;

use serde_json::{Map, Value};

use super::fields::Fields;
use super::folder;
use crate::error::Result;
use crate::pipeline::{ImageProcessor, Resample, Resize};

const FILE: &str = "preprocessor_config.json";

impl ImageProcessor {
    /// Reads the `preprocessor_config.json` of a folder.
    ///
    /// ```no_run
    /// use demotic::pipeline::ImageProcessor;
    ///
    /// let processor = ImageProcessor::from_pretrained("google/vit-base-patch16-224")?;
    /// # Ok::<(), demotic::Error>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such file, it is malformed, or an option is not known: it may change what a model sees.
    #[track_caller]
    pub fn from_pretrained(folder: impl AsRef<Path>) -> Result<Self> {
        read("from_pretrained", folder.as_ref())
    }
}

#[track_caller]
pub(super) fn read(op: &'static str, folder: &Path) -> Result<ImageProcessor> {
    let path = folder.join(FILE);
    let map: Map<String, Value> = folder::json(op, &path, "options of an image processor")?;
    let mut fields = Fields::of(op, &path, map);
    let f = &mut fields;
    let kind: Option<String> = f.optional("image_processor_type")?;
    let old: Option<String> = f.optional("feature_extractor_type")?;
    let kind = kind.or(old).unwrap_or_default();
    for silent in ["processor_class", "data_format", "input_data_format", "device", "return_tensors", "do_convert_rgb"]
    {
        let _: Option<Value> = f.optional(silent)?;
    }
    // Whether one number is the side of a square or the shorter side of any picture.
    let square = f.or("default_to_square", !kind.starts_with("CLIP"))?;
    let resize = f.or("do_resize", true)?.then(|| size(f, "size", square)).transpose()?.flatten();
    let number: usize = f.or("resample", 2)?;
    let Some(resample) = Resample::numbered(number) else {
        return Err(f.error(format_args!("there is no resample {number}, Pillow has 0 to 5")));
    };
    let _: Option<f64> = f.optional("crop_pct")?;
    let crop =
        size(f, "crop_size", true)?.filter(|_| f.or("do_center_crop", kind.starts_with("CLIP")).unwrap_or(false));
    let crop = match crop {
        Some(Resize::To(size)) => Some(size),
        Some(Resize::Shorter(_)) => return Err(f.error("`crop_size` has a shorter side, expected height and width")),
        None => None,
    };
    let _: Option<bool> = f.optional("do_center_crop")?;
    let factor: f64 = f.or("rescale_factor", 1.0 / 255.0)?;
    let rescale = if f.or("do_rescale", true)? { factor } else { 1.0 };
    let (mean, std) = (f.or("image_mean", vec![0.5; 3])?, f.or("image_std", vec![0.5; 3])?);
    let normalize = f.or("do_normalize", true)?.then_some([mean, std]);
    for off in ["do_pad", "do_flip_channel_order", "do_reduce_labels"] {
        f.only(off, &Value::Bool(false))?;
    }
    fields.done("image processor")?;
    let mut processor = ImageProcessor::imagenet(224);
    (processor.resize, processor.resample, processor.crop) = (resize, resample, crop);
    (processor.crop_to_even, processor.rescale, processor.normalize) = (false, rescale, normalize);
    Ok(processor)
}

/// A size: one number, height and width, or the shorter side.
#[track_caller]
fn size(f: &mut Fields, name: &'static str, square: bool) -> Result<Option<Resize>> {
    let Some(value) = f.optional::<Value>(name)? else { return Ok(None) };
    let number = |value: &Value| value.as_u64().and_then(|n| usize::try_from(n).ok());
    let of = |key: &str| value.get(key).and_then(number);
    let known = value.as_object().map_or(0, Map::len);
    match (number(&value), of("height"), of("width"), of("shortest_edge")) {
        (Some(side), ..) if square => Ok(Some(Resize::To([side; 2]))),
        (Some(side), ..) => Ok(Some(Resize::Shorter(side))),
        (None, Some(height), Some(width), None) if known == 2 => Ok(Some(Resize::To([height, width]))),
        (None, None, None, Some(side)) if known == 1 => Ok(Some(Resize::Shorter(side))),
        _ => Err(f.error(format_args!("`{name}` is {value}, expected a number, height and width, or shortest_edge"))),
    }
}

/// What timm says of the pictures of a network.
#[track_caller]
pub(super) fn of_timm(op: &'static str, folder: &Path) -> Result<ImageProcessor> {
    let map: Map<String, Value> = folder::json(op, &folder.join(folder::CONFIG), "a configuration")?;
    let map = map.get("pretrained_cfg").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut fields = Fields::of(op, &folder.join(folder::CONFIG), map);
    let f = &mut fields;
    let input: Vec<usize> = f.or("input_size", vec![3, 224, 224])?;
    let [3, height, width] = input[..] else {
        return Err(f.error(format_args!("pictures of {input:?}, expected three channels, height and width")));
    };
    f.only("crop_mode", &"center".into())?;
    let how: String = f.or("interpolation", "bicubic".to_string())?;
    let names = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"];
    let Some(resample) = names.iter().position(|name| *name == how).and_then(Resample::numbered) else {
        return Err(f.error(format_args!("there is no interpolation `{}`", crate::error::short(&how))));
    };
    let share: f64 = f.or("crop_pct", 0.875)?;
    if !(share > 0.0 && share <= 1.0) {
        return Err(f.error(format_args!("`crop_pct` is {share}, expected a share")));
    }
    let scaled = |side: usize| (side as f64 / share).floor() as usize;
    let mut processor = ImageProcessor::imagenet(224);
    let square = height == width;
    processor.resize =
        Some(if square { Resize::Shorter(scaled(height)) } else { Resize::To([scaled(height), scaled(width)]) });
    (processor.resample, processor.crop) = (resample, Some([height, width]));
    processor.normalize = Some([f.or("mean", vec![0.485, 0.456, 0.406])?, f.or("std", vec![0.229, 0.224, 0.225])?]);
    Ok(processor)
}
