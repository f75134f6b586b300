//! The names that activations have in `transformers`.

use crate::layers::Activation;

/// The name that is written of each function comes first.
const ACTIVATIONS: [(&str, Activation); 15] = [
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu_python_tanh", Activation::GeluTanh),
    ("gelu", Activation::Gelu),
    ("gelu_python", Activation::Gelu),
    ("quick_gelu", Activation::QuickGelu),
    ("relu", Activation::Relu),
    ("relu6", Activation::Relu6),
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("mish", Activation::Mish),
    ("sigmoid", Activation::Sigmoid),
    ("tanh", Activation::Tanh),
    ("leaky_relu", Activation::LeakyRelu { slope: 0.01 }),
];

/// The function of this name; otherwise the names there are.
pub(super) fn named(name: &str) -> Result<Activation, String> {
    let found = ACTIVATIONS.iter().find(|(known, _)| *known == name);
    found.map(|(_, activation)| *activation).ok_or_else(|| {
        let known: Vec<&str> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
        format!("the functions are {}", known.join(", "))
    })
}

/// The name of a function; otherwise what is wrong with it.
pub(super) fn name_of(activation: Activation) -> Result<&'static str, String> {
    let found = ACTIVATIONS.iter().find(|(_, known)| *known == activation);
    found.map(|(name, _)| *name).ok_or_else(|| format!("`transformers` has no name for the activation {activation:?}"))
}
