//! Layers in layers in layers.

use demotic::layers::{IntoLayer, Layer, LayerExt, Linear, Mode, Module, ModuleExt, Relu, Residual, Sequential};
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
            check(walk(&sequential![model]));
        });
        cases.run("Box", || {
            let model = (0..DEEP).fold(Box::new(Relu) as Box<dyn Layer>, |inner, _| Box::new(sequential![inner]));
            check(walk(&sequential![model]));
        });
        cases.run("Residual", || {
            let model = (0..DEEP).fold(Residual::new(Relu), |inner, _| Residual::new(inner));
            check(walk(&sequential![model]));
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

/// A box is no layer, so a chain of boxes cannot be written (a page of documentation that does not compile says so). What can be
/// written is a chain with a container at each link, and containers take boxes as they are.
#[test]
fn boxes_do_not_pile_up() {
    limited("nesting::boxes_do_not_pile_up", |cases| {
        let x = Tensor::ones([2, 4]).unwrap();
        let boxed = || (0..100_000).fold(Box::new(Relu) as Box<dyn Layer>, |inner, _| inner.into_layer());
        cases.run("alone", || {
            let mut layer = boxed();
            assert_eq!((layer.predict(&x).unwrap().shape(), layer.kind()), (&[2, 4][..], "Relu"));
            assert_eq!((layer.num_parameters(), layer.clone().modules().len()), (0, 1));
            layer.to_dtype(DType::F64).unwrap();
        });
        cases.run("Sequential", || {
            let model = sequential![boxed(), boxed()];
            assert_eq!(model.predict(&x).unwrap().shape(), [2, 4]);
            assert_eq!(format!("{:?}", model.clone()), "[Relu, Relu]");
        });
        cases.run("Residual", || {
            assert_eq!(Residual::new(boxed()).with_shortcut(boxed()).predict(&x).unwrap().shape(), [2, 4]);
        });
        cases.run("Mlp", || {
            let mlp = Mlp::new(&[4, 4, 4], &mut Rng::seed(0)).unwrap().activation(boxed());
            assert_eq!(mlp.predict(&x).unwrap().shape(), [2, 4]);
        });
        // Dropped without ever having been looked at.
        type Link = fn(Box<dyn Layer>) -> Box<dyn Layer>;
        let links: [(&str, Link); 4] = [
            ("Sequential", |inner| Box::new(sequential![inner])),
            ("Residual", |inner| Box::new(Residual::new(inner))),
            ("shortcut", |inner| Box::new(Residual::new(Relu).with_shortcut(inner))),
            ("Mlp", |inner| Box::new(Mlp::new(&[1, 1, 1], &mut Rng::seed(0)).unwrap().activation(inner))),
        ];
        for (name, link) in links {
            cases.run(format!("a chain of {name}"), || {
                drop((0..2_000).fold(Box::new(Relu) as Box<dyn Layer>, |inner, _| link(inner)));
            });
        }
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
