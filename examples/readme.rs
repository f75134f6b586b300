use demotic::prelude::*;

fn main() -> Result<()> {
    let mut rng = Rng::seed(42);
    let houses = Table::read_csv("examples/data/houses.csv")?;
    let (train, test) = houses.split(0.8, &mut rng)?;

    // Means and categories are learnt from the training part alone.
    let prep = Preprocessor::fit(&train, "price")?;
    let (train, test) = (prep.transform(&train)?, prep.transform(&test)?);

    let mut model = sequential![Linear::new(prep.num_features(), 64, &mut rng)?, Relu, Linear::new(64, 1, &mut rng)?];
    let mut opt = Adam::new(3e-3);
    for _epoch in 0..30 {
        for batch in train.batches(32).shuffle(&mut rng) {
            let (x, y) = batch?;
            let loss = losses::mse(&model.forward(&x, &mut Mode::train(&mut rng))?, &y)?;
            opt.step(&mut model, &loss.backward()?)?;
        }
    }

    let prices = prep.inverse_target(&model.predict(test.x())?)?;
    println!("test RMSE {:.1}", metrics::rmse(&prices, &prep.inverse_target(test.y())?)?);
    model.save("houses.safetensors")
}
