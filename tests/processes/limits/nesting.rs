//! Layers in layers in layers.

use demotic::layers::{Layer, LayerExt, Linear, ModuleExt, Relu, Residual, Sequential};
use demotic::models::Mlp;
use demotic::{Rng, Tensor, sequential};

use super::child::limited;

const DEEP: usize = 10_000;

/// Everything that walks through a model.
fn walk(model: &(impl Layer + Clone + std::fmt::Debug + 'static)) -> String {
    let x = Tensor::ones([2, 4]).unwrap();
    let copy = model.clone();
    let mut frozen = model.clone();
    let _ = frozen.freeze("*");
    let _ = copy.summary([2, 4]).map(|summary| summary.to_string());
    let _ = (model.num_parameters(), format!("{copy:?}"));
    model.predict(&x).unwrap_err().to_string()
}

#[test]
fn deep_nesting_is_an_error() {
    limited("nesting::deep_nesting_is_an_error", |cases| {
        let check = |error: String| {
            assert!(error.contains("layers are nested in each other more than 128 levels deep"), "{error}");
            assert!(error.contains("put layers that follow each other into one Sequential"), "{error}");
        };
        cases.run("Sequential", || {
            let model = (0..DEEP).fold(sequential![Relu], |inner, _| sequential![inner]);
            check(walk(&model));
        });
        cases.run("Box", || {
            let model = (0..DEEP).fold(Box::new(Relu) as Box<dyn Layer>, |inner, _| Box::new(sequential![inner]));
            check(walk(&model));
        });
        cases.run("Residual", || {
            let model = (0..DEEP).fold(Residual::new(Relu), |inner, _| Residual::new(inner));
            check(walk(&model));
        });
        cases.run("shortcuts", || {
            let model = (0..DEEP).fold(Residual::new(Relu), |inner, _| Residual::new(Relu).with_shortcut(inner));
            check(walk(&model));
        });
        cases.run("Mlp", || {
            let mlp = |rng: &mut Rng| Mlp::new(&[4, 4, 4], rng).unwrap();
            let model = (0..1000).fold(mlp(&mut Rng::seed(0)), |inner, _| mlp(&mut Rng::seed(0)).activation(inner));
            check(walk(&model));
        });
    });
}

/// On the stack of a thread of Rust's standard size, which is what tests have.
#[test]
fn what_is_allowed_works() {
    let mut rng = Rng::seed(0);
    let mut model: Sequential = sequential![Linear::new(4, 4, &mut rng).unwrap()];
    for _ in 0..126 {
        model = sequential![model];
    }
    let x = Tensor::ones([2, 4]).unwrap();
    assert_eq!(model.clone().predict(&x).unwrap().shape(), [2, 4]);
    assert_eq!(model.num_parameters(), 20);
    assert_eq!(model.summary([2, 4]).unwrap().rows().len(), 1);
    assert!(sequential![sequential![sequential![model]]].predict(&x).is_err());
}
