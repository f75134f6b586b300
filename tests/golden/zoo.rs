//! The networks for pictures with given weights against torchvision: logits in training and in evaluation, and the gradients of both.
//! `src/models/vision/names.rs` compares the names, shapes and numbers of the parameters of the full networks.

use crate::golden::Case;
use demotic::layers::*;
use demotic::models::*;
use demotic::{Result, Rng};

#[test]
fn zoo() {
    crate::golden::check("zoo", &|case, inputs| {
        let (mut model, parameters) = model(case)?;
        assert_eq!(model.num_parameters(), parameters, "{}", case.id);
        let x = crate::resnet::give(case, inputs, &mut *model);
        let mut rng = Rng::seed(0);
        let trained = model.forward(&x, &mut Mode::train(&mut rng))?;
        Ok(vec![trained, model.forward(&x, &mut Mode::eval())?])
    });
}

/// A network, and how many parameters its configuration says that it has.
fn model(case: &Case) -> Result<(Box<dyn Layer>, usize)> {
    macro_rules! made {
        ($Model:ident, $config:expr) => {{
            let config = $config;
            let parameters = config.num_parameters();
            Ok((Box::new($Model::new(config, &mut Rng::seed(0))?), parameters))
        }};
    }
    let classes = case.attr("classes");
    let stages = || {
        let rows: Vec<[usize; 5]> = case.attr("stages");
        rows.into_iter().map(|[e, k, s, c, n]| InvertedStage::new(e, k, s, c, n)).collect::<Vec<_>>()
    };
    match case.op.as_str() {
        "Vgg" => made!(Vgg, {
            let config = VggConfig::vgg11().stages(&case.attr::<Vec<Vec<usize>>>("stages")).dropout(0.0);
            let config = config.places(case.attr("places")).hidden(case.attr("hidden")).classes(classes);
            if case.attr("norm") { config.batch_norm() } else { config }
        }),
        "DenseNet" => made!(DenseNet, {
            let config = DenseNetConfig::densenet121().blocks(case.attr("blocks")).growth(case.attr("growth"));
            let mut config = config.width(case.attr("width")).classes(classes);
            config.bottleneck = case.attr("bottleneck");
            config
        }),
        "MobileNetV2" => made!(MobileNetV2, {
            let config = MobileNetV2Config::mobilenet_v2().stages(&stages()).width(case.attr("width"));
            config.dropout(0.0).classes(classes)
        }),
        "MobileNetV3" => made!(MobileNetV3, {
            let blocks = case.attr::<Vec<MobileNetV3Block>>("blocks");
            let config = MobileNetV3Config::small().blocks(&blocks).width(case.attr("width"));
            config.hidden(case.attr("hidden")).dropout(0.0).classes(classes)
        }),
        "EfficientNet" => made!(EfficientNet, {
            let config = if case.attr("lite") { EfficientNetConfig::lite0() } else { EfficientNetConfig::b0() };
            let config = config.stages(&stages()).width(case.attr("width")).depth(case.attr("depth"));
            config.dropout(0.0).stochastic_depth(0.0).classes(classes)
        }),
        "ConvNext" => made!(ConvNext, {
            let config = ConvNextConfig::tiny().channels(&case.attr::<Vec<usize>>("channels"));
            config.blocks(&case.attr::<Vec<usize>>("blocks")).stochastic_depth(0.0).classes(classes)
        }),
        "UNet" => made!(UNet, {
            let config = UNetConfig::new(2, classes).channels(&case.attr::<Vec<usize>>("channels"));
            let config = config.depth(case.attr("depth"));
            let config = if case.attr("norm") { config } else { config.without_batch_norm() };
            if case.attr("transposed") { config } else { config.interpolated() }
        }),
        op => panic!("{}: no model {op}", case.id),
    }
}
