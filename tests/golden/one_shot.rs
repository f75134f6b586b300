//! Pruning in one shot and products of low rank are those of the papers' formulas in PyTorch: `tests/golden/make_one_shot.py` made the
//! numbers.

use demotic::compress::{OneShotPruning, Rank, factorize, factorize_calibrated};
use demotic::layers::Weight;
use demotic::prelude::*;
use serde_json::Value;

fn data() -> Value {
    serde_json::from_str(include_str!("one_shot.json")).unwrap()
}

fn tensor(value: &Value) -> Tensor {
    let list = |key: &str| value[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let shape: Vec<usize> = list("shape").into_iter().map(|x| x as usize).collect();
    Tensor::from_vec(list("values"), &shape[..]).unwrap().to_dtype(DType::F32)
}

/// A layer with this weight, in either layout.
fn layer(weight: &Tensor, inputs_first: bool) -> Result<Linear> {
    let mut layer = Linear::new(weight.shape()[1], weight.shape()[0], &mut Rng::seed(0))?.without_bias();
    layer.weight = match inputs_first {
        true => Weight::InputsFirst(Param::new(weight.t().contiguous())?),
        false => Weight::new(weight.clone())?,
    };
    Ok(layer)
}

fn value(layer: &Linear) -> Result<Vec<f32>> {
    let value = layer.weight.value()?;
    if layer.weight.is_inputs_first() { value.t().contiguous().to_vec() } else { value.to_vec() }
}

#[test]
fn one_shot_pruning_of_the_papers() -> Result<()> {
    let data = data();
    let cases = data["one_shot"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let (weight, inputs) = (tensor(&case["weight"]), tensor(&case["inputs"]));
        for result in case["results"].as_array().unwrap() {
            for (name, inputs_first) in [("wanda", false), ("sparse_gpt", false), ("wanda", true), ("sparse_gpt", true)]
            {
                let share = result["share"].as_f64().unwrap();
                let pruning =
                    if name == "wanda" { OneShotPruning::wanda(share) } else { OneShotPruning::sparse_gpt(share) };
                let groups = result["groups"].as_array().map(|pair| [0, 1].map(|i| pair[i].as_u64().unwrap() as usize));
                let pruning = groups.map_or(pruning.clone(), |[keep, of]| pruning.n_of_m(keep, of));
                let mut layer = layer(&weight, inputs_first)?;
                // In two batches, whose products are added up.
                let half = inputs.shape()[0] / 3;
                let masks = pruning.apply(&mut layer, |layer: &Linear| {
                    layer.predict(&inputs.narrow(0, 0, half)?)?;
                    layer.predict(&inputs.narrow(0, half, inputs.shape()[0] - half)?).map(drop)
                })?;
                let what = format!("{name} {share} {groups:?} of {:?}", weight.shape());
                let (got, want) = (value(&layer)?, tensor(&result[name]).to_vec::<f32>()?);
                let weight = weight.to_vec::<f32>()?;
                for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                    let want = if name == "wanda" { want * weight[i] } else { *want };
                    assert!((got - want).abs() < 2e-5 * want.abs().max(1.0), "{what}, number {i}: {got} for {want}");
                }
                assert_eq!(masks.weights()[0].zeros, got.iter().filter(|x| **x == 0.0).count(), "{what}");
            }
        }
    }
    Ok(())
}

#[test]
fn products_of_low_rank() -> Result<()> {
    let data = data();
    let (weight, inputs) = (tensor(&data["low_rank"]["weight"]), tensor(&data["low_rank"]["inputs"]));
    let factors = data["low_rank"]["factors"].as_array().unwrap();
    assert_eq!(factors.len(), 3);
    for case in factors {
        let rank = Rank::Fixed(case["rank"].as_u64().unwrap() as usize);
        for inputs_first in [false, true] {
            let (mut plain, mut seen) = (layer(&weight, inputs_first)?, layer(&weight, inputs_first)?);
            factorize(&mut plain, &["*"], rank)?;
            let changes = factorize_calibrated(&mut seen, &["*"], rank, |layer| layer.predict(&inputs).map(drop))?;
            for (layer, want) in [(&plain, "plain"), (&seen, "seen")] {
                let (got, want) = (value(layer)?, tensor(&case[want]).to_vec::<f32>()?);
                // As exactly as the inputs' products, to whose diagonal a millionth is added.
                assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 2e-3), "{rank:?}: {got:?} for {want:?}");
            }
            assert!((changes.weights[0].error - case["error"].as_f64().unwrap()).abs() < 1e-5, "{changes}");
        }
    }
    Ok(())
}
