//! What the compiler says to usual mistakes: programs that do not compile, and the words that are meant to help.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that this test was built with: the last one of its name in the folder of the test program.
fn library() -> (PathBuf, PathBuf) {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let libraries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("libdemotic-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|path| path.metadata().unwrap().modified().unwrap());
    (newest.expect("the library beside the test"), folder)
}

/// What the compiler says of a program with this `main`, without the breaks of its lines; nothing if it compiles.
fn said_of(main: &str, folder: &Path) -> String {
    let (library, dependencies) = library();
    let source = folder.join("program.rs");
    std::fs::write(&source, format!("use demotic::prelude::*;\nfn main() -> Result<()> {{\n{main}\nOk(())\n}}\n"))
        .unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=program", "--emit=metadata", "--cap-lints=allow"])
        .arg(format!("--extern=demotic={}", library.display()))
        .arg(format!("-Ldependency={}", dependencies.display()))
        .arg("-o")
        .arg(folder.join("program.rmeta"))
        .arg(&source)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
}

#[test]
fn usual_mistakes_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let rng = "let mut rng = Rng::seed(0);";
    let right = "let model = sequential![Linear::new(8, 1, &mut rng)?, Relu]; drop(model);";
    assert_eq!(said_of(&format!("{rng}\n{right}"), folder.path()), "");
    let mistakes: [(&str, String, &[&str]); 8] = [
        (
            "a layer without `?`",
            format!("{rng} let model = sequential![Linear::new(8, 1, &mut rng), Relu];"),
            &["is not a layer", "append `?`, as in `Linear::new(8, 64, &mut rng)?`"],
        ),
        (
            "a closure as a layer",
            "let model = sequential![|x: &Tensor| x.relu()];".into(),
            &["is not a layer", "a function of a tensor becomes a layer by `Lambda::new(|x| Ok(x.relu()))`"],
        ),
        (
            "a box in a box",
            "let layer: Box<dyn Layer> = Box::new(Relu); let layer: Box<dyn Layer> = Box::new(layer);".into(),
            &["is not a layer", "a `Box<dyn Layer>` holds a layer and is none itself: pass on `&*layer`"],
        ),
        (
            "a loss without `?`",
            "let t = Trainer::new(losses::CrossEntropy::new().label_smoothing(0.1), Adam::new(0.1));".into(),
            &["is not a loss", "`losses::CrossEntropy::new().label_smoothing(0.1)?`"],
        ),
        (
            "a number among the modules of a struct",
            "struct Head { fc: Linear, classes: usize } module!(Head { fc, classes });".into(),
            &["`usize` is no module", "stand behind `plain`: `module!(Type { fc }, plain { classes })`"],
        ),
        (
            "a tensor among the modules of a struct",
            "struct Scale { by: Tensor } module!(Scale { by });".into(),
            &["Tensor` is no module", "a tensor that is to be trained is a `Param`"],
        ),
        (
            "a rate as an optimizer",
            "let t = Trainer::new(losses::mse, 1e-3);".into(),
            &["is no optimizer", "`Adam::new(1e-3)`"],
        ),
        (
            "inputs as a dataset",
            "let (x, mut m, mut rng) = (Tensor::ones([4, 2])?, Relu, Rng::seed(0));
             Trainer::new(losses::mse, Adam::new(0.1)).fit(&mut m, &x, &mut rng)?;"
                .into(),
            &["Tensor` is no dataset", "inputs and targets become one by `TensorDataset::new(x, y)?`"],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, main, expected) in mistakes {
        let said = said_of(&main, folder.path());
        wrong.extend(
            expected
                .iter()
                .filter(|part| !said.contains(**part))
                .map(|part| format!("{name}: no `{part}` in\n{said}\n")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The ways out that messages and documentation name. Closures without types are refused in words of the compiler alone, "not
/// general enough": a `Loss` may be a struct, so it is no bound of `Fn`, from which types could be inferred, and of lifetimes that
/// do not fit the compiler does not ask a trait what to say.
#[test]
fn the_ways_out_compile() {
    let folder = tempfile::tempdir().unwrap();
    for main in [
        "let t = Trainer::new(|p: &_, t: &_| losses::mse(p, t), Adam::new(0.1));",
        "let t = Trainer::new(losses::from_fn(|p, t| losses::mse(p, t)), Adam::new(0.1));",
        "let boxed: Box<dyn Layer> = Box::new(Relu); let model = sequential![boxed];",
        "let mut boxed: Box<dyn Layer> = Box::new(Linear::new(2, 1, &mut Rng::seed(0))?);
         let data = TensorDataset::new(Tensor::ones([4, 2])?, Tensor::ones([4, 1])?)?;
         Trainer::new(losses::mse, Adam::new(0.1)).epochs(1).fit(&mut boxed, &data, &mut Rng::seed(0))?;
         demotic::train::predict(&*boxed, &data)?;",
    ] {
        assert_eq!(said_of(main, folder.path()), "", "{main}");
    }
}
