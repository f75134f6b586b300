use super::*;
use crate::layers::LayerExt;

#[test]
fn every_activation_is_known_by_its_layer_and_its_name() {
    fn check(layer: impl Layer + 'static, name: &str) {
        let x = crate::tensor![[-2.0, -0.5], [0.5, 3.0]];
        let activation = Activation::of(&layer).unwrap();
        assert_eq!(serde_json::to_string(&activation).unwrap(), name);
        assert_eq!(serde_json::from_str::<Activation>(name).unwrap(), activation);
        assert_eq!(activation.kind(), layer.kind());
        let (got, expected) = (activation.predict(&x).unwrap(), layer.predict(&x).unwrap());
        assert_eq!(got.to_f64_vec(), expected.to_f64_vec());
    }
    check(Relu, "\"relu\"");
    check(Relu6, "\"relu6\"");
    check(Selu, "\"selu\"");
    check(Gelu, "\"gelu\"");
    check(GeluTanh, "\"gelu_tanh\"");
    check(Silu, "\"silu\"");
    check(Mish, "\"mish\"");
    check(Softsign, "\"softsign\"");
    check(Hardswish, "\"hardswish\"");
    check(Hardsigmoid, "\"hardsigmoid\"");
    check(Sigmoid, "\"sigmoid\"");
    check(LogSigmoid, "\"log_sigmoid\"");
    check(Tanh, "\"tanh\"");
    check(LeakyRelu { slope: 0.25 }, "{\"leaky_relu\":{\"slope\":0.25}}");
    check(Elu { alpha: 0.5 }, "{\"elu\":{\"alpha\":0.5}}");
    check(Softplus { beta: 2.0, threshold: 5.0 }, "{\"softplus\":{\"beta\":2.0,\"threshold\":5.0}}");
    check(Hardtanh { lo: -0.5, hi: 0.75 }, "{\"hardtanh\":{\"lo\":-0.5,\"hi\":0.75}}");
    check(Softmax { dim: -1 }, "{\"softmax\":{\"dim\":-1}}");
    check(LogSoftmax { dim: 0 }, "{\"log_softmax\":{\"dim\":0}}");
    check(Glu { dim: 0 }, "{\"glu\":{\"dim\":0}}");
    check(Swiglu { dim: 0 }, "{\"swiglu\":{\"dim\":0}}");
    check(Geglu { dim: 0 }, "{\"geglu\":{\"dim\":0}}");
    check(Reglu { dim: -1 }, "{\"reglu\":{\"dim\":-1}}");
    check(Maxout { pieces: 2, dim: 1 }, "{\"maxout\":{\"pieces\":2,\"dim\":1}}");
    check(Tanhshrink, "\"tanhshrink\"");
    check(Celu { alpha: 0.5 }, "{\"celu\":{\"alpha\":0.5}}");
    check(Threshold { threshold: 0.5, value: -1.0 }, "{\"threshold\":{\"threshold\":0.5,\"value\":-1.0}}");
    check(Hardshrink { lambda: 0.5 }, "{\"hardshrink\":{\"lambda\":0.5}}");
    check(Softshrink { lambda: 0.75 }, "{\"softshrink\":{\"lambda\":0.75}}");
    check(Softmin { dim: 0 }, "{\"softmin\":{\"dim\":0}}");
    assert_eq!(Activation::of(&crate::layers::Flatten::default()), None);
}
