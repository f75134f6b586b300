//! The progress bar of the [`Trainer`](super::Trainer). Shown on terminals only.

#[cfg(feature = "progress")]
pub(super) struct Progress(Option<indicatif::ProgressBar>);

#[cfg(feature = "progress")]
impl Progress {
    /// A bar over `epochs` epochs, or none.
    pub(super) fn new(show: bool, epochs: usize) -> Self {
        use indicatif::{ProgressBar, ProgressStyle};
        let style = ProgressStyle::with_template("{bar:30} epoch {pos}/{len}  {msg}  {elapsed} (+{eta})");
        Self(show.then(|| {
            ProgressBar::new(epochs as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }))
    }

    pub(super) fn epoch(&self, epoch: &super::Epoch) {
        if let Some(bar) = &self.0 {
            bar.set_message(epoch.to_string());
            bar.inc(1);
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.0 {
            bar.finish();
        }
    }
}

/// Without the feature there is nothing to show.
#[cfg(not(feature = "progress"))]
pub(super) struct Progress;

#[cfg(not(feature = "progress"))]
impl Progress {
    pub(super) fn new(_: bool, _: usize) -> Self {
        Self
    }
    pub(super) fn epoch(&self, _: &super::Epoch) {}
    pub(super) fn finish(&self) {}
}
