//! Names that mean one thing, and options that belong into a configuration file.

// Whatever is in more than one of these, and used below, does not compile.
#![allow(unused_imports)]

use demotic::data::*;
use demotic::io::*;
use demotic::losses::*;
use demotic::models::*;
use demotic::pipeline::*;
use demotic::regularizers::*;
use demotic::text::*;
use demotic::train::metrics::{Average, Classification, Normalize};
use demotic::train::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

type Losses = (Reduction, Bce, BceWithLogits, CrossEntropy, CrossEntropyFromProbabilities, Huber, Mae, Mse);
type Training = (
    History,
    Epoch,
    StepReport,
    Ended,
    Verdict,
    EarlyStopping,
    Evaluation,
    Objective,
    Callbacks,
    Checkpoints,
    Progress,
);
type Models = (Gpt, GptConfig, Mlp, LinearRegression, Likelihood, Beam, Continuation, Token);
type Texts = (TokenHistory, Sampler, TokenStream, CharTokenizer);
type Others = (ClassPrediction, Pipeline, Table, TensorDataset, Fold, Padding, Checkpoint, Metadata, L1, L2);

#[test]
fn names_of_several_modules_together() {
    fn size_of_all<A, B, C, D, E>() -> usize {
        [size_of::<A>(), size_of::<B>(), size_of::<C>(), size_of::<D>(), size_of::<E>()].iter().sum()
    }
    assert!(size_of_all::<Losses, Training, Models, Texts, Others>() > 0);
}

fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

/// Options are written as they are called, and what is not said is as it is by default.
#[test]
fn options_in_configuration_files() -> demotic::Result<()> {
    let range = Scaling::Range { low: -1.0, high: 1.0, clip: true };
    assert_eq!(serde_json::to_string(&range).unwrap(), r#"{"Range":{"low":-1.0,"high":1.0,"clip":true}}"#);
    assert_eq!(again(&range), range);
    assert_eq!((again(&Impute::Constant(0.5)), again(&Unseen::Error)), (Impute::Constant(0.5), Unseen::Error));
    assert_eq!(
        (again(&Reduction::Sum), again(&Average::Micro), again(&Normalize::All)),
        (Reduction::Sum, Average::Micro, Normalize::All)
    );
    assert_eq!(again(&Padding::new().left().width(3)), Padding::new().left().width(3));

    assert!(CsvOptions::new().read_from("a;price\n1,5;2\n2,5;3\n".as_bytes()).is_err());
    let options: CsvOptions = serde_json::from_str(r#"{"delimiter": ";", "all": {"decimal": ","}}"#).unwrap();
    let table = again(&options).read_from("a;price\n1,5;2\n2,5;3\n".as_bytes())?;
    assert_eq!(table.column("a")?.numbers(), Some(&[1.5, 2.5][..]));

    let rules: PreprocessorBuilder =
        serde_json::from_str(r#"{"target": ["price", "Regression"], "scaling": "MinMax", "target_scaling": "None"}"#)
            .unwrap();
    let prep = again(&rules).fit(&table)?;
    let same = Preprocessor::regression("price").scaling(Scaling::MinMax).target_scaling(Scaling::None).fit(&table)?;
    assert_eq!(prep, same);

    let mut stopping: EarlyStopping = serde_json::from_str(r#"{"patience": 2, "maximize": true}"#).unwrap();
    assert_eq!(
        [1.0, 2.0, 1.5, 1.5].map(|value| stopping.update(value)),
        [Verdict::Improved, Verdict::Improved, Verdict::Waiting, Verdict::Stop]
    );
    // What it remembers is the business of checkpoints.
    assert_eq!(again(&stopping).best(), None);
    Ok(())
}
