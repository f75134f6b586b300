//! Pictures as SVG and PNG files (feature `plot`).
//!
//! | picture | of | made by |
//! |---|---|---|
//! | lines, points, bars of a histogram, bands, between two axes | anything | [`Chart`] |
//! | curves of a run | a [`History`](super::History) | [`History::chart`](super::History::chart), [`History::metric_chart`](super::History::metric_chart) |
//! | predicted against actual; residuals | predicted numbers | [`predicted`], [`residuals`], [`residual_histogram`] |
//! | ROC, precision and recall, calibration, lift | scores of classes | [`roc`], [`precision_recall`], [`calibration`], [`lift`] |
//! | confusion matrix | a [`ConfusionMatrix`](super::metrics::ConfusionMatrix) | [`confusion`] |
//! | importance of features, with intervals | [`permutation_importance`](crate::explain::permutation_importance) | [`importance`] |
//! | what a model makes of one feature | [`partial_dependence`](crate::explain::partial_dependence), [`ice`](crate::explain::ice()), [`ale`](crate::explain::ale()) | [`partial_dependence`], [`ice`], [`ale`] |
//! | what features add to one output, or to many | any [attribution](crate::explain) | [`attributions`], [`Beeswarm`] |
//! | how faithful an explanation is | [`Faithfulness`](crate::explain::Faithfulness) | [`faithfulness`] |
//! | where in a picture | [`overlay`](crate::explain::overlay) | [`ImageGrid`] |
//! | weights, gradients | a model, [`Gradients`](crate::autograd::Gradients) | [`weights`], [`gradients`] |
//! | attention, and other matrices | weights `[queries, keys]` | [`attention`], [`Heatmap`] |
//! | pictures in rows | `[n, channels, height, width]` | [`ImageGrid`] |
//! | points in the plane | [`pca`](super::embedding::pca), `tsne` | [`embedding`] |
//! | hyper-parameters and what came of them | a [`Study`](crate::tune::Study) | [`ParallelCoordinates`] |
//! | several of these in one | | [`Panels`] |
//!
//! Each is a value that [`save`](Chart::save)s itself, gives its [SVG](Chart::to_svg) or [PNG](Chart::to_png), shows itself in a notebook,
//! and can stand in a [`Report`](super::Report). Series differ by dashes and marks as well as by colours, and can be told apart in grey.

mod axis;
mod bars;
mod beeswarm;
mod chart;
mod draw;
mod evaluation;
mod explanations;
mod heatmap;
mod images;
mod model;
mod panels;
mod parallel;
mod png;
mod scene;
mod svg;

use std::path::Path;

use crate::error::{Error, Here, Result};
pub use bars::{Bars, importance};
pub use beeswarm::Beeswarm;
pub use chart::Chart;
pub use evaluation::{
    calibration, confusion, embedding, lift, partial_dependence, precision_recall, predicted, residual_histogram,
    residuals, roc,
};
pub use explanations::{ale, attributions, faithfulness, ice};
pub use heatmap::{Heatmap, attention};
pub use images::ImageGrid;
pub use model::{gradients, weights};
pub use panels::Panels;
pub use parallel::ParallelCoordinates;
use scene::Scene;

/// A picture that is finished but for its format: any [`Chart`], [`Bars`], [`Heatmap`], [`ImageGrid`] or [`Panels`] becomes one.
#[derive(Debug, Clone)]
pub struct Picture(Scene);

impl Picture {
    /// What the picture is of.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// The drawing for a page, whose style has its colours.
    #[track_caller]
    pub(super) fn for_page(&self) -> Result<String> {
        svg::write(&self.0, svg::Setting::Page).map_err(failed)
    }

    #[track_caller]
    fn svg(&self) -> Result<String> {
        svg::write(&self.0, svg::Setting::File).map_err(failed)
    }

    #[track_caller]
    fn png(&self) -> Result<Vec<u8>> {
        png::write(&self.0).map_err(failed)
    }

    #[track_caller]
    fn write(&self, path: &Path) -> Result<()> {
        let bytes = match path.extension().and_then(|e| e.to_str()) {
            Some("svg") => self.svg().here()?.into_bytes(),
            Some("png") => self.png().here()?,
            _ => {
                let message = format!("{}: expected a name that ends in .svg or .png", path.display());
                return Err(Error::argument("plot", message));
            }
        };
        crate::io::write_atomically(path, |file| file.write_all(&bytes)).here()
    }
}

fn failed(e: String) -> Error {
    Error::state("plot", format!("the picture cannot be encoded: {e}"))
}

/// What pictures have in common.
macro_rules! shown {
    ($($name:ident),*) => {$(
        impl $name {
            /// Draws it into a file, in the format that the name ends in: `.svg` or `.png`.
            ///
            /// # Errors
            /// If the name has another ending, or the file cannot be written.
            #[track_caller]
            pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
                Picture::from(self).write(path.as_ref())
            }

            /// The drawing as SVG.
            ///
            /// # Errors
            /// If pixels in it cannot be encoded.
            #[track_caller]
            pub fn to_svg(&self) -> Result<String> {
                Picture::from(self).svg().here()
            }

            /// The bytes of a PNG file, with two pixels for a unit of the drawing.
            ///
            /// # Errors
            /// If the pixels cannot be encoded.
            #[track_caller]
            pub fn to_png(&self) -> Result<Vec<u8>> {
                Picture::from(self).png().here()
            }

            /// Shows it in a notebook of the Rust kernel of Jupyter, which calls this for the value of a cell.
            pub fn evcxr_display(&self) {
                match self.to_svg() {
                    Ok(svg) => crate::html::show(&svg),
                    Err(e) => crate::html::show(&crate::html::preformatted(&e)),
                }
            }
        }

    )*};
}

macro_rules! picture {
    ($($name:ident),*) => {$(
        impl From<$name> for Picture {
            fn from(of: $name) -> Self {
                Self::from(&of)
            }
        }

        impl From<&$name> for Picture {
            fn from(of: &$name) -> Self {
                Self(of.scene())
            }
        }
    )*};
}

picture!(Chart, Bars, Beeswarm, Heatmap, ImageGrid, Panels, ParallelCoordinates);
shown!(Picture, Chart, Bars, Beeswarm, Heatmap, ImageGrid, Panels, ParallelCoordinates);

impl From<&Picture> for Picture {
    fn from(of: &Picture) -> Self {
        of.clone()
    }
}
