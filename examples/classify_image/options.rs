//! What may be asked for on the command line.

use std::path::PathBuf;

use demotic::Result;

use super::arguments::Arguments;

pub const USAGE: &str = "\
What is on a picture, or on each picture of a folder? The five most likely classes, with probabilities.

cargo run --release --features image --example classify_image -- [OPTIONS]

  --model PATH     a published classifier: a folder of ViT, DeiT or timm, a file of torchvision or timm whose name begins with that
                   of its network (resnet18-f37072fd.pth), or a folder of CLIP, which tells apart whatever --labels says; without
                   one, a small ViT learns digits
  --in PATH        a PNG or JPEG file, or a folder of them; without one, some digits
  --labels FILE    the names of the classes, one a line
  --template TEXT  for CLIP, the description of a class, with its name in place of {} (a photo of a {})
  --top N          how many classes are shown of each picture (5)
  --out DIR        where the small model and its pictures go (out/classify_image)
  --seed N         another small model (0)
  --json           the results as one line of JSON
  --quick          a small model that learns less
  --check          an error unless the small model, read back as it was published, knows nine of ten new digits
  --help           this text
";

pub struct Options {
    pub model: Option<PathBuf>,
    pub place: Option<PathBuf>,
    pub labels: Option<PathBuf>,
    pub template: Option<String>,
    pub top: usize,
    pub out: PathBuf,
    pub seed: u64,
    pub json: bool,
    pub quick: bool,
    pub check: bool,
}

impl Options {
    /// `None` if help is asked for.
    pub fn from_args(words: impl Iterator<Item = String>) -> Result<Option<Self>> {
        let mut options = Self {
            model: None,
            place: None,
            labels: None,
            template: None,
            top: 5,
            out: "out/classify_image".into(),
            seed: 0,
            json: false,
            quick: false,
            check: false,
        };
        let mut arguments = Arguments::new("classify_image", USAGE, words);
        while let Some(option) = arguments.option() {
            match option.as_str() {
                "--model" => options.model = Some(arguments.value()?.into()),
                "--in" => options.place = Some(arguments.value()?.into()),
                "--labels" => options.labels = Some(arguments.value()?.into()),
                "--template" => options.template = Some(arguments.value()?),
                "--top" => options.top = arguments.number()?,
                "--out" => options.out = arguments.value()?.into(),
                "--seed" => options.seed = arguments.number()?,
                "--json" => options.json = true,
                "--quick" => options.quick = true,
                "--check" => options.check = true,
                "--help" => return Ok(None),
                _ => return Err(arguments.unknown()),
            }
        }
        Ok(Some(options))
    }
}
