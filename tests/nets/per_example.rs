//! Gradients of single examples through every kind of layer: those of one example after the other, or a refusal by name.

use std::collections::BTreeSet;

use demotic::prelude::*;

use super::{save_open, saved_layers};

/// The losses of all examples: weighted means of what becomes of each.
fn losses(layer: &dyn Layer, x: &Tensor, shared: Option<&Tensor>) -> Result<Tensor> {
    let x = shared.map_or(Ok(x.clone()), |shared| x.mul(shared))?;
    let y = layer.forward(&x, &mut Mode::eval())?;
    let y = if y.rank() > 1 { y.flatten(1, -1)? } else { y.unsqueeze(1)? };
    y.mul(&Tensor::linspace(0.5, 1.5, y.shape()[1])?.to_dtype(y.dtype()))?.sin().mean_dims(&[1], false)
}

/// `None` if the layer takes no such examples, or the name of the operation that refuses them.
fn refusal(layer: &dyn Layer, x: &Tensor) -> Result<Option<Option<String>>> {
    let shared = match x.dtype() {
        DType::I64 => None,
        _ => Some(Tensor::linspace(0.9, 1.1, *x.shape().last().unwrap())?.to_dtype(x.dtype()).tracked()?),
    };
    let Ok(all) = losses(layer, x, shared.as_ref()) else { return Ok(None) };
    if all.shape() != [x.shape()[0]] {
        return Ok(None);
    }
    let (grads, norms) = match (all.backward_per_example(), all.squared_norms_per_example()) {
        (Ok(grads), Ok(norms)) => (grads, norms),
        (Err(e), Err(other)) => {
            assert_eq!(e.message(), other.message());
            assert!(e.message().contains(": the gradients of single examples: "), "{e}");
            assert!(e.help().is_some(), "{e}");
            return Ok(Some(Some(e.op().to_string())));
        }
        (grads, norms) => panic!("{:?} and {:?}", grads.err(), norms.err()),
    };
    let mut leaves: Vec<(String, Tensor)> = layer.as_module().named_parameters();
    leaves.extend(shared.iter().map(|shared| ("what it is multiplied by".to_string(), shared.clone())));
    for i in 0..x.shape()[0] {
        let one = losses(layer, &x.narrow(0, i, 1)?, shared.as_ref())?.sum().backward()?;
        for (name, leaf) in &leaves {
            let what = format!("{} {name}, example {i}", layer.kind());
            let (Some(want), Ok(got)) = (one.get(leaf), grads.wrt(leaf)) else {
                assert!(one.get(leaf).is_none() && grads.wrt(leaf).is_err(), "{what}");
                continue;
            };
            let (got, want) = (got.select(0, i as isize)?.to_f64_vec(), want.to_f64_vec());
            let size = want.iter().map(|x| x * x).sum::<f64>();
            // A root of a negative number, as of `LpPool`, for both.
            if size.is_nan() && got.iter().any(|x| x.is_nan()) {
                continue;
            }
            let difference = got.iter().zip(&want).map(|(a, b)| (a - b) * (a - b)).sum::<f64>();
            assert!(got.len() == want.len() && difference <= 1e-18 * size.max(1.0), "{what}: {got:?} for {want:?}");
            let norm = norms.wrt(leaf)?.to_f64_vec()[i];
            assert!((norm - size).abs() <= 1e-9 * size.max(1.0), "{what}: a norm of {norm} for {size}");
        }
    }
    Ok(Some(None))
}

#[test]
fn every_layer_keeps_examples_apart_or_says_its_name() -> Result<()> {
    let mut rng = Rng::seed(4);
    let mut all = saved_layers::described(&mut rng)?;
    let sentences = Tensor::normal([3, 5, 4], 0.0, 1.0, &mut rng)?;
    for (layer, x) in save_open::described_layers(&mut rng)? {
        // What there are rows for takes sentences as well, in which the rows are no examples.
        if x.shape() == [3, 4] {
            all.push((layer.clone(), Tensor::normal([2, 3, 4], 0.0, 1.0, &mut rng)?));
        }
        // Rows are steps, and no examples, where order matters.
        let has_order = ["Rnn", "Gru", "Lstm"].contains(&layer.kind()) || layer.kind().ends_with("Positions");
        if !(has_order && x.rank() == 2) {
            all.push((layer, x));
        }
    }
    let more: Vec<(Box<dyn Layer>, Tensor)> = vec![
        (Box::new(Lstm::with(Recurrent::new(4, 3).layers(2).bidirectional(), &mut rng)?), sentences.clone()),
        (Box::new(Gru::new(4, 3, &mut rng)?), sentences.clone()),
        (Box::new(Rnn::new(4, 3, &mut rng)?), sentences.clone()),
        (Box::new(MultiHeadAttention::new(4, 2, &mut rng)?), sentences),
    ];
    all.extend(more);
    let (mut kept, mut refused, mut not_taken) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (mut layer, x) in all {
        layer.to_dtype(DType::F64)?;
        let x = if x.dtype() == DType::F32 { x.to_dtype(DType::F64) } else { x };
        match refusal(&*layer, &x)? {
            Some(None) => kept.insert(layer.kind()),
            Some(Some(op)) => refused.insert((layer.kind(), op)),
            None => not_taken.insert(layer.kind()),
        };
    }
    let refused: Vec<String> = refused.into_iter().map(|(layer, op)| format!("{layer} by {op}")).collect();
    assert_eq!(refused, REFUSED);
    // Cells of one step take no sentences.
    assert_eq!(not_taken.into_iter().collect::<Vec<_>>(), ["Flatten", "GruCell", "LstmCell", "RnnCell"]);
    assert!(kept.len() > 95, "{}", kept.len());
    Ok(())
}

/// Those of a batch norm mix examples, as do softmax and layer norm over them.
const REFUSED: &[&str] = &[
    "BatchNorm2d by batch_norm",
    "LayerNorm by layer_norm",
    "LogSoftmax by log_softmax",
    "Softmax by softmax",
    "Softmin by softmax",
];
