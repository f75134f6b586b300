//! Layers in layers in layers.

use demotic::layers::{Layer, LayerExt, Linear, Mode, Module, ModuleExt, Relu, Residual, Sequential};
use demotic::models::Mlp;
use demotic::{DType, Rng, Tensor, sequential};

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

/// Boxes in boxes are one box as soon as a container has them. Without one, only their maker can take them apart.
#[test]
fn boxes_in_boxes_are_one_box() {
    limited("nesting::boxes_in_boxes_are_one_box", |cases| {
        let chain = || (0..100_000).fold(Box::new(Relu) as Box<dyn Layer>, |inner, _| Box::new(inner));
        let x = Tensor::ones([2, 4]).unwrap();
        cases.run("Sequential", || {
            let model = sequential![chain(), chain()];
            assert_eq!(model.predict(&x).unwrap().shape(), [2, 4]);
            assert_eq!(format!("{:?}", model.clone()), "[Relu, Relu]");
        });
        cases.run("Residual", || {
            assert_eq!(Residual::new(chain()).with_shortcut(chain()).predict(&x).unwrap().shape(), [2, 4]);
        });
        cases.run("Mlp", || {
            let mlp = Mlp::new(&[4, 4, 4], &mut Rng::seed(0)).unwrap().activation(chain());
            assert_eq!(mlp.predict(&x).unwrap().shape(), [2, 4]);
        });
        cases.run("alone", || {
            let mut chain = chain();
            assert_eq!((chain.predict(&x).unwrap().shape(), chain.kind()), (&[2, 4][..], "Relu"));
            assert_eq!((chain.num_parameters(), chain.clone().modules().len()), (0, 1));
            // A visit that may change it takes it out of its boxes.
            chain.to_dtype(DType::F64).unwrap();
        });
    });
}

/// Layers that are put into each other piece by piece, or call each other without end.
#[test]
fn parts_that_call_each_other_without_end_are_an_error() {
    limited("nesting::parts_that_call_each_other_without_end_are_an_error", |cases| {
        #[derive(Clone)]
        struct Endless;
        demotic::module!(Endless {});
        impl Layer for Endless {
            fn forward(&self, x: &Tensor, mode: &mut Mode<'_>) -> demotic::Result<Tensor> {
                self.at("again", x, mode)
            }
        }
        let x = Tensor::ones([2, 4]).unwrap();
        cases.run("Endless", || {
            let e = Endless.predict(&x).unwrap_err();
            assert_eq!(e.message(), "forward: layers are nested in each other more than 256 levels deep");
        });
        cases.run("Sequential", || {
            let mut model = sequential![Relu];
            for _piece in 0..200 {
                let deep = (0..100).fold(sequential![Relu], |inner, _| sequential![inner]);
                let old = std::mem::replace(&mut model, deep);
                let mut place = &mut model;
                while place.get(0).is_some_and(|layer| layer.downcast_ref::<Sequential>().is_some()) {
                    place = place.get_mut(0).unwrap().downcast_mut().unwrap();
                }
                place.push(old);
            }
            drop(model);
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
