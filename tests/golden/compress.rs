//! Masks are those of `torch.nn.utils.prune`, losses of distillation those of their papers' formulas in PyTorch:
//! `tests/golden/make_compress.py` made the numbers.

use demotic::autograd::{GradOptions, grad};
use demotic::compress::{
    Pruning, SoftTargets, attention_transfer, relation_angles, relation_distances, similarity_preserving,
};
use demotic::prelude::*;
use serde_json::Value;

fn cases(group: &str) -> Vec<Value> {
    let data: Value = serde_json::from_str(include_str!("../golden/compress.json")).unwrap();
    let cases = data[group].as_array().unwrap().clone();
    assert!(cases.len() >= 7, "{group}");
    cases
}

fn tensor(value: &Value) -> Tensor {
    let list = |key: &str| value[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<f64>>();
    let shape: Vec<usize> = list("shape").into_iter().map(|x| x as usize).collect();
    Tensor::from_vec(list("values"), &shape[..]).unwrap()
}

#[test]
fn masks_of_torch() -> Result<()> {
    let mut rng = Rng::seed(0);
    for case in cases("masks") {
        let mut model = sequential![Linear::new(6, 5, &mut rng)?, Relu, Linear::new(5, 4, &mut rng)?];
        for (at, weight) in [("0", &case["weights"][0]), ("2", &case["weights"][1])] {
            let value = tensor(weight).to_dtype(DType::F32);
            model.for_each_mut(at, |_, layer: &mut Linear| layer.weight.set(&value))?;
        }
        let pruning = Pruning::magnitude(case["amount"].as_f64().unwrap());
        let pruning = match case["how"].as_str().unwrap() {
            "weight" => pruning,
            "global" => pruning.global(),
            _ => pruning.units(case["norm"].as_str().unwrap().parse().unwrap()),
        };
        let masks = pruning.apply(&mut model)?;
        for (path, mask) in [("0.weight", &case["masks"][0]), ("2.weight", &case["masks"][1])] {
            let what = format!("{} {} {path}", case["how"], case["amount"]);
            assert_eq!(masks.get(path).unwrap().to_f64_vec(), tensor(mask).to_f64_vec(), "{what}");
            let (_, value) = model.named_parameters().into_iter().find(|(name, _)| name == path).unwrap();
            let zeros = value.to_f64_vec().into_iter().map(|x| f64::from(u8::from(x != 0.0))).collect::<Vec<_>>();
            assert_eq!(zeros, tensor(mask).to_f64_vec(), "{what}");
        }
    }
    Ok(())
}

#[test]
fn losses_of_the_papers() -> Result<()> {
    for case in cases("losses") {
        let name = case["name"].as_str().unwrap();
        let (student, teacher) = (tensor(&case["student"]).tracked()?, tensor(&case["teacher"]));
        let loss = match name {
            "distances" => relation_distances(&student, &teacher)?,
            "angles" => relation_angles(&student, &teacher)?,
            "similarities" => similarity_preserving(&student, &teacher)?,
            "activity" => attention_transfer(&student, &teacher)?,
            soft => SoftTargets::new(soft.strip_prefix("soft_").unwrap().parse().unwrap()).loss(&student, &teacher)?,
        };
        let want = case["loss"].as_f64().unwrap();
        assert!((loss.item()? - want).abs() < 1e-10, "{name}: {} for {want}", loss.item()?);
        let slopes = grad(&[&loss], &[&student], GradOptions::default())?;
        for (got, want) in slopes[0].to_f64_vec().into_iter().zip(tensor(&case["gradient"]).to_f64_vec()) {
            assert!((got - want).abs() < 1e-9, "{name}: a slope of {got} for {want}");
        }
    }
    Ok(())
}
