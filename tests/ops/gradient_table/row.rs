//! One row of the table, and what is checked for it.

use demotic::autograd::{GradOptions, grad, gradcheck, gradgradcheck};
use demotic::{DType, ErrorKind, Result, Tensor, profile};

/// A function of tensors, to be differentiated by all of them.
pub(super) type Function = Box<dyn Fn(&[Tensor]) -> Result<Tensor>>;

/// One operation at one point.
pub(super) struct Row {
    names: Vec<&'static str>,
    f: Function,
    inputs: Vec<Tensor>,
    broadcast: bool,
    /// How many times the function can be differentiated, as far as the table asks.
    orders: usize,
}

impl Row {
    /// `name` is what the operation is recorded as. `f` gets the inputs in `F64`; what is not to be differentiated, it
    /// captures. Keep the inputs small (about ten elements), irregular, and away from kinks.
    pub(crate) fn new<const N: usize>(
        name: &'static str,
        f: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
        inputs: [Tensor; N],
    ) -> Self {
        Self::of(name, f, inputs.into())
    }

    /// The same for any number of inputs.
    pub(crate) fn of(
        name: &'static str,
        f: impl Fn(&[Tensor]) -> Result<Tensor> + 'static,
        inputs: Vec<Tensor>,
    ) -> Self {
        let inputs = inputs.iter().map(|x| x.to_dtype(DType::F64)).collect();
        Self { names: vec![name], f: Box::new(f), inputs, broadcast: true, orders: 2 }
    }

    /// Another operation that `f` is made of, or that its backward pass records.
    pub(crate) fn covers(mut self, name: &'static str) -> Self {
        self.names.push(name);
        self
    }

    /// For functions that have a kink or a pole where elements are equal.
    pub(crate) fn not_broadcast(mut self) -> Self {
        self.broadcast = false;
        self
    }

    /// For functions whose gradient cannot be differentiated again: asking for that is an error which says so.
    pub(crate) fn once(mut self) -> Self {
        self.orders = 1;
        self
    }

    pub(super) fn function(&self) -> &Function {
        &self.f
    }

    pub(super) fn inputs(&self) -> &[Tensor] {
        &self.inputs
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.names.iter().copied()
    }

    /// What is wrong with the gradients.
    pub(crate) fn failures(&self) -> Vec<String> {
        let (f, inputs) = (&self.f, self.inputs.as_slice());
        let mut failures = Vec::new();
        let mut note = |situation: &str, result: Result<()>| {
            failures.extend(result.err().map(|e| format!("{} ({situation}): {e}", self.names[0])));
        };

        let check = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]| match self.orders {
            1 => gradcheck(f, inputs),
            _ => first_and_second_order(f, inputs),
        };
        note("as it is", check(f, inputs));
        if self.orders > 1 {
            note("both forms of the gradient", both_forms_agree(f, inputs));
        } else {
            note("the second order", self.says_that_it_ends());
        }
        note("names", self.records_what_it_says());
        note("the result used twice", check(&|x: &[Tensor]| f(x)?.mul(&f(x)?), inputs));
        if inputs.len() > 1 && inputs.iter().all(|x| x.shape() == inputs[0].shape()) {
            let same = |x: &[Tensor]| f(&vec![x[0].clone(); inputs.len()]);
            note("one tensor for all inputs", check(&same, &inputs[..1]));
        }
        if self.broadcast {
            let (shapes, small) = (shapes(inputs), inputs.iter().map(narrow).collect::<Vec<_>>());
            let wide = |x: &[Tensor]| f(&each(x, |i, x| x.broadcast_to(&shapes[i]))?);
            note("broadcast views", check(&wide, &small));
        }
        let scattered: Vec<_> = inputs.iter().map(scatter).collect();
        let strided = |x: &[Tensor]| f(&each(x, |_, x| gather(x))?);
        note("strided views", check(&strided, &scattered));
        failures
    }

    /// What is wrong with the gradients where the inputs are of a 16-bit type: `Err`. If the operation does not take such
    /// inputs, it must say so by an error of the kind `DType`: `Ok` with the message.
    ///
    /// What `f` captures is in `F64`, so that rows with constants are refused as well.
    pub(crate) fn in_sixteen_bits(&self, dtype: DType) -> Result<Option<String>, String> {
        let name = self.names[0];
        let points: Vec<Tensor> = self.inputs.iter().map(|x| x.to_dtype(dtype).to_dtype(DType::F64)).collect();
        let narrow = |x: &[Tensor]| -> Result<Tensor> {
            let y = (self.f)(&each(x, |_, x| Ok(x.to_dtype(dtype)))?)?;
            // The table works with `F64`: gradients go through both casts.
            Ok(y.to_dtype(DType::F64))
        };
        let wrong = |e: demotic::Error| format!("{name} ({dtype}): {e}");
        let epsilon = if dtype == DType::BF16 { 2f64.powi(-8) } else { 2f64.powi(-11) };
        for order in 1..=self.orders {
            let expected = flat_gradients(&self.f, &points, order).map_err(wrong)?;
            let found = match flat_gradients(&narrow, &points, order) {
                Ok(found) => found,
                Err(e) if e.kind() == ErrorKind::DType => return Ok(Some(e.message())),
                Err(e) => return Err(wrong(e)),
            };
            // Rounded values and rounded results: a few units of the last place of what is large.
            let scale = expected.iter().fold(1.0, |a: f64, b| a.max(b.abs()));
            for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
                if (a - b).abs() > 32.0 * epsilon * scale || a.is_nan() {
                    return Err(format!(
                        "{name} ({dtype}, order {order}): element {i} of all gradients is {a}, not {b}"
                    ));
                }
            }
        }
        Ok(None)
    }

    /// The error of the second order has the operation's name.
    fn says_that_it_ends(&self) -> Result<()> {
        match gradients(&self.f, &self.inputs, true) {
            Err(e) if e.op() == self.names[0] && e.kind() == ErrorKind::Gradient => Ok(()),
            Err(e) => Err(e),
            Ok(_) => Err(demotic::Error::state(self.names[0], "the gradient has a graph")),
        }
    }

    /// Runs the backward pass, and that of the gradients, and looks for the names that the row claims to be about.
    fn records_what_it_says(&self) -> Result<()> {
        let mut result = Ok(());
        let report = profile::record(|| {
            result = gradients(&self.f, &self.inputs, self.orders > 1).and_then(|(inputs, grads)| {
                if self.orders == 1 {
                    return Ok(());
                }
                let tracked: Vec<_> = grads.iter().filter(|g| g.is_tracked()).map(Tensor::sum).collect();
                let (outputs, inputs): (Vec<_>, Vec<_>) = (tracked.iter().collect(), inputs.iter().collect());
                grad(&outputs, &inputs, GradOptions::new().allow_unused(true)).map(|_| ())
            });
        });
        result?;
        for name in &self.names {
            let ran = report.rows().iter().any(|(row, ..)| row.strip_suffix(".backward") == Some(name));
            if !ran {
                return Err(demotic::Error::state(*name, "no such operation was recorded"));
            }
        }
        Ok(())
    }
}

fn first_and_second_order(f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    gradcheck(f, inputs)?;
    gradgradcheck(f, inputs)
}

/// The gradients of an irregularly weighted sum, and the leaves that they belong to.
fn gradients(
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
    inputs: &[Tensor],
    create_graph: bool,
) -> Result<(Vec<Tensor>, Vec<Tensor>)> {
    let inputs: Vec<Tensor> = inputs.iter().map(Tensor::tracked).collect::<Result<_>>()?;
    let y = f(&inputs)?;
    let loss = y.mul(&spread(y.shape(), 0.5, 1.5))?.sum();
    let leaves: Vec<&Tensor> = inputs.iter().collect();
    let grads = grad(&[&loss], &leaves, GradOptions::new().create_graph(create_graph).allow_unused(true))?;
    Ok((inputs, grads))
}

/// Operations may compute a gradient in one way, and in another when it is to be differentiated itself.
fn both_forms_agree(f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    let (_, fused) = gradients(f, inputs, false)?;
    let (_, composite) = gradients(f, inputs, true)?;
    for (i, (a, b)) in fused.iter().zip(&composite).enumerate() {
        for (k, (a, b)) in a.to_f64_vec().iter().zip(b.to_f64_vec()).enumerate() {
            if (a - b).abs() > 1e-12 * b.abs().max(1.0) || a.is_nan() != b.is_nan() {
                let message = format!("input {i}, element {k}: {a}, but {b} with create_graph");
                return Err(demotic::Error::gradient("grad", message));
            }
        }
    }
    Ok(())
}

/// All elements of the gradients of `f`, or of the gradients of the sum of their squares. Zeros stand for what `f` does not
/// depend on.
fn flat_gradients(f: &dyn Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor], order: usize) -> Result<Vec<f64>> {
    let (leaves, mut grads) = gradients(f, inputs, order == 2)?;
    if order == 2 {
        let mut total = Tensor::scalar(0.0).to_dtype(DType::F64);
        for g in &grads {
            total = total.add(&g.square().sum())?;
        }
        // Gradients that do not depend on anything have none.
        let leaves: Vec<&Tensor> = leaves.iter().collect();
        grads = match total.is_tracked() {
            true => grad(&[&total], &leaves, GradOptions::new().allow_unused(true))?,
            false => leaves.iter().map(|x| x.zeros_like()).collect(),
        };
    }
    Ok(grads.iter().flat_map(Tensor::to_f64_vec).collect())
}

fn each(x: &[Tensor], f: impl Fn(usize, &Tensor) -> Result<Tensor>) -> Result<Vec<Tensor>> {
    x.iter().enumerate().map(|(i, x)| f(i, x)).collect()
}

fn shapes(x: &[Tensor]) -> Vec<Vec<usize>> {
    x.iter().map(|x| x.shape().to_vec()).collect()
}

/// The first part of the first dimension that has several.
fn narrow(x: &Tensor) -> Tensor {
    let mut shape = x.shape().to_vec();
    let Some(dim) = shape.iter().position(|n| *n > 1) else { return x.clone() };
    let keep: usize = shape[dim + 1..].iter().product();
    shape[dim] = 1;
    Tensor::from_slice(&x.to_f64_vec()[..keep], shape).unwrap()
}

/// The elements in reversed order of dimensions, each followed by one that must not show up.
fn scatter(x: &Tensor) -> Tensor {
    let turned = reversed(x).unwrap();
    let values = turned.to_f64_vec().iter().flat_map(|x| [*x, -77.0]).collect();
    let shape: Vec<usize> = turned.shape().iter().copied().chain([2]).collect();
    Tensor::from_vec::<f64>(values, shape).unwrap()
}

/// A view with gaps that looks like what was scattered.
fn gather(x: &Tensor) -> Result<Tensor> {
    reversed(&x.select(-1, 0)?)
}

fn reversed(x: &Tensor) -> Result<Tensor> {
    let order: Vec<isize> = (0..x.rank() as isize).rev().collect();
    x.permute(&order)
}

/// Irregular values in the range from `low` to `high`, of type `F64`, the same for the same shape.
pub(super) fn spread(shape: &[usize], low: f64, high: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let values = (0..n).map(|i| low + (high - low) * (0.618_033_988_75 * (i + 1) as f64).fract()).collect();
    Tensor::from_vec::<f64>(values, shape).unwrap()
}
