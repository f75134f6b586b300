//! Pictures of what is in a model.

use super::chart::Chart;
use super::panels::Panels;
use crate::autograd::Gradients;
use crate::layers::{Module, ModuleExt};
use crate::tensor::Tensor;

/// A histogram of the weights of each parameter: of a model that learns, bells of about the same width; spikes at zero are dead units,
/// long tails are about to diverge.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::weights;
///
/// let model = Linear::new(3, 2, &mut Rng::seed(0))?;
/// assert!(weights(&model).to_svg()?.contains("weight [2, 3]"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[must_use]
pub fn weights(model: &dyn Module) -> Panels {
    let parameters = model.named_parameters();
    let of = parameters.iter().map(|(path, parameter)| (path.clone(), (*parameter).clone()));
    histograms("Weights", "weight", of.collect())
}

/// A histogram of the gradients of each parameter.
///
/// ```
/// use demotic::prelude::*;
/// use demotic::train::plot::gradients;
///
/// let model = Linear::new(3, 2, &mut Rng::seed(0))?;
/// let loss = model.forward(&Tensor::ones([4, 3])?, &mut Mode::eval())?.square().mean();
/// assert!(gradients(&loss.backward()?, &model).to_svg()?.contains("bias [2]"));
/// # Ok::<(), demotic::Error>(())
/// ```
#[must_use]
pub fn gradients(gradients: &Gradients, model: &dyn Module) -> Panels {
    histograms(
        "Gradients",
        "gradient",
        gradients.named(model).into_iter().map(|(path, grad)| (path, grad.clone())).collect(),
    )
}

fn histograms(title: &str, what: &str, of: Vec<(String, Tensor)>) -> Panels {
    let mut panels = Panels::new(title).columns(3);
    for (path, values) in of {
        let numbers = values.to_f64_vec();
        let wrong = numbers.iter().filter(|x| !x.is_finite()).count();
        let mut chart = Chart::new(format!("{path} {:?}", values.shape())).labels(what, "count").size(400.0, 290.0);
        if wrong > 0 {
            chart = chart.note(format!("{wrong} are not finite"));
        }
        panels = panels.add(chart.histogram(what, numbers, 40));
    }
    panels
}
