//! Steps of pictures against torchvision, which are computed in `F32`.

use crate::golden::{Failures, Family};
use demotic::data::Transforms;
use demotic::{DType, Rng};

#[test]
fn transforms() {
    let family = Family::load("transforms");
    let mut failures = Failures::default();
    for case in &family.cases {
        let steps = Transforms::new();
        let still = [1.0; 2];
        let steps = match case.op.as_str() {
            "resize" => steps.resize(case.attr("size")),
            "resize_shorter" => steps.resize_shorter(case.attr("side")),
            "center_crop" => steps.center_crop(case.attr("size")),
            "affine" => {
                let [angle, scale, shear]: [f64; 3] = ["angle", "scale", "shear"].map(|name| case.attr(name));
                steps.random_affine([angle; 2], [0.0; 2], [scale; 2], [shear; 2])
            }
            "brightness" => steps.color_jitter([case.attr("factor"); 2], still, still, [0.0; 2]),
            "contrast" => steps.color_jitter(still, [case.attr("factor"); 2], still, [0.0; 2]),
            "saturation" => steps.color_jitter(still, still, [case.attr("factor"); 2], [0.0; 2]),
            "hue" => steps.color_jitter(still, still, still, [case.attr("turn"); 2]),
            "grayscale" => steps.random_grayscale(1.0),
            "blur" => steps.gaussian_blur(case.attr("kernel"), [case.attr("sigma"); 2]),
            "normalize" => {
                let (mean, std): (Vec<f64>, Vec<f64>) = (case.attr("mean"), case.attr("std"));
                steps.normalize(&mean, &std)
            }
            op => panic!("{}: no step {op}", case.id),
        };
        let x = family.stored(&format!("{}.in.0", case.id)).tensor(DType::F32);
        let want = family.stored(&format!("{}.out.0.f32", case.id));
        match steps.apply(&x, &mut Rng::seed(0)) {
            // Places of pixels are computed in `f64` here, in `f32` there: what they count for differs in the last digits.
            Ok(y) => {
                if let Some(what) = want.mismatch(&y, case.floor("out.0").max(1.0), false) {
                    failures.add(&case.id, what);
                }
            }
            Err(e) => failures.add(&case.id, e.to_string()),
        }
    }
    failures.finish(family.cases.len());
}
