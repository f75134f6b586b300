//! Gradients by the names of parameters.

use super::*;

#[test]
fn gradients_by_name() {
    let mut model = net();
    let grads = cubes(&model);
    let named = grads.named(&model);
    let paths: Vec<_> = named.iter().map(|(path, grad)| (path.to_string(), grad.to_f64_vec())).collect();
    let want = [("encoder.weight", vec![3.0, 12.0]), ("encoder.bias", vec![0.75]), ("head.weight", vec![27.0, 0.1875])];
    assert_eq!(paths[..3], want.map(|(path, values)| (path.to_string(), values)));
    assert_eq!((named.len(), named.get("head.bias").unwrap().item().unwrap()), (4, 3.0));
    assert!(named.get("head").is_none());
    assert_eq!(
        format!("{:?}", grads.named(&model.encoder)),
        r#"{"weight": [2] f64, norm 12.3693, "bias": [1] f64, norm 0.7500}"#
    );

    // The same ones, from another process in any order.
    let mut sent: Vec<_> = named.into_iter().map(|(path, grad)| (path, grad.clone())).collect();
    sent.reverse();
    let received = Gradients::from_named(&model, sent.clone()).unwrap();
    assert_eq!(received.flatten().unwrap().to_f64_vec(), grads.flatten().unwrap().to_f64_vec());
    let mut other = model.clone();
    let received = Gradients::from_named(&other, sent.clone()).unwrap();
    Adam::new(0.1).step(&mut other, &received).unwrap();
    Adam::new(0.1).step(&mut model, &grads).unwrap();
    assert_eq!(values(&model), values(&other));

    let from = |path: &str, grad: Tensor| Gradients::from_named(&other, [(path, grad)]).unwrap_err();
    let e = from("head.wieght", f64s(&[1.0]));
    assert_eq!(
        (e.message(), e.kind()),
        ("from_named: the model has no parameter `head.wieght`".into(), ErrorKind::Parameter)
    );
    assert_eq!(e.help(), Some("its parameters are encoder.bias, encoder.weight, head.bias, head.weight"));
    let e = from("head.bias", f64s(&[1.0, 2.0]));
    assert_eq!(e.message(), "from_named: a f64 gradient of shape [2] for `head.bias`, [1] of f64");
    let e = from("head.bias", tensor![1.0]);
    assert_eq!(e.message(), "from_named: a f32 gradient of shape [1] for `head.bias`, [1] of f64");
    let e = Gradients::from_named(&other, [("head.bias", f64s(&[1.0])), ("head.bias", f64s(&[1.0]))]).unwrap_err();
    assert_eq!(e.message(), "from_named: two gradients for `head.bias`");
    other.freeze("head.bias").unwrap();
    let e = Gradients::from_named(&other, [("head.bias", f64s(&[1.0]))]).unwrap_err();
    assert_eq!(e.message(), "from_named: the parameter `head.bias` is frozen");
    assert_eq!(Gradients::default().named(&other).len(), 0);
}
