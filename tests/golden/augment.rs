//! Changes of tones, and all that RandAugment does, against torchvision. They are computed in `F32`.

use crate::golden::{Failures, Family};
use demotic::data::Transforms;
use demotic::{DType, Rng};

#[test]
fn changes_of_tones() {
    let family = Family::load("augment");
    let mut failures = Failures::default();
    for case in family.cases.iter().filter(|case| case.op != "rand_augment") {
        let steps = Transforms::new();
        let steps = match case.op.as_str() {
            "sharpness" => steps.random_adjust_sharpness(case.attr("factor"), 1.0),
            "posterize" => steps.random_posterize(case.attr("bits"), 1.0),
            "solarize" => steps.random_solarize(case.attr("threshold"), 1.0),
            "invert" => steps.random_invert(1.0),
            "autocontrast" => steps.random_autocontrast(1.0),
            "equalize" => steps.random_equalize(1.0),
            op => panic!("{}: no step {op}", case.id),
        };
        let mut x = family.stored(&format!("{}.in.0", case.id)).tensor(DType::F32);
        if case.attr_or("flat", false) {
            x = x.full_like(0.25);
        }
        let want = family.stored(&format!("{}.out.0.f32", case.id));
        match steps.apply(&x, &mut Rng::seed(0)) {
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

/// Whatever is drawn is one of torchvision's changes, and each of them is drawn.
#[test]
fn one_of_all_changes() {
    let family = Family::load("augment");
    for case in family.cases.iter().filter(|case| case.op == "rand_augment") {
        let x = family.stored(&format!("{}.in.0", case.id)).tensor(DType::F32);
        let all: Vec<_> = (0..).map_while(|k| family.find(&format!("{}.out.{k}.f32", case.id))).collect();
        assert_eq!(all.len(), 23, "14 changes, 9 of them in two directions");
        let step = Transforms::new().rand_augment(1, case.attr("magnitude"));
        let mut times = vec![0; all.len()];
        for seed in 0..500 {
            let y = step.apply(&x, &mut Rng::seed(seed)).unwrap();
            let same = |want: &&crate::golden::Stored| want.mismatch(&y, 1.0, false).is_none();
            let found: Vec<usize> = (0..all.len()).filter(|k| same(&all[*k])).collect();
            assert!(!found.is_empty(), "{} with seed {seed}: none of torchvision's changes", case.id);
            found.iter().for_each(|k| times[*k] += 1);
        }
        assert!(times.iter().all(|n| *n > 0), "{}: how often each was drawn is {times:?}", case.id);
    }
}
