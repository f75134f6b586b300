use demotic::prelude::*;
#[test]
fn probe() -> Result<()> {
    let mut rng = Rng::seed(0);
    let fc = Linear::new(3, 2, &mut rng)?;
    println!("line {}: {}", line!(), fc.predict(&Tensor::ones([1, 4])?).unwrap_err());
    println!("line {}: {}", line!(), fc.forward(&Tensor::ones([1, 4])?, &mut Mode::Eval).unwrap_err());
    let s = sequential![fc.clone(), Relu];
    println!("line {}: {}", line!(), s.predict(&Tensor::ones([1, 4])?).unwrap_err());
    println!("line {}: {}", line!(), s.summary([1, 4]).unwrap_err());
    let b: Box<dyn Layer> = Box::new(s.clone());
    println!("line {}: {}", line!(), b.predict(&Tensor::ones([1, 4])?).unwrap_err());
    let b: Box<dyn Layer> = Box::new(Softmax { dim: 4 });
    println!("line {}: {}", line!(), b.predict(&Tensor::ones([1, 4])?).unwrap_err());
    println!("line {}: {}", line!(), losses::mse(&Tensor::ones([1, 4])?, &Tensor::ones([4])?).unwrap_err());
    println!("line {}: {}", line!(), losses::cross_entropy(&Tensor::ones([1, 4])?, &Tensor::ones([4])?).unwrap_err());
    println!(
        "line {}: {}",
        line!(),
        losses::cross_entropy(&Tensor::ones([1, 4])?, &Tensor::from_nested([7i64])?).unwrap_err()
    );
    let data = TensorDataset::new(Tensor::ones([10, 4])?, Tensor::ones([10])?)?;
    let mut m = fc.clone();
    println!(
        "line {}: {}",
        line!(),
        Trainer::new(losses::mse, Adam::new(0.1)).fit(&mut m, &data, &mut rng).unwrap_err()
    );
    let mut m = s.clone();
    println!(
        "line {}: {}",
        line!(),
        Trainer::new(losses::mse, Adam::new(0.1)).fit(&mut m, &data, &mut rng).unwrap_err()
    );
    let mut m = Linear::new(4, 1, &mut rng)?;
    println!(
        "line {}: {}",
        line!(),
        Trainer::new(losses::mse, Adam::new(0.1)).fit(&mut m, &data, &mut rng).unwrap_err()
    );
    println!(
        "line {}: {}",
        line!(),
        Trainer::new(losses::Mse::new(), Adam::new(0.1)).fit(&mut m, &data, &mut rng).unwrap_err()
    );
    println!(
        "line {}: {}",
        line!(),
        Trainer::new(losses::Mse::new(), Adam::new(0.1)).batch_size(0).fit(&mut m, &data, &mut rng).unwrap_err()
    );
    println!("{}", Linear::new(4, 1, &mut rng)?.without_bias().summary([2, 4])?);
    Ok(())
}
