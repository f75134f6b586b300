//! Models of sequences against PyTorch: results in training and in evaluation, and the gradients of inputs and parameters.

use demotic::Rng;
use demotic::layers::ModuleExt;
use demotic::models::{Tcn, TcnConfig, TextCnn, TextCnnConfig};

use super::vision_models::results;

#[test]
fn text_models() {
    crate::golden::check("text_models", &|case, inputs| {
        let mut rng = Rng::seed(0);
        let names: Vec<String> = case.attr("parameters");
        let sizes = |name: &str| case.attr::<Vec<usize>>(name);
        if case.op == "TextCnn" {
            let config =
                TextCnnConfig::new(case.attr("vocab"), case.attr("classes")).embedding_size(case.attr("embedding"));
            let config = config.kernel_sizes(&sizes("kernels")).num_filters(case.attr("filters")).dropout(0.0);
            let model = TextCnn::new(config.clone(), &mut rng)?;
            assert_eq!(model.num_parameters(), config.num_parameters());
            return results(model, &names, inputs);
        }
        let (size, outputs) = (case.attr("features"), case.attr("outputs"));
        let config = match case.attr("vocab") {
            Some(vocab) => TcnConfig::tokens(vocab, size, outputs),
            None => TcnConfig::new(size, outputs),
        };
        let config = config.channels(&sizes("channels")).kernel_size(case.attr("kernel")).dropout(0.0);
        let model = Tcn::new(config.clone(), &mut rng)?;
        assert_eq!(model.num_parameters(), config.num_parameters());
        results(model, &names, inputs)
    });
}
