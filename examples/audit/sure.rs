//! How sure the model is, and how easily it is misled.

use demotic::data::Column;
use demotic::prelude::*;
use demotic::reliability::{
    Attack, Calibration, Calibrator, ConformalSets, Corruption, NearestNeighbours, Norm, coverage,
    reliability_intervals,
};
use demotic::train::Report;
use demotic::train::plot::Chart;

use crate::learn::Model;
use crate::page::{percent, texts};
use crate::subject::Subject;

/// How often sets of outcomes may leave out the right one.
const ALPHA: f64 = 0.1;

/// The sections, what is to be said on the card, and how often sets held the outcome.
pub fn write(page: Report, subject: &Subject, model: &Model, rng: &mut Rng) -> Result<(Report, Vec<String>, f64)> {
    let (held, test) = (&subject.calibration, &subject.test);
    let logits = model.logits(&test.table)?;
    let calibrator = Calibrator::fit(Calibration::Temperature, &model.logits(&held.table)?, &held.y)?;
    let calibrated = calibrator.probabilities(&logits)?;
    let error = |p: &Tensor| metrics::expected_calibration_error(p, &test.y, 10);
    let (before, after) = (error(&logits.sigmoid())?, error(&calibrated)?);
    let temperature = calibrator.parameters()[0];
    let calibration = format!(
        "Probabilities are off by {} on average. Dividing the logits by {temperature:.2}, which was found on the rows held back, leaves {}.",
        percent(before),
        percent(after)
    );
    let mut page = page.section("Is it as often right as it says?").text(&calibration).text(
        "A model is calibrated if what it gives 70 % comes in 70 of 100 cases. Each line is a range of probabilities; where the interval does not hold what \
         was said, that is more than chance.",
    );
    let curve = metrics::reliability_curve(&calibrated, &test.y, 8)?;
    let intervals = reliability_intervals(&curve, 0.95)?;
    let column = |of: &dyn Fn(usize) -> String| (0..curve.bins.len()).map(of).collect::<Vec<String>>();
    page = page.table(&texts(&[
        ("it said", column(&|i| percent(curve.bins[i].predicted))),
        ("it came", column(&|i| percent(curve.bins[i].observed))),
        ("95 % interval", column(&|i| format!("{} to {}", percent(intervals[i][0]), percent(intervals[i][1])))),
        ("rows", column(&|i| curve.bins[i].weight.to_string())),
    ])?);

    let both = |p: &Tensor| Tensor::stack(&[&p.rsub_scalar(1.0), p], 1);
    let held_p = calibrator.probabilities(&model.logits(&held.table)?)?;
    let sets = ConformalSets::least_ambiguous(&both(&held_p)?, &held.y, ALPHA)?.sets(&both(&calibrated)?)?;
    let actual = test.y.to_vec::<i64>()?;
    let inside: Vec<bool> = sets.iter().zip(&actual).map(|(set, y)| set.contains(&(*y as usize))).collect();
    let found = coverage(&inside, &test.groups)?;
    let single = sets.iter().filter(|set| set.len() == 1).count() as f64 / sets.len() as f64;
    let text = format!(
        "Where the model is not sure, it can say so: for each row it names the outcomes that are possible, so that the right one is among them in \
         {:.0} % of cases (conformal prediction). On the test part it is in {}; for {} of the rows a single outcome is left, and the others are for \
         people to decide.",
        100.0 * (1.0 - ALPHA),
        percent(found.all.value),
        percent(single)
    );
    page = page.section("When should a person decide?").text(&text).text(
        "The promise holds for all rows together. A group for which it holds less often is one that the model knows less about:",
    );
    let groups = &found.groups;
    page = page.table(&texts(&[
        ("group", groups.iter().map(|(name, _)| name.clone()).collect()),
        ("right one is among them", groups.iter().map(|(_, share)| percent(share.value)).collect()),
        ("95 % interval", groups.iter().map(|(_, s)| format!("{} to {}", percent(s.low), percent(s.high))).collect()),
    ])?);
    let mut said = vec![calibration, text];

    if let Model::Own { prep, net } = model {
        let (x, y) = (prep.transform_features(&test.table)?, &test.y);
        page = page.section("Does a small change mislead it?").text(
            "How often the model is right when its numbers are disturbed: by noise, by values that are erased or exchanged between people, and by the worst \
             change that somebody who knows the model could make. Sizes of noise and of attacks are in standard deviations of a column, the others are \
             shares of the values.",
        );
        let severities = [0.0, 0.1, 0.2, 0.3, 0.5];
        let mut chart = Chart::new("Disturbed inputs").labels("how much", "accuracy").size(640.0, 420.0);
        for kind in [Corruption::Noise, Corruption::Erase, Corruption::Shuffle] {
            let mut measure = |x: &Tensor| metrics::accuracy(&net.predict(x)?, y);
            chart = chart.xy_line(kind.name(), kind.sweep(&x, &severities, rng, &mut measure)?);
        }
        let mut attacked = Vec::new();
        for size in severities {
            attacked.push((size, Attack::new(size, Norm::Max)?.accuracy(net, &x, y, 10, rng)?));
        }
        let worst = attacked.get(1).map_or(f64::NAN, |(_, accuracy)| *accuracy);
        said.push(format!(
            "If every number may be off by a tenth of its deviation in the worst way, it is right in {}.",
            percent(worst)
        ));
        page = page.picture(
            chart.xy_line("worst case", attacked),
            "The flatter a line, the less the model depends on exact values.",
        );

        let seen = prep.transform_features(&subject.train.table)?;
        let neighbours = NearestNeighbours::fit(&seen, 5.min(seen.shape()[0]), false)?;
        let mut usual = neighbours.scores(&seen)?;
        usual.sort_by(f64::total_cmp);
        let border = usual[usual.len() * 99 / 100];
        let scores = neighbours.scores(&x)?;
        let mut strange: Vec<usize> = (0..scores.len()).filter(|row| scores[*row] > border).collect();
        strange.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
        page = page.section("Who is unlike all it has seen?").text(format!(
            "{} of {} rows of the test part are farther from their neighbours among the rows it learnt from than 99 % of these are from each other. What it \
             says of them is a guess. The strangest:",
            strange.len(),
            scores.len()
        ));
        strange.truncate(5);
        let shown = test.table.rows(&strange)?;
        let distance: Column = strange.iter().map(|row| (scores[*row] * 100.0).round() / 100.0).collect();
        page = page.table(&shown.with_column("distance", distance)?);
    }
    Ok((page, said, found.all.value))
}
