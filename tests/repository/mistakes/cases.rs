//! The programs of `docs/mistakes.md`, each of which ends in an error: what stands in these functions is what the page shows.

use demotic::data::{Column, CsvOptions};
use demotic::models::{ConvNet, ConvNetConfig, Gpt, GptConfig, LinearRegression, Mlp};
use demotic::prelude::*;
use demotic::tensor;

/// With the errors of `serde` too.
type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// The numbers that the page has, in its order.
pub const CASES: [fn() -> Result<()>; 25] = [
    case_01, case_02, case_03, case_04, case_05, case_06, case_07, case_08, case_09, case_10, case_11, case_12,
    case_13, case_14, case_15, case_16, case_17, case_18, case_19, case_20, case_21, case_22, case_23, case_24,
    case_25,
];

fn case_01() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = sequential![Linear::new(8, 32, &mut rng)?, Relu, Linear::new(1, 32, &mut rng)?];
    model.predict(&Tensor::ones([16, 8])?)?;
    Ok(())
}

fn case_02() -> Result<()> {
    let mut rng = Rng::seed(0);
    let digits = Tensor::zeros([16, 28, 28])?;
    let model = sequential![Linear::new(784, 64, &mut rng)?, Relu, Linear::new(64, 10, &mut rng)?];
    model.predict(&digits)?;
    Ok(())
}

fn case_03() -> Result<()> {
    let mut rng = Rng::seed(0);
    let model = ConvNet::new(ConvNetConfig::new(3, 10), &mut rng)?;
    let picture = Tensor::zeros([3, 32, 32])?;
    model.predict(&picture)?;
    Ok(())
}

fn case_04() -> Result<()> {
    let model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let x = Tensor::from_vec(vec![0.5, 1.5], [1, 2])?;
    model.predict(&x)?;
    Ok(())
}

fn case_05() -> Result<()> {
    let a = Tensor::ones([4, 3])?;
    let b = Tensor::ones([4])?;
    let sum = (&a + &b)?;
    println!("{sum}");
    Ok(())
}

fn case_06() -> Result<()> {
    let model = Linear::new(3, 1, &mut Rng::seed(0))?;
    let prediction = model.predict(&Tensor::ones([4, 3])?)?;
    let prices = tensor![1.0, 2.0, 3.0, 4.0];
    losses::mse(&prediction, &prices)?;
    Ok(())
}

fn case_07() -> Result<()> {
    let logits = tensor![[2.0, 0.5, -1.0], [0.0, 1.0, 0.0]];
    let classes = tensor![0.0, 1.0];
    losses::cross_entropy(&logits, &classes)?;
    Ok(())
}

fn case_08() -> Result<()> {
    let logits = tensor![[2.0, 0.5, -1.0], [0.0, 1.0, 0.0]];
    let classes = Tensor::from_nested([1i64, 3])?;
    losses::cross_entropy(&logits, &classes)?;
    Ok(())
}

fn case_09() -> Result<()> {
    let outputs = tensor![[2.3], [-0.7]];
    let answers = tensor![[1.0], [0.0]];
    losses::bce(&outputs, &answers)?;
    Ok(())
}

fn case_10() -> Result<()> {
    let data = TensorDataset::new(tensor![[1.0, 2.0], [3.0, f64::NAN]], tensor![[1.0], [2.0]])?;
    let mut rng = Rng::seed(0);
    let mut model = Linear::new(2, 1, &mut rng)?;
    Trainer::new(losses::mse, Sgd::new(0.1)).fit(&mut model, &data, &mut rng)?;
    Ok(())
}

fn case_11() -> Result<()> {
    let areas = tensor![[50.0], [80.0], [120.0]];
    let prices = tensor![[100.0], [160.0], [240.0]];
    let mut model = Linear::new(1, 1, &mut Rng::seed(0))?;
    let mut opt = Sgd::new(0.1);
    for _step in 0..100 {
        let loss = losses::mse(&model.forward(&areas, &mut Mode::eval())?, &prices)?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    Ok(())
}

fn case_12() -> Result<()> {
    let model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let errors = model.forward(&tensor![[1.0, 2.0], [3.0, 4.0]], &mut Mode::eval())?.square();
    errors.backward()?;
    Ok(())
}

fn case_13() -> Result<()> {
    let w = tensor![1.0, 2.0].tracked()?;
    let square = w.square();
    square.sum().backward()?;
    square.mean().backward()?;
    Ok(())
}

fn case_14() -> Result<()> {
    let mut model = Linear::new(2, 1, &mut Rng::seed(0))?;
    let prediction = model.predict(&tensor![[1.0, 2.0]])?;
    let loss = losses::mse(&prediction, &tensor![[1.0]])?;
    Adam::new(0.01).step(&mut model, &loss.backward()?)?;
    Ok(())
}

fn case_15() -> Result<()> {
    let mut rng = Rng::seed(0);
    let mut model = sequential![Linear::new(2, 8, &mut rng)?, Relu, Linear::new(8, 1, &mut rng)?];
    let copy = model.clone();
    let loss = losses::mse(&copy.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?, &tensor![[1.0]])?;
    Adam::new(0.01).step(&mut model, &loss.backward()?)?;
    Ok(())
}

fn case_16() -> Result<()> {
    let mut opt = Adam::new(0.01);
    for seed in 0..5 {
        let mut model = Linear::new(2, 1, &mut Rng::seed(seed))?;
        let loss = losses::mse(&model.forward(&tensor![[1.0, 2.0]], &mut Mode::eval())?, &tensor![[1.0]])?;
        opt.step(&mut model, &loss.backward()?)?;
    }
    Ok(())
}

fn case_17() -> Result<()> {
    let mut rng = Rng::seed(0);
    let data = TensorDataset::new(Tensor::ones([8, 4])?, Tensor::ones([8, 1])?)?;
    let mut model = sequential![Linear::new(4, 8, &mut rng)?, Relu, Linear::new(8, 1, &mut rng)?];
    model.freeze("*")?;
    Trainer::new(losses::mse, Adam::new(0.01)).fit(&mut model, &data, &mut rng)?;
    Ok(())
}

fn case_18() -> Result<()> {
    let mut gpt = Gpt::new(GptConfig::new(65, 32), &mut Rng::seed(0))?;
    gpt.freeze("*.wieght")?;
    Ok(())
}

fn case_19() -> Result<()> {
    let opt: Adam = serde_json::from_str(r#"{"learning_rate": 0.001, "weight_decy": 0.01}"#)?;
    println!("{}", opt.learning_rate());
    Ok(())
}

fn case_20() -> Result<()> {
    let gpt = Gpt::new(GptConfig::new(65, 32), &mut Rng::seed(0))?;
    let ids = Tensor::from_nested([[12i64, 7, 65]])?;
    gpt.predict(&ids)?;
    Ok(())
}

fn case_21() -> Result<()> {
    let norm = BatchNorm1d::new(4)?;
    let one = Tensor::ones([1, 4])?;
    norm.forward(&one, &mut Mode::train(&mut Rng::seed(0)))?;
    Ok(())
}

fn case_22() -> Result<()> {
    let path = std::env::temp_dir().join("model.safetensors");
    Mlp::new(&[3, 8, 1], &mut Rng::seed(0))?.save(&path)?;
    Gpt::open(&path)?;
    Ok(())
}

fn case_23() -> Result<()> {
    let text = "area;rooms;price\n84,5;3;210\n61;2;155\n";
    let houses = CsvOptions::new().read_from(text.as_bytes())?;
    println!("{houses}");
    Ok(())
}

fn case_24() -> Result<()> {
    let houses = Table::from_columns([("area", Column::from([84.5, 61.0])), ("price", Column::from([210.0, 155.0]))])?;
    Preprocessor::fit(&houses, "prize")?;
    Ok(())
}

fn case_25() -> Result<()> {
    let houses = Table::from_columns([
        ("area", Column::from([84.5, 61.0, 70.0])),
        ("district", Column::from(["north", "south", "north"])),
        ("price", Column::from([210.0, 155.0, 180.0])),
    ])?;
    let prep = Preprocessor::fit(&houses, "price")?;
    let data = prep.transform(&houses)?;
    let model = LinearRegression::fit(data.x(), data.y())?;
    Pipeline::new(prep, model)?.predict_row(&[("area", 90.0.into())])?;
    Ok(())
}
